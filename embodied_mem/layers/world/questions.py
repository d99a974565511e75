"""where, find, history, changes, count: typed answers with evidence, for any time in the world and in the memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from embodied_mem.errors import InvalidQuery, UnknownEntity, did_you_mean
from embodied_mem.layers.world.belief import Belief, Named
from embodied_mem.layers.world.fading import Fading
from embodied_mem.layers.world.words import labels_named, may_be, parse
from embodied_mem.layers.world.world_state import WorldState
from embodied_mem.messages import Answer, Change, Entity, EntityId, Fact, Interval, Location, Region, Stay

ID = re.compile(r"e\d+")
ATTRIBUTES = ("color", "label", "state")


class Questions:
    """Answers questions about a world state; changes nothing."""

    def __init__(self, state: WorldState) -> None:
        self._state = state
        self._fading = Fading(state)

    def where(self, entity: str, *, as_of_ns: int | None, known_at_ns: int | None) -> Answer[Location]:
        """Where one thing was at `as_of_ns`, as known at `known_at_ns`."""
        _check_stamps(as_of_ns=as_of_ns, known_at_ns=known_at_ns)
        belief = Belief(self._state, known_at_ns)
        named = self._single(belief, entity, as_of_ns)
        if isinstance(named, Answer):
            return named
        rivals = self._rivals(belief, named, as_of_ns) if ID.fullmatch(entity) else []
        if rivals:
            return self._either(belief, [named, *rivals])
        at = belief.at_fact(named.entity_id, as_of_ns)
        if at is not None:
            return Answer(
                status="known", value=belief.location(named, at, as_of_ns),
                confidence=self.confidence(at, belief, as_of_ns), evidence=_evidence([at]),
            )  # fmt: skip
        if as_of_ns is None and known_at_ns is None and self._state.roster[named.entity_id].status == "away":
            return self._in_motion(named)
        return self._nowhere(belief, named, as_of_ns)

    def find(
        self,
        text: str | None,
        *,
        label: str | None,
        attributes: Mapping[str, str],
        region: Region | None,
        interval: Interval | None,
        as_of_ns: int | None,
        known_at_ns: int | None,
        k: int,
    ) -> Answer[tuple[Location, ...]]:
        """Things that fit, those seen last first."""
        _check_stamps(as_of_ns=as_of_ns, known_at_ns=known_at_ns)
        if k < 1:
            raise InvalidQuery(f"find was asked for k={k} things; k must be at least 1.")
        belief = Belief(self._state, known_at_ns)
        if text is not None and ID.fullmatch(text):
            self._check_id(belief, text)
            fitting = [n for n in belief.named() if n.entity_id == belief.current_id(text)]
        else:
            fitting = self._fitting(belief, _phrases(text, label), attributes)
        if not fitting:
            return self._none_known(belief, " ".join(filter(None, (text, label))))
        found = self._placed(belief, fitting, region, interval, as_of_ns)
        found.sort(key=lambda pair: (-self._recency(pair[1]), pair[1].fact_id))
        chosen = found[:k]
        locations = tuple(belief.location(named, at, as_of_ns) for named, at in chosen)
        return Answer(
            status="known", value=locations, confidence=_least(self.confidence(at, belief, as_of_ns) for _, at in chosen),
            evidence=_evidence([at for _, at in chosen]), reason="" if locations else "what fits is not there",
        )  # fmt: skip

    def history(self, entity: str, *, known_at_ns: int | None) -> Answer[tuple[Stay, ...]]:
        """All the places of one thing."""
        _check_stamps(known_at_ns=known_at_ns)
        belief = Belief(self._state, known_at_ns)
        named = self._single(belief, entity, None)
        if isinstance(named, Answer):
            return named
        stops, facts = belief.stays(named.entity_id)
        if not stops:
            return Answer(status="unknown", reason=f"{_name(named)} has not been seen at rest anywhere")
        confidence = _least(fact.confidence for fact in facts)
        return Answer(status="known", value=tuple(stops), confidence=confidence, evidence=_evidence(facts))

    def changes(
        self, *, region: Region | None, since_ns: int | None, known_at_ns: int | None
    ) -> Answer[tuple[Change, ...]]:
        """What changed in a region; a change counts as since `since_ns` when it was noticed after it."""
        _check_stamps(since_ns=since_ns, known_at_ns=known_at_ns)
        if known_at_ns is None:
            rows = sorted(
                (row for rows in self._state.ledger.changes_of.values() for row in rows),
                key=lambda row: (row[1].before_ns, row[0]),
            )
            rows = [row for row in rows if since_ns is None or row[1].before_ns > since_ns]
        else:
            rows = list(self._state.repository.changes(since_ns=since_ns, known_at_ns=known_at_ns))
        if region is not None:
            rows = [row for row in rows if _is_in(region, row[1])]
        evidence = tuple(f"change/{change_id}" for change_id, _ in rows)
        confidence = 1.0 - self._state.config.miss_rate**self._state.config.misses_to_close
        if self._state.clock_ns < 0:
            return Answer(status="unknown", reason="nothing has been observed yet")
        return Answer(
            status="known",
            value=tuple(change for _, change in rows),
            confidence=confidence,
            evidence=evidence,
        )

    def count(
        self,
        label: str,
        *,
        region: Region | None,
        attributes: Mapping[str, str],
        as_of_ns: int | None,
        known_at_ns: int | None,
    ) -> Answer[int]:
        """How many things of a label there are (were); unknown when none was ever seen."""
        _check_stamps(as_of_ns=as_of_ns, known_at_ns=known_at_ns)
        belief = Belief(self._state, known_at_ns)
        fitting = self._fitting(belief, (label,), attributes)
        if not fitting and not self._fitting(belief, (label,), {}):
            return self._none_known(belief, label)
        found = [at for _, at in self._placed(belief, fitting, region, None, as_of_ns)]
        confidence = _least(self.confidence(at, belief, as_of_ns) for at in found)
        return Answer(status="known", value=len(found), confidence=confidence, evidence=_evidence(found))

    def which(
        self, entity: str, *, as_of_ns: int | None, known_at_ns: int | None
    ) -> tuple[EntityId | None, Answer[Any] | None]:
        """The id of the one thing that an id or words mean; or the answer that says why there is no such one."""
        _check_stamps(as_of_ns=as_of_ns, known_at_ns=known_at_ns)
        named = self._single(Belief(self._state, known_at_ns), entity, as_of_ns)
        return (None, named) if isinstance(named, Answer) else (named.entity_id, None)

    def candidates(
        self,
        words: Sequence[str],
        attributes: Mapping[str, str],
        *,
        region: Region | None,
        interval: Interval | None,
        as_of_ns: int | None,
        known_at_ns: int | None,
    ) -> list[Fact]:
        """`at` facts of everything that all the words and attributes name, in no order."""
        _check_stamps(as_of_ns=as_of_ns, known_at_ns=known_at_ns)
        belief = Belief(self._state, known_at_ns)
        fitting = self._fitting(belief, words, attributes)
        return [at for _, at in self._placed(belief, fitting, region, interval, as_of_ns)]

    def none_known(self, words: str, known_at_ns: int | None) -> Answer[Any]:
        """The answer when nothing is called that, with what may have been meant."""
        return self._none_known(Belief(self._state, known_at_ns), words)

    def all_called(
        self, words: str, attributes: Mapping[str, str], *, known_at_ns: int | None
    ) -> list[EntityId]:
        """Ids of everything that words name, present or not; an id names itself."""
        belief = Belief(self._state, known_at_ns)
        if ID.fullmatch(words):
            self._check_id(belief, words)
            return [belief.current_id(words)]
        return [named.entity_id for named in self._fitting(belief, (words,), attributes)]

    # -- which thing is meant ---------------------------------------------------------------------------------

    def _single(self, belief: Belief, entity: str, as_of_ns: int | None) -> Named | Answer[Any]:
        """The one thing that an id or words mean, or the answer that says why there is no such one."""
        if not entity.strip():
            raise InvalidQuery(
                "the question names no entity; give an id such as 'e17' or words such as 'red mug'."
            )
        if ID.fullmatch(entity):
            self._check_id(belief, entity)
            current = belief.current_id(entity)
            return belief.named_as(current) or Answer(
                status="unknown", reason=f"{entity} was not known at that time"
            )
        fitting = self._fitting(belief, (entity,), {})
        if not fitting:
            return self._none_known(belief, entity)
        if len(fitting) > 1:
            placed = [named for named in fitting if belief.at_fact(named.entity_id, as_of_ns) is not None]
            fitting = placed or fitting
        if len(fitting) == 1:
            return fitting[0]
        candidates = tuple(e for e in (self._entity(named) for named in fitting) if e is not None)
        names = ", ".join(f"{_name(named)} ({named.entity_id})" for named in fitting[:6])
        return Answer(
            status="ambiguous", candidates=candidates,
            reason=f"{entity!r} fits {len(fitting)} things: {names}. Ask with an id, or say which colour.",
        )  # fmt: skip

    def _rivals(self, belief: Belief, named: Named, as_of_ns: int | None) -> list[Named]:
        """Look-alikes that moved together with a thing while nobody looked: each may be the other."""
        if (
            belief.known_at_ns is not None
        ):  # what was known then, before or after, is told as it was told then
            return []
        rivals = self._state.rivals_of(named.entity_id, as_of_ns)
        return [one for one in map(belief.named_as, rivals) if one is not None]

    def _either(self, belief: Belief, alike: Sequence[Named]) -> Answer[Any]:
        candidates = tuple(e for e in (self._entity(named) for named in alike) if e is not None)
        names = " and ".join(f"{_name(named)} ({named.entity_id})" for named in alike)
        return Answer(
            status="ambiguous", candidates=candidates,
            reason=f"{names} look alike and moved while nobody looked: either may be the other.",
        )  # fmt: skip

    def _check_id(self, belief: Belief, entity_id: EntityId) -> None:
        state = self._state
        if entity_id in state.roster or entity_id in state.aliases or belief.facts(entity_id):
            return
        known = [thing.entity_id for thing in state.roster]
        have = f"ids run from {known[0]} to {known[-1]}" if known else "nothing is known yet"
        raise UnknownEntity(
            f"no entity has the id {entity_id!r}; {have}.{did_you_mean(entity_id, known)} Ask find(...) for ids."
        )

    def _fitting(self, belief: Belief, phrases: Sequence[str], attributes: Mapping[str, str]) -> list[Named]:
        """Entities that fit all phrases and attributes; a colour word that none bears literally fits none."""
        for key in attributes:
            if key not in ATTRIBUTES:
                raise InvalidQuery(
                    f"attribute {key!r} is not known; ask for {list(ATTRIBUTES)}.{did_you_mean(key, ATTRIBUTES)}"
                )
        fitting = belief.named()
        if "label" in attributes:
            phrases = (*phrases, attributes["label"])
        for phrase in phrases:
            labels = {named.label for named in fitting}
            whole = labels_named(phrase, labels)
            words = parse(phrase)
            if whole:  # a label may hold a colour word itself, as "orange" the fruit does
                fitting = [named for named in fitting if named.label in whole]
            else:
                named_labels = labels_named(words.label, labels)
                fitting = self._of_color([n for n in fitting if n.label in named_labels], words.color)
        if "color" in attributes:
            color = parse(f"{attributes['color']} x").color or attributes["color"]
            fitting = [named for named in fitting if named.color == color]
        if "state" in attributes:
            fitting = [named for named in fitting if attributes["state"] in named.states]
        return fitting

    def _of_color(self, named: Sequence[Named], color: str | None) -> list[Named]:
        """Those of a colour; when none is, the only one that may be it."""
        exact = [one for one in named if color in (None, one.color)]
        if exact or color is None:
            return exact
        likely = [one for one in named if may_be(color, one.color, self._mean_rgb(one))]
        return likely if len(likely) == 1 else []

    def _mean_rgb(self, named: Named) -> tuple[float, float, float] | None:
        thing = self._state.roster.get(self._state.aliases.get(named.entity_id, named.entity_id))
        return None if thing is None else thing.mean_rgb

    def _placed(
        self,
        belief: Belief,
        fitting: Sequence[Named],
        region: Region | None,
        interval: Interval | None,
        as_of_ns: int | None,
    ) -> list[tuple[Named, Fact]]:
        """Those that are somewhere at the time asked for, with the fact that says so."""
        found: list[tuple[Named, Fact]] = []
        for named in fitting:
            if interval is None:
                at = belief.at_fact(named.entity_id, as_of_ns)
            else:
                during = [
                    f for f in belief.facts(named.entity_id) if f.predicate == "at" and _overlaps(f, interval)
                ]
                at = during[-1] if during else None
            if at is not None:
                found.append((named, at))
        if region is None or not found:
            return found
        positions = np.array([at.value.position_world_m for _, at in found])  # type: ignore[union-attr]
        return [pair for pair, is_in in zip(found, region.contains(positions), strict=True) if is_in]

    # -- what is said -----------------------------------------------------------------------------------------

    def _none_known(self, belief: Belief, words: str) -> Answer[Any]:
        known = sorted({named.label for named in belief.named()})
        hint = did_you_mean(words, known)
        return Answer(status="unknown", reason=f"nothing known is called {words!r}.{hint}".strip())

    def _nowhere(self, belief: Belief, named: Named, as_of_ns: int | None) -> Answer[Location]:
        """It is known, but at that time at no known place: say where it was last and since when it is missing."""
        facts = [fact for fact in belief.facts(named.entity_id) if fact.predicate == "at"]
        past = [f for f in facts if as_of_ns is None or f.valid_from_ns <= as_of_ns]
        thing = self._state.roster.get(named.entity_id)
        if thing is not None and thing.status == "held" and as_of_ns is None:
            return Answer(
                status="unknown", reason=f"{_name(named)} is held by {thing.holder}", confidence=0.9,
                evidence=(thing.runs[-1].last_source,),
            )  # fmt: skip
        if not past:
            return Answer(
                status="unknown",
                reason=f"{_name(named)} had not been seen by then",
                evidence=_evidence(facts[:1]),
            )
        last = past[-1]
        evidence = _evidence([last, *(f for f in belief.facts(named.entity_id) if f.predicate == "absent")])
        return Answer(
            status="unknown", evidence=evidence, confidence=0.0 if thing is None else 1.0 - thing.presence,
            reason=f"{_name(named)} left its last known place at {last.valid_to_ns} ns or before and was not found again",
        )  # fmt: skip

    def _in_motion(self, named: Named) -> Answer[Location]:
        thing = self._state.roster[named.entity_id]
        entity = thing.to_entity(self._state.config)
        location = Location(
            entity_id=named.entity_id, label=named.label, placement=entity.placement, support=None,
            valid_from_ns=thing.last_seen_ns, last_seen_ns=thing.last_seen_ns,
        )  # fmt: skip
        return Answer(
            status="known", value=location, confidence=0.5, reason="it was in motion when last seen",
            evidence=(thing.runs[-1].last_source,),
        )  # fmt: skip

    def _entity(self, named: Named) -> Entity | None:
        thing = self._state.roster.get(self._state.aliases.get(named.entity_id, named.entity_id))
        return None if thing is None else thing.to_entity(self._state.config)

    def confidence(self, at: Fact, belief: Belief, as_of_ns: int | None) -> float:
        """How sure the place is that `at` states; of now, less the longer the thing was not seen."""
        thing = self._state.roster.get(at.subject)
        if thing is None or as_of_ns is not None or belief.known_at_ns is not None:
            return at.confidence
        return at.confidence * thing.presence * self._fading.still_there(thing)

    def _recency(self, at: Fact) -> int:
        thing = self._state.roster.get(at.subject)
        return at.valid_from_ns if thing is None else thing.last_seen_ns


def _check_stamps(**stamps_ns: int | None) -> None:
    for name, stamp_ns in stamps_ns.items():
        if stamp_ns is not None and (
            isinstance(stamp_ns, bool) or not isinstance(stamp_ns, (int, np.integer)) or stamp_ns < 0
        ):
            raise InvalidQuery(
                f"{name} is {stamp_ns!r}; it must be a whole number of nanoseconds >= 0, or None for now. "
                "Convert seconds with round(seconds * 1e9)."
            )


def _phrases(text: str | None, label: str | None) -> tuple[str, ...]:
    return tuple(phrase for phrase in (text, label) if phrase is not None and phrase.strip())


def _overlaps(fact: Fact, interval: Interval) -> bool:
    starts_in_time = interval.to_ns is None or fact.valid_from_ns <= interval.to_ns
    return starts_in_time and (
        interval.from_ns is None or fact.valid_to_ns is None or fact.valid_to_ns > interval.from_ns
    )


def _is_in(region: Region, change: Change) -> bool:
    places = [place.position_world_m for place in (change.before, change.after) if place is not None]
    return bool(places) and bool(region.contains(np.array(places)).any())


def _evidence(facts: Iterable[Fact]) -> tuple[str, ...]:
    """Ids of the facts and of the frames and events behind them."""
    names: dict[str, None] = {}
    for fact in facts:
        names[f"fact/{fact.fact_id}"] = None
        names.update(dict.fromkeys(fact.evidence))
    return tuple(names)


def _least(confidences: Iterable[float]) -> float:
    return min(confidences, default=0.5)


def _name(named: Named) -> str:
    return f"{named.color} {named.label}".strip()
