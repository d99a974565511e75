"""The floor plan says where rooms end, also where walls were only half seen."""

from __future__ import annotations

import numpy as np
import pytest

from embodied_mem.geometry import Box
from embodied_mem.layers.world.places import find_areas
from tests.context.two_rooms import BEDROOM_POINT, HALL_POINT, KITCHEN_POINT, plan


@pytest.mark.parametrize("walls_seen_to_m", [2.4, 1.75])
def test_rooms_end_at_walls_also_where_these_were_not_seen_up_to_the_ceiling(walls_seen_to_m: float) -> None:
    areas = find_areas(plan(walls_seen_to_m=walls_seen_to_m))
    points = np.array([KITCHEN_POINT, HALL_POINT, BEDROOM_POINT])
    assert len(areas) == 3
    assert sorted(np.flatnonzero(area.contains(points)).tolist() for area in areas) == [[0], [1], [2]]
    assert sum(area.size_m2 for area in areas) == pytest.approx(
        9.4 * 4.4, rel=0.02
    )  # with the walls around them


def test_what_lies_on_a_wardrobe_is_in_the_room_where_the_wardrobe_stands() -> None:
    wardrobe = Box(min_m=(7.6, 3.3, 0.0), max_m=(8.8, 3.9, 1.9))
    areas = find_areas(plan(blocked=(wardrobe,)))
    bedroom = next(area for area in areas if area.contains(np.array([BEDROOM_POINT]))[0])
    assert bedroom.contains(np.array([[8.2, 3.6, 1.95]]))[0]


@pytest.mark.parametrize(
    "beneath", [(), (Box(min_m=(2.6, 0.0, 0.0), max_m=(3.0, 4.0, 0.5)),)], ids=["floor", "bench"]
)
def test_a_room_goes_on_where_nobody_looked_up_above_a_free_floor_or_a_bench(
    beneath: tuple[Box, ...],
) -> None:
    above_a_strip = Box(min_m=(2.6, 0.0, 1.35), max_m=(3.0, 4.0, 2.4))
    areas = find_areas(plan(blocked=beneath, unseen=(above_a_strip,)))
    points = np.array([(1.0, 2.0, 1.2), (2.8, 2.0, 1.2), (3.5, 2.0, 1.2)])
    assert len(areas) == 3
    assert any(area.contains(points).all() for area in areas)
