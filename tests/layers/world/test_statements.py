"""What is told to the memory is kept with its source and trust, ended but never erased, and changes no look."""

from __future__ import annotations

from pathlib import Path

import pytest

from embodied_mem.errors import InvalidMessage, InvalidQuery, UnknownEntity
from embodied_mem.layers.world import WorldLayer
from embodied_mem.messages import Operation
from embodied_mem.store.sqlite import SqliteRepository
from tests.context.two_rooms import BED, COUNTER, FRIDGE, KITCHEN_POINT, Home


@pytest.fixture
def home() -> Home:
    made = Home()
    for _ in range(3):
        made.see(KITCHEN_POINT, FRIDGE, COUNTER)
    return made


def tell(
    home: Home, kind: str, value: str | None = None, *, predicate: str = "owner", **more: object
) -> object:
    operation = Operation(kind=kind, source="anna", subject="e1", predicate=predicate, value=value, **more)  # type: ignore[arg-type]
    return home.world.write(operation, home.now_ns)


def stated(home: Home, known_at_ns: int | None = None) -> list[tuple[object, int, int | None]]:
    with home.world.reading() as view:
        facts = view.statements.facts("e1", known_at_ns)
    return sorted(((f.value, f.valid_from_ns, f.valid_to_ns) for f in facts), key=lambda row: row[1])


def test_update_ends_what_stood_and_delete_erases_nothing(home: Home) -> None:
    tell(home, "ADD", "anna", valid_from_ns=5)
    home.see(KITCHEN_POINT, FRIDGE)
    before_ns = home.now_ns - 1
    tell(home, "UPDATE", "ben", valid_from_ns=20)
    assert stated(home) == [("anna", 5, 20), ("ben", 20, None)]
    home.see(KITCHEN_POINT, FRIDGE)
    tell(home, "DELETE", valid_from_ns=40)
    assert stated(home) == [("anna", 5, 20), ("ben", 20, 40)]
    assert stated(home, before_ns) == [("anna", 5, None)]


def test_every_operation_is_audited_also_one_that_does_nothing(home: Home) -> None:
    tell(home, "ADD", "anna", trust=0.7, reason="she said so")
    home.world.write(Operation(kind="NOOP", source="planner", reason="nothing new"))
    with home.world.reading() as view:
        audits = view.audits()
    assert [audit.operation.kind for audit in audits] == ["ADD", "NOOP"]
    assert audits[0].operation.reason == "she said so"
    assert len(audits[0].opened) == 1
    assert (audits[1].opened, audits[1].closed) == ((), ())


def test_statements_survive_looks_and_a_restart(tmp_path: Path) -> None:
    home = Home()
    home.world = WorldLayer(SqliteRepository(tmp_path / "w.sqlite"))
    home.see(KITCHEN_POINT, FRIDGE, COUNTER)
    tell(home, "ADD", "anna")
    for _ in range(3):
        home.see(KITCHEN_POINT, FRIDGE, COUNTER)
    expected = stated(home)
    home.world._repository.close()
    home.world = WorldLayer(SqliteRepository(tmp_path / "w.sqlite"))
    assert stated(home) == expected
    assert len(expected) == 1


def test_a_stated_relation_is_asked_like_a_seen_one_with_the_trust_in_it(home: Home) -> None:
    operation = Operation(
        kind="ADD", source="anna", subject="e1", predicate="part of", object="e2", trust=0.6
    )
    home.world.write(operation)
    (relation,) = home.recall.relation("e1", "part of").value or ()
    assert (relation.object, relation.confidence) == ("e2", 0.6)


def test_what_is_seen_cannot_be_told_away(home: Home) -> None:
    for predicate in ("at", "absent"):
        with pytest.raises(InvalidQuery, match="cannot be stated"):
            tell(home, "ADD", "there", predicate=predicate)
    with pytest.raises(InvalidQuery, match="what is perceived cannot be deleted"):
        tell(home, "DELETE", predicate="label")
    assert home.world.where("fridge").status == "known"


def test_malformed_operations_say_what_to_do(home: Home) -> None:
    with pytest.raises(UnknownEntity, match="e99"):
        home.world.write(Operation(kind="ADD", source="anna", subject="e99", predicate="owner", value="x"))
    with pytest.raises(InvalidQuery, match="lower-case"):
        tell(home, "ADD", "x", predicate="DROP TABLE")
    with pytest.raises(InvalidQuery, match=r"1\.\.2000"):
        tell(home, "ADD", "x" * 2001)
    with pytest.raises(InvalidMessage, match="one of"):
        Operation(kind="ERASE", source="anna")  # type: ignore[arg-type]
    with pytest.raises(InvalidMessage, match="no source"):
        Operation(kind="NOOP", source=" ")
    with pytest.raises(InvalidMessage, match="one of them"):
        Operation(kind="ADD", source="anna", subject="e1", predicate="owner")
    with pytest.raises(InvalidMessage, match=r"0\.\.1"):
        Operation(kind="NOOP", source="anna", trust=2.0)


def test_forgetting_an_entity_forgets_what_was_told_of_it(home: Home) -> None:
    home.see((7.3, 2.0, 1.2), BED)
    tell(home, "ADD", "anna")
    home.world.forget("e1")
    assert stated(home) == []
    with home.world.reading() as view:
        assert view.audits() == ()
        assert all("e1" not in glimpse.seen for glimpse in view.journey.between())
