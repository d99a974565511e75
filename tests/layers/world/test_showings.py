"""What was shown in turn: lamps that blink, look-alikes that change places in view, and what is only seen otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embodied_mem import RobotMemory
from embodied_mem.errors import InvalidQuery
from embodied_mem.layers.world import WorldConfig, WorldLayer
from embodied_mem.messages import Interval, Operation, Showing
from embodied_mem.perception.colors import surface_color
from embodied_mem.store.sqlite import SqliteRepository
from tests.layers.world.stage import Stage

EYE, TARGET = (2.4, 3.4, 1.5), (2.4, 2.0, 0.75)
LAMP_M = (0.12, 0.12, 0.12)


def new_world() -> WorldLayer:
    return WorldLayer(SqliteRepository(":memory:"))


def shown(world: WorldLayer, label: str, **more: object) -> tuple[Showing, ...]:
    return world.shown(label, **more).value or ()  # type: ignore[arg-type]


def lamp(stage: Stage, color: str) -> None:
    stage.put("lamp", 2.4, 2.0, label="bottle", color=color, size_m=LAMP_M)


def blink(world: WorldLayer, stage: Stage, colors: str) -> None:
    for letter in colors:
        lamp(stage, {"b": "blue", "y": "yellow"}[letter])
        world.update(stage.look(EYE, TARGET))


def test_a_lamp_that_blinks_three_times_was_lit_three_times_and_stays_one_thing() -> None:
    stage, world = Stage(), new_world()
    blink(world, stage, "bbybyybbyb")
    assert [one.color for one in shown(world, "bottle")] == [
        "blue",
        "yellow",
        "blue",
        "yellow",
        "blue",
        "yellow",
        "blue",
    ]
    assert {one.follow for one in shown(world, "bottle")} == {shown(world, "bottle")[0].follow}
    lit = shown(world, "bottle", color="yellow")
    assert len(lit) == 3
    assert lit[1].to_ns > lit[1].from_ns  # two frames long
    first_lit = Interval(from_ns=lit[0].from_ns, to_ns=lit[0].to_ns)
    assert shown(world, "bottle", color="yellow", interval=first_lit) == lit[:1]


def test_what_was_shown_ends_when_it_was_seen_so_last_and_not_when_it_was_seen_otherwise() -> None:
    stage, world = Stage(), new_world()
    blink(world, stage, "bbyyb")
    first, lit, last = shown(world, "bottle")
    assert first.from_ns < first.to_ns < lit.from_ns < lit.to_ns < last.from_ns == last.to_ns


def test_what_was_shown_is_there_after_a_restart_and_followed_on(tmp_path: Path) -> None:
    stage, repository = Stage(), SqliteRepository(str(tmp_path / "world.sqlite"))
    world = WorldLayer(repository)
    blink(world, stage, "by")
    before = shown(world, "bottle")
    again = WorldLayer(repository)
    assert shown(again, "bottle") == before
    blink(again, stage, "yyb")
    colors = [(one.color, one.follow) for one in shown(again, "bottle")]
    assert colors[:2] == [(one.color, one.follow) for one in before]
    assert colors[-1][1] == before[0].follow


def test_of_look_alikes_that_change_places_in_view_each_is_followed() -> None:
    stage, world = Stage(), new_world()
    place_of_first = [2.1, 2.25, 2.4, 2.55, 2.7]
    for turn in range(5):
        aside = 0.15 * np.sin(np.pi * turn / 4)
        stage.put("first", place_of_first[turn], 2.0 + aside)
        stage.put("second", place_of_first[-1 - turn], 2.0 - aside)
        world.update(stage.look(EYE, TARGET))
    ways = {}
    for one in shown(world, "mug"):
        ways.setdefault(one.follow, []).append(round(one.placement.position_world_m[0], 1))
    assert sorted((way[0], way[-1]) for way in ways.values()) == [(2.1, 2.7), (2.7, 2.1)]


def test_a_thing_that_looks_otherwise_from_another_side_has_not_changed() -> None:
    stage, world = Stage(), new_world()
    lamp(stage, "blue")
    world.update(stage.look(EYE, TARGET))
    lamp(stage, "yellow")  # as if its other side were yellow
    world.update(stage.look((1.0, 0.6, 1.5), TARGET))
    assert [one.color for one in shown(world, "bottle")] == ["blue"]


def test_frames_that_follow_too_fast_or_come_late_tell_nothing() -> None:
    stage = Stage()
    world = WorldLayer(SqliteRepository(":memory:"), WorldConfig(showing_interval_s=0.4))
    lamp(stage, "yellow")
    late = stage.look(EYE, TARGET)
    blink(world, stage, "b")
    world.update(late)
    lamp(stage, "yellow")
    world.update(stage.look(EYE, TARGET, after_s=0.1))
    assert [one.color for one in shown(world, "bottle")] == ["blue"]


def test_a_late_frame_of_another_camera_does_not_move_the_end_of_what_was_shown() -> None:
    stage, world = Stage(), new_world()
    lamp(stage, "blue")
    late = stage.look(EYE, TARGET)
    blink(world, stage, "bb")
    before = shown(world, "bottle")
    world.update(replace(late, frame=replace(late.frame, sensor="other")))
    assert shown(world, "bottle") == before


def test_a_refused_write_loses_nothing_of_what_was_shown() -> None:
    stage, world = Stage(), new_world()
    blink(world, stage, "bbb")
    before = shown(world, "bottle")
    with pytest.raises(InvalidQuery):
        world.write(Operation(kind="SPLIT", subject="e1", source="test"))
    assert shown(world, "bottle") == before


def test_what_an_entity_showed_is_forgotten_with_it() -> None:
    stage, world = Stage(), new_world()
    for color in ("b", "y", "b", "y"):
        blink(world, stage, color)
    assert world.shown("bottle").status == "known"
    for entity in world.entities():
        if entity.label == "bottle":
            world.forget(entity.entity_id)
    assert world.shown("bottle").status == "unknown"
    assert world.shown("unicorn").status == "unknown"


def test_only_the_newest_showings_are_kept_and_the_answer_says_how_many_were_dropped(tmp_path: Path) -> None:
    stage, repository = Stage(), SqliteRepository(tmp_path / "world.sqlite")
    world = WorldLayer(repository, WorldConfig(max_showings=2))
    blink(world, stage, "by")
    assert world.shown("bottle").reason == ""
    before = shown(world, "bottle")
    blink(world, stage, "byb")
    after = world.shown("bottle")
    assert after.reason == "2 older showings were dropped"
    assert len(after.value or ()) == 3  # two that ended and the one that goes on
    assert before[0] not in (after.value or ())
    again = WorldLayer(repository, WorldConfig(max_showings=2)).shown("bottle")
    assert (again.value, again.reason) == (after.value, after.reason)
    assert "2 older" in world.shown("unicorn").reason
    repository.close()


def test_a_smaller_number_of_showings_holds_after_a_restart_too(tmp_path: Path) -> None:
    stage, repository = Stage(), SqliteRepository(tmp_path / "world.sqlite")
    world = WorldLayer(repository, WorldConfig())
    blink(world, stage, "bybyby")
    again = WorldLayer(repository, WorldConfig(max_showings=2))
    blink(again, stage, "bybyb")
    kept = shown(again, "bottle")
    assert len(kept) == 3  # two that ended and the one that goes on
    assert [one.from_ns for one in kept] == sorted(one.from_ns for one in kept)
    assert "older showings were dropped" in again.shown("bottle").reason
    repository.close()


def test_the_memory_answers_what_was_shown() -> None:
    stage = Stage()
    lamp(stage, "blue")
    with RobotMemory.open() as memory:
        memory.observe(stage.look(EYE, TARGET).frame)
        (one,) = memory.questions.shown("bottle").value
        memory.reset()
        assert memory.questions.shown("bottle").status == "unknown"
    assert (one.label, one.color) == ("bottle", "blue")
    assert np.linalg.norm(np.subtract(one.placement.position_world_m, stage.center("lamp"))) < 0.05


def test_a_surfaces_colour_is_that_of_its_more_colourful_half() -> None:
    pixels = np.array([[30, 30, 30]] * 50 + [[240, 220, 40]] * 50, dtype=np.uint8)
    assert surface_color(pixels) == "yellow"
    assert surface_color(pixels[:0]) == ""
