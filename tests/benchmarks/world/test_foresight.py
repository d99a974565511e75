"""Simulated weeks are lived the same way twice, and beliefs are scored as they should be."""

from __future__ import annotations

import numpy as np

from embodied_mem.benchmarks.world.foresight import (
    Foresight,
    furniture_ids,
    learned_in,
    looks_for_unseen,
    looks_to_name_rooms,
    rank_of,
)
from embodied_mem.benchmarks.world.habits import HabitHome, hours_per_move, memory_of
from embodied_mem.layers.world.placements import Placements


def test_ties_share_their_ranks() -> None:
    assert rank_of({"a": 0.5, "b": 0.25, "c": 0.25}, "a") == 1.0
    assert rank_of({"a": 0.5, "b": 0.25, "c": 0.25}, "b") == 2.5
    assert rank_of({"a": 0.5, "b": 0.0}, "b") == 2.0


def test_a_belief_that_comes_true_as_often_as_it_says_is_calibrated() -> None:
    scores = Foresight()
    for index in range(10):
        scores.note("ours", {"a": 0.7, "b": 0.3}, "a" if index < 7 else "b", has_moved=False)
        scores.note("sure", {"a": 1.0, "b": 0.0}, "a" if index < 7 else "b", has_moved=False)
    assert scores.calibration_error("ours") < 1e-9
    assert abs(scores.calibration_error("sure") - 0.6) < 1e-9
    assert scores.log_loss("ours") < scores.log_loss("sure")


def test_a_home_is_seen_whole_and_its_rooms_are_found() -> None:
    home = HabitHome(600)
    world, recall = memory_of(home)
    for room in home.plan.rooms:
        home.look_into(room.name, world)
    entities = world.entities()
    for thing in home.things.values():
        center = home.box_of(thing).center
        nearest = min(entities, key=lambda e: float(np.linalg.norm(e.placement.box.center - center)))
        assert nearest.label == thing.label
        assert np.linalg.norm(nearest.placement.box.center - center) < 0.02
    found = {room.category for room in recall.rooms().value or ()}
    assert {"bedroom", "bathroom", "living room"} <= found


def test_the_same_seed_lives_the_same_days_and_things_stay_on_what_suits_them() -> None:
    homes = [HabitHome(601) for _ in range(2)]
    for home in homes:
        home.advance(500.0)
    where = [[(t.name, t.on, t.slot) for t in home.things.values()] for home in homes]
    assert where[0] == where[1]
    assert where[0] != [(t.name, t.on, t.slot) for t in HabitHome(601).things.values()]
    assert all(thing.on in thing.habits for thing in homes[0].things.values())
    assert len({hours_per_move(t.label) for t in homes[0].things.values()}) > 1


def test_homes_teach_where_things_are_kept() -> None:
    counted = Placements()
    for seed in (600, 601):
        HabitHome(seed).count_into(counted)
    assert counted.num_homes == 2
    assert counted.rate("kettle", ("counter", "kitchen")) > counted.rate("kettle", ("bed", "bedroom"))


def test_what_one_memory_learned_in_its_home_saves_another_most_looks_in_homes_it_never_saw() -> None:
    learned = learned_in(HabitHome(480))
    for seed in (602, 603):
        home = HabitHome(seed)
        world, recall = memory_of(home)
        for room in home.plan.rooms:
            home.look_into(room.name, world, with_things=False)
        furniture = furniture_ids(home, world)
        before = np.mean(looks_for_unseen(home, recall, furniture))
        recall.expect.learn_from(learned)
        after = np.mean(looks_for_unseen(home, recall, furniture))
        assert before == (len(home.boxes) + 1) / 2  # nothing learned: any receptacle is as good
        assert after < 0.7 * before


def test_what_one_memory_learned_in_its_home_names_the_rooms_of_another_after_fewer_looks() -> None:
    learned = learned_in(HabitHome(480))
    looks = looks_to_name_rooms(602, {"no_home": Placements(), "one_home": learned})
    assert sum(looks["one_home"]) < sum(looks["no_home"])
    assert all(with_ <= without for with_, without in zip(looks["one_home"], looks["no_home"], strict=True))
