"""The spine end to end on a synthetic room: what moved, what went, what stays, also after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embodied_mem import Query, RobotMemory, RobotMemoryConfig
from embodied_mem.errors import InvalidQuery, StoreError, StoreInUse, UnknownEntity
from embodied_mem.messages import Answer, Location
from embodied_mem.testing import SyntheticRoom

ON_SHELF = (4.7, 1.55, 1.055)


def error_m(answer: Answer[Location], room: SyntheticRoom, name: str) -> float:
    assert answer.status == "known", answer
    assert answer.value is not None
    offset = np.array(answer.value.placement.position_world_m) - room.things[name].box.center
    return float(np.linalg.norm(offset))


def in_order(points: np.ndarray) -> bytes:
    """The points as bytes, whatever order they came in."""
    return points[np.lexsort(points.T)].tobytes()


@pytest.fixture(scope="module")
def story() -> Iterator[tuple[SyntheticRoom, RobotMemory, dict[str, Any]]]:
    """Look around; behind the robot's back the red mug goes to the shelf and the bottle leaves; look again."""
    room, memory = SyntheticRoom(seed=0), RobotMemory.open()
    for frame in room.frames():
        memory.observe(frame)
    truth: dict[str, Any] = {"before_ns": room.clock.now_ns, "red mug": room.things["red mug"].box.center}
    room.clock.advance(60.0)
    room.move("red mug", ON_SHELF)
    room.remove("bottle")
    for frame in room.frames():
        memory.observe(frame)
    yield room, memory, truth
    memory.close()


def test_everything_is_where_it_is(story: tuple[SyntheticRoom, RobotMemory, dict[str, Any]]) -> None:
    room, memory, _ = story
    for name in ("red mug", "blue mug", "bowl", "book"):
        assert error_m(memory.where(name), room, name) < 0.1, name


def test_a_moved_mug_is_where_it_is_and_was_where_it_was(
    story: tuple[SyntheticRoom, RobotMemory, dict[str, Any]],
) -> None:
    _, memory, truth = story
    then = memory.where("red mug", as_of_ns=truth["before_ns"]).value
    assert then is not None
    assert np.linalg.norm(np.array(then.placement.position_world_m) - truth["red mug"]) < 0.1
    known_then = memory.where("red mug", known_at_ns=truth["before_ns"]).value
    assert known_then is not None
    assert np.linalg.norm(np.array(known_then.placement.position_world_m) - truth["red mug"]) < 0.1
    stays = memory.history("red mug").value
    assert stays is not None
    assert len(stays) == 2


def test_look_alikes_stay_two(story: tuple[SyntheticRoom, RobotMemory, dict[str, Any]]) -> None:
    _, memory, _ = story
    assert memory.count("mug").value == 2
    assert memory.where("mug").status == "ambiguous"
    assert len(memory.where("mug").candidates) == 2


def test_what_was_taken_away_is_gone(story: tuple[SyntheticRoom, RobotMemory, dict[str, Any]]) -> None:
    _, memory, truth = story
    assert memory.count("bottle").value == 0
    assert memory.count("bottle", as_of_ns=truth["before_ns"]).value == 1
    kinds = {(c.kind, c.label) for c in memory.changes(since_ns=truth["before_ns"]).value or ()}
    assert kinds == {("move", "mug"), ("vanish", "bottle")}


def test_a_question_as_data_gets_the_same_answer(
    story: tuple[SyntheticRoom, RobotMemory, dict[str, Any]],
) -> None:
    _, memory, _truth = story
    assert memory.recall(Query(kind="where", entity="red mug")) == memory.where("red mug")
    assert memory.recall(Query(kind="count", label="mug")) == memory.count("mug")
    assert memory.recall(Query(kind="find", label="mug", k=1)) == memory.find(label="mug", k=1)
    assert memory.recall(Query(kind="history", entity="bowl")) == memory.history("bowl")
    assert memory.recall(Query(kind="changes")) == memory.changes()
    with pytest.raises(InvalidQuery, match="where needs an entity"):
        memory.recall(Query(kind="where"))
    with pytest.raises(UnknownEntity, match="e999"):
        memory.where("e999")
    assert memory.where("elephant").status == "unknown"


def test_every_answer_names_its_evidence(story: tuple[SyntheticRoom, RobotMemory, dict[str, Any]]) -> None:
    _, memory, _ = story
    for answer in (memory.where("bowl"), memory.history("red mug"), memory.count("mug"), memory.changes()):
        assert answer.evidence, answer


def test_a_late_frame_is_refused_by_the_map_and_taken_by_the_world() -> None:
    room, memory = SyntheticRoom(seed=1), RobotMemory.open()
    frames = list(room.frames(4))
    for frame in frames[1:]:
        assert memory.observe(frame).map_refusal == ""
    report = memory.observe(frames[0])
    assert report.map_change is None
    assert str(frames[-1].stamp_ns) in report.map_refusal
    assert report.world_delta.seen


def test_loading_gives_the_last_save_and_opening_goes_on(tmp_path: Path) -> None:
    room, path = SyntheticRoom(seed=2), tmp_path / "home.emem"
    with RobotMemory.open(path) as memory:
        for frame in room.frames(12):
            memory.observe(frame)
        memory.save()
        saved, saved_map = memory.entities(), memory.map_snapshot()
        room.move("bowl", (4.7, 2.4, 1.04))
        for frame in room.frames(24):
            memory.observe(frame)
        live = memory.entities()
    with RobotMemory.open(path) as memory:
        assert memory.entities() == live
    with RobotMemory.load(path) as memory:
        assert memory.entities() == saved
        loaded_map = memory.map_snapshot()
        assert in_order(loaded_map.means_world) == in_order(saved_map.means_world)


def test_saving_elsewhere_makes_a_memory_of_its_own(tmp_path: Path) -> None:
    memory = RobotMemory.open()
    for frame in SyntheticRoom().frames(6):
        memory.observe(frame)
    with pytest.raises(StoreError, match="RAM only"):
        memory.save()
    memory.save(tmp_path / "copy.emem")
    with RobotMemory.open(tmp_path / "copy.emem") as copy:
        assert copy.entities() == memory.entities()
    with pytest.raises(StoreError, match="no memory folder"):
        RobotMemory.load(tmp_path / "nowhere.emem")


def test_a_memory_has_one_writer(tmp_path: Path) -> None:
    with RobotMemory.open(tmp_path / "home.emem"), pytest.raises(StoreInUse):
        RobotMemory.open(tmp_path / "home.emem")


def test_resetting_forgets_everything_and_forgetting_one_thing_leaves_the_rest() -> None:
    memory = RobotMemory.open()
    for frame in SyntheticRoom().frames(12):
        memory.observe(frame)
    bowl = memory.where("bowl").value
    assert bowl is not None
    others = {e.entity_id for e in memory.entities()} - {bowl.entity_id}
    memory.forget(bowl.entity_id)
    assert {e.entity_id for e in memory.entities()} == others
    assert memory.where("bowl").status == "unknown"
    memory.reset()
    assert memory.entities() == ()
    assert len(memory.map_snapshot().means_world) == 0


def test_autosave_writes_a_generation_after_its_period(tmp_path: Path) -> None:
    with RobotMemory.open(tmp_path / "home.emem", RobotMemoryConfig(autosave_s=3.0)) as memory:
        for frame in SyntheticRoom().frames(8):  # 0.5 s apart
            memory.observe(frame)
    assert len(list((tmp_path / "home.emem" / "generations").iterdir())) == 1


def test_the_same_frames_give_the_same_memory() -> None:
    def remember() -> RobotMemory:
        memory = RobotMemory.open()
        for frame in SyntheticRoom(seed=4).frames(8):
            memory.observe(frame)
        return memory

    a, b = remember(), remember()
    assert a.entities() == b.entities()
    assert a.map_snapshot().means_world.tobytes() == b.map_snapshot().means_world.tobytes()


def test_questions_may_be_asked_while_frames_come_in() -> None:
    memory, stop, failures = RobotMemory.open(), threading.Event(), []
    frames = list(SyntheticRoom(seed=4).frames(16))
    memory.observe(frames[0])

    def ask() -> None:
        while not stop.is_set():
            try:
                memory.where("bowl")
                memory.count("mug")
                memory.map_snapshot()
            except Exception as error:
                failures.append(error)
                return

    asker = threading.Thread(target=ask)
    asker.start()
    for frame in frames[1:]:
        memory.observe(frame)
    stop.set()
    asker.join()
    assert not failures


CHILD = """
import sys
from embodied_mem import RobotMemory
from embodied_mem.testing import SyntheticRoom
memory = RobotMemory.open(sys.argv[1])
for frame in SyntheticRoom(seed=6).frames(10):
    memory.observe(frame)
print(memory.entities(), memory.where("bowl"), memory.changes(), flush=True)
for frame in iter(lambda: sys.stdin.readline(), ""):
    pass
"""


def test_after_kill_9_the_memory_answers_the_same(tmp_path: Path) -> None:
    path = tmp_path / "home.emem"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = child.stdout.readline().strip()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    with RobotMemory.open(path) as memory:
        assert f"{memory.entities()} {memory.where('bowl')} {memory.changes()}" == said
        room = SyntheticRoom(seed=6)
        room.clock.advance(60.0)
        before = len(memory.entities())
        for frame in room.frames(10):
            memory.observe(frame)
        assert len(memory.entities()) == before  # the same things, recognised


def test_a_frame_with_another_clock_is_known_when_received() -> None:
    room, memory = SyntheticRoom(seed=4), RobotMemory.open()
    for frame in room.frames(12):
        memory.observe(replace(frame, received_ns=frame.stamp_ns + 7_000_000_000))
    assert memory.where("bowl", known_at_ns=room.clock.now_ns - 6_000_000_000).status == "unknown"
    assert memory.where("bowl", known_at_ns=room.clock.now_ns + 8_000_000_000).status == "known"
