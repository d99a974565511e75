"""A memory on disk: a folder with a live database and whole, checksummed generations of everything.

    home.emem/
      lock                          held by the one process that writes
      live/world.sqlite             the working database; every frame's facts are committed here
      generations/000007/           one save: database, map and a manifest with the checksum of each file
        manifest.json  world.sqlite  occupancy.npz

A generation is written beside its place and renamed when whole, so a crash while saving leaves the one before.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO

from embodied_mem.errors import DamagedStore, NewerSchema, StoreInUse
from embodied_mem.store.whole_file import sync

FOLDER_SCHEMA_VERSION = 1
NUM_GENERATIONS_KEPT = 2


class MemoryFolder:
    """The folder of one memory, locked for writing until `close`.

    Raises:
        StoreInUse: another process has it open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "live").mkdir(parents=True, exist_ok=True)
        (path / "generations").mkdir(exist_ok=True)
        self._lock: IO[str] | None = _lock(path)

    @property
    def live_database(self) -> Path:
        return self.path / "live" / "world.sqlite"

    def generations(self) -> list[Path]:
        """Folders of the whole generations, oldest first."""
        return sorted(p for p in (self.path / "generations").iterdir() if p.name.isdigit())

    def newest(self) -> Path | None:
        """The newest generation, its checksums verified; None when nothing was saved yet.

        Raises:
            DamagedStore: a file of it is missing or does not match its checksum.
            NewerSchema: a later version of the package wrote it.
        """
        generations = self.generations()
        if not generations:
            return None
        _verify(generations[-1])
        return generations[-1]

    def write_generation(self, write: Callable[[Path], None]) -> Path:
        """Let `write` fill a fresh folder, seal it with a manifest, and make it the newest generation."""
        generations = self.generations()
        number = int(generations[-1].name) + 1 if generations else 1
        final = self.path / "generations" / f"{number:06d}"
        partial = final.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        write(partial)
        checksums = {file.name: _sha256(file) for file in sorted(partial.iterdir())}
        manifest = {"schema_version": FOLDER_SCHEMA_VERSION, "generation": number, "sha256": checksums}
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=2))
        for file in (*partial.iterdir(), partial):
            sync(file)
        partial.rename(final)
        sync(final.parent)
        for old in self.generations()[:-NUM_GENERATIONS_KEPT]:
            shutil.rmtree(old)
        return final

    def restore_live(self, generation: Path) -> None:
        """Make the live database that of `generation`; what came after it is dropped."""
        for leftover in self.live_database.parent.glob("world.sqlite*"):
            leftover.unlink()
        shutil.copyfile(generation / "world.sqlite", self.live_database)

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _lock(path: Path) -> IO[str]:
    handle = (path / "lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise StoreInUse(
            f"the memory at {path} is open in another process; one process at a time may write. "
            "Stop that process, or ask its node's query service instead."
        ) from error
    return handle


def _verify(generation: Path) -> None:
    remedy = f"Move {generation} away to fall back to the generation before it, if there is one."
    try:
        manifest = json.loads((generation / "manifest.json").read_text())
        version, checksums = int(manifest["schema_version"]), dict(manifest["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedStore(f"the manifest of {generation} cannot be read ({error}). {remedy}") from error
    if version > FOLDER_SCHEMA_VERSION:
        raise NewerSchema(
            f"{generation} has folder schema {version}; this version reads up to {FOLDER_SCHEMA_VERSION}. "
            "Upgrade embodied_mem."
        )
    for name, checksum in checksums.items():
        file = generation / name
        if not file.is_file() or _sha256(file) != checksum:
            raise DamagedStore(f"{file} is missing or does not match its checksum {checksum[:12]}. {remedy}")


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
