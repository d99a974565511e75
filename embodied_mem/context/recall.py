"""The questions beyond where, find, history, changes and count: typed answers over world and map together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, TypeVar

import numpy as np

from embodied_mem.context import association, explaining
from embodied_mem.context.finding import FindRequest, Order, find
from embodied_mem.context.places import PlaceBook
from embodied_mem.context.routes import Ways, route_length_m
from embodied_mem.errors import InvalidQuery, did_you_mean
from embodied_mem.layers.world import WorldLayer
from embodied_mem.layers.world.journey import dwell
from embodied_mem.layers.world.relations import RELATIONS
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import (
    Answer,
    Associated,
    Distanced,
    Dwell,
    Explanation,
    FloorMap,
    Happening,
    Interval,
    Location,
    Meeting,
    Region,
    Relation,
    Room,
    Route,
    Trajectory,
    Visit,
)

Metric = Literal["straight", "floor", "path"]
METRICS: tuple[Metric, ...] = ("straight", "floor", "path")
Point = tuple[float, float, float]
T = TypeVar("T")


class Recall:
    """Answers questions over a world layer and the floor plan that `floor` hands over (None while there is none).

    Words name things ('red mug'), ids too ('e17'). A place is a Region, a room's name ('kitchen', 'room/2') or a
    thing (within 1.2 m of it). Times are stamps in nanoseconds, `known_at_ns` what the memory knew then.
    """

    def __init__(
        self,
        world: WorldLayer,
        floor: Callable[[], FloorMap | None],
        *,
        guard: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """`guard` is entered around every answer; it holds what must not change while `floor` and world are read."""
        self._world = world
        self._guard = guard
        self._places = PlaceBook(floor)

    # -- things -----------------------------------------------------------------------------------------------

    def find(
        self,
        text: str | None = None,
        *,
        vector: np.ndarray | None = None,
        label: str | None = None,
        attributes: Mapping[str, str] | None = None,
        region: Region | str | None = None,
        interval: Interval | None = None,
        order: Order = "recent",
        origin_world_m: Point | None = None,
        as_of_ns: int | None = None,
        known_at_ns: int | None = None,
        k: int = 10,
    ) -> Answer[tuple[Location, ...]]:
        """Up to `k` things by words (labels, synonyms, what was stated), appearance vector, label, attributes, region.

        `order` is 'recent', 'oldest', 'nearest' (to `origin_world_m`), 'label', 'score' (of words or vector) or
        'certain' (seen most often first).
        """
        with self._reading() as view:
            request = FindRequest(
                text=text, vector=vector, label=label, attributes=dict(attributes or {}),
                region=None if region is None else self._places.region(region, view), interval=interval,
                order=order, origin_world_m=origin_world_m, as_of_ns=as_of_ns, known_at_ns=known_at_ns, k=k,
            )  # fmt: skip
            return find(view, request)

    def nearest(
        self,
        what: str,
        *,
        origin: str | Point | None = None,
        metric: Metric = "straight",
        region: Region | str | None = None,
        k: int = 1,
        as_of_ns: int | None = None,
    ) -> Answer[tuple[Distanced, ...]]:
        """The `k` things called `what` that are nearest to `origin`: a thing, a point, or None for the robot.

        `metric` is 'straight', 'floor' (ignoring height) or 'path' (driving over free floor).
        """
        return self._ranked(what, origin, metric, region, k, as_of_ns, sign=1.0)

    def farthest(
        self,
        what: str,
        *,
        origin: str | Point | None = None,
        metric: Metric = "straight",
        region: Region | str | None = None,
        k: int = 1,
        as_of_ns: int | None = None,
    ) -> Answer[tuple[Distanced, ...]]:
        """As `nearest`, the farthest first."""
        return self._ranked(what, origin, metric, region, k, as_of_ns, sign=-1.0)

    def relation(
        self,
        a: str,
        relation: str | None = None,
        b: str | None = None,
        *,
        as_of_ns: int | None = None,
        known_at_ns: int | None = None,
    ) -> Answer[tuple[Relation, ...]]:
        """What `a` is to `b` (None: to anything); only `relation` if one is given. Nothing known to hold: empty."""
        if relation is not None and relation not in RELATIONS:
            raise InvalidQuery(
                f"relation {relation!r} is not known; ask for {list(RELATIONS)}.{did_you_mean(relation, RELATIONS)}"
            )
        with self._reading() as view:
            subject, why = view.which(a, as_of_ns=as_of_ns, known_at_ns=known_at_ns)
            if subject is None:
                return _refused(why)
            others: list[str] | None = None
            if b is not None:
                other, why = view.which(b, as_of_ns=as_of_ns, known_at_ns=known_at_ns)
                if other is None:
                    return _refused(why)
                others = [other]
            placed = view.location(subject, as_of_ns, known_at_ns)
            kinds = RELATIONS if relation is None else tuple(r for r in RELATIONS if r == relation)
            found = view.relations(
                subject, kinds=kinds, others=others, as_of_ns=as_of_ns, known_at_ns=known_at_ns
            )
            if placed is None and not found:
                return Answer(status="unknown", reason=f"{view.label_of(subject)} is at no known place")
            evidence = () if placed is None else (f"fact/{placed[1].fact_id}", *placed[1].evidence)
            return Answer(
                status="known", value=tuple(found), confidence=found[0].confidence if found else 0.8,
                evidence=evidence, reason="" if found else "no such relation holds",
            )  # fmt: skip

    def goes_with(self, entity: str, *, k: int = 5) -> Answer[tuple[Associated, ...]]:
        """What is associated with a thing over shared places, views and events (personalised PageRank)."""
        with self._reading() as view:
            subject, why = view.which(entity)
            if subject is None:
                return _refused(why)
            return association.goes_with(view, subject, _positive("k", k))

    # -- what happened, and where the robot was ---------------------------------------------------------------

    def events(
        self,
        *,
        kind: str | None = None,
        actor: str | None = None,
        object: str | None = None,
        place: Region | str | None = None,
        interval: Interval | None = None,
        order: Literal["first", "last"] = "first",
        k: int | None = None,
        with_failed: bool = False,
        known_at_ns: int | None = None,
    ) -> Answer[tuple[Happening, ...]]:
        """What robots did, in order of time ('last': the newest first); failed attempts only when asked for."""
        if order not in ("first", "last"):
            raise InvalidQuery(f"order is {order!r}; it must be 'first' or 'last'.")
        with self._reading() as view:
            entity_ids = None
            if object is not None:
                entity_ids = view.questions.all_called(object, {}, known_at_ns=known_at_ns)
                if not entity_ids:
                    return _refused(view.which(object)[1])
            region = None if place is None else self._places.region(place, view)
            return view.happenings(
                kind=kind, actor=actor, entity_ids=entity_ids, region=region, interval=interval, order=order,
                k=None if k is None else _positive("k", k), with_failed=with_failed, known_at_ns=known_at_ns,
            )  # fmt: skip

    def visited(
        self,
        place: Region | str,
        *,
        interval: Interval | None = None,
        robot: str | None = None,
        known_at_ns: int | None = None,
    ) -> Answer[tuple[Visit, ...]]:
        """When robots were in a place, oldest first; empty when never."""
        with self._reading() as view:
            if view.now_ns < 0:
                return Answer(status="unknown", reason="nothing has been observed yet")
            self._check_robot(view, robot)
            region, name = self._places.region(place, view), _place_name(place)
            visits = view.journey.visits(name, region, interval, robot=robot, known_at_ns=known_at_ns)
            ends = [(visit.robot, stamp) for visit in visits for stamp in (visit.from_ns, visit.to_ns)]
            sources = dict.fromkeys(
                glimpse.source
                for name, stamp_ns in ends
                for glimpse in view.journey.between(Interval(from_ns=stamp_ns, to_ns=stamp_ns), robot=name)
            )
            return Answer(status="known", value=tuple(visits), confidence=0.95, evidence=tuple(sources))

    def dwell(
        self, place: Region | str, *, interval: Interval | None = None, robot: str | None = None
    ) -> Answer[Dwell]:
        """How long robots were in a place in all."""
        visits = self.visited(place, interval=interval, robot=robot)
        if visits.value is None:
            return Answer(status=visits.status, reason=visits.reason)
        return Answer(
            status="known", value=dwell(_place_name(place), visits.value), confidence=visits.confidence,
            evidence=visits.evidence,
        )  # fmt: skip

    def trajectory(
        self, interval: Interval | None = None, *, robot: str | None = None, known_at_ns: int | None = None
    ) -> Answer[Trajectory]:
        """A robot's way in an interval; `robot` may be left out when there is only one."""
        with self._reading() as view:
            self._check_robot(view, robot)
            robots = view.journey.robots()
            if robot is None and len(robots) > 1:
                return Answer(
                    status="ambiguous", reason=f"several robots were here: {list(robots)}; name one"
                )
            if not robots:
                return Answer(status="unknown", reason="nothing has been observed yet")
            way = view.journey.trajectory(robot or robots[0], interval, known_at_ns=known_at_ns)
            if way is None:
                return Answer(status="unknown", reason="nothing was seen in that interval")
            ends = dict.fromkeys((way.glimpses[0].source, way.glimpses[-1].source))
            return Answer(status="known", value=way, confidence=0.95, evidence=tuple(ends))

    def seen_together(
        self, a: str, b: str, *, interval: Interval | None = None, known_at_ns: int | None = None
    ) -> Answer[tuple[Meeting, ...]]:
        """When two things were in view in the same frames; empty when never."""
        with self._reading() as view:
            ids: list[str] = []
            for words in (a, b):
                entity_id, why = view.which(words, known_at_ns=known_at_ns)
                if entity_id is None:
                    return _refused(why)
                ids.append(entity_id)
            meetings, sources = view.journey.meetings(
                ids, interval, known_at_ns=known_at_ns, current_id=view.current_id
            )
            return Answer(
                status="known", value=tuple(meetings), confidence=0.95, evidence=tuple(sources[:20])
            )

    # -- places -----------------------------------------------------------------------------------------------

    def rooms(self, *, as_of_ns: int | None = None) -> Answer[tuple[Room, ...]]:
        """Every room found in free space, named by what is (was) in it; largest first."""
        with self._reading() as view:
            rooms = self._places.rooms(view, as_of_ns)
        if not rooms:
            return Answer(status="unknown", reason="no room has been found in the map's free space yet")
        return Answer(status="known", value=tuple(rooms), confidence=0.9)

    def room_of(self, entity: str, *, as_of_ns: int | None = None) -> Answer[Room]:
        """The room that a thing is (was) in."""
        with self._reading() as view:
            subject, why = view.which(entity, as_of_ns=as_of_ns)
            if subject is None:
                return _refused(why)
            placed = view.location(subject, as_of_ns)
            if placed is None:
                return Answer(status="unknown", reason=f"{view.label_of(subject)} is at no known place")
            location, at = placed
            room = self._places.room_at(location.placement.position_world_m, view, as_of_ns)
            if room is None:
                return Answer(status="unknown", reason=f"{view.label_of(subject)} is in no known room")
            evidence = (f"fact/{at.fact_id}", *at.evidence)
            return Answer(status="known", value=room, confidence=at.confidence, evidence=evidence)

    def region(self, place: Region | str) -> Region:
        """The part of space that a place means.

        Raises:
            InvalidQuery: nothing is called that.
        """
        with self._reading() as view:
            return self._places.region(place, view)

    def path_to(
        self, target: str | Point, *, start_world_m: Point | None = None, robot: str | None = None
    ) -> Answer[Route]:
        """The way over floor known to be free to where a thing, room or point can be reached; from the robot."""
        with self._reading() as view:
            ways = self._ways(view, start_world_m, robot)
            if isinstance(ways, Answer):
                return ways
            target = target if isinstance(target, str) else _point("target", target)
            goal, entity_id, why = self._places.goal(target, view)
            if goal is None:
                return _refused(why)
            reached = ways.to_box(goal, self._places.area_at(goal.center, view))
            if reached is None:
                return Answer(status="unknown", reason="no way over floor known to be free leads there")
            points = ways.trace(reached[1])
            rooms = self._places.rooms_along(points, view)
            z = ways.floor.floor_z_m
            route = Route(
                entity_id=entity_id, waypoints_world_m=tuple((x, y, z) for x, y in points),
                length_m=route_length_m(points), rooms=rooms,
            )  # fmt: skip
            return Answer(status="known", value=route, confidence=0.9, evidence=("map",))

    # -- why --------------------------------------------------------------------------------------------------

    def explain(self, answer: Answer[Any]) -> Explanation:
        """What an answer rests on, down to the frames: facts, camera poses, events, each said in words."""
        with self._reading() as view:
            return explaining.explain(view, answer)

    @contextmanager
    def reading(self) -> Iterator[tuple[WorldView, PlaceBook]]:
        """The world and its places, for parts that put several answers together; nothing changes in the block."""
        with self._reading() as view:
            yield view, self._places

    @contextmanager
    def _reading(self) -> Iterator[WorldView]:
        with self._guard(), self._world.reading() as view:
            yield view

    def _ranked(
        self,
        what: str,
        origin: str | Point | None,
        metric: Metric,
        region: Region | str | None,
        k: int,
        as_of_ns: int | None,
        *,
        sign: float,
    ) -> Answer[tuple[Distanced, ...]]:
        if metric not in METRICS:
            raise InvalidQuery(
                f"metric {metric!r} is not known; use {list(METRICS)}.{did_you_mean(metric, METRICS)}"
            )
        with self._reading() as view:
            start, own_id, why = self._origin(view, origin, as_of_ns)
            if start is None:
                return _refused(why)
            area = None if region is None else self._places.region(region, view)
            ids = [one for one in view.questions.all_called(what, {}, known_at_ns=None) if one != own_id]
            if not ids:
                return _refused(view.which(what)[1])
            placed = [found for one in ids if (found := view.location(one, as_of_ns)) is not None]
            if area is not None and placed:
                points = np.array([location.placement.position_world_m for location, _ in placed])
                placed = [pair for pair, is_in in zip(placed, area.contains(points), strict=True) if is_in]
            distances = self._distances(view, start, [location for location, _ in placed], metric)
            if distances is None:
                return Answer(
                    status="unknown", reason="no floor known to be free lies where the way would begin"
                )
            ranked = sorted(zip(distances, placed, strict=True), key=lambda row: sign * row[0])
            chosen = [row for row in ranked if np.isfinite(row[0])][: _positive("k", k)]
            return Answer(
                status="known",
                value=tuple(Distanced(location=one[0], distance_m=float(d)) for d, one in chosen),
                confidence=min((at.confidence for _, (_, at) in chosen), default=0.5),
                evidence=tuple(e for _, (_, at) in chosen for e in (f"fact/{at.fact_id}", *at.evidence)),
                reason="" if chosen else f"nothing called {what!r} is at a known place there",
            )

    def _distances(
        self, view: WorldView, start: Point, locations: Sequence[Location], metric: Metric
    ) -> list[float] | None:
        if metric == "path":
            ways = self._ways(view, start, None)
            if isinstance(ways, Answer):
                return None
            boxes = [location.placement.box for location in locations]
            reached = [ways.to_box(box, self._places.area_at(box.center, view)) for box in boxes]
            return [np.inf if one is None else one[0] for one in reached]
        num_axes = 3 if metric == "straight" else 2
        offsets = [np.subtract(one.placement.position_world_m, start)[:num_axes] for one in locations]
        return [float(np.linalg.norm(offset)) for offset in offsets]

    def _origin(
        self, view: WorldView, origin: str | Point | None, as_of_ns: int | None
    ) -> tuple[Point | None, str | None, Answer[Any] | None]:
        if isinstance(origin, str):
            entity_id, why = view.which(origin, as_of_ns=as_of_ns)
            if entity_id is None:
                return None, None, why
            placed = view.location(entity_id, as_of_ns)
            reason = f"{view.label_of(entity_id)} is at no known place"
            if placed is None:
                return None, None, Answer(status="unknown", reason=reason)
            return placed[0].placement.position_world_m, entity_id, None
        if origin is not None:
            return _point("origin", origin), None, None
        glimpses = view.journey.between(None if as_of_ns is None else Interval(to_ns=as_of_ns))
        if not glimpses:
            return None, None, Answer(status="unknown", reason="no robot has observed anything yet")
        return glimpses[-1].position_world_m, None, None

    def _ways(self, view: WorldView, start: Point | None, robot: str | None) -> Ways | Answer[Any]:
        self._check_robot(view, robot)
        if start is None:
            glimpses = view.journey.between(robot=robot)
            if not glimpses:
                return Answer(status="unknown", reason="no robot has observed anything yet")
            start = glimpses[-1].position_world_m
        return self._places.ways(view, _point("start_world_m", start))

    @staticmethod
    def _check_robot(view: WorldView, robot: str | None) -> None:
        robots = view.journey.robots()
        if robot is not None and robot not in robots:
            raise InvalidQuery(
                f"no robot {robot!r} has observed anything; have {list(robots)}.{did_you_mean(robot, robots)}"
            )


def _refused(why: Answer[Any] | None) -> Answer[Any]:
    return why or Answer(status="unknown", reason="nothing known fits")


def _positive(name: str, number: int) -> int:
    if number < 1:
        raise InvalidQuery(f"{name} is {number}; it must be at least 1.")
    return number


def _point(name: str, point: Sequence[float]) -> Point:
    if len(point) != 3 or not np.isfinite(point).all():
        raise InvalidQuery(f"{name} is {point!r}; it must be three finite coordinates (x, y, z) in metres.")
    return float(point[0]), float(point[1]), float(point[2])


def _place_name(place: Region | str) -> str:
    return place if isinstance(place, str) else place.room or "region"
