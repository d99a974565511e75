"""Opening a memory that is on disk, for commands that only read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from embodied_mem.errors import StoreError

if TYPE_CHECKING:
    from embodied_mem.robot_memory import RobotMemory


@contextmanager
def opened(path: Path) -> Iterator[RobotMemory]:
    """The memory in the folder `path`, with everything up to its last frame; closed afterwards.

    Raises:
        StoreError: `path` holds no memory (opening it would make a new one).
    """
    if not (path / "live").is_dir() and not (path / "generations").is_dir():
        raise StoreError(
            f"{path} is not a memory; it must be a folder with live/ or generations/ in it, such as "
            "outputs/episode/memory. `embodied-mem episode` and `embodied-mem replay` write one."
        )
    from embodied_mem.robot_memory import RobotMemory

    with RobotMemory.open(path) as memory:
        yield memory
