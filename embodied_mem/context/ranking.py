"""Nearest and farthest: things of a name in order of their distance from a thing, a point or the robot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from embodied_mem.context.places import PlaceBook
from embodied_mem.errors import InvalidQuery, did_you_mean
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import Answer, Distanced, Interval, Location, Region

Metric = Literal["straight", "floor", "path"]
METRICS: tuple[Metric, ...] = ("straight", "floor", "path")
Point = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class RankRequest:
    """What to rank, from where (a thing, a point, None: the robot), how to measure, and how many to tell."""

    what: str
    origin: str | Point | None = None
    metric: Metric = "straight"
    k: int = 1
    as_of_ns: int | None = None

    def __post_init__(self) -> None:
        positive("k", self.k)
        if self.metric not in METRICS:
            raise InvalidQuery(
                f"metric {self.metric!r} is not known; use {list(METRICS)}.{did_you_mean(self.metric, METRICS)}"
            )


def ranked(
    view: WorldView, places: PlaceBook, request: RankRequest, area: Region | None, *, sign: float
) -> Answer[tuple[Distanced, ...]]:
    """Things called `request.what`, nearest first (`sign` 1) or farthest first (-1)."""
    start, own_id, why = _origin(view, request)
    if start is None:
        return refused(why)
    ids = [one for one in view.questions.all_called(request.what, {}, known_at_ns=None) if one != own_id]
    if not ids:
        return refused(view.which(request.what)[1])
    placed = [found for one in ids if (found := view.location(one, request.as_of_ns)) is not None]
    if area is not None and placed:
        points = np.array([location.placement.position_world_m for location, _ in placed])
        placed = [pair for pair, is_in in zip(placed, area.contains(points), strict=True) if is_in]
    distances = _distances(view, places, start, [location for location, _ in placed], request.metric)
    if distances is None:
        return Answer(status="unknown", reason="no floor known to be free lies where the way would begin")
    order = sorted(zip(distances, placed, strict=True), key=lambda row: sign * row[0])
    chosen = [row for row in order if np.isfinite(row[0])][: request.k]
    return Answer(
        status="known", value=tuple(Distanced(location=one[0], distance_m=float(d)) for d, one in chosen),
        confidence=min((at.confidence for _, (_, at) in chosen), default=0.5),
        evidence=tuple(e for _, (_, at) in chosen for e in (f"fact/{at.fact_id}", *at.evidence)),
        reason="" if chosen else f"nothing called {request.what!r} is at a known place there",
    )  # fmt: skip


def _distances(
    view: WorldView, places: PlaceBook, start: Point, locations: Sequence[Location], metric: Metric
) -> list[float] | None:
    if metric == "path":
        ways = places.ways(view, start)
        if isinstance(ways, Answer):
            return None
        boxes = [location.placement.box for location in locations]
        reached = [ways.to_box(box, places.area_at(box.center, view)) for box in boxes]
        return [np.inf if one is None else one[0] for one in reached]
    num_axes = 3 if metric == "straight" else 2
    offsets = [np.subtract(one.placement.position_world_m, start)[:num_axes] for one in locations]
    return [float(np.linalg.norm(offset)) for offset in offsets]


def _origin(view: WorldView, request: RankRequest) -> tuple[Point | None, str | None, Answer[Any] | None]:
    """Where to measure from, and the id of the thing that stands there; or why there is no such place."""
    origin, as_of_ns = request.origin, request.as_of_ns
    if isinstance(origin, str):
        entity_id, why = view.which(origin, as_of_ns=as_of_ns)
        if entity_id is None:
            return None, None, why
        placed = view.location(entity_id, as_of_ns)
        if placed is None:
            reason = f"{view.label_of(entity_id)} is at no known place"
            return None, None, Answer(status="unknown", reason=reason)
        return placed[0].placement.position_world_m, entity_id, None
    if origin is not None:
        return point("origin", origin), None, None
    glimpses = view.journey.between(None if as_of_ns is None else Interval(to_ns=as_of_ns))
    if not glimpses:
        return None, None, Answer(status="unknown", reason="no robot has observed anything yet")
    return glimpses[-1].position_world_m, None, None


def refused(why: Answer[Any] | None) -> Answer[Any]:
    """The answer that says why there is no single thing of that name."""
    return why or Answer(status="unknown", reason="nothing known fits")


def positive(name: str, number: int) -> int:
    """`number`, or InvalidQuery when it is below 1."""
    if number < 1:
        raise InvalidQuery(f"{name} is {number}; it must be at least 1.")
    return number


def point(name: str, given: Sequence[float]) -> Point:
    """`given` as a point, or InvalidQuery when it is none."""
    if len(given) != 3 or not np.isfinite(given).all():
        raise InvalidQuery(f"{name} is {given!r}; it must be three finite coordinates (x, y, z) in metres.")
    return float(given[0]), float(given[1]), float(given[2])
