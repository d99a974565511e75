"""What questions beyond where, find, history, changes and count read: one object over the world layer's parts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from embodied_mem.layers.world import happenings as events
from embodied_mem.layers.world.belief import Belief
from embodied_mem.layers.world.journey import JourneyLog
from embodied_mem.layers.world.questions import Questions
from embodied_mem.layers.world.relations import RELATIONS, relations_of
from embodied_mem.layers.world.statements import Statements
from embodied_mem.layers.world.text_index import TextIndex
from embodied_mem.layers.world.thing import CONFIRMED_VIEWS
from embodied_mem.layers.world.words import labels_named, parse
from embodied_mem.layers.world.world_state import WorldState
from embodied_mem.messages import (
    Answer,
    Audit,
    EntityId,
    Event,
    Fact,
    Frame,
    Happening,
    Interval,
    Location,
    Region,
    Relation,
    RelationKind,
    Stay,
    WorldDelta,
)
from embodied_mem.store import Sighting


class WorldView:
    """Reads a world state; only `take_note` and `forget` change anything, and they are the world layer's to call."""

    def __init__(self, state: WorldState, questions: Questions) -> None:
        self._state = state
        self.questions = questions
        self.journey = JourneyLog(state.repository, state.config)
        self.statements = Statements(state)
        self.index = TextIndex(state, self.statements)

    @property
    def version(self) -> int:
        """Rises with every change; what was computed at the same version still holds."""
        return self._state.version

    def take_note(self, frame: Frame, delta: WorldDelta, known_ns: int) -> None:
        """Keep what a frame adds beside things: the way, words to search, statements about what was merged."""
        self.journey.note(frame, delta.seen, known_ns)
        for old, new in self.statements.strays():
            self.statements.adopt(old, new)
        self.index.sync((*delta.seen, *delta.added))

    def forget(self, entity_id: EntityId) -> None:
        """Drop a forgotten entity from what is held in RAM."""
        self.journey.forget(entity_id)
        self.statements.forget(entity_id)
        self.index.forget(entity_id)

    @property
    def now_ns(self) -> int:
        """The newest stamp seen; -1 when nothing was."""
        return self._state.clock_ns

    @property
    def known_ns(self) -> int:
        """The newest time at which something became known; -1 when nothing did."""
        return self._state.known_ns

    def current_id(self, entity_id: EntityId) -> EntityId:
        """The id of what a retired id turned out to be."""
        return self._state.aliases.get(entity_id, entity_id)

    def ids(self, known_at_ns: int | None = None) -> list[EntityId]:
        """Everything known then, oldest first."""
        return [named.entity_id for named in Belief(self._state, known_at_ns).named()]

    def label_of(self, entity_id: EntityId) -> str:
        """What a thing is called now, with its colour; its id when it is not known."""
        thing = self._state.roster.get(self.current_id(entity_id))
        return entity_id if thing is None else f"{thing.color} {thing.label}".strip()

    def names_a_label(self, words: str) -> bool:
        """Whether words name something known by its label, colour aside: 'black bottle' where there are bottles."""
        known = {named.label for named in Belief(self._state, None).named()}
        return bool(labels_named(words, known) or labels_named(parse(words).label, known))

    def bare_label_of(self, entity_id: EntityId) -> str:
        """What a thing is called now, without its colour."""
        thing = self._state.roster.get(self.current_id(entity_id))
        return "" if thing is None else thing.label

    def num_views(self, entity_id: EntityId) -> int:
        """In how many frames a thing was seen."""
        thing = self._state.roster.get(self.current_id(entity_id))
        return 0 if thing is None else thing.num_views

    def label_weight(self, entity_id: EntityId) -> float:
        """How far a thing's label is to be trusted, 0..1: its share of the views' votes, less when hardly seen."""
        thing = self._state.roster.get(self.current_id(entity_id))
        return (
            0.0
            if thing is None
            else thing.label_share(thing.label) * min(1.0, thing.num_views / CONFIRMED_VIEWS)
        )

    def is_agent(self, entity_id: EntityId) -> bool:
        thing = self._state.roster.get(entity_id)
        return thing is not None and thing.label in self._state.config.agent_labels

    def location(
        self, entity_id: EntityId, as_of_ns: int | None = None, known_at_ns: int | None = None
    ) -> tuple[Location, Fact] | None:
        """Where a thing was, with the fact that says so; None when at no known place."""
        belief = Belief(self._state, known_at_ns)
        named, at = belief.named_as(entity_id), belief.at_fact(entity_id, as_of_ns)
        return None if named is None or at is None else (belief.location(named, at, as_of_ns), at)

    def candidates(
        self,
        words: Sequence[str],
        attributes: Mapping[str, str],
        region: Region | None,
        interval: Interval | None,
        as_of_ns: int | None,
        known_at_ns: int | None,
    ) -> list[Fact]:
        """Where everything was that words and attributes name, as `at` facts; no words name everything."""
        return self.questions.candidates(
            words, attributes, region=region, interval=interval, as_of_ns=as_of_ns, known_at_ns=known_at_ns
        )

    def last_seen_ns(self, at: Fact) -> int:
        """When what stands in an `at` fact was last seen."""
        thing = self._state.roster.get(at.subject)
        return at.valid_from_ns if thing is None else thing.last_seen_ns

    def place_of(
        self, at: Fact, as_of_ns: int | None = None, known_at_ns: int | None = None
    ) -> Location | None:
        """The location that an `at` fact states."""
        belief = Belief(self._state, known_at_ns)
        named = belief.named_as(at.subject)
        return None if named is None else belief.location(named, at, as_of_ns)

    def confidence(self, at: Fact, as_of_ns: int | None = None, known_at_ns: int | None = None) -> float:
        """How sure the place is that an `at` fact states."""
        return self.questions.confidence(at, Belief(self._state, known_at_ns), as_of_ns)

    def presence(self, entity_id: EntityId) -> float:
        """The belief that a thing still is at its place."""
        thing = self._state.roster.get(self.current_id(entity_id))
        return 0.0 if thing is None else thing.presence

    def last_sighting_by(
        self, robot: str, entity_id: EntityId, known_at_ns: int | None = None
    ) -> tuple[Sighting | None, Sighting | None]:
        """The last time a robot saw a thing at rest, and the last clear look of that robot at its place without it."""
        seen: Sighting | None = None
        missed: Sighting | None = None
        for sighting in self._state.repository.sightings(entity_id, known_at_ns=known_at_ns):
            if sighting.source.partition("/")[0] != robot and not self._did(robot, sighting.source):
                continue
            if sighting.kind == "here":
                seen, missed = sighting, None
            elif sighting.kind == "gone" and seen is not None and sighting.place_index == seen.place_index:
                missed = sighting
            elif sighting.kind == "away":
                seen, missed = None, None
        return seen, missed

    def _did(self, robot: str, source: str) -> bool:
        """Whether a source is an event of which the robot was the actor."""
        kind, _, number = source.partition("/")
        return kind == "event" and any(
            str(event_id) == number and event.actor == robot for event_id, event, _ in self.all_events()
        )

    def stays(self, entity_id: EntityId) -> list[Stay]:
        """Where a thing was, in order of time, as is known now."""
        return Belief(self._state, None).stays(entity_id)[0]

    def seen_until_ns(self, entity_id: EntityId) -> int:
        """When a thing was last seen; -1 when it is not known."""
        thing = self._state.roster.get(self.current_id(entity_id))
        return -1 if thing is None else thing.last_seen_ns

    def facts(self, entity_id: EntityId, known_at_ns: int | None = None) -> list[Fact]:
        """Perceived and stated facts about a thing, over all times."""
        belief = Belief(self._state, known_at_ns)
        return [*belief.facts(entity_id), *self.statements.facts(entity_id, known_at_ns)]

    def fact(self, fact_id: int) -> Fact | None:
        """One fact as it stands in the store, believed or not."""
        return self._state.repository.journal.fact(fact_id)

    def appearance(self, entity_id: EntityId) -> Float64[np.ndarray, "d"]:
        """The unit vector that a thing looks like."""
        return np.array(self._state.roster[entity_id].appearance)

    def happenings(
        self,
        *,
        kind: str | None = None,
        actor: str | None = None,
        entity_ids: Collection[EntityId] | None = None,
        region: Region | None = None,
        interval: Interval | None = None,
        order: events.Order = "first",
        k: int | None = None,
        with_failed: bool = False,
        known_at_ns: int | None = None,
    ) -> Answer[tuple[Happening, ...]]:
        """Events that fit, in order of time."""
        wanted = events.Wanted(
            kind=kind, actor=actor, entity_ids=entity_ids, region=region, interval=interval, with_failed=with_failed
        )  # fmt: skip
        return events.happenings(self._state, Belief(self._state, known_at_ns), wanted, order=order, k=k)

    def all_events(self) -> tuple[tuple[int, Event, tuple[EntityId, ...]], ...]:
        """Every event with its id and the entities it acted on, in order of its end."""
        return self._state.repository.journal.numbered_events()

    def audits(self) -> tuple[Audit, ...]:
        """Every operation that was written, oldest first."""
        return self._state.repository.journal.audits()

    def relations(
        self,
        subject: EntityId,
        *,
        kinds: Iterable[RelationKind] = RELATIONS,
        others: Sequence[EntityId] | None = None,
        as_of_ns: int | None = None,
        known_at_ns: int | None = None,
    ) -> list[Relation]:
        """What a thing is to others, surest first."""
        belief = Belief(self._state, known_at_ns)
        return relations_of(
            self._state, self.statements, belief, subject, kinds=kinds, others=others, as_of_ns=as_of_ns
        )

    def record(self, key: str) -> bytes | None:
        """Bytes that a part above keeps with the world."""
        return self._state.repository.record("context", key)

    def put_record(self, key: str, payload: bytes) -> None:
        """Keep bytes for a part above."""
        self._state.repository.put_record("context", key, payload)

    def which(
        self, entity: str, *, as_of_ns: int | None = None, known_at_ns: int | None = None
    ) -> tuple[EntityId | None, Answer[Any] | None]:
        """The one thing that an id or words mean, or why there is none."""
        return self.questions.which(entity, as_of_ns=as_of_ns, known_at_ns=known_at_ns)
