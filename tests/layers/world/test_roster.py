"""Things are found by where their boxes are, however many there are: the same as by comparing every box."""

from __future__ import annotations

import numpy as np
import pytest

from embodied_mem.geometry import Box
from embodied_mem.layers.world.roster import CELL_M, Roster
from embodied_mem.layers.world.shape import Shape
from embodied_mem.layers.world.thing import Thing, placement_of


def thing(number: int, low: np.ndarray, size: np.ndarray) -> Thing:
    made = Thing(entity_id=f"e{number}", shape=Shape(0.02, 64), first_seen_ns=0, last_seen_ns=0)
    made.places, made.place_index = [placement_of(box_of(low, size))], 0
    return made


def box_of(low: np.ndarray, size: np.ndarray) -> Box:
    return Box(min_m=tuple(low.tolist()), max_m=tuple((low + size).tolist()))


def by_comparing_all(roster: Roster, low: np.ndarray, high: np.ndarray, margin_m: float) -> list[str]:
    found = []
    for one in roster:
        own_low, own_high = np.float32(one.box.min_m), np.float32(one.box.max_m)
        gap = np.maximum(own_low - high, low - own_high)
        if (gap <= margin_m).all(axis=1).any():
            found.append(one.entity_id)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_what_is_near_is_what_comparing_every_box_gives_after_any_adding_moving_and_removing(
    seed: int,
) -> None:
    rng, roster = np.random.default_rng(seed), Roster()
    kept: list[Thing] = []
    for number in range(300):
        size = rng.uniform(0.05, 0.5, 3)
        if number % 20 == 0:
            size[:2] = rng.uniform(1.0, 9.0 * CELL_M, 2)  # a few lie over many squares
        made = thing(number, rng.uniform(-20.0, 20.0, 3), size)
        roster.add(made)
        kept.append(made)
        if number % 3 == 0:
            moved = kept[int(rng.integers(len(kept)))]
            moved.places[0] = placement_of(box_of(rng.uniform(-20.0, 20.0, 3), size))
            roster.place(moved)
        if number % 7 == 0:
            roster.remove(kept.pop(int(rng.integers(len(kept)))))
    assert len(roster) == len(kept)
    for num_boxes, margin_m in ((1, 0.0), (1, 3.0), (5, 0.5), (3, 60.0)):
        low = rng.uniform(-20.0, 20.0, (num_boxes, 3)).astype(np.float32)
        high = low + rng.uniform(0.1, 4.0, (num_boxes, 3)).astype(np.float32)
        found = [one.entity_id for one in roster.near(low, high, margin_m)]
        assert found == by_comparing_all(roster, low, high, margin_m)
        assert found or margin_m < 60.0


def test_nothing_is_near_an_empty_roster() -> None:
    point = np.zeros((1, 3), dtype=np.float32)
    assert Roster().near(point, point, 10.0) == []
    assert len(Roster().slots_near(point[0], point[0], 10.0)) == 0


def test_without_a_limit_everything_is_near() -> None:
    roster = Roster()
    for number in range(20):
        roster.add(thing(number, np.array([7.0 * number, 0.0, 0.0]), np.ones(3)))
    point = np.zeros(3, dtype=np.float32)
    assert roster.slots_near(point, point, float("inf")).tolist() == list(range(20))


def test_things_are_found_by_every_label_that_they_were_given_in_order_of_age() -> None:
    roster = Roster()
    things = [thing(number, np.zeros(3), np.ones(3)) for number in range(6)]
    for index, one in enumerate(things):
        one.label_votes["mug" if index % 2 else "cup"] = 1.0
        roster.add(one)
    things[0].label_votes["mug"] = 0.5
    roster.place(things[0])
    roster.remove(things[3])
    del things[5].label_votes["mug"]
    assert [one.entity_id for one in roster.called("mug")] == ["e0", "e1"]
    assert [one.entity_id for one in roster.called("cup")] == ["e0", "e2", "e4"]
    assert roster.called("bowl") == []
    assert roster.ordered(["e4", "e3", "e0"]) == [things[0], things[4]]


def test_what_stands_on_a_thing_at_any_place_is_bound_to_it_until_it_stands_elsewhere() -> None:
    roster = Roster()
    table, shelf, cup, plate = (thing(number, np.zeros(3), np.ones(3)) for number in range(4))
    cup.supports = {0: ("on", table.entity_id), 1: ("in", shelf.entity_id)}
    for one in (table, shelf, plate, cup):
        roster.add(one)
    plate.supports[0] = ("on", table.entity_id)
    roster.bind(plate)
    assert roster.bound_to(table.entity_id) == [plate, cup]
    assert roster.bound_to(shelf.entity_id) == [cup]
    cup.supports[0] = ("on", shelf.entity_id)
    roster.remove(plate)
    assert roster.bound_to(table.entity_id) == roster.bound_to("e99") == []
    for _ in range(3):  # false detections come and go
        roster.add(plate)
        roster.remove(plate)
    assert plate.entity_id not in roster._bound_to[table.entity_id]
