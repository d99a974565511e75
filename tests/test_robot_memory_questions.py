"""The further questions through RobotMemory: they survive a restart, a reset empties them, threads do not block."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from embodied_mem.errors import InvalidQuery
from embodied_mem.geometry import Box
from embodied_mem.messages import Answer, ObservedInstance, Operation, Region
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.testing.synthetic_room import SyntheticRoom


def observed(memory: RobotMemory, num_frames: int = 12) -> SyntheticRoom:
    room = SyntheticRoom(seed=0)
    for frame in room.frames(num_frames):
        memory.observe(frame)
    return room


def told(memory: RobotMemory) -> str:
    bottle = memory.where("bottle").value
    assert bottle is not None
    memory.write(
        Operation(
            kind="ADD",
            source="anna",
            subject=bottle.entity_id,
            predicate="caption",
            value="olive oil from Crete",
        )
    )
    return bottle.entity_id


def ids(answer: Answer[object]) -> list[str]:
    return [one.entity_id for one in answer.value or ()]  # type: ignore[attr-defined]


def test_words_that_are_no_label_are_looked_for_in_what_was_told() -> None:
    with RobotMemory.open() as memory:
        observed(memory)
        bottle = told(memory)
        assert ids(memory.find("olive oil")) == [bottle]
        assert memory.find("unicorn").status == "unknown"


def test_the_way_and_what_was_told_are_there_after_a_restart_and_gone_after_a_reset(tmp_path: Path) -> None:
    with RobotMemory.open(tmp_path / "m") as memory:
        observed(memory)
        bottle = told(memory)
        way = memory.questions.trajectory().value
    with RobotMemory.open(tmp_path / "m") as again:
        assert again.questions.trajectory().value == way
        assert ids(again.find("olive oil")) == [bottle]
        again.save()
        again.reset()
        assert again.questions.trajectory().status == "unknown"
        assert again.questions.rooms().status == "unknown"
        assert again.find("olive oil").status == "unknown"
    with RobotMemory.load(tmp_path / "m") as loaded:
        assert ids(loaded.find("olive oil")) == [bottle]


def test_a_region_by_name_is_resolved_for_every_question() -> None:
    with RobotMemory.open() as memory:
        observed(memory)
        with pytest.raises(InvalidQuery, match=r"no room is called|no rooms are known"):
            memory.count("mug", region=Region(room="ballroom"))
        near_table = memory.questions.region("the table")
        assert memory.count("mug", region=near_table).value == 2
        assert len(memory.questions.visited("the table").value or ()) >= 1


def test_things_that_somebody_else_knows_of_are_adopted() -> None:
    grid = np.stack(np.meshgrid(*[np.linspace(0, 0.1, 5)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    points = (grid + 1.0).astype(np.float32)
    lamp = ObservedInstance(
        label="lamp", score=1.0, points_world=points, box=Box.around(points), num_pixels=500, distance_m=1.0,
        appearance=np.ones(8, dtype=np.float32) / np.float32(np.sqrt(8.0)), color_rgb=(200.0, 30.0, 30.0), is_cut=False,
    )  # fmt: skip
    with RobotMemory.open() as memory:
        delta = memory.adopt([lamp], stamp_ns=5_000_000_000)
        assert len(delta.added) == 1
        found = memory.where("lamp").value
        assert found is not None
        assert np.allclose(found.placement.position_world_m, (1.05, 1.05, 1.05), atol=0.02)


def test_questions_saves_and_frames_from_three_threads_do_not_block_each_other(tmp_path: Path) -> None:
    failures: list[BaseException] = []
    with RobotMemory.open(tmp_path / "m") as memory:
        observed(memory, 4)
        is_over = threading.Event()

        def repeat(action: object) -> None:
            try:
                while not is_over.wait(0.01):
                    action()  # type: ignore[operator]
            except BaseException as error:
                failures.append(error)

        actions = (
            lambda: (memory.questions.rooms(), memory.questions.relation("bottle")),
            lambda: memory.save(),
        )
        threads = [threading.Thread(target=repeat, args=(action,), daemon=True) for action in actions]
        for thread in threads:
            thread.start()
        room = SyntheticRoom(seed=0)
        room.clock.advance(60.0)
        for frame in room.frames(6, period_s=6.0):
            memory.observe(frame)
        is_over.set()
        for thread in threads:
            thread.join(timeout=60.0)
        assert not failures
        assert not any(thread.is_alive() for thread in threads)
