"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from embodied_mem.store.whole_file import whole_file

WRITE_HALF_AND_DIE = """
import os, signal, sys
from pathlib import Path
from embodied_mem.store.whole_file import whole_file
with whole_file(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_is_there_once_the_block_ends_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "new" / "kept.bin"
    with whole_file(path) as partial:
        partial.write_bytes(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert os.listdir(path.parent) == ["kept.bin"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "kept.bin"
    path.write_bytes(b"before")
    with pytest.raises(ZeroDivisionError), whole_file(path) as partial:
        partial.write_bytes(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["kept.bin"]


def test_nothing_written_is_an_error_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "kept.bin"
    path.write_bytes(b"before")
    with pytest.raises(FileNotFoundError), whole_file(path):
        pass
    assert path.read_bytes() == b"before"


def test_a_killed_writer_loses_nothing_and_the_next_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "kept.bin"
    path.write_text("before")
    killed = subprocess.run([sys.executable, "-c", WRITE_HALF_AND_DIE, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == "before"
    with whole_file(path) as partial:
        partial.write_text("after")
    assert path.read_text() == "after"
    assert os.listdir(tmp_path) == ["kept.bin"]
