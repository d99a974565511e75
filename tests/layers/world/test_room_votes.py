"""What a label says of its room: a table to begin with, and what other homes show."""

from __future__ import annotations

import numpy as np
import pytest

from embodied_mem.layers.world.placements import Placements
from embodied_mem.layers.world.places import FURNITURE_WEIGHT, THING_WEIGHT, category_of, votes_of
from embodied_mem.messages import Area

ROOM = Area(origin_world_m=(0.0, 0.0), cell_m=0.1, is_inside=np.ones((30, 30), dtype=bool))


def homes(*kinds: tuple[str, str], things: tuple[tuple[str, tuple[str, str]], ...] = ()) -> Placements:
    counted = Placements()
    counted.add_home(kinds, things)
    return counted


def test_without_other_homes_the_table_alone_speaks() -> None:
    assert votes_of("bed", Placements()) == {"bedroom": FURNITURE_WEIGHT}
    assert votes_of("remote", Placements()) == {"living room": THING_WEIGHT}
    assert votes_of("aquarium", Placements()) == {}


def test_other_homes_outweigh_the_table_the_more_of_them_say_so() -> None:
    one, many = homes(("table", "kitchen")), homes(*[("table", "kitchen")] * 9)
    assert votes_of("table", one) == {"dining room": 1.5, "kitchen": 1.5}
    assert votes_of("table", many)["kitchen"] == pytest.approx(0.9 * FURNITURE_WEIGHT)


def test_a_label_that_the_table_lacks_speaks_when_it_is_in_one_kind_of_room_only() -> None:
    shelf = ("shelf", "office")
    telling = homes(shelf, things=(("aquarium", shelf),) * 3)
    common = homes(
        shelf, things=(("mug", shelf), ("mug", ("counter", "kitchen")), ("mug", ("bed", "bedroom")))
    )
    assert votes_of("aquarium", telling)["office"] > 3 * votes_of("mug", common)["office"]


def test_a_room_is_named_by_what_only_other_homes_know() -> None:
    learned = homes(("easel", "office"), ("easel", "room/3"), things=(("brush", ("easel", "office")),))
    contents = [("easel", 1.0), ("brush", 1.0)]
    assert category_of(contents, num_neighbors=1, area=ROOM) == ("", 0.0)
    assert category_of(contents, num_neighbors=1, area=ROOM, homes=learned) == ("office", 1.0)
