"""The journal's rows in SQLite."""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from embodied_mem.messages import Audit, EntityId, Event, Fact, Glimpse, Operation
from embodied_mem.store import rows

SCHEMA_VERSION = 2
"""Of the whole store; 2 added this part's tables."""


class SqliteJournal:
    """`Journal` in the tables of a `SqliteRepository`, which lends its `execute` and `insert`."""

    TABLES = ("glimpses", "event_links", "audits", "words")

    def __init__(
        self, execute: Callable[[str, tuple[Any, ...]], Any], insert: Callable[[str, rows.Row], int]
    ) -> None:
        self._execute = execute
        self._insert = insert

    def add_glimpse(self, glimpse: Glimpse) -> None:
        self._insert("INSERT INTO glimpses VALUES (NULL,?,?,?,?,?,?,?)", _glimpse_columns(glimpse))

    def glimpses(
        self,
        *,
        robot: str | None = None,
        from_ns: int | None = None,
        to_ns: int | None = None,
        known_at_ns: int | None = None,
    ) -> tuple[Glimpse, ...]:
        asked = {"robot = ?": robot, "stamp >= ?": from_ns, "stamp <= ?": to_ns, "known <= ?": known_at_ns}
        given = {condition: value for condition, value in asked.items() if value is not None}
        where = " AND ".join(["1", *given])
        sql = f"SELECT * FROM glimpses WHERE {where} ORDER BY stamp, glimpse_id"
        return tuple(_glimpse_from(row) for row in self._execute(sql, tuple(given.values())))

    def link_event(self, event_id: int, entity_ids: Iterable[EntityId]) -> None:
        for entity_id in entity_ids:
            self._insert("INSERT INTO event_links VALUES (NULL,?,?,?)", (event_id, entity_id))

    def numbered_events(
        self, *, known_at_ns: int | None = None
    ) -> tuple[tuple[int, Event, tuple[EntityId, ...]], ...]:
        links: dict[int, list[EntityId]] = {}
        for row in self._execute("SELECT * FROM event_links ORDER BY link_id", ()):
            _, event_id, entity_id = rows.verified("event_links", row)
            links.setdefault(event_id, []).append(entity_id)
        where, values = ("1", ()) if known_at_ns is None else ("known <= ?", (known_at_ns,))
        found = self._execute(f"SELECT * FROM events WHERE {where} ORDER BY end_ns, event_id", values)
        return tuple((row[0], rows.event_from(row), tuple(links.get(row[0], ()))) for row in found)

    def put_words(self, entity_id: EntityId, text: str) -> None:
        self._execute("DELETE FROM words WHERE rowid = ?", (_words_row(entity_id),))
        if text:
            row = (_words_row(entity_id), entity_id, text)
            self._execute("INSERT INTO words (rowid, entity_id, text) VALUES (?, ?, ?)", row)

    def words(self) -> dict[EntityId, str]:
        return dict(self._execute("SELECT entity_id, text FROM words", ()))

    def search_words(self, words: Sequence[str], limit: int) -> tuple[tuple[EntityId, float], ...]:
        # Quoted, a word is text and never part of FTS5's query language.
        quoted = ['"' + word.replace('"', '""') + '"' for word in words if any(c.isalnum() for c in word)]
        if not quoted:
            return ()
        sql = "SELECT entity_id, -bm25(words) FROM words WHERE words MATCH ? ORDER BY bm25(words) LIMIT ?"
        return tuple((row[0], float(row[1])) for row in self._execute(sql, (" OR ".join(quoted), limit)))

    def add_audit(
        self,
        operation: Operation,
        *,
        subject: EntityId,
        known_ns: int,
        opened: Sequence[int],
        closed: Sequence[int],
    ) -> Audit:
        body = json.dumps(dataclasses.asdict(operation))
        columns = (body, subject, known_ns, json.dumps(list(opened)), json.dumps(list(closed)))
        number = self._insert("INSERT INTO audits VALUES (NULL,?,?,?,?,?,?)", columns)
        return Audit(
            operation_id=number, operation=operation, known_ns=known_ns, subject=subject,
            opened=tuple(opened), closed=tuple(closed),
        )  # fmt: skip

    def audits(self) -> tuple[Audit, ...]:
        found = self._execute("SELECT * FROM audits ORDER BY operation_id", ())
        return tuple(_audit_from(row) for row in found)

    def fact(self, fact_id: int) -> Fact | None:
        row = next(iter(self._execute("SELECT * FROM facts WHERE fact_id = ?", (fact_id,))), None)
        return None if row is None else rows.fact_from(row)

    def close_fact(self, fact_id: int, valid_to_ns: int, known_ns: int) -> int:
        fact = self.fact(fact_id)
        assert fact is not None
        columns = rows.fact_columns(
            dataclasses.replace(fact, valid_to_ns=valid_to_ns, known_from_ns=known_ns, known_to_ns=None)
        )
        ended = rows.fact_columns(dataclasses.replace(fact, known_to_ns=known_ns))
        self._execute(
            "UPDATE facts SET known_to = ?, crc = ? WHERE fact_id = ?",
            (known_ns, rows.checksum(ended), fact_id),
        )
        return self._insert("INSERT INTO facts VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", columns)

    def forget(self, entity_id: EntityId) -> None:
        self._execute("DELETE FROM event_links WHERE entity_id = ?", (entity_id,))
        self.put_words(entity_id, "")
        self._execute("DELETE FROM audits WHERE subject = ?", (entity_id,))
        like = f'%"{entity_id}"%'
        for row in list(self._execute("SELECT * FROM glimpses WHERE seen LIKE ?", (like,))):
            glimpse = _glimpse_from(row)
            seen = tuple(one for one in glimpse.seen if one != entity_id)
            columns = _glimpse_columns(dataclasses.replace(glimpse, seen=seen))
            self._execute(
                "UPDATE glimpses SET seen = ?, crc = ? WHERE glimpse_id = ?",
                (columns[-1], rows.checksum(columns), row[0]),
            )


def _words_row(entity_id: EntityId) -> int:
    """The row of an entity's text: FTS5 finds rows by number only, and ids are 'e' and a number."""
    digits = entity_id[1:]
    return int(digits) if digits.isdecimal() else (1 << 40) + zlib.crc32(entity_id.encode())


def _glimpse_columns(glimpse: Glimpse) -> rows.Row:
    pose = [float(c) for c in (*glimpse.position_world_m, *glimpse.quaternion_xyzw)]
    seen = json.dumps(list(glimpse.seen))
    return glimpse.robot, glimpse.sensor, glimpse.stamp_ns, glimpse.known_ns, json.dumps(pose), seen


def _glimpse_from(row: rows.Row) -> Glimpse:
    _, robot, sensor, stamp_ns, known_ns, pose, seen = rows.verified("glimpses", row)
    x, y, z, *quaternion = json.loads(pose)
    return Glimpse(
        robot=robot, sensor=sensor, stamp_ns=stamp_ns, known_ns=known_ns, position_world_m=(x, y, z),
        quaternion_xyzw=tuple(quaternion), seen=tuple(json.loads(seen)),
    )  # fmt: skip


def _audit_from(row: rows.Row) -> Audit:
    number, body, subject, known_ns, opened, closed = rows.verified("audits", row)
    return Audit(
        operation_id=number, operation=Operation(**json.loads(body)), known_ns=known_ns, subject=subject,
        opened=tuple(json.loads(opened)), closed=tuple(json.loads(closed)),
    )  # fmt: skip
