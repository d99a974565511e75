"""`find` with everything that can be asked of it: words, appearance, attributes, stated properties, order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from embodied_mem.errors import InvalidQuery, did_you_mean
from embodied_mem.layers.world.questions import ATTRIBUTES, ID
from embodied_mem.layers.world.text_index import SentenceEncoder
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import Answer, EntityId, Fact, Interval, Location, Placement, Region

Order = Literal["recent", "oldest", "nearest", "label", "score", "certain"]
ORDERS: tuple[str, ...] = get_args(Order)
MIN_COSINE = 0.2
"""Things that look less alike are left out of a search by vector."""


@dataclass(frozen=True, kw_only=True)
class FindRequest:
    """A `find` as it was asked; `region` has its area."""

    text: str | None = None
    encoder: SentenceEncoder | None = None
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
    """Things that fit, in the order asked for; only those that are told are looked at closely."""
    if request.text is not None and ID.fullmatch(request.text):
        return _by_id(view, request)
    perceived = {key: value for key, value in request.attributes.items() if key in ATTRIBUTES}
    stated = {key: value for key, value in request.attributes.items() if key not in ATTRIBUTES}
    _check_stated(view, stated)
    words = [one for one in (request.text, request.label) if one is not None and one.strip()]
    found = _candidates(view, request, words, perceived)
    scores: dict[EntityId, float] = {}
    if request.text is not None and request.known_at_ns is None and (not found or request.order == "score"):
        encoder = request.encoder
        scores = (
            view.index.search(request.text)
            if encoder is None
            else view.index.by_meaning(request.text, encoder)
        )
        if not found and not view.names_a_label(request.text):
            # No label is called that: search what text says of things. A black bottle is no other bottle.
            rest = words[1:]
            found = [at for at in _candidates(view, request, rest, perceived) if at.subject in scores]
    if not found and not _is_known(view, request, words, perceived):
        return view.questions.none_known(
            " ".join(filter(None, (request.text, request.label))), request.known_at_ns
        )
    found = [at for at in found if _is_stated(view, at.subject, stated, request)]
    if request.vector is not None:
        scores = _cosines(view, found, request.vector)
        found = [at for at in found if scores.get(at.subject, -1.0) >= MIN_COSINE]
    found.sort(key=_sort_key(view, request, scores))
    return _told(view, request, found[: request.k])


def _candidates(
    view: WorldView, request: FindRequest, words: list[str], attributes: dict[str, str]
) -> list[Fact]:
    return view.candidates(
        words, attributes, request.region, request.interval, request.as_of_ns, request.known_at_ns
    )


def _is_known(
    view: WorldView,
    request: FindRequest,
    words: list[str],
    attributes: dict[str, str],
) -> bool:
    """Whether something fits but for where and when it is."""
    if not words and not attributes:
        return view.now_ns >= 0
    anywhere = Interval()
    return bool(view.candidates(words, attributes, None, anywhere, None, request.known_at_ns))


def _by_id(view: WorldView, request: FindRequest) -> Answer[tuple[Location, ...]]:
    return view.questions.find(
        request.text, label=None, attributes={}, region=request.region, interval=request.interval,
        as_of_ns=request.as_of_ns, known_at_ns=request.known_at_ns, k=request.k,
    )  # fmt: skip


def _told(view: WorldView, request: FindRequest, chosen: list[Fact]) -> Answer[tuple[Location, ...]]:
    locations = [view.place_of(at, request.as_of_ns, request.known_at_ns) for at in chosen]
    confidences = [view.confidence(at, request.as_of_ns, request.known_at_ns) for at in chosen]
    evidence = dict.fromkeys(name for at in chosen for name in (f"fact/{at.fact_id}", *at.evidence))
    return Answer(
        status="known", value=tuple(one for one in locations if one is not None),
        confidence=min(confidences, default=0.5), evidence=tuple(evidence),
        reason="" if chosen else "what fits is not there",
    )  # fmt: skip


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


def _cosines(view: WorldView, found: list[Fact], vector: np.ndarray) -> dict[EntityId, float]:
    wanted = np.asarray(vector, dtype=np.float64).ravel()
    norm = float(np.linalg.norm(wanted))
    if not np.isfinite(wanted).all() or norm == 0.0:
        raise InvalidQuery("the vector holds NaN or infinity, or is zero; give an appearance or embedding.")
    looks = {at.subject: view.appearance(at.subject) for at in found}
    sizes = sorted({len(look) for look in looks.values()})
    if sizes and len(wanted) not in sizes:
        raise InvalidQuery(
            f"the vector has {len(wanted)} numbers; things have {sizes}. Use the embedding that detections carry."
        )
    return {key: float(look @ wanted) / norm for key, look in looks.items() if len(look) == len(wanted)}


def _sort_key(view: WorldView, request: FindRequest, scores: dict[EntityId, float]) -> Callable[[Fact], Any]:
    origin = np.array(request.origin_world_m or (0.0, 0.0, 0.0))

    def distance_m(at: Fact) -> float:
        assert isinstance(at.value, Placement)
        return float(np.linalg.norm(np.array(at.value.position_world_m) - origin))

    keys: dict[str, Callable[[Fact], Any]] = {
        "recent": lambda at: (-view.last_seen_ns(at), at.fact_id),
        "oldest": lambda at: (view.last_seen_ns(at), at.fact_id),
        "nearest": distance_m,
        "label": lambda at: (view.bare_label_of(at.subject), at.fact_id),
        "certain": lambda at: (-view.num_views(at.subject), at.fact_id),
        "score": lambda at: (-scores.get(at.subject, 0.0), at.fact_id),
    }
    return keys[request.order]
