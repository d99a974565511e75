"""Values of answers beyond places and times: relations, rankings, and what an answer rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from embodied_mem.messages.events import Event
from embodied_mem.messages.journey import Glimpse
from embodied_mem.messages.knowledge import EntityId, Fact, Location

RelationKind = Literal["on", "in", "under", "next to", "part of", "held by", "facing"]


@dataclass(frozen=True, kw_only=True)
class Relation:
    """`subject` is `kind` `object`, believed with `confidence` in 0..1. `object` is an entity id, or an actor for
    'held by'.
    """

    subject: EntityId
    kind: RelationKind
    object: str
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Distanced:
    """A location and how far it is from where was asked, in metres, by the metric that was asked for."""

    location: Location
    distance_m: float


@dataclass(frozen=True, kw_only=True)
class Associated:
    """An entity that goes with the one asked for, with its share of the walk that says so."""

    location: Location
    share: float


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What an answer rests on: facts as they stand, frames with their camera poses, events, and statements; each
    line of `steps` says one of them in words. `missing` names evidence that is no longer kept.
    """

    facts: tuple[Fact, ...]
    frames: tuple[Glimpse, ...]
    events: tuple[Event, ...]
    steps: tuple[str, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LikelyPlace:
    """A receptacle where a thing may be, with the belief in 0..1 that it is there. `receptacle` is None for the floor
    of a room; `room` is the room's category or id, '' when unknown.
    """

    receptacle: EntityId | None
    label: str
    room: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Misplaced:
    """A thing and how out of place it is: the belief, in 0..1, that it is usually kept on something better. `belongs`
    are the best places, likeliest first.
    """

    location: Location
    score: float
    belongs: tuple[LikelyPlace, ...]


@dataclass(frozen=True, kw_only=True)
class Lastingness:
    """How long something stays put: the learned half-life, from how many moves in how many seconds of rest that were
    seen; `presence` is the belief that it is still where it was last seen (1.0 for a label).
    """

    label: str
    half_life_s: float
    num_moves: int
    rest_s: float
    presence: float
