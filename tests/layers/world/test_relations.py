"""How things stand to each other follows from their boxes and surfaces, with a confidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from embodied_mem.geometry import Box
from embodied_mem.messages import Event, ObservedInstance, RelationKind
from tests.context.two_rooms import KITCHEN_POINT, Home, box, thing

TABLE = box((2.0, 1.0, 0.37), (1.2, 0.8, 0.74))
CHAIR = box((2.0, 2.0, 0.45), (0.45, 0.45, 0.9))


def surface(label: str, outline: Box, *parts: Box) -> ObservedInstance:
    """A thing whose surface is that of the parts, in the box of the whole."""
    points = np.concatenate([thing(label, part).points_world for part in parts])
    return replace(thing(label, outline), points_world=points)


def slab(outline: Box, low_share: float, high_share: float) -> Box:
    """A horizontal slice of a box."""
    low, high = np.array(outline.min_m), np.array(outline.max_m)
    z0, z1 = (low[2] + share * (high[2] - low[2]) for share in (low_share, high_share))
    return Box(min_m=(low[0], low[1], z0), max_m=(high[0], high[1], z1))


def table() -> ObservedInstance:
    x0, y0, z0 = TABLE.min_m
    legs = Box(min_m=(x0, y0, z0), max_m=(x0 + 0.05, y0 + 0.05, 0.7))
    return surface("table", TABLE, slab(TABLE, 0.95, 1.0), legs)


def kinds(home: Home, a: str, b: str) -> dict[RelationKind, float]:
    found = (
        home.recall.relation(home.world.where(a).value.entity_id, b=home.world.where(b).value.entity_id).value
        or ()
    )  # type: ignore[union-attr]
    return {one.kind: one.confidence for one in found}


def home_with(*things: ObservedInstance) -> Home:
    home = Home()
    for shift in (0.0, 0.1, 0.2, 0.3):
        home.see((KITCHEN_POINT[0] + shift, KITCHEN_POINT[1] + 1.0, 1.2), *things)
    return home


def test_a_basket_under_the_table_is_under_it_and_not_in_it() -> None:
    home = home_with(table(), thing("basket", box((2.1, 1.0, 0.15), (0.3, 0.3, 0.3))))
    found = kinds(home, "basket", "table")
    assert found["under"] > 0.9
    assert "in" not in found
    assert "on" not in found


def test_a_book_in_a_shelf_is_in_it_because_boards_are_over_and_beneath() -> None:
    outline = box((2.0, 0.3, 0.6), (0.8, 0.3, 1.2))
    boards = [slab(outline, share, share + 0.02) for share in (0.0, 0.5, 0.98)]
    home = home_with(
        surface("shelf", outline, *boards), thing("book", box((2.0, 0.3, 0.74), (0.15, 0.2, 0.2)))
    )
    assert kinds(home, "book", "shelf")["in"] > 0.9


def test_two_mugs_side_by_side_are_next_to_each_other_and_across_the_room_they_are_not() -> None:
    near = [thing(label, box((x, 1.0, 0.8), (0.1, 0.1, 0.1))) for label, x in (("mug", 1.8), ("bowl", 2.0))]
    home = home_with(table(), *near, thing("lamp", box((3.5, 1.0, 0.8), (0.1, 0.1, 0.1))))
    assert kinds(home, "mug", "bowl")["next to"] > 0.8
    assert kinds(home, "mug", "bowl")["next to"] == kinds(home, "bowl", "mug")["next to"]
    assert kinds(home, "mug", "lamp") == {}


def test_a_drawer_is_part_of_the_dresser_around_it() -> None:
    dresser = thing("dresser", box((2.0, 0.3, 0.5), (1.0, 0.5, 1.0)))
    home = home_with(dresser, thing("drawer", box((2.0, 0.45, 0.5), (0.9, 0.2, 0.25))))
    assert kinds(home, "drawer", "dresser")["part of"] > 0.9
    assert "part of" not in kinds(home, "dresser", "drawer")


def test_a_chair_faces_away_from_its_back() -> None:
    x0, _, _ = CHAIR.min_m
    _, y1, z1 = CHAIR.max_m
    back = Box(min_m=(x0, y1 - 0.06, 0.45), max_m=(CHAIR.max_m[0], y1, z1))
    chair = surface("chair", CHAIR, slab(CHAIR, 0.0, 0.5), back)
    home = home_with(table(), chair, thing("sofa", box((2.0, 3.6, 0.4), (1.6, 0.7, 0.8))))
    assert kinds(home, "chair", "table")["facing"] > 0.9
    assert "facing" not in kinds(home, "chair", "sofa")


def test_what_a_robot_picked_up_is_held_by_it_until_it_puts_it_down() -> None:
    home = home_with(table(), thing("mug", box((2.0, 1.0, 0.79), (0.08, 0.08, 0.1))))
    mug = home.world.where("mug").value
    assert mug is not None
    home.now_ns += 1_000_000_000
    pick = Event(
        kind="pick", actor="robot", objects=(mug.entity_id,), start_ns=home.now_ns, end_ns=home.now_ns
    )
    home.world.record(pick)
    (held,) = home.recall.relation(mug.entity_id, "held by").value or ()
    assert (held.kind, held.object) == ("held by", "robot")
    home.pick_and_place("robot", mug.entity_id, box((1.6, 1.2, 0.79), (0.08, 0.08, 0.1)))
    assert home.recall.relation(mug.entity_id, "held by").value == ()
