"""Maps of two robots in one frame become one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from embodied_mem.errors import ConfigError, DamagedStore
from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy import FREE, OCCUPIED, OccupancyConfig, OccupancyLayer
from embodied_mem.messages import Frame, Percept

See = Callable[..., Percept]
WALL = Box(min_m=(3.04, -4.0, -3.0), max_m=(3.2, 4.0, 5.0))
CRATE = Box(min_m=(1.64, -0.33, 0.67), max_m=(2.0, 0.33, 1.33))
CONFIG = OccupancyConfig(cell_m=0.1, stride_px=1)


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and a[k].tobytes() == b[k].tobytes() for k in a
    )


def robot_map(see: See, name: str, target_y: float, labels: tuple[str, ...], first_ns: int) -> OccupancyLayer:
    layer = OccupancyLayer(CONFIG)
    for i in range(5):
        seen = see(first_ns + i * 10**9, (0.03 * i, 0.1 * i, 1.0), (3.0, target_y, 1.0), [CRATE, WALL])
        frame = Frame(
            stamp_ns=seen.frame.stamp_ns,
            camera=seen.frame.camera,
            T_world_camera=seen.frame.T_world_camera,
            depth_m=seen.frame.depth_m,
            rgb=np.full((60, 80, 3), 20 * len(name), dtype=np.uint8),
            robot=name,
        )
        label_index = np.where(frame.depth_m < 2.4, 0, 1).astype(np.int16)
        layer.update(Percept(frame=frame, instances=(), labels=labels, label_index=label_index))
    return layer


@pytest.fixture
def two(see: See) -> tuple[OccupancyLayer, OccupancyLayer]:
    """Overlapping views; the labels come in another order, the clocks start at other times."""
    return (
        robot_map(see, "left", 0.8, ("crate", "wall"), 10**12),
        robot_map(see, "rightmost", -0.8, ("wall", "crate"), 10**12 + 7 * 10**9 + 12345),
    )


def test_either_order_gives_the_same_bytes(two: tuple[OccupancyLayer, OccupancyLayer]) -> None:
    left, right = two
    state_left, state_right = left.state(), right.state()
    left.merge(state_right)
    right.merge(state_left)
    assert same(left.state(), right.state())
    again = OccupancyLayer(CONFIG)
    again.load_state(left.state())
    assert same(again.state(), left.state())


def test_the_merged_map_knows_what_either_knew(two: tuple[OccupancyLayer, OccupancyLayer]) -> None:
    left, right = two
    points = np.random.default_rng(0).uniform((0.2, -2.5, 0.0), (3.3, 2.5, 2.0), size=(20_000, 3))
    before = np.stack([left.state_at(points), right.state_at(points)])
    snapshots = left.snapshot(), right.snapshot()
    left.merge(right.state())
    after = left.state_at(points)
    agreed = before[0] == before[1]
    assert (after[agreed] == before[0][agreed]).mean() > 0.995
    assert (after[(before == FREE).any(axis=0) & (before != OCCUPIED).all(axis=0)] == FREE).mean() > 0.99
    merged = left.snapshot()
    assert len(merged) > max(len(one) for one in snapshots)
    assert merged.first_seen_ns.min() == min(one.first_seen_ns.min() for one in snapshots)
    on_crate = CRATE.contains(merged.means_world, margin_m=0.03)
    assert {merged.labels[i] for i in merged.label_index[on_crate]} == {"crate"}


def test_merging_joins_moments_exactly(two: tuple[OccupancyLayer, OccupancyLayer]) -> None:
    left, right = two
    parts = [dict(zip(_cells(one), range(10**6), strict=False)) for one in two]
    snapshots = [one.snapshot() for one in two]
    weights = [one._map.storage.rows()["weight"].astype(float) for one in two]
    left.merge(right.state())
    merged = left.snapshot()
    where = dict(zip(_cells(left), range(10**6), strict=False))
    shared = sorted(set(parts[0]) & set(parts[1]) & set(where))
    assert len(shared) > 50
    for cell in shared:
        i, j = parts[0][cell], parts[1][cell]
        means = [snapshots[0].means_world[i], snapshots[1].means_world[j]]
        expected = np.average(means, axis=0, weights=[weights[0][i], weights[1][j]])
        assert np.allclose(merged.means_world[where[cell]], expected, atol=1e-5)


def _cells(layer: OccupancyLayer) -> list[tuple[int, ...]]:
    rows = layer._map.storage.rows()
    brick, local = np.divmod(rows["gaussian_cell"], 512)
    within = np.stack([local // 64, local // 8 % 8, local % 8], axis=1)
    return [tuple(c) for c in (rows["brick_coord"][brick] * 8 + within).tolist()]


def test_what_one_saw_through_outweighs_what_the_other_glimpsed(see: See) -> None:
    glimpsed, cleared = OccupancyLayer(CONFIG), OccupancyLayer(CONFIG)
    glimpsed.update(see(0, (0.0, 0.0, 1.0), (3.0, 0.0, 1.0), [CRATE, WALL]))
    for i in range(5):
        cleared.update(see(i, (0.0, 0.0, 1.0), (3.0, 0.0, 1.0), [WALL]))
    assert CRATE.contains(glimpsed.snapshot().means_world, margin_m=0.05).any()
    glimpsed.merge(cleared.state())
    assert not CRATE.contains(glimpsed.snapshot().means_world, margin_m=0.05).any()


def test_an_empty_map_adds_nothing_and_a_foreign_or_damaged_one_is_refused(
    two: tuple[OccupancyLayer, OccupancyLayer],
) -> None:
    left, _ = two
    before = left.snapshot()
    left.merge(OccupancyLayer(CONFIG).state())
    assert len(left.snapshot()) == len(before)
    state = left.state()
    with pytest.raises(ConfigError):
        left.merge(OccupancyLayer(OccupancyConfig(cell_m=0.05)).state())
    with pytest.raises(DamagedStore):
        left.merge(state | {"color": state["color"] + np.uint32(1)})
    assert same(state, left.state())
