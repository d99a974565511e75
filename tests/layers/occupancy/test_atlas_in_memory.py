"""Submaps in the memory: a corrected trajectory moves the map, and it is saved with them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from embodied_mem.errors import ConfigError, DamagedStore, InvalidMessage, InvalidQuery, StampRunsBackwards
from embodied_mem.geometry import Box, check_rigid
from embodied_mem.layers.occupancy import (
    FREE,
    OCCUPIED,
    AtlasConfig,
    OccupancyConfig,
    OccupancyLayer,
    SubmapAtlas,
    SubmapConfig,
)
from embodied_mem.messages import Frame, Percept, PoseCorrection
from embodied_mem.robot_memory import RobotMemory, RobotMemoryConfig
from embodied_mem.testing import SyntheticRoom

MAP = OccupancyConfig(cell_m=0.1, stride_px=2)
NUM_FRAMES = 40
ROOM = Box(min_m=(-0.3, -0.3, 0.1), max_m=(6.3, 5.3, 2.0))


def tour() -> list[Frame]:
    return list(SyntheticRoom(seed=0, width_px=160, height_px=120).frames(NUM_FRAMES))


def drifted(frame: Frame, i: int) -> Frame:
    """What a robot believes whose odometry slips by half a metre and turns by a few degrees on the way."""
    share = i / NUM_FRAMES
    T_drift = np.eye(4)
    angle = 0.1 * share
    T_drift[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    T_drift[:3, 3] = 0.5 * share * np.array([0.6, 0.8, 0.0])
    return dataclasses.replace(frame, T_world_camera=check_rigid(T_drift @ frame.T_world_camera, "T"))


def true_trajectory(frames: list[Frame]) -> PoseCorrection:
    return PoseCorrection(
        stamps_ns=np.array([frame.stamp_ns for frame in frames]),
        T_world_camera=np.array([frame.T_world_camera for frame in frames]),
        robot=frames[0].robot,
    )


def agreement(memory: RobotMemory, right: RobotMemory) -> float:
    """Of what is occupied at the right poses, how much the other has occupied within a voxel."""
    from scipy.ndimage import binary_dilation

    mine, theirs = (one.semantic_grid(ROOM, 0.1).state == OCCUPIED for one in (memory, right))
    return float(binary_dilation(mine)[theirs].mean())


def test_a_corrected_trajectory_moves_the_memorys_map_and_saves_with_it(tmp_path: Path) -> None:
    frames = tour()
    config = RobotMemoryConfig(
        occupancy=MAP, submaps=SubmapConfig(max_submaps=50, travel_m=0.2, turn_rad=0.3)
    )
    with RobotMemory.open(config=config) as right, RobotMemory.open(tmp_path / "bent", config) as bent:
        for i, frame in enumerate(frames):
            right.observe(frame)
            bent.observe(drifted(frame, i))
        before = agreement(bent, right)
        bent.correct(true_trajectory(frames))
        after = agreement(bent, right)
        assert before < 0.85
        assert after > 0.95
        snapshot, grid = bent.map_snapshot(), bent.semantic_grid(ROOM, 0.1)
        bent.save()
    with RobotMemory.load(tmp_path / "bent", config) as again:
        assert np.array_equal(
            np.sort(again.map_snapshot().means_world, axis=0), np.sort(snapshot.means_world, axis=0)
        )
        assert np.array_equal(again.semantic_grid(ROOM, 0.1).occupancy, grid.occupancy, equal_nan=True)
        again.observe(dataclasses.replace(frames[-1], stamp_ns=frames[-1].stamp_ns + 10**9))
    with pytest.raises(ConfigError, match="max_submaps"):
        RobotMemory.load(tmp_path / "bent", RobotMemoryConfig(occupancy=MAP))


def test_one_map_cannot_be_corrected() -> None:
    correction = PoseCorrection(stamps_ns=np.array([0]), T_world_camera=np.eye(4)[None])
    config = RobotMemoryConfig(occupancy=MAP)
    with RobotMemory.open(config=config) as memory, pytest.raises(InvalidQuery, match="max_submaps"):
        memory.correct(correction)


def atlas_of(frames: list[Frame], travel_m: float = 0.3) -> SubmapAtlas:
    atlas = SubmapAtlas(AtlasConfig(submap=MAP, travel_m=travel_m))
    for frame in frames:
        atlas.update(Percept(frame=frame, instances=()))
    return atlas


def test_an_atlas_reads_like_one_map() -> None:
    frames = tour()
    atlas, layer = atlas_of(frames), OccupancyLayer(MAP)
    for frame in frames:
        layer.update(Percept(frame=frame, instances=()))
    assert len(atlas.anchors) > 3
    one, other = atlas.semantic_grid(ROOM, 0.1), layer.semantic_grid(ROOM, 0.1)
    is_known = (one.state >= 0) & (other.state >= 0)
    assert is_known.mean() > 0.4
    assert (one.state == other.state)[is_known].mean() > 0.9
    free = atlas.free_cells()
    assert (atlas.state_at(free) == FREE).mean() > 0.999
    known = layer.state_at(free)
    assert (known[known >= 0] == FREE).mean() > 0.9
    assert abs(len(free) / len(layer.free_cells()) - 1.0) < 0.25
    snapshot = atlas.snapshot()
    eigenvalues = np.linalg.eigvalsh(
        snapshot.covariances_m2[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3).astype(np.float64)
    )
    assert (eigenvalues > 0.0).all()


def test_saved_atlases_come_back_and_damaged_ones_do_not() -> None:
    atlas, again = atlas_of(tour()[:15]), SubmapAtlas(AtlasConfig(submap=MAP, travel_m=0.3))
    atlas.adopt(OccupancyLayer(MAP), np.eye(4))
    state = atlas.state()
    again.load_state(state)
    assert again.anchors.keys() == atlas.anchors.keys()
    assert all(np.array_equal(again.state()[name], array) for name, array in state.items())
    moved = {**state, "T_world_anchors": state["T_world_anchors"] + 1e-9}
    with pytest.raises(DamagedStore, match="checksum"):
        again.load_state(moved)
    with pytest.raises(DamagedStore, match="begun_ns"):
        again.load_state({name: array for name, array in state.items() if name != "begun_ns"})
    cells = state["submap1.cells"].copy()
    cells[0, 0] ^= 1
    with pytest.raises(DamagedStore):
        again.load_state({**state, "submap1.cells": cells})
    assert all(np.array_equal(again.state()[name], array) for name, array in state.items())


def test_a_map_saved_without_submaps_becomes_the_oldest_one() -> None:
    layer, atlas = OccupancyLayer(MAP), SubmapAtlas(AtlasConfig(submap=MAP))
    frames = tour()
    for frame in frames[:10]:
        layer.update(Percept(frame=frame, instances=()))
    atlas.load_state(layer.state())
    assert atlas.snapshot().means_world.sum() == pytest.approx(layer.snapshot().means_world.sum(), rel=1e-6)
    points = layer.snapshot().means_world
    assert np.array_equal(atlas.state_at(points), layer.state_at(points))
    atlas.update(Percept(frame=frames[10], instances=()))
    assert list(atlas.anchors) == [0, 1]


def test_a_stamp_that_runs_backwards_is_refused_in_a_new_submap_too() -> None:
    frames = tour()
    atlas = atlas_of(frames[:20], travel_m=0.1)
    with pytest.raises(StampRunsBackwards):
        atlas.update(Percept(frame=frames[5], instances=()))


def test_each_robot_has_submaps_of_its_own() -> None:
    frames, atlas = tour(), SubmapAtlas(AtlasConfig(submap=MAP, travel_m=1.0, turn_rad=3.0))
    for here, there in zip(frames[:3], frames[20:23], strict=True):
        atlas.update(Percept(frame=here, instances=()))
        atlas.update(Percept(frame=dataclasses.replace(there, robot="other"), instances=()))
    assert len(atlas.anchors) == 2


def test_a_correction_interpolates_and_refuses_what_makes_no_sense() -> None:
    last = np.eye(4)
    last[:3, :3] = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    last[0, 3] = 2.0
    correction = PoseCorrection(stamps_ns=np.array([0, 100]), T_world_camera=np.array([np.eye(4), last]))
    half = correction.pose_at(50)
    assert half is not None
    assert np.allclose(half[:3, 0], [np.sqrt(0.5), np.sqrt(0.5), 0.0])
    assert half[0, 3] == pytest.approx(1.0)
    assert np.array_equal(correction.pose_at(100), last)
    assert correction.pose_at(-1) is None
    assert correction.pose_at(101) is None
    with pytest.raises(InvalidMessage, match="rise"):
        PoseCorrection(stamps_ns=np.array([5, 5]), T_world_camera=np.array([np.eye(4), last]))
    with pytest.raises(InvalidMessage, match="as many"):
        PoseCorrection(stamps_ns=np.array([5]), T_world_camera=np.array([np.eye(4), last]))
    with pytest.raises(InvalidMessage, match="rigid"):
        PoseCorrection(stamps_ns=np.array([5]), T_world_camera=2.0 * np.eye(4)[None])


def test_what_lies_outside_a_trajectory_moves_with_the_nearest_anchor() -> None:
    frames = tour()
    atlas = atlas_of(frames, travel_m=0.3)
    before, begun = atlas.anchors, [submap.begun_ns for submap in atlas._submaps]
    shift = np.eye(4)
    shift[:3, 3] = (0.0, 0.0, 0.25)
    part = true_trajectory(frames[: len(frames) // 2])
    atlas.correct_trajectory(dataclasses.replace(part, T_world_camera=shift @ part.T_world_camera))
    assert begun[-1] > part.stamps_ns[-1]
    for anchor, T in atlas.anchors.items():
        assert np.allclose(T, shift @ before[anchor], atol=1e-9)
    atlas.correct_trajectory(dataclasses.replace(part, robot="nobody"))
    assert np.allclose(atlas.anchors[0], shift @ before[0])
