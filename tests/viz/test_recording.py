"""The recording for the rerun viewer holds the map and every stay, and says what to install without rerun."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from embodied_mem.errors import MissingExtra
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.testing import SyntheticRoom


@pytest.fixture(scope="module")
def memory() -> RobotMemory:
    room, memory = SyntheticRoom(seed=0), RobotMemory.open()
    for _ in range(2):
        for frame in room.frames(12):
            memory.observe(frame)
        room.move("red mug", (4.7, 1.4, 1.055))
    return memory


def write(memory: RobotMemory, path: Path) -> int:
    from embodied_mem.viz.recording import write_recording

    histories = {one.entity_id: memory.history(one.entity_id).value or () for one in memory.entities()}
    return write_recording(
        path, memory.map_snapshot(), memory.entities(), histories, memory.changes().value or ()
    )


def test_every_stay_and_the_map_are_in_the_recording(memory: RobotMemory, tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason="rerun is an extra: pip install 'embodied_mem[viz]'")
    path = tmp_path / "room.rrd"
    stays = sum(len(memory.history(one.entity_id).value or ()) for one in memory.entities())
    assert write(memory, path) == stays > len(memory.entities())
    listed = subprocess.run(
        [sys.executable, "-m", "rerun", "rrd", "print", str(path)], capture_output=True, text=True, check=True
    ).stdout
    assert "/world/map" in listed
    assert all(f"/world/entities/{one.entity_id}" in listed for one in memory.entities())
    assert "/changes" in listed


def test_without_rerun_the_error_names_the_extra(
    memory: RobotMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(MissingExtra, match=r"embodied_mem\[viz\]"):
        write(memory, tmp_path / "room.rrd")
