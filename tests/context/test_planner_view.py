"""A planner reads what matters first, cites everything, and never gets more than it asked for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_mem.context.planner_view import planner_view
from embodied_mem.errors import InvalidQuery
from embodied_mem.messages import Event, ObjectMention, Operation
from tests.context.two_rooms import Home


@pytest.fixture(scope="module")
def home() -> Home:
    made = Home()
    made.furnish()
    red = made.world.where("red mug").value
    assert red is not None
    made.world.write(
        Operation(kind="ADD", source="anna", subject=red.entity_id, predicate="owner", value="anna")
    )
    made.world.record(
        Event(kind="pick", actor="robot", objects=(red.entity_id,), start_ns=10**10, end_ns=11 * 10**9)
    )
    mention = ObjectMention(label="mug", position_world_m=(7.8, 3.1, 0.55))
    made.world.record(
        Event(kind="place", actor="robot", objects=(mention,), start_ns=12 * 10**9, end_ns=13 * 10**9)
    )
    return made


def test_what_the_task_names_comes_first_with_all_that_is_known_of_it(home: Home) -> None:
    lines = planner_view(home.recall, "bring me the red mug").text.splitlines()
    assert lines[0].startswith("World frame, metres")
    assert "red mug" in lines[1]
    assert "(anna)" in lines[1]
    assert "in bedroom" in lines[1]
    assert "blue mug" in lines[2]


def test_every_line_cites_what_it_rests_on_and_the_citations_exist(home: Home) -> None:
    view = planner_view(home.recall, "tidy up", max_tokens=2000)
    cited = [re.search(r"\[([^\]]+)\]$", line) for line in view.text.splitlines()[1:]]
    assert all(cited)
    assert set(view.sources) == {match.group(1) for match in cited if match}
    assert view.num_omitted == 0
    assert any("place red mug" in line for line in view.text.splitlines())
    with home.world.reading() as world:
        for source in view.sources:
            kind, _, number = source.partition("/")
            assert kind != "fact" or world.fact(int(number)) is not None


@settings(max_examples=40, deadline=None)
@given(max_tokens=st.integers(60, 1500))
def test_the_budget_is_kept(home: Home, max_tokens: int) -> None:
    view = planner_view(home.recall, "red mug", max_tokens=max_tokens)
    assert view.num_tokens <= max_tokens
    assert len(view.text) <= 3 * max_tokens


def test_a_budget_without_room_for_a_line_is_refused(home: Home) -> None:
    with pytest.raises(InvalidQuery, match="needs 60"):
        planner_view(home.recall, max_tokens=10)
