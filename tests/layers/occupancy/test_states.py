"""What is only passing through, what the map relies on, and what it gives up first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from embodied_mem.benchmarks.occupancy import changes
from embodied_mem.geometry import Box, look_at
from embodied_mem.layers.occupancy import (
    ACTIVE,
    FREE,
    OCCUPIED,
    STABLE,
    TRANSIENT,
    UNKNOWN,
    OccupancyConfig,
    OccupancyLayer,
)
from embodied_mem.messages import Frame, Percept, PinholeCamera

See = Callable[..., Percept]
WALL = Box(min_m=(3.04, -4.0, -3.0), max_m=(3.2, 4.0, 5.0))
CRATE = Box(min_m=(1.64, -0.33, 0.67), max_m=(2.0, 0.33, 1.33))
EYE, AHEAD = (0.0, 0.0, 1.0), (3.0, 0.0, 1.0)


def test_what_was_seen_once_is_active_and_often_stable(see: See) -> None:
    layer = OccupancyLayer(OccupancyConfig(cell_m=0.1, stride_px=1))
    layer.update(see(0, EYE, AHEAD, [WALL]))
    assert set(layer.snapshot().state.tolist()) == {ACTIVE}
    for i in range(1, 5):
        layer.update(see(i, EYE, AHEAD, [WALL]))
    snapshot = layer.snapshot()
    assert (snapshot.state == STABLE).mean() > 0.95
    assert len(snapshot.stable()) == (snapshot.state == STABLE).sum()


def test_what_steps_into_free_space_is_transient_first(see: See) -> None:
    layer = OccupancyLayer(OccupancyConfig(cell_m=0.1, stride_px=1))
    for i in range(5):
        layer.update(see(i, EYE, AHEAD, [WALL]))
    states = []
    for i in range(12):
        layer.update(see(5 + i, EYE, AHEAD, [CRATE, WALL]))
        snapshot = layer.snapshot()
        on_crate = CRATE.contains(snapshot.means_world, margin_m=0.02)
        states.append(int(np.median(snapshot.state[on_crate])))
    assert states[0] == TRANSIENT
    assert states == sorted(states)  # transient, then active, then stable
    assert states[-1] == STABLE
    assert ACTIVE in states


def test_somebody_who_walks_through_is_never_in_the_stable_map() -> None:
    layer = OccupancyLayer(OccupancyConfig(max_depth_m=4.0))
    room = Box(min_m=(0.0, -2.0, -0.08), max_m=(3.6, 2.0, 2.32))
    way = Box(min_m=(1.95, -1.9, 0.15), max_m=(2.45, 1.9, 1.7))
    was_seen = 0
    for frame in changes.crossing(48, is_walked=True):
        layer.update(Percept(frame=frame, instances=()))
        snapshot = layer.snapshot()
        was_seen += int(way.contains(snapshot.means_world).sum())
        assert not way.contains(snapshot.stable().means_world).any()
    assert was_seen > 100
    with_all = layer.semantic_grid(room)
    stable = layer.semantic_grid(room, stable_only=True)
    inside = way.contains(stable.centers_world.reshape(-1, 3))
    assert (stable.state.reshape(-1)[inside] == OCCUPIED).sum() == 0
    assert (stable.state == OCCUPIED).sum() > 0.9 * (with_all.state == OCCUPIED).sum()


def corridor_frame(camera: PinholeCamera, i: int) -> Frame:
    """A camera that moves sideways along a long wall."""
    eye = np.array([0.0, 0.9 * i, 0.0])
    T_world_camera = look_at(eye, eye + np.array([1.0, 0.0, 0.0]))
    depth_m = np.full((60, 80), 2.04, dtype=np.float32)
    return Frame(stamp_ns=i * 10**9, camera=camera, T_world_camera=T_world_camera, depth_m=depth_m)


def test_at_half_the_bytes_what_is_recent_or_needed_stays(camera: PinholeCamera) -> None:
    roomy = OccupancyLayer(OccupancyConfig(cell_m=0.05, stride_px=1))
    for i in range(160):
        roomy.update(Percept(frame=corridor_frame(camera, i), instances=()))
    half = OccupancyLayer(OccupancyConfig(cell_m=0.05, stride_px=1, budget_bytes=roomy.num_bytes // 2))
    needed = Box(min_m=(0.5, -1.0, -1.0), max_m=(2.3, 4.0, 1.0))
    half.keep([needed])
    for i in range(160):
        half.update(Percept(frame=corridor_frame(camera, i), instances=()))
        assert half.num_bytes <= half.config.budget_bytes
    assert half.num_evicted > 0
    recent = Box(min_m=(0.5, 0.9 * 110, -1.0), max_m=(2.3, 0.9 * 160, 1.0))
    for box in (needed, recent):
        full, kept = roomy.semantic_grid(box).state, half.semantic_grid(box).state
        union = ((full == OCCUPIED) | (kept == OCCUPIED)).sum()
        assert ((full == OCCUPIED) & (kept == OCCUPIED)).sum() >= 0.99 * union
    middle = np.array([[2.04, 0.9 * 30, 0.0], [1.0, 0.9 * 30, 0.0]])
    assert roomy.state_at(middle).tolist() == [OCCUPIED, FREE]
    assert half.state_at(middle).tolist() == [UNKNOWN, UNKNOWN]
