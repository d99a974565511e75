"""An atlas is read like one map: exactly so where it holds one submap on the world's axes, nearly so where it holds several."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from embodied_mem.geometry import Box, look_at
from embodied_mem.layers.occupancy import (
    AtlasConfig,
    Frontier,
    OccupancyConfig,
    OccupancyLayer,
    SubmapAtlas,
)
from embodied_mem.layers.occupancy._touching import packed, unpacked
from embodied_mem.messages import Percept, PinholeCamera

See = Callable[..., Percept]
WALL = Box(min_m=(3.04, -4.0, -3.0), max_m=(3.2, 4.0, 5.0))
CRATE = Box(min_m=(1.64, -0.33, 0.67), max_m=(2.0, 0.33, 1.33))
BEHIND = Box(min_m=(2.3, -0.2, 0.8), max_m=(2.7, 0.2, 1.2))
ROOM = Box(min_m=(0.5, -1.0, 0.4), max_m=(3.3, 1.0, 1.6))
CONFIG = OccupancyConfig(cell_m=0.1, stride_px=1)
EYES = [(0.0, 0.08 * i - 0.3, 1.0) for i in range(8)]


def layer_of(see: See) -> OccupancyLayer:
    layer = OccupancyLayer(CONFIG)
    for i, eye in enumerate(EYES):
        layer.update(see(i, eye, (3.0, eye[1], 1.0), [CRATE, WALL]))
    return layer


@pytest.fixture
def layer(see: See) -> OccupancyLayer:
    return layer_of(see)


@pytest.fixture
def one_submap(layer: OccupancyLayer) -> SubmapAtlas:
    atlas = SubmapAtlas(AtlasConfig(submap=CONFIG))
    atlas.load_state(layer.state())
    return atlas


@pytest.fixture
def several(see: See) -> SubmapAtlas:
    atlas = SubmapAtlas(AtlasConfig(submap=CONFIG, travel_m=0.15))
    for i, eye in enumerate(EYES):
        atlas.update(see(i, eye, (3.0, eye[1], 1.0), [CRATE, WALL]))
    assert len(atlas.anchors) >= 3
    return atlas


def test_floor_plans_are_those_of_one_map(
    layer: OccupancyLayer, one_submap: SubmapAtlas, several: SubmapAtlas
) -> None:
    plan = layer.floor_grid(ROOM, 0.1)
    same = one_submap.floor_grid(ROOM, 0.1)
    assert np.array_equal(same.cells, plan.cells)
    assert np.array_equal(same.corner_world_xy, plan.corner_world_xy)
    assert {-1, 0, 100} <= set(plan.cells.ravel().tolist())
    assert (several.floor_grid(ROOM, 0.1).cells == plan.cells).mean() > 0.85


def test_distances_are_those_of_one_map(
    layer: OccupancyLayer, one_submap: SubmapAtlas, several: SubmapAtlas
) -> None:
    distances = layer.distance_field(ROOM, 0.1)
    assert np.array_equal(one_submap.distance_field(ROOM, 0.1), distances)
    with_unknown = layer.distance_field(ROOM, 0.1, unknown_is_occupied=True)
    assert np.array_equal(one_submap.distance_field(ROOM, 0.1, unknown_is_occupied=True), with_unknown)
    assert (with_unknown < distances).any()
    assert np.median(np.abs(several.distance_field(ROOM, 0.1) - distances)) <= 0.1


def test_frontiers_are_those_of_one_map(
    layer: OccupancyLayer, one_submap: SubmapAtlas, several: SubmapAtlas
) -> None:
    found = layer.frontiers(min_cells=5)
    assert one_submap.frontiers(min_cells=5) == found
    assert len(found) > 0

    def area_m2(frontiers: list[Frontier]) -> float:
        return sum(one.area_m2 for one in frontiers)

    assert area_m2(several.frontiers(min_cells=5)) == pytest.approx(area_m2(found), rel=0.35)


def test_visibility_is_that_of_one_map(
    layer: OccupancyLayer, one_submap: SubmapAtlas, several: SubmapAtlas, camera: PinholeCamera
) -> None:
    ahead = look_at(np.array([0.0, 0.0, 1.0]), np.array([3.0, 0.0, 1.0]))
    aside = look_at(np.array([0.0, 0.0, 1.0]), np.array([0.0, 3.0, 1.0]))
    for box in (CRATE, BEHIND, ROOM):
        for T_world_camera in (ahead, aside):
            seen = layer.visibility(box, camera, T_world_camera)
            assert one_submap.visibility(box, camera, T_world_camera) == seen
            assert several.visibility(box, camera, T_world_camera).seen == pytest.approx(seen.seen, abs=0.06)
    assert several.visibility(BEHIND, camera, ahead).occluded > 0.9
    assert several.visibility(CRATE, camera, ahead).seen > 0.9
    assert several.visibility(CRATE, camera, aside).out_of_view == 1.0


def test_an_empty_atlas_has_nothing_to_explore_and_sees_all() -> None:
    atlas = SubmapAtlas(AtlasConfig(submap=CONFIG))
    assert atlas.frontiers() == []
    assert len(atlas.free_cells()) == 0
    assert (atlas.floor_grid(ROOM, 0.1).cells == -1).all()


def test_cells_are_numbered_in_order_and_back() -> None:
    cells = np.random.default_rng(0).integers(-(1 << 20), 1 << 20, (500, 3))
    assert np.array_equal(unpacked(packed(cells)), cells)
    order = np.argsort(packed(cells))
    assert np.array_equal(order, np.lexsort((cells[:, 2], cells[:, 1], cells[:, 0])))
