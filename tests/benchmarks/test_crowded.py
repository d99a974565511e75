"""The hall that questions are timed in holds as many things, and as many changes, as it says."""

from __future__ import annotations

from embodied_mem.benchmarks.crowded import THINGS_PER_BAY, crowded_hall
from embodied_mem.messages import Query
from embodied_mem.robot_memory import RobotMemory


def test_a_hall_is_remembered_with_one_change_in_every_bay() -> None:
    num_bays = 3
    with RobotMemory.open() as memory:
        for frame in crowded_hall(num_bays * THINGS_PER_BAY):
            memory.observe(frame)
        changes = memory.recall(Query(kind="changes")).value
        entities = memory.entities()
    # A thing that is gone may for all that can be known be the look-alike first seen in a later bay: a move.
    assert len(changes) == num_bays
    assert {change.kind for change in changes} <= {"vanish", "move"}
    assert sum(entity.is_present for entity in entities) == num_bays * (THINGS_PER_BAY - 1)
