"""Distances, plans, frontiers and visibility, on a crate before a wall."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from embodied_mem.geometry import Box, look_at
from embodied_mem.layers.occupancy import FREE, UNKNOWN, OccupancyConfig, OccupancyLayer, SemanticGrid
from embodied_mem.layers.occupancy.floor_plan import distance_field, floor_grid
from embodied_mem.messages import Percept, PinholeCamera

See = Callable[..., Percept]
WALL = Box(min_m=(3.04, -4.0, -3.0), max_m=(3.2, 4.0, 5.0))
CRATE = Box(min_m=(1.64, -0.33, 0.67), max_m=(2.0, 0.33, 1.33))
EYE, AHEAD = (0.0, 0.0, 1.0), (3.0, 0.0, 1.0)
CONFIG = OccupancyConfig(cell_m=0.1, stride_px=1)


@pytest.fixture
def layer(see: See) -> OccupancyLayer:
    built = OccupancyLayer(CONFIG)
    for i in range(6):
        built.update(see(i, (0.03 * i, 0.04 * i - 0.1, 1.0), AHEAD, [CRATE, WALL]))
    return built


def grid_of(occupancy: np.ndarray, voxel_m: float = 0.5) -> SemanticGrid:
    return SemanticGrid(
        corner_world=np.array([1.0, 2.0, 0.0]),
        voxel_m=voxel_m,
        occupancy=occupancy.astype(np.float32),
        label_index=np.full(occupancy.shape, -1, dtype=np.int16),
        labels=(),
    )


def test_distances_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    occupancy = (rng.random((7, 6, 5)) < 0.1).astype(np.float32)
    grid = grid_of(occupancy)
    found = distance_field(grid)
    centers, is_occupied = grid.centers_world.reshape(-1, 3), occupancy.reshape(-1) > 0.5
    for i, center in enumerate(centers):
        others = centers[is_occupied != is_occupied[i]]
        nearest = np.linalg.norm(others - center, axis=1).min() - 0.25
        assert found.reshape(-1)[i] == pytest.approx(-nearest if is_occupied[i] else nearest, abs=1e-5)


def test_unknown_space_can_count_as_an_obstacle() -> None:
    occupancy = np.zeros((5, 1, 1))
    occupancy[4] = np.nan
    assert np.isinf(distance_field(grid_of(occupancy))).all()
    assert distance_field(grid_of(occupancy), unknown_is_occupied=True)[3, 0, 0] == pytest.approx(0.25)


def test_a_plan_has_the_values_and_order_of_ros() -> None:
    occupancy = np.zeros((3, 2, 4))
    occupancy[0, 0, 2] = 1.0
    occupancy[1, 1, :3] = np.nan
    plan = floor_grid(grid_of(occupancy))
    assert plan.cells.tolist() == [[100, 0, 0], [0, -1, 0]]
    assert plan.corner_world_xy.tolist() == [1.0, 2.0]


def test_the_plan_of_a_crate_before_a_wall(layer: OccupancyLayer) -> None:
    plan = layer.floor_grid(Box(min_m=(0.5, -0.2, 0.8), max_m=(3.8, 0.2, 1.2)), 0.1)
    row = plan.cells[2]
    assert (row[2:10] == 0).all()
    assert row[11] == 100
    assert (row[-3:] == -1).all()


def test_the_distance_before_the_crate_is_the_way_to_it(layer: OccupancyLayer) -> None:
    field = layer.distance_field(Box(min_m=(1.0, -0.05, 0.95), max_m=(1.8, 0.05, 1.05)), 0.1)
    assert field[0, 0, 0] == pytest.approx(0.55, abs=0.11)
    assert field[6, 0, 0] < 0.0


def test_frontiers_are_free_and_touch_the_unknown(layer: OccupancyLayer) -> None:
    found = layer.frontiers(min_cells=5)
    assert found
    assert [one.num_cells for one in found] == sorted((one.num_cells for one in found), reverse=True)
    at = np.array([one.position_world_m for one in found])
    assert (layer.state_at(at) == FREE).all()
    for one in found:
        assert one.box.contains(np.array([one.position_world_m])).all()
        assert one.area_m2 == pytest.approx(one.num_cells * CONFIG.cell_m**2)
        reach = np.array(one.position_world_m) + 0.1 * np.vstack([np.eye(3), -np.eye(3)])
        assert (layer.state_at(reach) == UNKNOWN).any()
    assert OccupancyLayer(CONFIG).frontiers() == []


def test_looking_around_leaves_less_frontier(see: See) -> None:
    layer = OccupancyLayer(CONFIG)
    walls = [(2.04, 3, -3, 3), (-3, -2.04, -3, 3), (-3, 3, 2.04, 3), (-3, 3, -3, -2.04)]
    room = [Box(min_m=(a, c, -3.0), max_m=(b, d, 3.0)) for a, b, c, d in walls]
    room += [Box(min_m=(-3, -3, z), max_m=(3, 3, z + 0.5)) for z in (-1.54, 1.04)]
    stamp = 0
    left = []
    for turn in (1, 8):
        for i in range(turn):
            for tilt in (-1.2, -0.5, 0.0, 0.5, 1.2):
                angle = 2 * np.pi * i / 8
                layer.update(see(stamp, (0.0, 0.0, 0.0), (np.cos(angle), np.sin(angle), tilt), room))
                stamp += 1
        left.append(sum(one.num_cells for one in layer.frontiers(min_cells=1)))
    assert left[1] < left[0] / 3


def test_a_box_is_seen_hidden_or_out_of_view(layer: OccupancyLayer, camera: PinholeCamera) -> None:
    T = look_at(np.array(EYE), np.array(AHEAD))
    before = layer.visibility(Box(min_m=(1.0, -0.2, 0.9), max_m=(1.2, 0.2, 1.1)), camera, T)
    behind = layer.visibility(Box(min_m=(2.3, -0.2, 0.9), max_m=(2.5, 0.2, 1.1)), camera, T)
    beside = layer.visibility(Box(min_m=(-2.0, -0.2, 0.9), max_m=(-1.5, 0.2, 1.1)), camera, T)
    itself = layer.visibility(CRATE, camera, T)
    far = layer.visibility(Box(min_m=(9.0, -0.2, 0.9), max_m=(9.5, 0.2, 1.1)), camera, T, max_range_m=3.0)
    half = layer.visibility(Box(min_m=(2.3, 0.0, 0.9), max_m=(2.5, 1.4, 1.1)), camera, T)
    assert (before.seen, behind.occluded, beside.out_of_view, far.out_of_view) == (1.0, 1.0, 1.0, 1.0)
    assert itself.seen == 1.0
    assert 0.2 < half.seen < 0.8
    for one in (before, behind, beside, itself, far, half):
        assert one.seen + one.occluded + one.out_of_view == pytest.approx(1.0)
