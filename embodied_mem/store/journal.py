"""The store's second part: the robots' way, entities of events, words to search, and audited writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from embodied_mem.messages import Audit, EntityId, Event, Fact, Glimpse, Operation


class Journal(Protocol):
    """Rows beside facts and changes; part of the repository's transactions. `None` for `known_at_ns` asks for now."""

    def add_glimpse(self, glimpse: Glimpse) -> None:
        """Keep where a camera was and what it had in view."""
        ...

    def glimpses(
        self,
        *,
        robot: str | None = None,
        from_ns: int | None = None,
        to_ns: int | None = None,
        known_at_ns: int | None = None,
    ) -> tuple[Glimpse, ...]:
        """Glimpses with a stamp in [from_ns, to_ns], in order of their stamps."""
        ...

    def link_event(self, event_id: int, entity_ids: Iterable[EntityId]) -> None:
        """Keep which entities an event acted on, the first one foremost."""
        ...

    def numbered_events(
        self, *, known_at_ns: int | None = None
    ) -> tuple[tuple[int, Event, tuple[EntityId, ...]], ...]:
        """Every event with its id and its entities, in order of its end."""
        ...

    def put_words(self, entity_id: EntityId, text: str) -> None:
        """Make an entity findable by words, instead of those it had; '' takes it out."""
        ...

    def words(self) -> dict[EntityId, str]:
        """The text of every entity that has one."""
        ...

    def search_words(self, words: Sequence[str], limit: int) -> tuple[tuple[EntityId, float], ...]:
        """Entities whose text has some of the words, with BM25 scores (higher is better), best first."""
        ...

    def add_audit(
        self,
        operation: Operation,
        *,
        subject: EntityId,
        known_ns: int,
        opened: Sequence[int],
        closed: Sequence[int],
    ) -> Audit:
        """Keep an operation as it was carried out."""
        ...

    def audits(self) -> tuple[Audit, ...]:
        """Every operation, oldest first."""
        ...

    def fact(self, fact_id: int) -> Fact | None:
        """One fact, believed now or once; None when there is none or it was forgotten."""
        ...

    def close_fact(self, fact_id: int, valid_to_ns: int, known_ns: int) -> int:
        """End what a fact says was true, at `valid_to_ns`, known since `known_ns`; returns the closed fact's id."""
        ...

    def forget(self, entity_id: EntityId) -> None:
        """Erase every row about one entity, and its id from glimpses."""
        ...
