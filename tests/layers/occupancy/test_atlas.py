"""Submaps: corrections move them, the newest that knows decides."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from embodied_mem.errors import ConfigError, InvalidPose, InvalidQuery
from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy import FREE, OCCUPIED, UNKNOWN, OccupancyConfig, OccupancyLayer
from embodied_mem.layers.occupancy.atlas import AtlasConfig, SubmapAtlas
from embodied_mem.messages import Frame, Percept
from embodied_mem.testing import SyntheticRoom

See = Callable[..., Percept]
WALL = Box(min_m=(3.04, -4.0, -3.0), max_m=(3.2, 4.0, 5.0))
CRATE = Box(min_m=(1.64, -0.33, 0.67), max_m=(2.0, 0.33, 1.33))
EYE, AHEAD = (0.0, 0.0, 1.0), (3.0, 0.0, 1.0)
NUM_FRAMES = 60
DRIFT_M = 0.5


def config(travel_m: float = 2.0, **options: float) -> AtlasConfig:
    return AtlasConfig(submap=OccupancyConfig(cell_m=0.1, stride_px=1), travel_m=travel_m, **options)


def tour() -> list[Frame]:
    """Once around the synthetic room's table."""
    return list(SyntheticRoom(seed=0, width_px=80, height_px=60).frames(NUM_FRAMES))


def drifted(frame: Frame, i: int) -> Frame:
    """The pose that a robot believes whose odometry slips to one side."""
    T = frame.T_world_camera.copy()
    T[:3, 3] += DRIFT_M * i / NUM_FRAMES * np.array([0.6, 0.8, 0.0])
    return dataclasses.replace(frame, T_world_camera=T)


def score(atlas: SubmapAtlas, frames: list[Frame]) -> float:
    """How many rays of true views end within 10 cm of what is there."""
    good = []
    for frame in frames[::15]:
        v_px, u_px = np.mgrid[2:60:6, 2:80:6]
        camera = frame.camera
        rays = np.stack(
            [(u_px - camera.cx) / camera.fx, (v_px - camera.cy) / camera.fy, np.ones(u_px.shape)], axis=-1
        )
        rays = rays.reshape(-1, 3) @ frame.T_world_camera[:3, :3].T
        found_m = atlas.cast_rays(np.tile(frame.T_world_camera[:3, 3], (len(rays), 1)), rays)
        found_m = found_m / np.linalg.norm(rays, axis=1)
        good.append(np.abs(found_m - frame.depth_m[v_px, u_px].ravel()) < 0.1)
    return float(np.mean(good))


def test_a_corrected_trajectory_moves_the_map_as_if_it_had_been_right_all_along() -> None:
    frames = tour()
    right, bent = SubmapAtlas(config(0.2)), SubmapAtlas(config(0.2))
    begun: dict[int, np.ndarray] = {}
    for i, frame in enumerate(frames):
        right.update(Percept(frame=frame, instances=()))
        bent.update(Percept(frame=drifted(frame, i), instances=()))
        for anchor in bent.anchors:
            begun.setdefault(anchor, frame.T_world_camera)
    drifted_score, right_score = score(bent, frames), score(right, frames)
    before = {n: submap.layer.state()["sha256"].tobytes() for n, submap in enumerate(bent._submaps)}
    bent.correct(begun)
    assert len(begun) >= 25
    assert right_score > 0.8
    assert drifted_score < right_score - 0.05
    assert abs(score(bent, frames) - right_score) <= 0.01
    assert before == {n: submap.layer.state()["sha256"].tobytes() for n, submap in enumerate(bent._submaps)}


def test_the_newest_submap_that_knows_a_place_decides(see: See) -> None:
    atlas = SubmapAtlas(config(0.3))
    for i in range(5):
        atlas.update(see(i, EYE, AHEAD, [CRATE, WALL]))
    inside, wall, hidden = [1.64, 0.0, 1.0], [3.04, 1.5, 1.0], [3.04, 0.0, 1.0]
    points = np.array([inside, wall, hidden])
    assert atlas.state_at(points).tolist() == [OCCUPIED, OCCUPIED, UNKNOWN]
    for i in range(5, 9):  # from beside, in a submap of its own, and the crate is gone
        atlas.update(see(i, (0.0, 0.4, 1.0), (3.0, 0.2, 1.0), [WALL]))
    assert len(atlas.anchors) == 2
    assert atlas.state_at(points).tolist() == [FREE, OCCUPIED, OCCUPIED]
    met_m = atlas.cast_rays(np.array([EYE, EYE]), np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    assert met_m[0] == pytest.approx(3.04, abs=0.02)
    assert np.isinf(met_m[1])
    assert not CRATE.contains(atlas.occupied_points(), margin_m=0.03).any()


def test_what_a_newer_submap_did_not_see_is_left_to_the_older_ones(see: See) -> None:
    atlas = SubmapAtlas(config(0.3))
    for i in range(5):
        atlas.update(see(i, EYE, AHEAD, [CRATE, WALL]))
    for i in range(5, 9):
        atlas.update(see(i, (0.0, 0.0, 1.5), (-3.0, 0.0, 1.5), [WALL]))  # looks the other way
    assert atlas.state_at(np.array([[1.64, 0.0, 1.0]])).tolist() == [OCCUPIED]
    assert atlas.cast_rays(np.array([EYE]), np.array([[1.0, 0.0, 0.0]])) == pytest.approx(1.64, abs=0.02)


def test_another_robots_map_is_read_where_ours_knows_nothing(see: See) -> None:
    T_ours_theirs = np.array([[0.0, -1.0, 0.0, 5.0], [1.0, 0.0, 0.0, 2.0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]])
    atlas, theirs = SubmapAtlas(config()), OccupancyLayer(config().submap)
    for i in range(5):
        theirs.update(see(i, EYE, AHEAD, [CRATE, WALL]))
    crate = (T_ours_theirs @ [1.64, 0.0, 1.0, 1.0])[:3]
    assert atlas.state_at(crate[None]).tolist() == [UNKNOWN]
    anchor = atlas.adopt(theirs, T_ours_theirs)
    assert atlas.state_at(crate[None]).tolist() == [OCCUPIED]
    eye = (T_ours_theirs @ [0.0, 0.03, 1.02, 1.0])[None, :3]
    assert atlas.cast_rays(eye, np.array([[0.0, 1.0, 0.0]])) == pytest.approx(1.64, abs=0.02)
    assert atlas.num_bytes == 0  # theirs is theirs
    atlas.correct({anchor: np.eye(4)})
    assert atlas.state_at(np.array([[1.64, 0.0, 1.0]])).tolist() == [OCCUPIED]
    assert atlas.num_dropped == 0


def test_the_budget_and_the_number_of_submaps_hold(see: See) -> None:
    few = AtlasConfig(
        submap=OccupancyConfig(cell_m=0.1, stride_px=1, budget_bytes=4 << 20), travel_m=0.4, max_submaps=3
    )
    atlas = SubmapAtlas(few)
    for i in range(12):
        atlas.update(see(i, (0.0, 0.5 * i, 1.0), (3.0, 0.5 * i, 1.0), [WALL]))
        assert atlas.num_bytes <= few.submap.budget_bytes
    assert list(atlas.anchors) == [9, 10, 11]
    assert atlas.num_dropped == 9


def test_bad_corrections_are_refused_and_change_nothing(see: See) -> None:
    atlas = SubmapAtlas(config())
    atlas.update(see(0, EYE, AHEAD, [WALL]))
    before = atlas.anchors[0]
    with pytest.raises(InvalidQuery, match="7"):
        atlas.correct({0: np.eye(4), 7: np.eye(4)})
    with pytest.raises(InvalidPose):
        atlas.correct({0: 2.0 * np.eye(4)})
    assert np.array_equal(atlas.anchors[0], before)
    with pytest.raises(ConfigError, match="max_submaps"):
        AtlasConfig(max_submaps=0)
