"""Who is who, what moved, what is gone, who was only hidden; and the same after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embodied_mem.errors import InvalidQuery, StoreError, UnknownEntity
from embodied_mem.layers.world import WorldConfig, WorldLayer
from embodied_mem.messages import Answer, Event, Interval, Location, ObjectMention, Region
from embodied_mem.store.sqlite import SqliteRepository
from tests.layers.world.stage import Stage, received_at

SHELF_TOP_M = 1.0


def new_world() -> WorldLayer:
    return WorldLayer(SqliteRepository(":memory:"))


def watch(world: WorldLayer, stage: Stage, **circle: float) -> None:
    for percept in stage.circle(**circle):  # type: ignore[arg-type]
        world.update(percept)


def error_m(answer: Answer[Location], center: np.ndarray) -> float:
    assert answer.value is not None, answer
    return float(np.linalg.norm(np.array(answer.value.placement.position_world_m) - center))


def mugs(world: WorldLayer) -> int | None:
    return world.count("mug").value


def test_one_mug_from_twenty_views_is_one() -> None:
    stage, world = Stage(), new_world()
    stage.put("mug", 2.4, 2.1)
    watch(world, stage)
    assert mugs(world) == 1
    assert error_m(world.where("red mug"), stage.center("mug")) < 0.03
    mug = world.where("mug").value
    assert mug is not None
    assert mug.support == world.where("table").value.entity_id  # type: ignore[union-attr]


def test_two_identical_mugs_stay_two_also_when_one_leaves_the_other() -> None:
    stage, world = Stage(), new_world()
    stage.put("left", 2.3, 2.0)
    stage.put("right", 2.65, 2.0)
    watch(world, stage)
    assert mugs(world) == 2
    assert world.where("red mug").status == "ambiguous"
    before_ns = stage.now_ns
    stage.room.clock.advance(30.0)
    stage.put("right", 4.7, 2.0, bottom_m=SHELF_TOP_M)
    watch(world, stage)
    for percept in stage.circle(6, target=(4.4, 2.0, 1.0), radius_m=1.2):
        world.update(percept)
    assert mugs(world) == 2
    found = world.find(label="mug").value or ()
    centers = np.array([location.placement.position_world_m for location in found])
    for name in ("left", "right"):
        assert np.linalg.norm(centers - stage.center(name), axis=1).min() < 0.05
    assert [change.kind for change in world.changes(since_ns=before_ns).value or ()] == ["move"]
    assert world.count("mug", as_of_ns=before_ns).value == 2


def test_a_moved_mug_is_where_it_is_and_was_where_it_was() -> None:
    stage, world = Stage(), new_world()
    stage.put("mug", 2.3, 2.0)
    watch(world, stage)
    old, before_ns = stage.center("mug"), stage.now_ns
    stage.room.clock.advance(30.0)
    stage.put("mug", 2.8, 2.2)
    watch(world, stage)
    assert error_m(world.where("mug"), stage.center("mug")) < 0.03
    assert error_m(world.where("mug", as_of_ns=before_ns), old) < 0.03
    assert error_m(world.where("mug", as_of_ns=before_ns, known_at_ns=before_ns), old) < 0.03
    assert error_m(world.where("mug", as_of_ns=stage.now_ns, known_at_ns=before_ns), old) < 0.03
    stops = world.history("mug").value
    assert stops is not None
    assert len(stops) == 2
    (change,) = world.changes().value or ()
    assert change.kind == "move"
    assert before_ns - 1e9 <= change.after_ns <= before_ns < change.before_ns


def test_what_was_taken_away_is_gone_and_where_it_was_is_known() -> None:
    stage, world = Stage(), new_world()
    stage.put("mug", 2.3, 2.0)
    watch(world, stage)
    before_ns, place = stage.now_ns, stage.center("mug")
    stage.room.remove("mug")
    stage.room.clock.advance(10.0)
    watch(world, stage)
    gone = world.where("mug")
    assert gone.status == "unknown"
    assert gone.evidence
    assert mugs(world) == 0
    assert [change.kind for change in world.changes().value or ()] == ["vanish"]
    assert error_m(world.where("mug", as_of_ns=before_ns), place) < 0.03
    (mug,) = [entity for entity in world.entities() if entity.label == "mug"]
    assert mug.presence < 0.2
    assert not mug.is_present


def test_a_hidden_mug_stays() -> None:
    stage, world = Stage(), new_world()
    stage.put("mug", 2.3, 2.0)
    watch(world, stage)
    stage.put("screen", 2.3, 1.8, label="shelf", size_m=(0.6, 0.04, 0.5), color="white")
    stage.room.clock.advance(10.0)
    for x in np.linspace(1.9, 2.7, 12):
        world.update(stage.look((x, 0.6, 1.0), (2.3, 2.0, 0.75), after_s=1.5))
    assert mugs(world) == 1
    (mug,) = [entity for entity in world.entities() if entity.label == "mug"]
    assert mug.presence > 0.8
    assert world.where("mug").status == "known"


def test_what_is_put_into_a_place_seen_empty_has_appeared_and_first_seen_things_have_not() -> None:
    stage, world = Stage(num_objects=5), new_world()
    watch(world, stage)
    watch(world, stage)
    assert world.changes().value == ()
    stage.room.clock.advance(10.0)
    stage.put("new", 2.3, 1.7, label="bowl", color="green", size_m=(0.18, 0.18, 0.09))
    watch(world, stage)
    (change,) = world.changes().value or ()
    assert (change.kind, change.label) == ("appear", "bowl")


def test_a_sofa_seen_in_pieces_is_one() -> None:
    stage, world = Stage(), new_world()
    for x in (1.3, 3.7, 1.3, 3.7):
        world.update(stage.look((x, 1.15, 1.0), (x, 0.4, 0.4)))
    for x in np.linspace(1.0, 4.0, 8):
        world.update(stage.look((x, 1.7, 1.2), (2.5, 0.4, 0.4)))
    assert world.count("sofa").value == 1
    assert world.changes().value == ()
    assert error_m(world.where("sofa"), stage.center("sofa")) < 0.1


def test_a_frame_that_comes_late_rewrites_what_was_true_but_not_what_was_known() -> None:
    stage, world = Stage(), new_world()
    stage.put("mug", 2.3, 2.0)
    early = [received_at(percept, 10**12) for percept in stage.circle()]
    first = stage.center("mug")
    stage.room.clock.advance(30.0)
    stage.put("mug", 2.8, 2.2)
    late_view = stage.circle()
    for percept in late_view:
        world.update(percept)
    known_then_ns, early_ns = stage.now_ns, early[10].frame.stamp_ns
    assert world.where("mug", as_of_ns=early_ns).status == "unknown"
    for percept in early:
        world.update(percept)
    assert mugs(world) == 1
    assert error_m(world.where("mug", as_of_ns=early_ns), first) < 0.05
    assert world.where("mug", as_of_ns=early_ns, known_at_ns=known_then_ns).status == "unknown"
    assert error_m(world.where("mug"), stage.center("mug")) < 0.03


def test_what_the_robot_picks_up_is_held_and_then_where_it_put_it() -> None:
    stage, world = Stage(), new_world()
    stage.put("mug", 2.3, 2.0)
    watch(world, stage)
    now_ns, here = stage.now_ns, tuple(stage.center("mug").tolist())
    pick = Event(
        kind="pick", actor="robot", objects=(ObjectMention(label="mug", position_world_m=here),),
        start_ns=now_ns, end_ns=now_ns + 10**9,
    )  # fmt: skip
    world.record(pick)
    held = world.where("mug")
    assert held.status == "unknown"
    assert "held by robot" in held.reason
    there = (4.7, 2.0, SHELF_TOP_M + 0.055)
    place = Event(
        kind="place", actor="robot", objects=(ObjectMention(label="mug", position_world_m=there),),
        start_ns=now_ns + 2 * 10**9, end_ns=now_ns + 3 * 10**9,
    )  # fmt: skip
    world.record(place)
    assert error_m(world.where("mug"), np.array(there)) < 0.01
    assert error_m(world.where("mug", as_of_ns=now_ns), np.array(here)) < 0.03
    assert mugs(world) == 1


def test_regions_intervals_and_attributes_narrow_what_is_found() -> None:
    stage, world = Stage(num_objects=4), new_world()
    watch(world, stage)
    near_table = Region(center_world_m=(2.5, 2.0, 0.8), radius_m=1.0)
    nowhere = Region(center_world_m=(50.0, 0.0, 0.0), radius_m=1.0)
    assert world.count("mug", region=near_table).value == 2
    assert world.count("mug", region=nowhere).value == 0
    assert world.count("mug", attributes={"color": "blue"}).value == 1
    assert [one.label for one in world.find("green bottles").value or ()] == ["bottle"]
    assert len(world.find(label="mug", k=1).value or ()) == 1
    assert world.find("mugs", interval=Interval(to_ns=0)).value == ()
    assert world.find("cup").value == world.find("mug").value


def test_questions_that_cannot_be_asked_say_what_can_be() -> None:
    stage, world = Stage(num_objects=2), new_world()
    watch(world, stage)
    with pytest.raises(UnknownEntity, match=r"'e99'.*ids run from e1"):
        world.where("e99")
    with pytest.raises(InvalidQuery, match=r"'colour'.*Did you mean 'color'"):
        world.count("mug", attributes={"colour": "red"})
    with pytest.raises(InvalidQuery, match="as_of_ns is -1"):
        world.where("red mug", as_of_ns=-1)
    with pytest.raises(InvalidQuery, match="k=0"):
        world.find("mug", k=0)
    with pytest.raises(InvalidQuery, match="names no entity"):
        world.where(" ")
    with pytest.raises(UnknownEntity, match="forget names entity"):
        world.forget("e99")
    pick = Event(kind="pick", actor="robot", objects=("e99",), start_ns=1, end_ns=2)
    with pytest.raises(UnknownEntity, match="or give an ObjectMention with label and position"):
        world.record(pick, 2)
    unknown = world.where("mugg")
    assert unknown.status == "unknown"
    assert "Did you mean 'mug'" in unknown.reason
    assert world.count("giraffe").status == "unknown"


def test_a_forgotten_thing_leaves_no_trace() -> None:
    stage, repository = Stage(num_objects=2), SqliteRepository(":memory:")
    world = WorldLayer(repository)
    watch(world, stage)
    red = world.where("red mug").value
    assert red is not None
    world.forget(red.entity_id)
    assert world.where("red mug").status == "unknown"
    assert repository.facts(subject=red.entity_id, any_time=True) == ()
    assert repository.sightings(red.entity_id) == ()
    assert WorldLayer(repository).entities() == world.entities()
    world.reset()
    assert world.entities() == ()


def test_when_the_store_fails_the_layer_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, repository = Stage(num_objects=2), SqliteRepository(":memory:")
    world = WorldLayer(repository)
    views = stage.circle()
    for percept in views[:-1]:
        world.update(percept)
    before = world.entities()

    def fail(*_: object) -> None:
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(repository, "put_record", fail)
        with pytest.raises(StoreError, match="disk full"):
            world.update(views[-1])
    assert world.entities() == before
    assert world.update(views[-1]).seen


KILLED = """
import os, signal, sys
from tests.layers.world.stage import Stage
from embodied_mem.layers.world import WorldLayer
from embodied_mem.store.sqlite import SqliteRepository
stage, world = Stage(num_objects=5), WorldLayer(SqliteRepository(sys.argv[1]))
for percept in stage.circle():
    world.update(percept)
print(world.entities(), world.where("red mug"), world.history("bowl"), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_after_kill_9_the_answers_are_the_same_and_things_are_known_again(tmp_path: Path) -> None:
    path = tmp_path / "world.sqlite"
    result = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)],
        capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert result.returncode == -signal.SIGKILL, result.stderr
    repository = SqliteRepository(path)
    world = WorldLayer(repository)
    assert f"{world.entities()} {world.where('red mug')} {world.history('bowl')}\n" == result.stdout
    names = {entity.entity_id for entity in world.entities()}
    stage = Stage(num_objects=5)
    stage.circle()  # the same twenty looks pass; the next ones are new
    watch(world, stage)
    assert {entity.entity_id for entity in world.entities()} == names
    repository.close()


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ValueError, match="miss_rate"):
        WorldConfig(miss_rate=1.5)
    with pytest.raises(ValueError, match="cell_m"):
        WorldConfig(cell_m=0.0)


def test_what_comes_into_view_in_an_opened_drawer_has_not_appeared() -> None:
    stage, world = Stage(), new_world()

    def look_at_drawer(front_m: float) -> None:
        stage.put("drawer", front_m, 2.0, label="drawer", color="gray", size_m=(0.02, 0.4, 0.2))
        for y in np.linspace(1.4, 2.6, 20):
            world.update(stage.look((2.4, y, 1.5), (1.2, 2.0, 0.8)))

    look_at_drawer(1.2)
    closed_ns = stage.now_ns
    stage.room.clock.advance(60.0)
    stage.put("inside", 1.36, 2.0, label="bottle", color="green", size_m=(0.08, 0.08, 0.15))
    look_at_drawer(1.6)
    assert world.count("bottle").value == 1
    assert [change.kind for change in world.changes(since_ns=closed_ns).value or ()] == ["open"]


def test_of_two_alike_things_that_both_moved_unseen_nobody_can_say_which_is_which() -> None:
    stage, world = Stage(), new_world()
    stage.put("left", 2.1, 2.0)
    stage.put("right", 2.5, 2.0)
    watch(world, stage)
    first, second = (one.entity_id for one in world.entities() if one.label == "mug")
    before_ns = stage.now_ns
    assert world.where(first).status == "known"
    stage.room.clock.advance(30.0)
    stage.put("left", 2.2, 2.4)
    stage.put("right", 2.7, 2.2)
    watch(world, stage)
    assert mugs(world) == 2
    for entity_id in (first, second):
        answer = world.where(entity_id)
        assert (answer.status, answer.value) == ("ambiguous", None)
        assert {one.entity_id for one in answer.candidates} == {first, second}
        assert "either may be the other" in answer.reason
        assert world.where(entity_id, as_of_ns=before_ns).status == "known"
        assert world.where(entity_id, known_at_ns=before_ns).status == "known"
    found = np.array([one.placement.position_world_m for one in world.find(label="mug").value or ()])
    for name in ("left", "right"):
        assert np.linalg.norm(found - stage.center(name), axis=1).min() < 0.05
    world.forget(second)
    assert world.where(first).status == "known"


def test_two_things_of_different_colours_that_both_moved_unseen_are_told_apart() -> None:
    stage, world = Stage(), new_world()
    stage.put("left", 2.1, 2.0)
    stage.put("right", 2.5, 2.0, color="blue")
    watch(world, stage)
    stage.room.clock.advance(30.0)
    stage.put("left", 2.2, 2.4)
    stage.put("right", 2.7, 2.2, color="blue")
    watch(world, stage)
    for entity in world.entities():
        if entity.label == "mug" and entity.is_present:
            name = "left" if entity.color == "red" else "right"
            assert error_m(world.where(entity.entity_id), stage.center(name)) < 0.05
