"""Two robots' maps with unknown relative pose: aligned when they agree, refused when they do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("open3d")

from embodied_mem.benchmarks.occupancy import changes
from embodied_mem.errors import AlignmentRefused
from embodied_mem.geometry import invert
from embodied_mem.layers.occupancy import OccupancyConfig, OccupancyLayer
from embodied_mem.layers.occupancy.alignment import align
from embodied_mem.messages import Frame, Percept
from embodied_mem.testing import SyntheticRoom

CONFIG = OccupancyConfig(stride_px=2)


def mapped(frames: list[Frame], T_own_world: np.ndarray) -> OccupancyLayer:
    layer = OccupancyLayer(CONFIG)
    for frame in frames:
        own = dataclasses.replace(frame, T_world_camera=T_own_world @ frame.T_world_camera)
        layer.update(Percept(frame=own, instances=()))
    return layer


def moved(yaw_rad: float, x_m: float, y_m: float) -> np.ndarray:
    T = np.eye(4)
    T[:2, :2] = [[np.cos(yaw_rad), -np.sin(yaw_rad)], [np.sin(yaw_rad), np.cos(yaw_rad)]]
    T[:2, 3] = x_m, y_m
    return T


@pytest.fixture(scope="module")
def ours() -> OccupancyLayer:
    return mapped(list(SyntheticRoom(seed=0).frames(24))[:17], np.eye(4))


@pytest.mark.parametrize("yaw_rad", [0.7, 2.5])
def test_maps_of_one_room_are_aligned(ours: OccupancyLayer, yaw_rad: float) -> None:
    T_theirs_world = moved(yaw_rad, 3.0, -2.0)
    theirs = mapped(list(SyntheticRoom(seed=0).frames(24))[7:], T_theirs_world)
    found = align(theirs, ours)
    off = found.T_target_source @ T_theirs_world
    assert np.linalg.norm(off[:3, 3]) < 0.05
    assert np.arccos(np.clip((np.trace(off[:3, :3]) - 1) / 2, -1, 1)) < 0.02
    assert found.overlap > 0.4
    assert found.contradiction < 0.1
    again = align(ours, theirs)
    assert np.allclose(again.T_target_source, invert(found.T_target_source), atol=0.06)


def test_maps_of_different_places_are_refused(ours: OccupancyLayer) -> None:
    hall = mapped(list(changes.crossing(6, is_walked=False)), np.eye(4))
    with pytest.raises(AlignmentRefused, match="best match"):
        align(hall, ours)


def test_too_little_of_a_map_is_refused(ours: OccupancyLayer) -> None:
    with pytest.raises(AlignmentRefused, match="at least 100"):
        align(OccupancyLayer(CONFIG), ours)
