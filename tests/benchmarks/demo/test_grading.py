"""Truth against answers: what must pass and what must not."""

import pytest

from embodied_mem.benchmarks.demo.grading import (
    TrueAbsence,
    TrueChange,
    TrueChanges,
    TrueCount,
    TrueHistory,
    TruePlace,
    TruePlaces,
    TrueStay,
)
from embodied_mem.geometry import Box
from embodied_mem.messages import Answer, Change, Location, Placement, Stay


def placement(x, y=0.0, z=0.0):
    box = Box(min_m=(x - 0.1, y - 0.1, z - 0.1), max_m=(x + 0.1, y + 0.1, z + 0.1))
    return Placement(position_world_m=(x, y, z), box=box)


def location(x, y=0.0):
    return Location(
        entity_id="e1", label="mug", placement=placement(x, y), support=None, valid_from_ns=1, last_seen_ns=2
    )


def known(value):
    return Answer(status="known", value=value, confidence=0.9, evidence=("robot/camera/1",))


UNKNOWN = Answer(status="unknown", reason="never heard of it")
GONE = Answer(status="unknown", evidence=("robot/camera/7",), reason="its place was seen empty")


def test_a_place_within_ten_centimetres_is_right_and_beyond_is_wrong():
    truth = TruePlace(position_world_m=(1.0, 0.0, 0.0))
    near, far = truth.grade(known(location(1.09))), truth.grade(known(location(1.11)))
    assert near.is_right
    assert near.error_m == pytest.approx(0.09)
    assert not far.is_right
    assert not truth.grade(UNKNOWN).is_right
    assert truth.grade(UNKNOWN).said == "unknown: never heard of it"


def test_gone_is_right_only_when_the_memory_knows_it_and_names_no_place():
    assert TrueAbsence().grade(GONE).is_right
    assert not TrueAbsence().grade(UNKNOWN).is_right
    assert not TrueAbsence().grade(known(location(1.0))).is_right


def test_places_are_matched_in_any_order_and_none_may_be_left_over():
    truth = TruePlaces(positions_world_m=((1.0, 0.0, 0.0), (2.0, 0.0, 0.0)))
    assert truth.grade(known((location(2.05), location(1.0)))).is_right
    assert not truth.grade(known((location(2.0),))).is_right
    assert not truth.grade(known((location(1.0), location(2.0), location(3.0)))).is_right
    assert not truth.grade(known((location(1.0), location(1.02)))).is_right
    assert TruePlaces(positions_world_m=()).grade(known(())).is_right


TRUE_STAYS = (
    TrueStay(position_world_m=(1.0, 0.0, 0.0), from_ns=0, to_ns=100),
    TrueStay(position_world_m=(5.0, 0.0, 0.0), from_ns=110, to_ns=None),
)


def stays(*ends):
    return known(tuple(Stay(placement=placement(x), support=None, from_ns=a, to_ns=b) for x, a, b in ends))


def test_a_history_has_the_true_stops_at_times_that_can_be():
    truth = TrueHistory(stays=TRUE_STAYS)
    assert truth.grade(stays((1.0, 10, 150), (5.0, 160, None))).is_right
    assert not truth.grade(stays((1.0, 10, 90), (5.0, 160, None))).is_right, "left before it was taken"
    assert not truth.grade(stays((1.0, 10, 150), (5.0, 105, None))).is_right, "there before it was put"
    assert not truth.grade(stays((1.0, 10, 150), (5.0, 160, 170))).is_right, "it is still there"
    assert not truth.grade(stays((5.0, 160, None))).is_right
    assert not truth.grade(stays((1.0, 10, 150), (4.0, 160, None))).is_right


def change(kind, before, after, after_ns=90, before_ns=160):
    sides = [None if x is None else placement(x) for x in (before, after)]
    return Change(
        kind=kind,
        entity_id="e1",
        label="mug",
        before=sides[0],
        after=sides[1],
        after_ns=after_ns,
        before_ns=before_ns,
    )


def test_changes_are_complete_in_kind_place_and_time_and_nothing_is_made_up():
    moved = TrueChange(
        kind="move",
        label="mug",
        before_world_m=(1.0, 0.0, 0.0),
        after_world_m=(5.0, 0.0, 0.0),
        start_ns=100,
        end_ns=110,
    )
    truth = TrueChanges(changes=(moved,))
    assert truth.grade(known((change("move", 1.0, 5.0),))).is_right
    assert not truth.grade(known(())).is_right
    assert not truth.grade(known((change("vanish", 1.0, None),))).is_right
    assert not truth.grade(known((change("move", 1.0, 6.0),))).is_right
    assert not truth.grade(known((change("move", 1.0, 5.0, after_ns=120),))).is_right
    assert not truth.grade(known((change("move", 1.0, 5.0), change("appear", None, 3.0)))).is_right
    assert TrueChanges(changes=()).grade(known(())).is_right


def test_a_count_is_exact():
    assert TrueCount(number=2).grade(known(2)).is_right
    assert not TrueCount(number=2).grade(known(3)).is_right
    assert not TrueCount(number=0).grade(UNKNOWN).is_right
