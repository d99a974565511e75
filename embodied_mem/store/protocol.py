"""What a layer may ask of the store that it is handed. Rows are messages; the store knows no layer."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from embodied_mem.messages import Change, EntityId, Event, Fact
from embodied_mem.store.journal import Journal

SightingKind = Literal["here", "gone", "away"]


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """One look at an entity: `here` at one of its places, `gone` (that place was clearly seen without it), or
    `away` from all of them (in motion, in a hand). `place_index` counts the entity's own places, -1 for `away`.

    `position_world_m` is where it was seen, in metres; None for `gone`. `source` names the frame or event.
    """

    entity_id: EntityId
    stamp_ns: int
    known_ns: int
    kind: SightingKind
    place_index: int
    position_world_m: tuple[float, float, float] | None
    source: str


class Repository(Protocol):
    """Rows that survive a kill: whatever a finished `transaction` wrote is there after a restart.

    Ids of facts and changes are given here and never reused. Nothing is updated in place but the end of what
    was known (`known_to_ns`). `None` for `known_at_ns` or `as_of_ns` asks for now.
    """

    @property
    def journal(self) -> Journal:
        """The robots' way, entities of events, words to search, audited writes."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All writes inside happen together or, when the block raises, not at all."""
        ...

    def add_fact(self, fact: Fact) -> Fact:
        """Keep `fact` under a fresh `fact_id` (the one given is ignored) and return it with that id."""
        ...

    def end_fact(self, fact_id: int, known_to_ns: int) -> None:
        """From `known_to_ns` on, the memory no longer believes this fact."""
        ...

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
        """Facts believed at `known_at_ns` that were true at `as_of_ns` (at any time when `any_time`), oldest first.

        `text` selects on the value of facts whose value is a string.
        """
        ...

    def add_change(self, change: Change, known_from_ns: int) -> int:
        """Keep `change` and return its id."""
        ...

    def end_change(self, change_id: int, known_to_ns: int) -> None:
        """From `known_to_ns` on, the memory no longer believes that this change happened."""
        ...

    def changes(
        self,
        *,
        entity_id: EntityId | None = None,
        since_ns: int | None = None,
        known_at_ns: int | None = None,
    ) -> tuple[tuple[int, Change], ...]:
        """Changes, with their ids, that were over after `since_ns` (`before_ns` > it), in order of `before_ns`."""
        ...

    def add_event(self, event: Event, known_ns: int) -> int:
        """Keep what the robot did, and return its id."""
        ...

    def events(self, *, known_at_ns: int | None = None) -> tuple[Event, ...]:
        """Everything the robot did, in order of its end."""
        ...

    def add_sighting(self, sighting: Sighting) -> None:
        """Keep one look."""
        ...

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
        """Looks at one entity in order of their stamps; only the newest `last` when given."""
        ...

    def give_sightings(
        self,
        from_id: EntityId,
        to_id: EntityId,
        place_offset: int,
        *,
        only: Collection[tuple[int, int]] | None = None,
    ) -> None:
        """Make the looks at one entity looks at another, their places counted from `place_offset` on: all of them, or
        `only` those with these (stamp_ns, place_index).
        """
        ...

    def put_record(self, kind: str, key: str, payload: bytes) -> None:
        """Keep opaque bytes under (kind, key), replacing what was there."""
        ...

    def record(self, kind: str, key: str) -> bytes | None:
        """The bytes under (kind, key), or None."""
        ...

    def records(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """All (key, bytes) of one kind, in the order in which their keys were first put."""
        ...

    def delete_record(self, kind: str, key: str) -> None:
        """Drop the bytes under (kind, key), if any."""
        ...

    def forget(self, entity_id: EntityId) -> None:
        """Erase every row about one entity: facts, changes, sightings."""
        ...

    def clear(self) -> None:
        """Erase every row."""
        ...

    def backup_to(self, path: Path) -> None:
        """Write a whole, consistent copy to `path`, which must not exist, while this one stays in use."""
        ...

    def close(self) -> None:
        """Finish; the repository cannot be used afterwards. Closing twice is harmless."""
        ...
