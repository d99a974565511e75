"""`find` with everything that can be asked of it: words, appearance, attributes, stated properties, order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np

from embodied_mem.errors import InvalidQuery, did_you_mean
from embodied_mem.layers.world.questions import ATTRIBUTES, ID
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import Answer, EntityId, Interval, Location, Region

Order = Literal["recent", "oldest", "nearest", "label", "score"]
ORDERS: tuple[str, ...] = get_args(Order)
MANY = 1_000_000
MIN_COSINE = 0.2
"""Things that look less alike are left out of a search by vector."""


@dataclass(frozen=True, kw_only=True)
class FindRequest:
    """A `find` as it was asked; `region` has its area."""

    text: str | None = None
    vector: np.ndarray | None = None
    label: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    region: Region | None = None
    interval: Interval | None = None
    order: Order = "recent"
    origin_world_m: tuple[float, float, float] | None = None
    as_of_ns: int | None = None
    known_at_ns: int | None = None
    k: int = 10

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise InvalidQuery(
                f"order {self.order!r} is not known; use {list(ORDERS)}.{did_you_mean(self.order, ORDERS)}"
            )
        if self.order == "nearest" and self.origin_world_m is None:
            raise InvalidQuery("order 'nearest' needs origin_world_m, a point (x, y, z) in metres.")
        if self.order == "score" and self.text is None and self.vector is None:
            raise InvalidQuery("order 'score' needs text or a vector to score by; use 'recent' instead.")
        if self.k < 1:
            raise InvalidQuery(f"find was asked for k={self.k} things; k must be at least 1.")


def find(view: WorldView, request: FindRequest) -> Answer[tuple[Location, ...]]:
    """Things that fit, in the order asked for."""
    perceived = {key: value for key, value in request.attributes.items() if key in ATTRIBUTES}
    stated = {key: value for key, value in request.attributes.items() if key not in ATTRIBUTES}
    _check_stated(view, stated)
    answer = _perceived(view, request, perceived, request.text)
    scores: dict[EntityId, float] = {}
    if request.text is not None and not ID.fullmatch(request.text) and request.known_at_ns is None:
        scores = view.index.search(request.text)
        if not answer.value:
            # No label is called that: search among everything for what text says of things.
            answer = _by_text(answer, _perceived(view, request, perceived, None), scores)
    if answer.value is None:
        return answer
    found = [one for one in answer.value if _is_stated(view, one.entity_id, stated, request)]
    if request.vector is not None:
        scores = _cosines(view, found, request.vector)
        found = [one for one in found if scores.get(one.entity_id, -1.0) >= MIN_COSINE]
    found.sort(key=_sort_key(request, scores))
    chosen = tuple(found[: request.k])
    return replace(
        answer, value=chosen, evidence=_evidence(view, chosen, request),
        reason=answer.reason if chosen else answer.reason or "what fits is not there",
    )  # fmt: skip


def _perceived(
    view: WorldView, request: FindRequest, attributes: dict[str, str], text: str | None
) -> Answer[tuple[Location, ...]]:
    return view.questions.find(
        text, label=request.label, attributes=attributes, region=request.region, interval=request.interval,
        as_of_ns=request.as_of_ns, known_at_ns=request.known_at_ns, k=MANY,
    )  # fmt: skip


def _by_text(
    nothing: Answer[tuple[Location, ...]],
    everything: Answer[tuple[Location, ...]],
    scores: dict[EntityId, float],
) -> Answer[tuple[Location, ...]]:
    found = tuple(one for one in everything.value or () if one.entity_id in scores)
    return replace(everything, value=found, confidence=0.6) if found else nothing


def _check_stated(view: WorldView, stated: dict[str, str]) -> None:
    known = [*ATTRIBUTES, *sorted(view.statements.predicates())]
    for key in stated:
        if key not in known:
            raise InvalidQuery(f"attribute {key!r} is not known; ask for {known}.{did_you_mean(key, known)}")


def _is_stated(view: WorldView, entity_id: EntityId, stated: dict[str, str], request: FindRequest) -> bool:
    facts = view.statements.facts(entity_id, request.known_at_ns) if stated else []
    return all(
        any(
            f.predicate == key and value in (f.value, f.object) and f.is_true_at(request.as_of_ns)
            for f in facts
        )
        for key, value in stated.items()
    )


def _cosines(view: WorldView, found: list[Location], vector: np.ndarray) -> dict[EntityId, float]:
    wanted = np.asarray(vector, dtype=np.float64).ravel()
    norm = float(np.linalg.norm(wanted))
    if not np.isfinite(wanted).all() or norm == 0.0:
        raise InvalidQuery("the vector holds NaN or infinity, or is zero; give an appearance or embedding.")
    looks = {one.entity_id: view.appearance(one.entity_id) for one in found}
    sizes = sorted({len(look) for look in looks.values()})
    if sizes and len(wanted) not in sizes:
        raise InvalidQuery(
            f"the vector has {len(wanted)} numbers; things have {sizes}. Use the embedding that detections carry."
        )
    return {key: float(look @ wanted) / norm for key, look in looks.items() if len(look) == len(wanted)}


def _sort_key(request: FindRequest, scores: dict[EntityId, float]) -> Callable[[Location], Any]:
    origin = np.array(request.origin_world_m or (0.0, 0.0, 0.0))
    keys: dict[str, Callable[[Location], Any]] = {
        "recent": lambda one: (-one.last_seen_ns, one.entity_id),
        "oldest": lambda one: (one.last_seen_ns, one.entity_id),
        "nearest": lambda one: float(np.linalg.norm(np.array(one.placement.position_world_m) - origin)),
        "label": lambda one: (one.label, one.entity_id),
        "score": lambda one: (-scores.get(one.entity_id, 0.0), one.entity_id),
    }
    return keys[request.order]


def _evidence(view: WorldView, chosen: tuple[Location, ...], request: FindRequest) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for one in chosen:
        as_of_ns = request.as_of_ns if request.interval is None else one.valid_from_ns
        placed = view.location(one.entity_id, as_of_ns, request.known_at_ns)
        if placed is not None:
            names.update(dict.fromkeys((f"fact/{placed[1].fact_id}", *placed[1].evidence)))
    return tuple(names)
