"""Counts over homes say where things are kept: seen kinds first, similar kinds next, and never nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_mem.errors import InvalidMessage
from embodied_mem.layers.world.placements import Placements

COUNTER, BED, SHELF = ("counter", "kitchen"), ("bed", "bedroom"), ("shelf", "office")


def two_homes() -> Placements:
    counted = Placements()
    for _ in range(2):
        counted.add_home([COUNTER, BED, SHELF], [("mug", COUNTER), ("mug", COUNTER), ("pillow", BED)])
    return counted


def test_a_mug_is_expected_on_counters_and_a_pillow_on_beds() -> None:
    homes = two_homes()
    assert homes.rate("mug", COUNTER) > 3 * homes.rate("mug", BED)
    assert homes.rate("pillow", BED) > 3 * homes.rate("pillow", COUNTER)


def test_a_kind_never_seen_takes_the_rate_of_its_furniture_elsewhere() -> None:
    homes = two_homes()
    assert homes.rate("mug", ("counter", "office")) > homes.rate("mug", ("bed", "office"))


def test_a_label_never_seen_is_expected_where_things_are_in_general() -> None:
    homes = two_homes()
    assert homes.rate("teapot", COUNTER) > homes.rate("teapot", SHELF) > 0.0


def test_nothing_learned_makes_all_places_alike() -> None:
    assert Placements().rate("mug", COUNTER) == Placements().rate("mug", BED) > 0.0


KINDS = st.tuples(st.sampled_from(["table", "bed", "shelf"]), st.sampled_from(["kitchen", "office", ""]))
HOMES = st.lists(
    st.tuples(
        st.lists(KINDS, max_size=4), st.lists(st.tuples(st.sampled_from(["mug", "book"]), KINDS), max_size=4)
    ),
    max_size=4,
)


def counted(homes: list[tuple[list[tuple[str, str]], list[tuple[str, tuple[str, str]]]]]) -> Placements:
    found = Placements()
    for receptacles, things in homes:
        found.add_home(receptacles, things)
    return found


@given(first=HOMES, second=HOMES)
def test_merging_is_counting_both_in_either_order(first: list, second: list) -> None:  # type: ignore[type-arg]
    both = counted([*first, *second]).to_json()
    assert counted(first).merged(counted(second)).to_json() == both
    assert counted(second).merged(counted(first)).to_json() == both


@given(homes=HOMES)
def test_counts_survive_being_written(homes: list) -> None:  # type: ignore[type-arg]
    text = counted(homes).to_json()
    assert Placements.from_json(text).to_json() == text


@pytest.mark.parametrize(
    "text", ["", "[]", '{"num_homes": 1}', '{"num_homes": 1, "receptacles": [1], "things": {}}']
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidMessage, match="to_json"):
        Placements.from_json(text)


def test_rooms_of_a_label_are_counted_over_furniture_and_things() -> None:
    counted = Placements()
    counted.add_home([BED, ("chair", "office")], [("chair", BED), ("clock", BED), ("clock", SHELF)])
    assert counted.rooms_of("clock") == {"bedroom": 1, "office": 1}
    assert counted.rooms_of("bed") == {"bedroom": 1}
    assert counted.rooms_of("chair") == {"bedroom": 1, "office": 1}
    assert counted.holds("bed")
    assert not counted.holds("clock")
