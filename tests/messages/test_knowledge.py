from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embodied_mem.errors import ImpossibleInterval, InvalidMessage, InvalidQuery
from embodied_mem.geometry import Box
from embodied_mem.messages import Event, Fact, Interval, Region

FACT = {"fact_id": 1, "subject": "e1", "predicate": "state", "value": "open", "known_from_ns": 20}


@pytest.mark.parametrize(
    ("as_of", "is_true"), [(9, False), (10, True), (14, True), (15, False), (None, False)]
)
def test_a_fact_is_true_from_its_start_until_just_before_its_end(as_of: int | None, is_true: bool) -> None:
    assert Fact(valid_from_ns=10, valid_to_ns=15, **FACT).is_true_at(as_of) is is_true  # type: ignore[arg-type]


@pytest.mark.parametrize(("known_at", "is_known"), [(19, False), (20, True), (10**15, True), (None, True)])
def test_a_fact_is_known_from_when_the_memory_learned_it(known_at: int | None, is_known: bool) -> None:
    assert Fact(valid_from_ns=10, **FACT).is_known_at(known_at) is is_known  # type: ignore[arg-type]


def test_a_region_is_a_box_or_a_ball() -> None:
    points = np.array([[0.0, 0, 0], [0.9, 0, 0], [0.9, 0.9, 0]])
    box = Box(min_m=(0, 0, 0), max_m=(1, 1, 1))
    assert Region(box=box).contains(points).tolist() == [True, True, True]
    assert Region(center_world_m=(0, 0, 0), radius_m=1.0).contains(points).tolist() == [True, True, False]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"radius_m": 1.0},
        {"center_world_m": (0, 0, 0)},
        {"center_world_m": (0, 0, 0), "radius_m": -1.0},
        {"box": Box(min_m=(0, 0, 0), max_m=(1, 1, 1)), "center_world_m": (0, 0, 0), "radius_m": 1.0},
    ],
)
def test_a_region_that_is_neither_or_both_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidQuery, match="either a box, or a centre"):
        Region(**fields)


def test_intervals_and_events_that_end_before_they_start_are_refused() -> None:
    with pytest.raises(ImpossibleInterval, match="ends at 1, before its start 2"):
        Interval(from_ns=2, to_ns=1)
    with pytest.raises(ImpossibleInterval, match="'pick' ends at 1"):
        Event(kind="pick", actor="robot", start_ns=2, end_ns=1)
    with pytest.raises(InvalidMessage, match="must be words"):
        Event(kind="", actor="robot", start_ns=2, end_ns=3)
