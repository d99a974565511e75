from __future__ import annotations

import json
from pathlib import Path

import pytest

from embodied_mem.errors import DamagedStore, NewerSchema, StoreInUse
from embodied_mem.store.memory_folder import NUM_GENERATIONS_KEPT, MemoryFolder


def writer(content: bytes):  # type: ignore[no-untyped-def]
    def write(folder: Path) -> None:
        (folder / "world.sqlite").write_bytes(content)
        (folder / "occupancy.npz").write_bytes(content * 2)

    return write


@pytest.fixture
def folder(tmp_path: Path):  # type: ignore[no-untyped-def]
    opened = MemoryFolder(tmp_path / "home.emem")
    yield opened
    opened.close()


def test_a_new_folder_has_no_generation(folder: MemoryFolder) -> None:
    assert folder.newest() is None


def test_the_newest_generation_is_the_last_one_written(folder: MemoryFolder) -> None:
    for number in range(4):
        folder.write_generation(writer(bytes([number])))
    newest = folder.newest()
    assert newest is not None
    assert (newest / "world.sqlite").read_bytes() == b"\x03"
    assert len(folder.generations()) == NUM_GENERATIONS_KEPT


def test_a_save_that_fails_halfway_leaves_the_one_before(folder: MemoryFolder) -> None:
    folder.write_generation(writer(b"good"))

    def write_half(path: Path) -> None:
        (path / "world.sqlite").write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        folder.write_generation(write_half)
    newest = folder.newest()
    assert newest is not None
    assert (newest / "world.sqlite").read_bytes() == b"good"
    folder.write_generation(writer(b"next"))
    assert len(folder.generations()) == 2


@pytest.mark.parametrize("name", ["world.sqlite", "occupancy.npz"])
def test_a_flipped_byte_or_a_missing_file_is_noticed(folder: MemoryFolder, name: str) -> None:
    generation = folder.write_generation(writer(b"abcdef"))
    (generation / name).write_bytes(b"abcdeX")
    with pytest.raises(DamagedStore, match=name):
        folder.newest()
    (generation / name).unlink()
    with pytest.raises(DamagedStore, match=name):
        folder.newest()


def test_a_broken_manifest_is_noticed_and_a_newer_one_refused(folder: MemoryFolder) -> None:
    manifest = folder.write_generation(writer(b"a")) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"schema_version": 99}))
    with pytest.raises(NewerSchema, match="99"):
        folder.newest()
    manifest.write_text("{")
    with pytest.raises(DamagedStore, match="manifest"):
        folder.newest()


def test_only_one_may_write(folder: MemoryFolder) -> None:
    with pytest.raises(StoreInUse, match="open in another process"):
        MemoryFolder(folder.path)
    folder.close()
    MemoryFolder(folder.path).close()


def test_restoring_replaces_the_live_database(folder: MemoryFolder) -> None:
    generation = folder.write_generation(writer(b"saved"))
    folder.live_database.write_bytes(b"later")
    folder.live_database.with_name("world.sqlite-wal").write_bytes(b"journal")
    folder.restore_live(generation)
    assert folder.live_database.read_bytes() == b"saved"
    assert not folder.live_database.with_name("world.sqlite-wal").exists()
