"""Two things that were taken for one are two again when somebody says so, and the other way round; both are audited."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embodied_mem.errors import InvalidMessage, InvalidQuery, UnknownEntity
from embodied_mem.layers.world import WorldConfig, WorldLayer
from embodied_mem.messages import Operation
from embodied_mem.store.sqlite import SqliteRepository
from tests.context.two_rooms import (
    BED,
    BED_MUG,
    BEDROOM_POINT,
    COUNTER,
    COUNTER_MUG,
    KITCHEN_POINT,
    RED,
    Home,
    box,
    thing,
)
from tests.layers.world.stage import Stage

BESIDE_MUG = box((2.36, 0.35, 0.95), (0.09, 0.09, 0.1))
FAR_MUG = box((2.7, 0.85, 0.95), (0.09, 0.09, 0.1))


def say(world: WorldLayer, kind: str, subject: str, object: str | None = None) -> None:
    world.write(Operation(kind=kind, source="anna", subject=subject, object=object, reason="I know"))  # type: ignore[arg-type]


def with_two_mugs() -> tuple[Home, str, str]:
    """A red mug on the counter, later one on the bed; the ids that they have."""
    home = Home()
    for _ in range(4):
        home.see(KITCHEN_POINT, COUNTER, thing("mug", COUNTER_MUG, color=RED))
    for _ in range(4):
        home.see(BEDROOM_POINT, BED, thing("mug", BED_MUG, color=RED))
    first, second = (one.entity_id for one in home.world.find("mug", k=5).value or ())
    return home, *sorted((first, second))  # type: ignore[return-value]


def story(world: WorldLayer, entity_id: str) -> list[tuple[tuple[float, ...], int, int | None]]:
    stays = world.history(entity_id).value or ()
    return [(stay.placement.position_world_m, stay.from_ns, stay.to_ns) for stay in stays]


def entities(world: WorldLayer) -> dict[str, tuple[object, ...]]:
    return {
        one.entity_id: (
            one.label,
            one.placement,
            one.num_views,
            one.first_seen_ns,
            one.last_seen_ns,
            one.is_present,
        )
        for one in world.entities()
    }


def test_what_is_merged_and_split_again_is_as_it_was_and_both_are_audited() -> None:
    home, first, second = with_two_mugs()
    before, stories = entities(home.world), [story(home.world, one) for one in (first, second)]
    say(home.world, "MERGE", second, first)
    assert home.world.count("mug").value == 1
    assert [stay[0] for stay in story(home.world, first)] == [stories[0][0][0], stories[1][0][0]]
    assert home.world.where(second).value == home.world.where(first).value
    assert any(change.kind == "move" for change in home.world.changes().value or ())
    say(home.world, "SPLIT", second)
    assert entities(home.world) == before
    assert [story(home.world, one) for one in (first, second)] == stories
    assert not home.world.changes().value
    with home.world.reading() as view:
        assert [(one.operation.kind, one.operation.source) for one in view.audits()] == [
            ("MERGE", "anna"), ("SPLIT", "anna"),
        ]  # fmt: skip


def test_the_past_is_known_as_it_was_known_then() -> None:
    home, first, second = with_two_mugs()
    merged_ns = home.now_ns + 1
    home.world.write(Operation(kind="MERGE", source="anna", subject=first, object=second), merged_ns)
    home.world.write(Operation(kind="SPLIT", source="anna", subject=second), merged_ns + 10)
    counts = [home.world.count("mug", known_at_ns=merged_ns + k).value for k in (-1, 0, 10)]
    assert counts == [2, 1, 2]


def test_what_was_seen_since_the_merge_belongs_to_the_later_thing() -> None:
    home, first, second = with_two_mugs()
    say(home.world, "MERGE", first, second)
    for _ in range(3):
        home.see(BEDROOM_POINT, BED, thing("mug", BED_MUG, color=RED))
    last_ns = home.now_ns
    say(home.world, "SPLIT", second)
    here = entities(home.world)
    assert here[second][4] == last_ns
    assert here[first][4] < last_ns
    assert here[second][2] == 7
    assert len(story(home.world, first)) == len(story(home.world, second)) == 1


def test_what_was_split_is_not_merged_again_and_survives_a_restart(tmp_path: Path) -> None:
    """The robot carried a mug from here to there; then a mug stands here again."""
    repository = SqliteRepository(tmp_path / "world.sqlite")
    home = Home()
    home.world = WorldLayer(repository)
    for _ in range(4):
        home.see(KITCHEN_POINT, COUNTER, thing("mug", COUNTER_MUG, color=RED))
    home.pick_and_place("robot", "e2", BED_MUG)
    for _ in range(4):
        home.see(BEDROOM_POINT, BED, thing("mug", BED_MUG, color=RED))
    home.see(KITCHEN_POINT, COUNTER, thing("mug", COUNTER_MUG, color=RED))
    home.see(KITCHEN_POINT, COUNTER, thing("mug", COUNTER_MUG, color=RED))
    mugs = sorted(one.entity_id for one in home.world.find("mug", k=5).value or ())
    assert len(mugs) == 2
    say(home.world, "MERGE", *mugs)
    say(home.world, "SPLIT", mugs[1])
    again = WorldLayer(repository)
    assert entities(again) == entities(home.world)
    assert again.count("mug").value == 2
    repository.close()


def test_only_the_newest_merges_can_be_undone_and_the_refusal_says_how_many_are_too_old(
    tmp_path: Path,
) -> None:
    repository = SqliteRepository(tmp_path / "world.sqlite")
    home, config = Home(), WorldConfig(max_merges=2)
    home.world = WorldLayer(repository, config)
    places = [box((2.2 + 0.25 * k, 0.35, 0.95), (0.09, 0.09, 0.1)) for k in range(4)]
    for _ in range(4):
        home.see(KITCHEN_POINT, COUNTER, *(thing("mug", place, color=RED) for place in places))
    first, *others = sorted(mugs(home.world))
    assert len(others) == 3
    for other in others:
        say(home.world, "MERGE", first, other)
    for world in (home.world, WorldLayer(repository, config)):
        with pytest.raises(InvalidQuery, match="1 older merges were dropped"):
            say(world, "SPLIT", others[0])
    say(home.world, "SPLIT", others[2])
    say(home.world, "SPLIT", others[1])
    assert home.world.count("mug").value == 3
    repository.close()


def mugs(world: WorldLayer) -> dict[str, tuple[float, ...]]:
    """Where the mugs are that are there now."""
    return {
        one.entity_id: one.placement.position_world_m
        for one in world.entities()
        if one.label == "mug" and one.is_present
    }


def test_two_pieces_of_one_thing_that_was_carried_elsewhere_are_two_again() -> None:
    home = Home()
    for _ in range(4):
        beside = thing("mug", BESIDE_MUG, color=RED)
        home.see(KITCHEN_POINT, COUNTER, thing("mug", COUNTER_MUG, color=RED), beside)
    first, second = sorted(mugs(home.world))
    was_at = mugs(home.world)
    say(home.world, "MERGE", first, second)
    home.pick_and_place("robot", first, BED_MUG)
    home.see(BEDROOM_POINT, BED, thing("mug", BED_MUG, color=RED))
    last_ns = home.now_ns
    say(home.world, "SPLIT", second)
    assert mugs(home.world)[second] == was_at[second]
    assert mugs(home.world)[first] == pytest.approx(BED_MUG.center, abs=0.01)
    assert entities(home.world)[first][4] == last_ns
    assert [len(story(home.world, one)) for one in (first, second)] == [2, 1]


def test_two_drawers_are_two_again_when_the_merged_one_went_to_a_third_place_and_back() -> None:
    stage, world = Stage(), WorldLayer(SqliteRepository(":memory:"))

    def see(**fronts_x: float) -> None:
        for name, x in fronts_x.items():
            stage.put(name, x, 2.0, label="drawer", color="gray", size_m=(0.02, 0.4, 0.2))
        for _ in range(4):
            world.update(stage.look((4.2, 2.6, 1.5), (2.4, 2.0, 0.75)))

    see(left=2.0)
    see(right=2.4)
    first, second = sorted(one.entity_id for one in world.entities() if one.label == "drawer")
    say(world, "MERGE", first, second)
    see(left=-5.0, right=2.2)
    see(right=2.0)
    say(world, "SPLIT", second)
    at_x = {one.entity_id: one.placement.position_world_m[0] for one in world.entities()}
    assert (at_x[first], at_x[second]) == pytest.approx((2.0, 2.2), abs=0.03)
    assert [len(story(world, one)) for one in (first, second)] == [1, 2]


def test_what_was_seen_again_while_it_was_merged_is_no_second_thing_at_its_place() -> None:
    home, first, second = with_two_mugs()
    was_at = mugs(home.world)
    say(home.world, "MERGE", first, second)
    for _ in range(3):
        home.see(KITCHEN_POINT, COUNTER, thing("mug", COUNTER_MUG, color=RED))
    last_ns = home.now_ns
    assert len(mugs(home.world)) == 2
    say(home.world, "SPLIT", second)
    assert set(mugs(home.world)) == {first, second}
    for one, position in mugs(home.world).items():
        assert position == pytest.approx(was_at[one], abs=1e-3)
    assert home.world.count("mug").value == 2
    assert entities(home.world)[first][2] == 7
    assert entities(home.world)[first][4] == last_ns
    assert len(story(home.world, first)) == 1
    home.see(KITCHEN_POINT, COUNTER, thing("mug", COUNTER_MUG, color=RED))
    assert set(mugs(home.world)) == {first, second}


FAR_POINTS = [(2.7, 0.85, 0.95), (1.0, 2.6, 0.5), (7.9, 3.3, 0.55), (2.2, 0.35, 0.95)]


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(["mug", "drawer"]),
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(["carry", "see"]), st.integers(0, 3)), max_size=4),
)
@example("mug", True, [("carry", 0), ("see", 0)])
def test_any_merge_can_be_undone_whatever_was_done_since(
    label: str, is_piece: bool, deeds: list[tuple[str, int]]
) -> None:
    home, other = Home(), BESIDE_MUG if is_piece else BED_MUG
    for _ in range(4):
        home.see(KITCHEN_POINT, *(thing(label, at, color=RED) for at in (COUNTER_MUG, other)))
    first, second = sorted(entities(home.world))
    say(home.world, "MERGE", first, second)
    for deed, index in deeds:
        goal = box(FAR_POINTS[index], (0.09, 0.09, 0.1))
        if deed == "carry":
            home.pick_and_place("robot", first, goal, label=label)
        else:
            home.see(KITCHEN_POINT, thing(label, goal, color=RED))
    say(home.world, "SPLIT", second)
    assert {first, second} <= set(entities(home.world))
    for one in (first, second):
        stays = home.world.history(one).value or ()
        location = home.world.where(one).value
        assert stays
        assert location is not None
        assert location.placement == stays[-1].placement
    home.see(KITCHEN_POINT, thing(label, COUNTER_MUG, color=RED), thing(label, other, color=RED))


def test_merges_are_undone_in_the_order_of_their_nesting() -> None:
    home, first, second = with_two_mugs()
    for _ in range(4):
        home.see(KITCHEN_POINT, thing("mug", COUNTER_MUG, color=RED), thing("mug", FAR_MUG, color=RED))
    (third,) = {one.entity_id for one in home.world.find("mug", k=5).value or ()} - {first, second}
    before = entities(home.world)
    say(home.world, "MERGE", first, second)
    say(home.world, "MERGE", first, third)
    with pytest.raises(InvalidQuery, match="split them first"):
        say(home.world, "SPLIT", second)
    say(home.world, "SPLIT", third)
    say(home.world, "SPLIT", second)
    assert entities(home.world) == before


def test_what_cannot_be_merged_or_split_is_refused() -> None:
    home, first, second = with_two_mugs()
    with pytest.raises(UnknownEntity):
        say(home.world, "MERGE", first, "e99")
    with pytest.raises(InvalidQuery, match="was not merged"):
        say(home.world, "SPLIT", second)
    say(home.world, "MERGE", first, second)
    with pytest.raises(InvalidQuery, match="one thing already"):
        say(home.world, "MERGE", first, second)
    with pytest.raises(InvalidMessage, match="MERGE needs the ids"):
        Operation(kind="MERGE", source="anna", subject=first)
    home.world.forget(first)
    with pytest.raises(InvalidQuery, match="was not merged"):
        say(home.world, "SPLIT", second)
