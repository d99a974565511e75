"""The journal's rows come back as they were put, take part in transactions, and forget when told to."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from embodied_mem.errors import DamagedStore
from embodied_mem.messages import Event, Fact, Glimpse, Operation
from embodied_mem.store.sqlite import SqliteRepository


def glimpse(stamp_ns: int, *seen: str, robot: str = "robot") -> Glimpse:
    return Glimpse(
        robot=robot, sensor="camera", stamp_ns=stamp_ns, known_ns=stamp_ns + 5, position_world_m=(0.1, 0.2, 1.3),
        quaternion_xyzw=(0.0, 0.0, 0.6, 0.8), seen=seen,
    )  # fmt: skip


def test_the_journal_is_there_after_reopening(tmp_path: Path) -> None:
    repository = SqliteRepository(tmp_path / "w.sqlite")
    event = Event(kind="pick", actor="robot", start_ns=1, end_ns=2)
    operation = Operation(kind="ADD", source="anna", subject="e1", predicate="owner", value="anna", trust=0.9)
    with repository.transaction():
        repository.journal.add_glimpse(glimpse(7, "e1", "e2"))
        event_id = repository.add_event(event, 3)
        repository.journal.link_event(event_id, ["e1", "e4"])
        repository.journal.put_words("e1", "mug cup")
        audit = repository.journal.add_audit(operation, subject="e1", known_ns=9, opened=[1], closed=[])
    repository.close()
    again = SqliteRepository(tmp_path / "w.sqlite")
    assert again.journal.glimpses() == (glimpse(7, "e1", "e2"),)
    assert again.journal.numbered_events() == ((event_id, event, ("e1", "e4")),)
    assert again.journal.audits() == (audit,)
    assert [entity_id for entity_id, _ in again.journal.search_words(["cups"], 5)] == ["e1"]
    again.close()


def test_glimpses_are_chosen_by_robot_stamp_and_when_they_were_known() -> None:
    journal = SqliteRepository(":memory:").journal
    for stamp_ns, robot in ((30, "a"), (10, "a"), (20, "b")):
        journal.add_glimpse(glimpse(stamp_ns, robot=robot))
    assert [g.stamp_ns for g in journal.glimpses()] == [10, 20, 30]
    assert [g.stamp_ns for g in journal.glimpses(robot="a")] == [10, 30]
    assert [g.stamp_ns for g in journal.glimpses(from_ns=11, to_ns=30)] == [20, 30]
    assert [g.stamp_ns for g in journal.glimpses(known_at_ns=25)] == [10, 20]


def test_words_are_text_and_never_a_query_language() -> None:
    journal = SqliteRepository(":memory:").journal
    journal.put_words("e1", "red mug with a handle")
    journal.put_words("e2", "blue bottle")
    assert [found for found, _ in journal.search_words(['mug" OR "bottle'], 5)] == []
    assert [found for found, _ in journal.search_words(["NEAR(", "mugs"], 5)] == ["e1"]
    assert journal.search_words(["*", '"'], 5) == ()
    journal.put_words("e1", "")
    assert journal.search_words(["mug"], 5) == ()


def test_a_forgotten_entity_leaves_no_row_and_no_id_in_a_glimpse() -> None:
    repository = SqliteRepository(":memory:")
    journal = repository.journal
    journal.add_glimpse(glimpse(1, "e1", "e11"))
    journal.link_event(repository.add_event(Event(kind="pick", actor="r", start_ns=1, end_ns=2), 2), ["e1"])
    journal.put_words("e1", "mug")
    repository.forget("e1")
    assert journal.glimpses()[0].seen == ("e11",)
    assert journal.numbered_events()[0][2] == ()
    assert journal.search_words(["mug"], 3) == ()


def test_a_closed_fact_says_until_when_and_what_was_known_before_stays() -> None:
    repository = SqliteRepository(":memory:")
    fact = repository.add_fact(
        Fact(fact_id=0, subject="e1", predicate="owner", value="anna", valid_from_ns=5, known_from_ns=5)
    )
    with repository.transaction():
        closed_id = repository.journal.close_fact(fact.fact_id, 20, 30)
    (closed,) = repository.facts(any_time=True)
    assert (closed.fact_id, closed.valid_from_ns, closed.valid_to_ns) == (closed_id, 5, 20)
    (before,) = repository.facts(known_at_ns=29, any_time=True)
    assert (before.fact_id, before.valid_to_ns) == (fact.fact_id, None)


def test_a_store_of_the_first_schema_gets_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "w.sqlite"
    old = SqliteRepository(path)
    kept = old.add_fact(
        Fact(fact_id=0, subject="e1", predicate="label", value="mug", valid_from_ns=1, known_from_ns=1)
    )
    old.close()
    raw = apsw.Connection(str(path))
    for table in ("glimpses", "event_links", "audits", "words"):
        raw.execute(f"DROP TABLE {table}")
    raw.execute("UPDATE meta SET value = '1' WHERE key = 'schema'")
    raw.close()
    new = SqliteRepository(path)
    new.journal.add_glimpse(glimpse(1))
    assert new.facts() == (kept,)
    assert len(new.journal.glimpses()) == 1
    new.close()


def test_a_changed_glimpse_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "w.sqlite"
    repository = SqliteRepository(path)
    repository.journal.add_glimpse(glimpse(1))
    repository.close()
    raw = apsw.Connection(str(path))
    raw.execute("UPDATE glimpses SET stamp = 2")
    raw.close()
    damaged = SqliteRepository(path)
    with pytest.raises(DamagedStore, match=r"'glimpses'.*checksum"):
        damaged.journal.glimpses()
    damaged.close()
