"""The questions beyond where, find, history, changes and count: typed answers over world and map together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import numpy as np

from embodied_mem.context import association, explaining
from embodied_mem.context.expectations import Expectations
from embodied_mem.context.finding import FindRequest, Order, find
from embodied_mem.context.places import PlaceBook
from embodied_mem.context.ranking import Metric, Point, RankRequest, point, positive, ranked, refused
from embodied_mem.context.routes import Ways, route_length_m
from embodied_mem.context.team import Team
from embodied_mem.errors import InvalidQuery, did_you_mean
from embodied_mem.geometry import Box
from embodied_mem.layers.world import WorldLayer
from embodied_mem.layers.world.journey import dwell
from embodied_mem.layers.world.relations import RELATIONS
from embodied_mem.layers.world.text_index import SentenceEncoder
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import (
    Answer,
    Associated,
    Distanced,
    Dwell,
    Explanation,
    FloorPlan,
    Happening,
    Interval,
    Location,
    Meeting,
    Region,
    Relation,
    Room,
    Route,
    Showing,
    Trajectory,
    Visit,
)


class Recall:
    """Answers questions over a world layer and the floor plan that `floor` hands over (None while there is none).

    Words name things ('red mug'), ids too ('e17'). A place is a Region, a room's name ('kitchen', 'room/2'), a floor's
    ('upstairs', 'floor 1') or a thing (within 1.2 m of it). Times are stamps in nanoseconds, `known_at_ns` what the memory knew then.
    """

    def __init__(
        self,
        world: WorldLayer,
        floor: Callable[[], FloorPlan | None],
        *,
        guard: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """`guard` is entered around every answer; it holds what must not change while `floor` and world are read."""
        self._world = world
        self._guard = guard
        self._places = PlaceBook(floor)
        self.expect = Expectations(self.reading)
        """Where to look, what belongs where, what is out of place, how long things stay."""
        self.team = Team(self.reading)
        """What each robot can do and knows, and the tasks that are open."""

    # -- things -----------------------------------------------------------------------------------------------

    def find(
        self,
        text: str | None = None,
        *,
        encoder: SentenceEncoder | None = None,
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
        'certain' (seen most often first). With an `encoder` words that name no label are compared by what they mean.
        """
        with self._reading() as view:
            request = FindRequest(
                text=text, encoder=encoder, vector=vector, label=label, attributes=dict(attributes or {}),
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
        request = RankRequest(what=what, origin=origin, metric=metric, k=k, as_of_ns=as_of_ns)
        return self._ranked(request, region, sign=1.0)

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
        request = RankRequest(what=what, origin=origin, metric=metric, k=k, as_of_ns=as_of_ns)
        return self._ranked(request, region, sign=-1.0)

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
                return refused(why)
            others: list[str] | None = None
            if b is not None:
                other, why = view.which(b, as_of_ns=as_of_ns, known_at_ns=known_at_ns)
                if other is None:
                    return refused(why)
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
                return refused(why)
            return association.goes_with(view, subject, positive("k", k))

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
                    return refused(view.which(object)[1])
            region = None if place is None else self._places.region(place, view)
            return view.happenings(
                kind=kind, actor=actor, entity_ids=entity_ids, region=region, interval=interval, order=order,
                k=None if k is None else positive("k", k), with_failed=with_failed, known_at_ns=known_at_ns,
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

    def shown(
        self, label: str | None = None, *, color: str | None = None, interval: Interval | None = None
    ) -> Answer[tuple[Showing, ...]]:
        """What was to be seen in turn, in order of time: which colour things of a label showed where and how long, and
        what was followed by eye as one thing. How often a lamp blinked, which of two look-alikes went where.
        """
        with self._guard():
            return self._world.shown(label, color=color, interval=interval)

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
                    return refused(why)
                ids.append(entity_id)
            meetings, sources = view.journey.meetings(
                ids, interval, known_at_ns=known_at_ns, current_id=view.current_id
            )
            return Answer(
                status="known", value=tuple(meetings), confidence=0.95, evidence=tuple(sources[:20])
            )

    def believed_by(self, robot: str, entity: str, *, known_at_ns: int | None = None) -> Answer[Point]:
        """Where one robot must believe a thing to be, from what it saw and did itself: the others may know better."""
        with self._reading() as view:
            self._check_robot(view, robot)
            subject, why = view.which(entity, known_at_ns=known_at_ns)
            if subject is None:
                return refused(why)
            seen, missed = view.last_sighting_by(robot, subject, known_at_ns)
            name = view.label_of(subject)
            if seen is None or seen.position_world_m is None:
                return Answer(
                    status="unknown", reason=f"{robot} has not seen {name} at rest since it was last moved"
                )
            if missed is not None:
                return Answer(
                    status="unknown", evidence=(seen.source, missed.source),
                    reason=f"{robot} saw {name} there at {seen.stamp_ns} ns and its place empty at {missed.stamp_ns} ns",
                )  # fmt: skip
            return Answer(
                status="known", value=seen.position_world_m, confidence=0.9, evidence=(seen.source,)
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
                return refused(why)
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
        """The way over floor and stairs known to be free to where a thing, room or point can be reached; from the robot."""
        with self._reading() as view:
            ways = self._ways(view, start_world_m, robot)
            if isinstance(ways, Answer):
                return ways
            target = target if isinstance(target, str) else point("target", target)
            goal, entity_id, why = self._places.goal(target, view)
            if goal is None:
                return refused(why)
            reached = ways.to_box(goal, self._places.area_at(goal.center, view))
            if reached is None:
                return Answer(status="unknown", reason=_no_way(ways, goal))
            points = ways.trace(reached[1])
            route = Route(
                entity_id=entity_id, waypoints_world_m=tuple(points), length_m=route_length_m(points),
                rooms=self._places.rooms_along(points, view),
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
        self, request: RankRequest, region: Region | str | None, *, sign: float
    ) -> Answer[tuple[Distanced, ...]]:
        with self._reading() as view:
            area = None if region is None else self._places.region(region, view)
            return ranked(view, self._places, request, area, sign=sign)

    def _ways(self, view: WorldView, start: Point | None, robot: str | None) -> Ways | Answer[Any]:
        self._check_robot(view, robot)
        if start is None:
            glimpses = view.journey.between(robot=robot)
            if not glimpses:
                return Answer(status="unknown", reason="no robot has observed anything yet")
            start = glimpses[-1].position_world_m
        return self._places.ways(view, point("start_world_m", start))

    @staticmethod
    def _check_robot(view: WorldView, robot: str | None) -> None:
        robots = view.journey.robots()
        if robot is not None and robot not in robots:
            raise InvalidQuery(
                f"no robot {robot!r} has observed anything; have {list(robots)}.{did_you_mean(robot, robots)}"
            )


def _no_way(ways: Ways, goal: Box) -> str:
    floor = ways.plan.storey_at(float(goal.center[2]))
    if floor == ways.start_floor:
        return "no way over floor known to be free leads there"
    return f"no way over stairs known to be free leads from floor {ways.start_floor} to floor {floor}"


def _place_name(place: Region | str) -> str:
    return place if isinstance(place, str) else place.room or "region"
