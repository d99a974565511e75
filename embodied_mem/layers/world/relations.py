"""How things stand to each other, from their boxes and surfaces, each with a confidence.

Geometry alone decides; `on` and `in` that looks or events have established count with their own confidence, and what
somebody stated with the trust in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from jaxtyping import Float64

from embodied_mem.layers.world.belief import Belief
from embodied_mem.layers.world.statements import Statements
from embodied_mem.layers.world.world_state import WorldState
from embodied_mem.messages import EntityId, Placement, Relation, RelationKind

RELATIONS: tuple[RelationKind, ...] = get_args(RelationKind)
MIN_CONFIDENCE = 0.5
CONTACT_M = 0.06
"""Surfaces within this touch, as far as depth cameras and thinned shapes can tell."""
NEXT_M = 0.35
"""Things with less floor between them are next to each other (confidence falls to a half here)."""
REACH_M = 4.0
BACK_SHARE = 0.25
"""How far off centre the top third of a chair must be to be its back, as a share of its half width."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """A thing at one time: its box, and its surface points where they are known for that time."""

    entity_id: EntityId
    label: str
    low: Float64[np.ndarray, "3"]
    high: Float64[np.ndarray, "3"]
    points_world: np.ndarray

    @property
    def size(self) -> Float64[np.ndarray, "3"]:
        return np.asarray(self.high - self.low)

    @property
    def center(self) -> Float64[np.ndarray, "3"]:
        return np.asarray((self.low + self.high) / 2)


def relations_of(
    state: WorldState,
    statements: Statements,
    belief: Belief,
    subject: EntityId,
    *,
    kinds: Iterable[RelationKind] = RELATIONS,
    others: Sequence[EntityId] | None = None,
    as_of_ns: int | None = None,
) -> list[Relation]:
    """What `subject` is to other things (all of them, or `others`) at `as_of_ns`, surest first."""
    wanted = tuple(kinds)
    found: dict[tuple[str, str], float] = {}

    def note(kind: str, other: str, confidence: float) -> None:
        if kind in wanted and (others is None or other in others) and confidence >= MIN_CONFIDENCE:
            found[kind, other] = max(found.get((kind, other), 0.0), confidence)

    body = _body(state, belief, subject, as_of_ns)
    if body is not None:
        for other in _near(state, belief, body, others, as_of_ns):
            for kind, measure in MEASURES.items():
                if kind in wanted:
                    note(kind, other.entity_id, measure(body, other, state.config.hinged_labels))
    for fact in belief.facts(subject):
        if fact.object is not None and fact.is_true_at(as_of_ns):
            note(fact.predicate, belief.current_id(fact.object), fact.confidence)
    for fact in statements.facts(subject, belief.known_at_ns):
        if fact.predicate in RELATIONS and fact.is_true_at(as_of_ns):
            note(fact.predicate, fact.object or str(fact.value), fact.confidence)
    thing = state.roster.get(subject)
    if thing is not None and thing.status == "held" and thing.holder and as_of_ns is None:
        note("held by", thing.holder, 0.9)
    relations = [
        Relation(subject=subject, kind=kind, object=other, confidence=round(confidence, 4))  # type: ignore[arg-type]
        for (kind, other), confidence in found.items()
    ]
    return sorted(relations, key=lambda r: (-r.confidence, r.kind, r.object))


def _body(state: WorldState, belief: Belief, entity_id: EntityId, as_of_ns: int | None) -> Body | None:
    at = belief.at_fact(entity_id, as_of_ns)
    named = belief.named_as(entity_id)
    if at is None or named is None or not isinstance(at.value, Placement):
        return None
    thing = state.roster.get(entity_id)
    is_now = thing is not None and at.valid_to_ns is None
    points = thing.shape.points_world if thing is not None and is_now else np.zeros((0, 3), dtype=np.float32)
    box = at.value.box
    return Body(
        entity_id=entity_id, label=named.label, low=np.array(box.min_m), high=np.array(box.max_m),
        points_world=points,
    )  # fmt: skip


def _near(
    state: WorldState, belief: Belief, body: Body, others: Sequence[EntityId] | None, as_of_ns: int | None
) -> list[Body]:
    """Other things that were within `REACH_M`, as far as their present boxes say; all of them for earlier times."""
    if others is not None:
        candidates = list(others)
    elif as_of_ns is None and belief.known_at_ns is None:
        low, high = body.low.astype(np.float32)[None], body.high.astype(np.float32)[None]
        candidates = [thing.entity_id for thing in state.roster.near(low, high, REACH_M)]
    else:
        candidates = [named.entity_id for named in belief.named()]
    bodies = (
        _body(state, belief, entity_id, as_of_ns) for entity_id in candidates if entity_id != body.entity_id
    )
    return [other for other in bodies if other is not None]


def _overlap(a: Body, b: Body) -> float:
    """The share of a's footprint that lies over b's."""
    inner = np.minimum(a.high[:2], b.high[:2]) - np.maximum(a.low[:2], b.low[:2])
    footprint = max(float(a.size[:2].prod()), 1e-6)
    return float(np.clip(inner, 0.0, None).prod()) / footprint


def _column_heights(a: Body, b: Body) -> np.ndarray:
    """Heights of b's surface points over or under a's footprint."""
    points = b.points_world
    is_column = ((points[:, :2] >= a.low[:2] - 0.03) & (points[:, :2] <= a.high[:2] + 0.03)).all(axis=1)
    return np.asarray(points[is_column, 2])


def _on(a: Body, b: Body, hinged: Sequence[str]) -> float:
    gap_m = abs(float(a.low[2] - b.high[2]))
    share = _overlap(a, b)
    is_larger = b.size[:2].prod() >= 0.5 * a.size[:2].prod()
    if b.label in hinged or not is_larger:
        return 0.0
    return min(1.0, 1.25 * share) * math.exp(-((gap_m / CONTACT_M) ** 2) * math.log(2))


def _in(a: Body, b: Body, hinged: Sequence[str]) -> float:
    """The share of a's box within b's, where b closes above and beneath it (or is not known from its surface)."""
    if b.size.prod() < 1.2 * a.size.prod():
        return 0.0
    inner = np.minimum(a.high, b.high + 0.02) - np.maximum(a.low, b.low - 0.02)
    share = float(np.clip(inner, 0.0, None).prod()) / max(float(a.size.prod()), 1e-9)
    heights = _column_heights(a, b)
    if len(heights) >= 4:
        is_beneath = bool((heights <= a.low[2] + CONTACT_M).any())
        is_open_top = a.high[2] <= b.high[2] + 0.02 and not bool((heights > a.high[2]).any())
        if not is_beneath or (is_open_top and not _is_walled(a, b)):
            return 0.0
    return min(1.0, share)


def _is_walled(a: Body, b: Body) -> bool:
    """Whether b's surface stands around a: beyond it, at its height, on at least three sides."""
    points = b.points_world
    points = points[(points[:, 2] > a.low[2] + 0.02) & (points[:, 2] < a.high[2] + 0.05)]
    sides = (
        points[:, 0] < a.low[0], points[:, 0] > a.high[0], points[:, 1] < a.low[1], points[:, 1] > a.high[1],
    )  # fmt: skip
    return sum(bool(side.any()) for side in sides) >= 3


def _under(a: Body, b: Body, hinged: Sequence[str]) -> float:
    """b's surface is over a and not beneath it: a box under a table, a rug under a bed."""
    share = _overlap(a, b)
    heights = _column_heights(a, b)
    if share < 0.5 or b.size[:2].prod() < 0.8 * a.size[:2].prod():
        return 0.0
    if len(heights) >= 3:
        above = (heights >= a.high[2] - 0.02).mean()
        beneath = bool((heights <= a.low[2] + 0.02).any())
        return min(1.0, share) * float(above) if not beneath else 0.0
    hangs_over = a.high[2] <= b.low[2] + CONTACT_M and b.low[2] - a.high[2] < 1.5
    return min(1.0, share) * 0.9 if hangs_over else 0.0


def _next_to(a: Body, b: Body, hinged: Sequence[str]) -> float:
    gap = np.maximum(a.low - b.high, b.low - a.high)
    horizontal_m = float(np.linalg.norm(np.clip(gap[:2], 0.0, None)))
    if gap[2] > 0.1 or _overlap(a, b) > 0.3 or _overlap(b, a) > 0.3:
        return 0.0
    return math.exp(-((horizontal_m / NEXT_M) ** 2) * math.log(2))


def _part_of(a: Body, b: Body, hinged: Sequence[str]) -> float:
    """A door or drawer of the larger thing that it lies in."""
    if a.label not in hinged or b.label in hinged or b.size.prod() < 1.5 * a.size.prod():
        return 0.0
    inner = np.minimum(a.high, b.high + 0.05) - np.maximum(a.low, b.low - 0.05)
    return float(np.clip(inner, 0.0, None).prod()) / max(float(a.size.prod()), 1e-9)


def _facing(a: Body, b: Body, hinged: Sequence[str]) -> float:
    """A seat with a back looks away from it: cosine between where it looks and where b is."""
    direction = _front(a)
    offset = b.center[:2] - a.center[:2]
    distance_m = float(np.linalg.norm(offset))
    if direction is None or distance_m < 0.2 or distance_m > REACH_M or b.size.max() < 0.25:
        return 0.0
    cosine = float(direction @ offset) / distance_m
    return cosine if cosine > 0.8 else 0.0


def _front(a: Body) -> Float64[np.ndarray, "2"] | None:
    """The way a seat faces: away from the side on which only its top third stands. None without a back."""
    points = a.points_world
    if len(points) < 30 or a.size[2] < 0.5 or a.size[2] > 1.3:
        return None
    top = points[points[:, 2] > a.low[2] + 0.67 * a.size[2]]
    if len(top) < 5:
        return None
    offset = (top[:, :2].mean(axis=0) - a.center[:2]) / np.maximum(a.size[:2] / 2, 1e-3)
    axis = int(np.abs(offset).argmax())
    if abs(offset[axis]) < BACK_SHARE:
        return None
    front = np.zeros(2)
    front[axis] = -np.sign(offset[axis])
    return front


MEASURES: dict[RelationKind, Callable[[Body, Body, Sequence[str]], float]] = {
    "on": _on,
    "in": _in,
    "under": _under,
    "next to": _next_to,
    "part of": _part_of,
    "facing": _facing,
}
