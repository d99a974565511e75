"""The world model's face: percepts and the robot's own events in, typed questions out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from embodied_mem.layers.world import deeds, merging
from embodied_mem.layers.world.late import LateTracker
from embodied_mem.layers.world.questions import Questions
from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.layers.world.showings import ShowingLog
from embodied_mem.layers.world.tracker import Tracker
from embodied_mem.layers.world.world_state import WorldState
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import (
    Answer,
    Audit,
    Change,
    Entity,
    EntityId,
    Event,
    Interval,
    Location,
    Operation,
    Percept,
    Region,
    Showing,
    Stay,
    WorldDelta,
)
from embodied_mem.store import Repository

R = TypeVar("R")


class WorldLayer:
    """Entities with an identity of their own and bitemporal facts about them, kept in `repository`.

    Every update is one transaction, on disk when it returns; a new layer on the same repository goes on where the
    last one stopped, also after `kill -9`. When the store fails in an update, the layer is as it was before it.
    Methods may be called from several threads.
    """

    def __init__(self, repository: Repository, config: WorldConfig = WorldConfig()) -> None:
        self._repository = repository
        self._config = config
        self._mutex = threading.RLock()
        self._showings: ShowingLog
        self._load()

    def update(self, percept: Percept) -> WorldDelta:
        """Take in one frame's percept; one that is older than what came before rewrites what was true then."""
        return self._change(lambda: self._take_in(percept))

    def record(self, event: Event, known_ns: int | None = None) -> WorldDelta:
        """Take in what the robot did (pick, place, open, close, ...), known since `known_ns` (default: its end).

        Raises:
            UnknownEntity: the event names an id that does not exist.
        """
        known_ns = event.end_ns if known_ns is None else known_ns
        return self._change(lambda: deeds.record(self._state, event, known_ns), is_shown=False)

    @property
    def num_entities(self) -> int:
        """How many `entities()` there are; never waits for an update."""
        return len(self._state.roster)

    def entities(self) -> tuple[Entity, ...]:
        """Everything known, as believed now, present or not; oldest first."""
        with self._mutex:
            return tuple(thing.to_entity(self._config) for thing in self._state.roster)

    def where(
        self, entity: str, *, as_of_ns: int | None = None, known_at_ns: int | None = None
    ) -> Answer[Location]:
        """Where the one thing that an id ('e17') or words ('red mug') name was at `as_of_ns`, as known at
        `known_at_ns`; None is now.

        Raises:
            UnknownEntity: no entity has that id.
        """
        with self._mutex:
            return self._questions.where(entity, as_of_ns=as_of_ns, known_at_ns=known_at_ns)

    def find(
        self,
        text: str | None = None,
        *,
        label: str | None = None,
        attributes: Mapping[str, str] | None = None,
        region: Region | None = None,
        interval: Interval | None = None,
        as_of_ns: int | None = None,
        known_at_ns: int | None = None,
        k: int = 10,
    ) -> Answer[tuple[Location, ...]]:
        """Up to `k` things that fit words, label, attributes (color, label, state) and region, last seen first.

        With `interval`, where each last was in it.
        """
        with self._mutex:
            return self._questions.find(
                text, label=label, attributes=attributes or {}, region=region, interval=interval,
                as_of_ns=as_of_ns, known_at_ns=known_at_ns, k=k,
            )  # fmt: skip

    def history(self, entity: str, *, known_at_ns: int | None = None) -> Answer[tuple[Stay, ...]]:
        """Where one thing has been, in order of time."""
        with self._mutex:
            return self._questions.history(entity, known_at_ns=known_at_ns)

    def changes(
        self, *, region: Region | None = None, since_ns: int | None = None, known_at_ns: int | None = None
    ) -> Answer[tuple[Change, ...]]:
        """What appeared, vanished, moved, opened or closed in a region and was noticed after `since_ns`."""
        with self._mutex:
            return self._questions.changes(region=region, since_ns=since_ns, known_at_ns=known_at_ns)

    def count(
        self,
        label: str,
        *,
        region: Region | None = None,
        as_of_ns: int | None = None,
        known_at_ns: int | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> Answer[int]:
        """How many things of a label there were in a region at `as_of_ns`."""
        with self._mutex:
            return self._questions.count(
                label, region=region, attributes=attributes or {}, as_of_ns=as_of_ns, known_at_ns=known_at_ns
            )

    def shown(
        self, label: str | None = None, *, color: str | None = None, interval: Interval | None = None
    ) -> Answer[tuple[Showing, ...]]:
        """What was to be seen in turn of a label or colour, in order of time; `reason` says when older ones were dropped."""
        with self._mutex:
            found = tuple(self._showings.all(label, color=color, interval=interval))
            num_dropped = self._showings.num_dropped
        older = f"{num_dropped} older showings were dropped" if num_dropped else ""
        if not found:
            reason = f"no {color or ''} {label or 'thing'} was ever shown then"
            return Answer(status="unknown", reason=f"{reason}; {older}" if older else reason)
        return Answer(status="known", value=found, confidence=1.0 - self._config.miss_rate, reason=older)

    @contextmanager
    def reading(self) -> Iterator[WorldView]:
        """Everything that further questions read; nothing changes while the block runs."""
        with self._mutex:
            yield self._view

    def write(self, operation: Operation, known_ns: int | None = None) -> Audit:
        """Carry out what somebody states (ADD, UPDATE, DELETE, NOOP, MERGE, SPLIT), known since `known_ns` (default: now).

        Raises:
            UnknownEntity: subject or object does not exist.
            InvalidQuery: the predicate cannot be stated, or there is nothing to end, to merge or to split.
        """
        known_ns = self._state.known_ns if known_ns is None else known_ns

        def write() -> Audit:
            if operation.kind in ("MERGE", "SPLIT"):
                return self._identify(operation, max(0, known_ns))
            audit = self._view.statements.write(operation, max(0, known_ns))
            if audit.subject:
                self._view.index.sync((audit.subject,))
            self._state.save_header()
            return audit

        return self._change(write, is_shown=False)

    def _identify(self, operation: Operation, known_ns: int) -> Audit:
        """Make one thing of two, or two of one, as somebody states."""
        known_ns = self._state.learn(self._state.clock_ns, known_ns)
        things = merging.carry_out(self._state, operation)
        for old, new in self._view.statements.strays():
            self._view.statements.adopt(old, new)
        self._view.index.sync((operation.subject, operation.object or "", *things))
        return self._repository.journal.add_audit(
            operation, subject=things[0], known_ns=known_ns, opened=(), closed=()
        )

    def forget(self, entity_id: EntityId) -> None:
        """Erase an entity, its facts, changes and looks for good.

        Raises:
            UnknownEntity: no entity has that id.
        """
        with self._mutex:
            thing = self._state.thing(entity_id, named_by="forget")

        def forget() -> None:
            aliases = [alias for alias, to in self._state.aliases.items() if to == thing.entity_id]
            self._state.forget(thing)
            self._showings.forget({thing.entity_id, *aliases})

        self._change(forget)
        self._view.forget(thing.entity_id)

    def reset(self) -> None:
        """Erase everything; ids start again."""
        with self._mutex:
            self._repository.clear()
            self._load()

    def _take_in(self, percept: Percept) -> WorldDelta:
        is_late = percept.frame.stamp_ns < self._state.clock_ns
        known_ns = self._state.learn(percept.frame.stamp_ns, percept.frame.known_ns)
        tracker = LateTracker if is_late else Tracker
        delta = tracker(self._state, percept, known_ns).run()
        self._view.take_note(percept.frame, delta, known_ns)
        if not is_late:
            self._showings.note(percept, self._state.roster)
        return delta

    def _change(self, action: Callable[[], R], *, is_shown: bool = True) -> R:
        """Run a change as one transaction; when it fails, go back to what is on disk. What is shown at the moment is
        written every few seconds only: it is not read back for an action that has nothing to do with it (`is_shown`).
        """
        with self._mutex:
            try:
                with self._repository.transaction():
                    result = action()
            except BaseException:
                showings = self._showings
                self._load()
                if not is_shown:
                    self._showings = showings
                raise
            self._state.version += 1
            return result

    def _load(self) -> None:
        self._state = WorldState(self._repository, self._config)
        self._questions = Questions(self._state)
        self._view = WorldView(self._state, self._questions)
        self._showings = ShowingLog(self._repository, self._config)
