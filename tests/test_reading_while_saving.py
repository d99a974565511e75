"""Questions do not wait for a save; frames do, so that map and database are of one moment."""

import threading
from pathlib import Path

import pytest

from embodied_mem.robot_memory import RobotMemory
from embodied_mem.testing import SyntheticRoom


@pytest.fixture
def saving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """A memory whose save has been begun, what lets it go on, and where what ends is noted."""
    memory = RobotMemory.open(tmp_path / "memory")
    frames = list(SyntheticRoom(0).frames(6))
    for frame in frames[:5]:
        memory.observe(frame)
    begun, go_on, ended = threading.Event(), threading.Event(), []
    backup = memory._repository.backup_to

    def slow_backup(path: Path) -> None:
        begun.set()
        assert go_on.wait(30)
        backup(path)

    monkeypatch.setattr(memory._repository, "backup_to", slow_backup)
    save = threading.Thread(target=lambda: (memory.save(), ended.append("saved")))
    save.start()
    assert begun.wait(30)
    yield memory, frames[5], go_on, ended
    go_on.set()
    save.join()
    memory.close()


def test_questions_are_answered_during_a_save(saving) -> None:  # type: ignore[no-untyped-def]
    memory, _, _, ended = saving
    assert memory.where("red mug").status == "known"
    assert len(memory.entities()) == memory.num_entities > 0
    assert len(memory.map_snapshot()) > 0
    assert ended == []


def test_a_frame_waits_for_the_save_and_is_not_in_it(saving, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    memory, frame, go_on, ended = saving
    watch = threading.Thread(target=lambda: (memory.observe(frame), ended.append("observed")))
    watch.start()
    watch.join(0.3)
    go_on.set()
    watch.join(30)
    assert ended[-1] == "observed"
    memory.close()
    with RobotMemory.load(tmp_path / "memory") as saved:
        newest_ns = max(entity.last_seen_ns for entity in saved.entities())
        assert newest_ns < frame.stamp_ns
        assert saved.map_snapshot().last_seen_ns.max() < frame.stamp_ns
