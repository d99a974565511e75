"""The default store: one SQLite file in WAL mode, through apsw, which brings a sound SQLite of its own."""

from __future__ import annotations

import fcntl
import os
import threading
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import apsw

from embodied_mem.errors import DamagedStore, NewerSchema, StoreError, StoreInUse
from embodied_mem.messages import Change, EntityId, Event, Fact
from embodied_mem.store import rows
from embodied_mem.store.protocol import Sighting, SightingKind
from embodied_mem.store.sqlite_journal import SCHEMA_VERSION, SqliteJournal

OLDEST_SQLITE = (3, 51, 3)
"""Earlier ones can corrupt a database when its WAL is reset."""

INSERT_FACT = "INSERT INTO facts VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
INSERT_CHANGE = "INSERT INTO changes VALUES (NULL,?,?,?,?,?,?,?,?,?,?)"


def check_sqlite(version: str) -> None:
    """Raise StoreError when SQLite `version` ('3.54.1') is one that can lose data."""
    if tuple(int(part) for part in version.split(".")[:3]) < OLDEST_SQLITE:
        raise StoreError(
            f"SQLite {version} can corrupt a database in WAL mode; at least "
            f"{'.'.join(map(str, OLDEST_SQLITE))} is needed. Run: pip install --upgrade 'apsw>=3.51.3'"
        )


class SqliteRepository:
    """A `Repository` in the SQLite file at `path`, made when it is not there; ":memory:" keeps it in memory.

    One process writes to a file at a time. A committed transaction survives the death of the process; the last
    few may be lost (never torn) when the machine loses power. Methods may be called from any thread.

    Raises:
        StoreInUse: another repository has the file open.
        NewerSchema: a later version of the package wrote it.
        DamagedStore: it is not a database of ours, or rows do not match their checksums.
    """

    def __init__(self, path: Path | str) -> None:
        check_sqlite(apsw.sqlite_lib_version())
        self.path = path if path == ":memory:" else Path(path)
        self._mutex = threading.RLock()
        self._lock_fd = _take_lock(self.path) if isinstance(self.path, Path) else None
        self._depth = 0
        try:
            self._db = apsw.Connection(str(self.path))
            self._prepare()
        except apsw.Error as error:
            self._release_lock()
            raise _translated(error, self.path) from error
        except StoreError:
            self._db.close()
            self._release_lock()
            raise
        self.journal = SqliteJournal(self._execute, self._insert)

    def _prepare(self) -> None:
        self._db.set_busy_timeout(2000)
        self._db.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY")
        tables = [name for (name,) in self._db.execute("SELECT name FROM sqlite_schema WHERE type='table'")]
        if not tables:
            with self.transaction():
                for name in ("schema.sql", "schema_2.sql"):
                    self._db.execute(_sql(name))
                self._db.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
            return
        found = (
            self._db.execute("SELECT value FROM meta WHERE key='schema'").get if "meta" in tables else None
        )
        if found is None:
            raise DamagedStore(
                f"{self.path} is a SQLite file but not a memory (tables {sorted(tables)}). Check the path."
            )
        if int(found) > SCHEMA_VERSION:
            raise NewerSchema(
                f"{self.path} has schema {found}; this version reads up to {SCHEMA_VERSION}. "
                "Upgrade with: pip install --upgrade embodied_mem"
            )
        if int(found) < SCHEMA_VERSION:
            with self.transaction():
                self._db.execute(_sql("schema_2.sql"))
                self._db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(SCHEMA_VERSION),))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside happen together or not at all; blocks may nest, the outermost one commits."""
        with self._mutex:
            if self._depth:
                yield
                return
            self._execute("BEGIN IMMEDIATE", ())
            self._depth = 1
            try:
                yield
                self._execute("COMMIT", ())
            except BaseException:
                if not self._db.get_autocommit():
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def add_fact(self, fact: Fact) -> Fact:
        columns = rows.fact_columns(fact)
        fact_id = self._insert(INSERT_FACT, columns)
        values = {**fact.__dict__, "fact_id": fact_id}
        return Fact(**values)

    def end_fact(self, fact_id: int, known_to_ns: int) -> None:
        self._end("facts", "fact_id", fact_id, known_to_ns)

    def facts(
        self,
        *,
        subject: EntityId | None = None,
        predicate: str | None = None,
        text: str | None = None,
        as_of_ns: int | None = None,
        known_at_ns: int | None = None,
        any_time: bool = False,
    ) -> tuple[Fact, ...]:
        where = _Where()
        where.equals("subject", subject)
        where.equals("predicate", predicate)
        where.equals("text", text)
        if not any_time:
            where.covers("valid", as_of_ns)
        where.covers("known", known_at_ns)
        sql = f"SELECT * FROM facts WHERE {where.sql} ORDER BY valid_from, fact_id"
        return tuple(rows.fact_from(row) for row in self._select(sql, where.values))

    def add_change(self, change: Change, known_from_ns: int) -> int:
        return self._insert(INSERT_CHANGE, rows.change_columns(change, known_from_ns, None))

    def end_change(self, change_id: int, known_to_ns: int) -> None:
        self._end("changes", "change_id", change_id, known_to_ns)

    def changes(
        self,
        *,
        entity_id: EntityId | None = None,
        since_ns: int | None = None,
        known_at_ns: int | None = None,
    ) -> tuple[tuple[int, Change], ...]:
        where = _Where()
        where.equals("entity_id", entity_id)
        if since_ns is not None:
            where.add("before_ns > ?", since_ns)
        where.covers("known", known_at_ns)
        sql = f"SELECT * FROM changes WHERE {where.sql} ORDER BY before_ns, change_id"
        return tuple(rows.change_from(row) for row in self._select(sql, where.values))

    def add_event(self, event: Event, known_ns: int) -> int:
        return self._insert("INSERT INTO events VALUES (NULL,?,?,?,?)", rows.event_columns(event, known_ns))

    def events(self, *, known_at_ns: int | None = None) -> tuple[Event, ...]:
        where = _Where()
        if known_at_ns is not None:
            where.add("known <= ?", known_at_ns)
        sql = f"SELECT * FROM events WHERE {where.sql} ORDER BY end_ns, event_id"
        return tuple(rows.event_from(row) for row in self._select(sql, where.values))

    def add_sighting(self, sighting: Sighting) -> None:
        self._insert(
            "INSERT INTO sightings VALUES (NULL,?,?,?,?,?,?,?,?,?,?)", rows.sighting_columns(sighting)
        )

    def sightings(
        self,
        entity_id: EntityId,
        *,
        from_ns: int | None = None,
        to_ns: int | None = None,
        known_at_ns: int | None = None,
        kind: SightingKind | None = None,
        last: int | None = None,
    ) -> tuple[Sighting, ...]:
        where = _Where()
        where.equals("entity_id", entity_id)
        where.equals("kind", kind)
        for condition, bound in (("stamp >= ?", from_ns), ("stamp <= ?", to_ns), ("known <= ?", known_at_ns)):
            if bound is not None:
                where.add(condition, bound)
        limit = "" if last is None else f" LIMIT {int(last)}"
        sql = f"SELECT * FROM sightings WHERE {where.sql} ORDER BY stamp DESC, sighting_id DESC{limit}"
        return tuple(rows.sighting_from(row) for row in reversed(self._select(sql, where.values)))

    def give_sightings(
        self,
        from_id: EntityId,
        to_id: EntityId,
        place_offset: int,
        *,
        only: Collection[tuple[int, int]] | None = None,
    ) -> None:
        with self.transaction():
            for sighting in self.sightings(from_id):
                key = (sighting.stamp_ns, sighting.place_index)
                if only is not None and key not in only:
                    continue
                moved_place = sighting.place_index + place_offset if sighting.place_index >= 0 else -1
                self.add_sighting(
                    Sighting(**{**sighting.__dict__, "entity_id": to_id, "place_index": moved_place})
                )
                self._db.execute(
                    "DELETE FROM sightings WHERE entity_id = ? AND stamp = ? AND place = ?", (from_id, *key)
                )

    def put_record(self, kind: str, key: str, payload: bytes) -> None:
        sql = (
            "INSERT INTO records VALUES (NULL,?,?,?,?) "
            "ON CONFLICT (kind, key) DO UPDATE SET payload = excluded.payload, crc = excluded.crc"
        )
        self._execute(sql, (kind, key, payload, _record_checksum(kind, key, payload)))

    def record(self, kind: str, key: str) -> bytes | None:
        found = self._select("SELECT payload, crc FROM records WHERE kind = ? AND key = ?", (kind, key))
        return _record_payload(kind, key, *found[0]) if found else None

    def records(self, kind: str) -> Iterator[tuple[str, bytes]]:
        sql = "SELECT key, payload, crc FROM records WHERE kind = ? ORDER BY record_id"
        for key, payload, crc in self._select(sql, (kind,)):
            yield key, _record_payload(kind, key, payload, crc)

    def delete_record(self, kind: str, key: str) -> None:
        self._execute("DELETE FROM records WHERE kind = ? AND key = ?", (kind, key))

    def forget(self, entity_id: EntityId) -> None:
        with self.transaction():
            self._execute("DELETE FROM facts WHERE subject = ?1 OR object = ?1", (entity_id,))
            self._execute("DELETE FROM changes WHERE entity_id = ?", (entity_id,))
            self._execute("DELETE FROM sightings WHERE entity_id = ?", (entity_id,))
            self.journal.forget(entity_id)

    def clear(self) -> None:
        with self.transaction():
            for table in ("facts", "changes", "events", "sightings", "records", *SqliteJournal.TABLES):
                self._execute(f"DELETE FROM {table}", ())

    def backup_to(self, path: Path) -> None:
        path = Path(path)
        if path.exists():
            raise StoreError(
                f"{path} exists already; a backup never overwrites. Choose another name or delete it."
            )
        if self.path == ":memory:":
            with self._mutex:
                _copy(self._db, path)
            return
        # A reader of its own sees what was committed last, and lets this connection go on meanwhile.
        try:
            reader = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)
        except apsw.Error as error:
            raise _translated(error, self.path) from error
        try:
            _copy(reader, path)
        finally:
            reader.close()

    def close(self) -> None:
        with self._mutex:
            self._db.close()
            self._release_lock()

    def _release_lock(self) -> None:
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def _select(self, sql: str, values: tuple[Any, ...]) -> list[rows.Row]:
        return list(self._execute(sql, values))

    def _execute(self, sql: str, values: tuple[Any, ...]) -> Any:
        with self._mutex:
            try:
                return self._db.execute(sql, values)
            except apsw.Error as error:
                raise _translated(error, self.path) from error

    def _insert(self, sql: str, columns: rows.Row) -> int:
        with self._mutex:
            self._execute(sql, (*columns, rows.checksum(columns)))
            return int(self._db.last_insert_rowid())

    def _end(self, table: str, key: str, row_id: int, known_to_ns: int) -> None:
        row = self._select(f"SELECT * FROM {table} WHERE {key} = ?", (row_id,))
        if not row:
            raise StoreError(f"no row {row_id} in table {table!r}; it was never added or has been forgotten.")
        names = [column[1] for column in self._select(f"PRAGMA table_info({table})", ())]
        columns = list(rows.verified(table, row[0]))
        columns[names.index("known_to")] = known_to_ns
        self._execute(
            f"UPDATE {table} SET known_to = ?, crc = ? WHERE {key} = ?",
            (known_to_ns, rows.checksum(tuple(columns[1:])), row_id),
        )


def _sql(name: str) -> str:
    return files("embodied_mem.store").joinpath(name).read_text()


class _Where:
    """Conditions of a SELECT, joined by AND."""

    def __init__(self) -> None:
        self._conditions = ["1"]
        self.values: tuple[Any, ...] = ()

    @property
    def sql(self) -> str:
        return " AND ".join(self._conditions)

    def add(self, condition: str, *values: object) -> None:
        self._conditions.append(condition)
        self.values += values

    def equals(self, column: str, value: object | None) -> None:
        if value is not None:
            self.add(f"{column} = ?", value)

    def covers(self, span: str, stamp_ns: int | None) -> None:
        """The half-open interval [span_from, span_to) holds the stamp; None asks for an open end."""
        if stamp_ns is None:
            self.add(f"{span}_to IS NULL")
        else:
            self.add(f"{span}_from <= ? AND ({span}_to IS NULL OR ? < {span}_to)", stamp_ns, stamp_ns)


def _copy(source: apsw.Connection, path: Path) -> None:
    """Everything that `source` sees, as a new database at `path`."""
    target = apsw.Connection(str(path))
    try:
        with target.backup("main", source, "main") as backup:
            backup.step()
        # A copy is one self-contained file: no WAL beside it until somebody opens it for writing.
        target.execute("PRAGMA journal_mode=DELETE")
    except apsw.Error as error:
        raise _translated(error, path) from error
    finally:
        target.close()


def _take_lock(path: Path) -> int:
    """Hold `path.lock` for this process; the system lets go of it when the process dies, however it dies."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(
            f"cannot open {lock_path} ({error}). Make its folder, or choose a path you may write to."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreInUse(
            f"{path} is open for writing elsewhere (it holds {lock_path.name}). Close that memory first, or copy the "
            "saved one."
        ) from error
    return descriptor


def _record_checksum(kind: str, key: str, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(f"{kind}\0{key}".encode()))


def _record_payload(kind: str, key: str, payload: bytes, crc: int) -> bytes:
    if _record_checksum(kind, key, payload) != crc:
        raise DamagedStore(
            f"record {kind}/{key} does not match its checksum {crc:#010x}. The file is damaged: load the last saved "
            "generation of the memory."
        )
    return payload


def _translated(error: apsw.Error, path: Path | str) -> StoreError:
    """Our error for one of SQLite's."""
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)):
        return DamagedStore(f"{path} cannot be read as a database ({error}). Load the last saved generation.")
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return StoreInUse(f"{path} is locked by another program ({error}). Close it there first.")
    return StoreError(
        f"{path}: SQLite says {error}. Check that the disk has space and the path may be written."
    )
