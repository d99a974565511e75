"""The SQLite store keeps what was committed, and says so when it cannot."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from embodied_mem.errors import DamagedStore, NewerSchema, StoreError, StoreInUse
from embodied_mem.geometry import Box
from embodied_mem.messages import Change, Event, Fact, ObjectMention, Placement
from embodied_mem.store import Sighting
from embodied_mem.store.sqlite import SqliteRepository, check_sqlite

PLACE = Placement(position_world_m=(1.0, 2.0, 3.0), box=Box(min_m=(0.5, 1.5, 2.5), max_m=(1.5, 2.5, 3.5)))


def at_fact(subject: str = "e1", *, valid_from_ns: int = 0, known_from_ns: int = 0) -> Fact:
    return Fact(
        fact_id=0, subject=subject, predicate="at", value=PLACE, valid_from_ns=valid_from_ns,
        known_from_ns=known_from_ns, evidence=("robot/camera/0",),
    )  # fmt: skip


def sighting(stamp_ns: int, entity_id: str = "e1", place_index: int = 0) -> Sighting:
    return Sighting(
        entity_id=entity_id, stamp_ns=stamp_ns, known_ns=stamp_ns, kind="here", place_index=place_index,
        position_world_m=(0.1, 0.2, 0.3), source=f"robot/camera/{stamp_ns}",
    )  # fmt: skip


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    event = Event(
        kind="pick", actor="robot", objects=("e1", ObjectMention(label="mug", position_world_m=(1.0, 0.0, 0.5))),
        start_ns=1, end_ns=2,
    )  # fmt: skip
    change = Change(
        kind="move", entity_id="e1", label="mug", before=PLACE, after=None, after_ns=3, before_ns=4
    )
    repository = SqliteRepository(tmp_path / "w.sqlite")
    with repository.transaction():
        fact = repository.add_fact(at_fact())
        repository.add_change(change, 5)
        repository.add_event(event, 6)
        repository.add_sighting(sighting(7))
        repository.put_record("thing", "e1", b"\x00bytes")
    repository.close()
    again = SqliteRepository(tmp_path / "w.sqlite")
    assert again.facts() == (fact,)
    assert [one for _, one in again.changes()] == [change]
    assert again.events() == (event,)
    assert again.sightings("e1") == (sighting(7),)
    assert dict(again.records("thing")) == {"e1": b"\x00bytes"}
    again.close()


def test_a_transaction_that_raises_leaves_nothing() -> None:
    repository = SqliteRepository(":memory:")

    def fail() -> None:
        with repository.transaction():
            repository.add_fact(at_fact())
            with repository.transaction():
                repository.put_record("a", "b", b"c")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert repository.facts() == ()
    assert repository.record("a", "b") is None


def test_what_was_known_ends_but_is_not_lost() -> None:
    repository = SqliteRepository(":memory:")
    fact = repository.add_fact(at_fact(valid_from_ns=10, known_from_ns=100))
    repository.end_fact(fact.fact_id, 200)
    assert repository.facts(any_time=True) == ()
    assert repository.facts(known_at_ns=99, any_time=True) == ()
    assert len(repository.facts(known_at_ns=100, any_time=True)) == 1
    assert len(repository.facts(known_at_ns=199, as_of_ns=10)) == 1
    assert repository.facts(known_at_ns=199, as_of_ns=9) == ()
    assert repository.facts(known_at_ns=200, any_time=True) == ()


def test_ids_of_facts_are_never_reused() -> None:
    repository = SqliteRepository(":memory:")
    first = repository.add_fact(at_fact())
    repository.forget("e1")
    assert repository.add_fact(at_fact()).fact_id > first.fact_id


def test_given_sightings_count_from_the_new_ones_places() -> None:
    repository = SqliteRepository(":memory:")
    for stamp_ns in (1, 2):
        repository.add_sighting(sighting(stamp_ns, "e2"))
    repository.give_sightings("e2", "e1", 3)
    assert repository.sightings("e2") == ()
    assert [(s.stamp_ns, s.place_index) for s in repository.sightings("e1")] == [(1, 3), (2, 3)]
    assert [s.stamp_ns for s in repository.sightings("e1", last=1)] == [2]


def test_a_second_writer_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    first = SqliteRepository(tmp_path / "w.sqlite")
    with pytest.raises(StoreInUse, match="open for writing elsewhere"):
        SqliteRepository(tmp_path / "w.sqlite")
    first.close()
    first.close()
    SqliteRepository(tmp_path / "w.sqlite").close()


def test_a_backup_is_whole_while_the_original_goes_on(tmp_path: Path) -> None:
    repository = SqliteRepository(tmp_path / "w.sqlite")
    repository.add_fact(at_fact())
    repository.backup_to(tmp_path / "copy.sqlite")
    repository.add_fact(at_fact("e2"))
    copy = SqliteRepository(tmp_path / "copy.sqlite")
    assert [fact.subject for fact in copy.facts()] == ["e1"]
    with pytest.raises(StoreError, match="exists already"):
        repository.backup_to(tmp_path / "copy.sqlite")
    copy.close()
    repository.close()


def test_a_changed_row_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "w.sqlite"
    repository = SqliteRepository(path)
    repository.add_fact(at_fact())
    repository.put_record("thing", "e1", b"abc")
    repository.close()
    raw = apsw.Connection(str(path))
    raw.execute("UPDATE facts SET subject = 'e9'; UPDATE records SET payload = x'616264'")
    raw.close()
    damaged = SqliteRepository(path)
    with pytest.raises(DamagedStore, match=r"'facts'.*checksum"):
        damaged.facts()
    with pytest.raises(DamagedStore, match="thing/e1"):
        damaged.record("thing", "e1")
    damaged.close()


def test_what_is_no_store_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database " * 100)
    with pytest.raises(DamagedStore, match="cannot be read"):
        SqliteRepository(tmp_path / "text")
    raw = apsw.Connection(str(tmp_path / "other"))
    raw.execute("CREATE TABLE songs (name TEXT)")
    raw.close()
    with pytest.raises(DamagedStore, match="not a memory"):
        SqliteRepository(tmp_path / "other")
    with pytest.raises(StoreError, match="Make its folder"):
        SqliteRepository(tmp_path / "missing" / "w.sqlite")


def test_a_later_versions_store_is_refused(tmp_path: Path) -> None:
    SqliteRepository(tmp_path / "w.sqlite").close()
    raw = apsw.Connection(str(tmp_path / "w.sqlite"))
    raw.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    raw.close()
    with pytest.raises(NewerSchema, match="schema 99"):
        SqliteRepository(tmp_path / "w.sqlite")


def test_an_sqlite_that_can_lose_data_is_refused() -> None:
    check_sqlite("3.51.3")
    with pytest.raises(StoreError, match=r"3\.40\.1.*pip install"):
        check_sqlite("3.40.1")
