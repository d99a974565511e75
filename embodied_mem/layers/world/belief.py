"""What the memory believes, now or as it was known at an earlier time: the facts that questions read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import cast

from embodied_mem.layers.world.doubt import is_doubtful, label_noise
from embodied_mem.layers.world.thing import Thing
from embodied_mem.layers.world.world_state import WorldState
from embodied_mem.messages import EntityId, Fact, Location, Placement, Stay, is_stated


@dataclass(frozen=True, kw_only=True)
class Named:
    """An entity under the label and colour it was known by."""

    entity_id: EntityId
    label: str
    color: str
    states: tuple[str, ...] = ()


class Belief:
    """The facts known at `known_at_ns`; None reads those of now from RAM."""

    def __init__(self, state: WorldState, known_at_ns: int | None) -> None:
        self._state = state
        self.known_at_ns = known_at_ns

    def named(self) -> list[Named]:
        """Every entity known then, oldest first; now, without those that are probably nothing."""
        if self.known_at_ns is None:
            version, found = self._state.named_now
            if version != self._state.version:
                roster = self._state.roster
                noise = label_noise(roster)
                found = [self._named_now(thing) for thing in roster if not is_doubtful(thing, roster, noise)]
                self._state.named_now = (self._state.version, found)
            return found
        words: dict[EntityId, dict[str, str]] = defaultdict(dict)
        for predicate in ("label", "color", "state"):
            facts = self._state.repository.facts(
                predicate=predicate, known_at_ns=self.known_at_ns, any_time=predicate != "state"
            )
            for fact in (fact for fact in facts if not is_stated(fact)):
                words[fact.subject][predicate] = str(fact.value)
        return [
            Named(
                entity_id=entity_id, label=word["label"], color=word.get("color", ""),
                states=(word["state"],) if "state" in word else (),
            )
            for entity_id, word in words.items()
            if "label" in word
        ]  # fmt: skip

    def named_as(self, entity_id: EntityId) -> Named | None:
        """The one entity with this id, if it was known then."""
        if self.known_at_ns is None:
            thing = self._state.roster.get(entity_id)
            return None if thing is None else self._named_now(thing)
        return next((named for named in self.named() if named.entity_id == entity_id), None)

    def _named_now(self, thing: Thing) -> Named:
        """Label, colour and state of a thing, kept until a view votes again: with 1,000 things they cost 10 ms."""
        votes = (thing.color_sum[3], sum(thing.label_votes.values()), len(thing.states))
        kept = self._state.names.get(thing.entity_id)
        if kept is None or kept[0] != votes:
            named = Named(
                entity_id=thing.entity_id, label=thing.label, color=thing.color,
                states=(thing.states[-1][1],) if thing.states else (),
            )  # fmt: skip
            self._state.names[thing.entity_id] = kept = (votes, named)
        return cast(Named, kept[1])

    def facts(self, entity_id: EntityId) -> list[Fact]:
        """All facts about an entity, over all times."""
        if self.known_at_ns is None:
            return self._state.ledger.facts_of.get(entity_id, [])
        facts = self._state.repository.facts(subject=entity_id, known_at_ns=self.known_at_ns, any_time=True)
        return [fact for fact in facts if not is_stated(fact)]

    def at_fact(self, entity_id: EntityId, as_of_ns: int | None) -> Fact | None:
        """Where it was at `as_of_ns` (None: is), as a fact; None when at no known place."""
        return next(
            (f for f in self.facts(entity_id) if f.predicate == "at" and f.is_true_at(as_of_ns)), None
        )

    def support_of(self, at: Fact) -> EntityId | None:
        """What the thing is on or in during the stay that `at` states."""
        for fact in self.facts(at.subject):
            if fact.predicate in ("on", "in", "under") and fact.valid_from_ns == at.valid_from_ns:
                return self.current_id(fact.object) if fact.object else None
        return None

    def current_id(self, entity_id: EntityId) -> EntityId:
        """The id by which an entity is known: retired ids name what they turned out to be, unless asked of a time
        when that was not known."""
        if self.known_at_ns is not None and any(f.predicate == "label" for f in self.facts(entity_id)):
            return entity_id
        return self._state.aliases.get(entity_id, entity_id)

    def location(self, named: Named, at: Fact, as_of_ns: int | None) -> Location:
        """The answer that an `at` fact gives."""
        assert isinstance(at.value, Placement)
        return Location(
            entity_id=named.entity_id, label=named.label, placement=at.value, support=self.support_of(at),
            valid_from_ns=at.valid_from_ns, last_seen_ns=self._last_seen_ns(at, as_of_ns),
        )  # fmt: skip

    def _last_seen_ns(self, at: Fact, as_of_ns: int | None) -> int:
        thing = self._state.roster.get(at.subject)
        if thing is not None and self.known_at_ns is None and as_of_ns is None:
            return thing.last_seen_ns
        newest = self._state.repository.sightings(
            at.subject,
            from_ns=at.valid_from_ns,
            to_ns=as_of_ns,
            known_at_ns=self.known_at_ns,
            kind="here",
            last=1,
        )
        return newest[0].stamp_ns if newest else at.valid_from_ns

    def stays(self, entity_id: EntityId) -> tuple[list[Stay], list[Fact]]:
        """An entity's stops in order of time, and the facts that state them."""
        facts = [fact for fact in self.facts(entity_id) if fact.predicate == "at"]
        facts.sort(key=lambda fact: (fact.valid_from_ns, fact.fact_id))
        stops = [
            Stay(
                placement=fact.value, support=self.support_of(fact), from_ns=fact.valid_from_ns, to_ns=fact.valid_to_ns
            )
            for fact in facts
            if isinstance(fact.value, Placement)
        ]  # fmt: skip
        return stops, facts
