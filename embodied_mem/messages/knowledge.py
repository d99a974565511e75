"""What the memory knows: entities, bitemporal facts, changes, and the typed answers it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

import numpy as np
from jaxtyping import Bool, Float

from embodied_mem.errors import ImpossibleInterval, InvalidQuery
from embodied_mem.geometry import Box
from embodied_mem.messages.areas import Area

SCHEMA_VERSION = 1
"""Version of the records below as they lie on disk."""

EntityId = str
"""An entity's name for life, such as 'e17'; never reused."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where something is: the centre of its box and the box itself, world, metres."""

    position_world_m: tuple[float, float, float]
    box: Box


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One bitemporal statement: true in the world in [valid_from_ns, valid_to_ns), believed by the memory in
    [known_from_ns, known_to_ns); None as an end means "still".

    Predicates: `at` (value: Placement), `on` and `in` (object: an entity id), `label`, `color`, `state`
    (value: str), `absent` (value: None). `evidence` names frames as `robot/sensor/stamp_ns`, or events.
    """

    fact_id: int
    subject: EntityId
    predicate: str
    object: EntityId | None = None
    value: Placement | str | float | None = None
    valid_from_ns: int
    valid_to_ns: int | None = None
    known_from_ns: int
    known_to_ns: int | None = None
    confidence: float = 1.0
    evidence: tuple[str, ...] = ()
    source: str = "perception"

    def is_true_at(self, as_of_ns: int | None) -> bool:
        """Whether it was true at `as_of_ns`; None asks for now, that is an open end."""
        if as_of_ns is None:
            return self.valid_to_ns is None
        return self.valid_from_ns <= as_of_ns and (self.valid_to_ns is None or as_of_ns < self.valid_to_ns)

    def is_known_at(self, known_at_ns: int | None) -> bool:
        """Whether the memory believed it at `known_at_ns`; None asks for now."""
        if known_at_ns is None:
            return self.known_to_ns is None
        return self.known_from_ns <= known_at_ns and (
            self.known_to_ns is None or known_at_ns < self.known_to_ns
        )


@dataclass(frozen=True, kw_only=True)
class Entity:
    """A thing as the memory believes it to be now. `presence` is the belief in 0..1 that it still is at
    `placement`; below the world's threshold `is_present` is False and `placement` is where it was last.
    """

    entity_id: EntityId
    label: str
    label_confidence: float
    color: str
    placement: Placement
    support: EntityId | None
    presence: float
    is_present: bool
    first_seen_ns: int
    last_seen_ns: int
    num_views: int


@dataclass(frozen=True, kw_only=True)
class Location:
    """An answer to `where`: which entity, where, on or in what, since when it is known to be there, last seen when."""

    entity_id: EntityId
    label: str
    placement: Placement
    support: EntityId | None
    valid_from_ns: int
    last_seen_ns: int


@dataclass(frozen=True, kw_only=True)
class Stay:
    """One stop in an entity's history: at `placement` from `from_ns` until `to_ns` (None: still there)."""

    placement: Placement
    support: EntityId | None
    from_ns: int
    to_ns: int | None


@dataclass(frozen=True, kw_only=True)
class Showing:
    """Something of a label showed one colour at one place, first seen so at `from_ns`, last at `to_ns`.

    `follow` is the same number for all that was followed by eye as one thing: what changes its colour where it stands, and
    look-alikes that change places in view. `entity_id` is what the memory took it for then; None for nothing it knows.
    """

    label: str
    color: str
    placement: Placement
    from_ns: int
    to_ns: int
    follow: int
    entity_id: EntityId | None = None


ChangeKind = Literal["appear", "vanish", "move", "open", "close"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """Something became different after `after_ns` (last seen as before) and before `before_ns` (first seen so)."""

    kind: ChangeKind
    entity_id: EntityId
    label: str
    before: Placement | None
    after: Placement | None
    after_ns: int
    before_ns: int


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A span of time [from_ns, to_ns]; None leaves that side open."""

    from_ns: int | None = None
    to_ns: int | None = None

    def __post_init__(self) -> None:
        if self.from_ns is not None and self.to_ns is not None and self.to_ns < self.from_ns:
            raise ImpossibleInterval(
                f"interval ends at {self.to_ns}, before its start {self.from_ns}. Swap them."
            )


@dataclass(frozen=True, kw_only=True)
class Region:
    """A part of space in world: a box, everything within `radius_m` of a point, an area of the floor, or a room by
    its name ("kitchen") or id ("room/2") or a floor by its name ("upstairs", "floor 1"), which the memory resolves.
    `also` are further parts that count as one with it.
    """

    box: Box | None = None
    center_world_m: tuple[float, float, float] | None = None
    radius_m: float | None = None
    area: Area | None = None
    room: str | None = None
    also: tuple[Region, ...] = ()

    def __post_init__(self) -> None:
        is_sphere = self.center_world_m is not None and self.radius_m is not None and self.radius_m > 0
        given = [self.box is not None, is_sphere, self.area is not None, bool(self.room)]
        if sum(given) != 1 or (self.center_world_m is None) != (self.radius_m is None):
            raise InvalidQuery(
                f"Region(box={self.box}, center_world_m={self.center_world_m}, radius_m={self.radius_m}, "
                f"room={self.room!r}): give either a box, or a centre with a radius above 0, or an area, or a room."
            )

    def contains(self, points_world: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n"]:
        """Which points lie in the region.

        Raises:
            InvalidQuery: it names a room that nobody has resolved.
        """
        if self.room is not None:
            raise InvalidQuery(
                f"Region(room={self.room!r}) names a room without its area; ask through RobotMemory, which knows rooms."
            )
        is_inside = self._contains(points_world)
        for part in self.also:
            is_inside = is_inside | part.contains(points_world)
        return is_inside

    def _contains(self, points_world: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n"]:
        if self.area is not None:
            return self.area.contains(points_world)
        if self.box is not None:
            return self.box.contains(points_world)
        offsets = points_world - np.array(self.center_world_m)
        return np.asarray(np.linalg.norm(offsets, axis=1) <= (self.radius_m or 0.0))


AnswerStatus = Literal["known", "unknown", "ambiguous"]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Answer(Generic[T]):
    """A typed value with its confidence and evidence.

    `known`: `value` is set. `unknown`: the memory has nothing to say, `value` is None. `ambiguous`: several
    things fit, `candidates` lists them, and `value` is None. `reason` says why in one sentence where it helps.
    """

    status: AnswerStatus
    value: T | None = None
    candidates: tuple[Entity, ...] = ()
    confidence: float = 0.0
    evidence: tuple[str, ...] = ()
    reason: str = ""


QuestionKind = Literal["where", "find", "history", "changes", "count"]


@dataclass(frozen=True, kw_only=True)
class Query:
    """A question as data, for shells that carry questions over a wire; `RobotMemory.recall` answers it.

    `entity` is an id ('e17') or words that name one thing ('red mug'). `as_of_ns` is when it was true in the
    world, `known_at_ns` what the memory knew then; None is now.
    """

    kind: QuestionKind
    entity: str | None = None
    label: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    region: Region | None = None
    interval: Interval | None = None
    as_of_ns: int | None = None
    known_at_ns: int | None = None
    k: int = 10
