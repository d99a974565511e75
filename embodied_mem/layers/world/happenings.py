"""Events as answers: which entities they acted on, where, and what those were on or in before and after."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from embodied_mem.errors import did_you_mean
from embodied_mem.layers.world.belief import Belief
from embodied_mem.layers.world.containment import CONTAINERS
from embodied_mem.layers.world.world_state import WorldState
from embodied_mem.messages import (
    Answer,
    EntityId,
    Event,
    Fact,
    Happening,
    Interval,
    ObjectMention,
    Placement,
    Region,
)

Order = Literal["first", "last"]
BENEATH_M = 0.12
LARGE_M = 0.4
FAILED = ("failed", "failure", "aborted")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which events: None leaves that side open. `with_failed` takes in those whose outcome was a failure."""

    kind: str | None = None
    actor: str | None = None
    entity_ids: Collection[EntityId] | None = None
    region: Region | None = None
    interval: Interval | None = None
    with_failed: bool = False

    def fits(self, happening: Happening) -> bool:
        event = happening.event
        if self.kind not in (None, event.kind) or self.actor not in (None, event.actor):
            return False
        if self.entity_ids is not None and not set(self.entity_ids) & set(happening.entity_ids):
            return False
        if event.outcome in FAILED and not self.with_failed:
            return False
        return _is_during(event, self.interval) and _is_in(happening, self.region)


def happenings(
    state: WorldState, belief: Belief, wanted: Wanted, *, order: Order = "first", k: int | None = None
) -> Answer[tuple[Happening, ...]]:
    """Events that fit, in order of time (`order` "last": the newest first), at most `k` of them."""
    everything = list(_all(state, belief))
    found = [one for one in everything if wanted.fits(one)]
    if order == "last":
        found.reverse()
    found = found[:k]
    if not everything:
        return Answer(status="unknown", reason="no event has been recorded yet")
    return Answer(
        status="known", value=tuple(found), confidence=0.95, evidence=tuple(f"event/{one.event_id}" for one in found),
        reason="" if found else _why_none(wanted, everything),
    )  # fmt: skip


def _all(state: WorldState, belief: Belief) -> Iterator[Happening]:
    for event_id, event, linked in state.repository.journal.numbered_events(known_at_ns=belief.known_at_ns):
        entity_ids = tuple(dict.fromkeys(belief.current_id(one) for one in linked))
        before = after = None
        if entity_ids:
            before = _at_before(belief, entity_ids[0], event.start_ns)
            after = _at_after(belief, entity_ids[0], event.end_ns)
        yield Happening(
            event_id=event_id, event=event, entity_ids=entity_ids,
            position_world_m=_position(event, before, after),
            from_support=None if before is None else _stood_on(state, belief, before),
            to_support=None if after is None else _stood_on(state, belief, after),
        )  # fmt: skip


def _at_before(belief: Belief, entity_id: EntityId, start_ns: int) -> Fact | None:
    """Where it was last when the event began."""
    stays = [f for f in belief.facts(entity_id) if f.predicate == "at" and f.valid_from_ns < start_ns]
    return max(stays, key=lambda fact: fact.valid_from_ns, default=None)


def _at_after(belief: Belief, entity_id: EntityId, end_ns: int) -> Fact | None:
    """Where it was first when the event was over."""
    stays = [
        fact
        for fact in belief.facts(entity_id)
        if fact.predicate == "at" and (fact.valid_to_ns is None or fact.valid_to_ns > end_ns)
    ]
    return min(stays, key=lambda fact: fact.valid_from_ns, default=None)


def _stood_on(state: WorldState, belief: Belief, at: Fact) -> EntityId | None:
    """What a thing stood on or in: as looks told, unless that was a small thing that is no container, which with poses
    off by centimetres is likelier to have stood beside it than under it.
    """
    told = belief.support_of(at)
    thing = None if told is None else state.roster.get(told)
    is_small = thing is not None and thing.box.size.max() < LARGE_M and thing.label not in CONTAINERS
    if thing is not None and not is_small:
        return told
    return _beneath(state, at) or (told if thing is not None else None)


def _beneath(state: WorldState, at: Fact) -> EntityId | None:
    """The nearest larger thing under, or around, where something stood, for places of which no look told a support."""
    if not isinstance(at.value, Placement):
        return None
    low, high = np.array(at.value.box.min_m), np.array(at.value.box.max_m)
    foot = np.array([*((low + high) / 2)[:2], low[2]], dtype=np.float32)[None]
    found: list[tuple[float, EntityId]] = []
    for thing in state.roster.near(foot, foot, BENEATH_M):
        size = thing.box.size
        if (
            thing.entity_id == at.subject
            or size[:2].prod() < 4.0 * (high - low)[:2].prod()
            or size.max() < LARGE_M
        ):
            continue
        top_m = abs(float(low[2]) - thing.box.max_m[2])
        found.append((top_m, thing.entity_id))
    return min(found)[1] if found else None


def _position(event: Event, before: Fact | None, after: Fact | None) -> tuple[float, float, float] | None:
    for mention in event.objects:
        if isinstance(mention, ObjectMention):
            return mention.position_world_m
    fact = after if event.kind == "place" else before or after
    return fact.value.position_world_m if fact is not None and isinstance(fact.value, Placement) else None


def _is_during(event: Event, interval: Interval | None) -> bool:
    if interval is None:
        return True
    starts_in_time = interval.to_ns is None or event.start_ns <= interval.to_ns
    return starts_in_time and (interval.from_ns is None or event.end_ns >= interval.from_ns)


def _is_in(happening: Happening, region: Region | None) -> bool:
    if region is None:
        return True
    return happening.position_world_m is not None and bool(
        region.contains(np.array([happening.position_world_m])).any()
    )


def _why_none(wanted: Wanted, everything: list[Happening]) -> str:
    for name, value, known in (
        ("kind", wanted.kind, {one.event.kind for one in everything}),
        ("actor", wanted.actor, {one.event.actor for one in everything}),
    ):
        if value is not None and value not in known:
            return f"no event of {name} {value!r} is known; have {sorted(known)}.{did_you_mean(value, known)}"
    return "no event fits"
