"""The robots' way through the world and what was in view there, kept in order of time."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from embodied_mem.geometry import quaternion_from_pose
from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.messages import (
    Dwell,
    EntityId,
    Frame,
    Glimpse,
    Interval,
    Meeting,
    Region,
    Trajectory,
    Visit,
)
from embodied_mem.store import Repository

MOVED_M = 0.05
TURNED_RAD = math.radians(5.0)
KEPT_EVERY_NS = 1_000_000_000
LAST_STAMP_NS = 2**63 - 1
GAP_NS = 5_000_000_000
"""Without a glimpse for longer than this nobody knows where the robot was: a visit does not span it."""
BRUSH_M = 0.25
"""A robot that is no farther from where it was last inside has not left: borders are crossed to and fro in doorways."""
MOST_IN_RAM = 40_000
"""Above this the older half is thinned in RAM to one glimpse a second and camera; the repository keeps all."""


class JourneyLog:
    """Glimpses of all robots, the newest last. A frame is noted when the camera moved, turned, saw other things than
    before, or after a second.
    """

    def __init__(self, repository: Repository, config: WorldConfig) -> None:
        self._repository = repository
        self._config = config
        self._glimpses: list[Glimpse] = list(repository.journal.glimpses())
        self._positions = np.array([g.position_world_m for g in self._glimpses]).reshape(-1, 3)
        self._last = {(g.robot, g.sensor): g for g in self._glimpses}
        self._thin()

    def __len__(self) -> int:
        return len(self._glimpses)

    def note(self, frame: Frame, seen: Iterable[EntityId], known_ns: int) -> None:
        """Keep a note of a frame, unless it tells nothing new; part of the caller's transaction."""
        x, y, z = (round(float(c), 6) for c in frame.T_world_camera[:3, 3])
        qx, qy, qz, qw = (round(float(c), 6) for c in quaternion_from_pose(frame.T_world_camera))
        glimpse = Glimpse(
            robot=frame.robot, sensor=frame.sensor, stamp_ns=frame.stamp_ns, known_ns=known_ns,
            position_world_m=(x, y, z), quaternion_xyzw=(qx, qy, qz, qw), seen=tuple(sorted(seen)),
        )  # fmt: skip
        last = self._last.get((glimpse.robot, glimpse.sensor))
        is_late = last is not None and glimpse.stamp_ns < last.stamp_ns
        if last is not None and not is_late and not _tells_more(last, glimpse):
            return
        self._repository.journal.add_glimpse(glimpse)
        if not is_late:
            self._last[glimpse.robot, glimpse.sensor] = glimpse
        self._insert(glimpse)
        self._thin()

    def forget(self, entity_id: EntityId) -> None:
        """Take an entity out of every glimpse (the repository forgets by itself)."""
        self._glimpses = [
            replace(g, seen=tuple(e for e in g.seen if e != entity_id)) if entity_id in g.seen else g
            for g in self._glimpses
        ]

    def between(
        self, interval: Interval | None = None, *, robot: str | None = None, known_at_ns: int | None = None
    ) -> list[Glimpse]:
        """Glimpses in an interval, oldest first."""
        part = self._span(interval)
        return [g for g in self._glimpses[part] if _counts(g, robot, known_at_ns)]

    def at(self, source: str) -> Glimpse | None:
        """The glimpse that evidence names as `robot/sensor/stamp_ns`, or None when none was kept."""
        stamp = source.rpartition("/")[2]
        if not stamp.isdecimal():
            return None
        stamp_ns = min(int(stamp), LAST_STAMP_NS)
        kept = self._repository.journal.glimpses(from_ns=stamp_ns, to_ns=stamp_ns)
        return next((glimpse for glimpse in kept if glimpse.source == source), None)

    def during(self, first_ns: int, last_ns: int, *, robot: str | None = None) -> tuple[Glimpse, ...]:
        """All that was noted of the frames in a span, oldest first, also where the first of a camera was not noted because
        it told nothing new: then the note before it stands for it.
        """
        kept = self._repository.journal.glimpses(
            robot=robot,
            from_ns=min(max(0, first_ns - KEPT_EVERY_NS + 1), LAST_STAMP_NS),
            to_ns=min(last_ns, LAST_STAMP_NS),
        )
        begun: dict[tuple[str, str], Glimpse] = {
            (glimpse.robot, glimpse.sensor): glimpse for glimpse in kept if glimpse.stamp_ns <= first_ns
        }
        return tuple(
            glimpse
            for glimpse in kept
            if glimpse.stamp_ns > first_ns or begun[glimpse.robot, glimpse.sensor] is glimpse
        )

    def visits(
        self,
        place: str,
        region: Region,
        interval: Interval | None,
        *,
        robot: str | None,
        known_at_ns: int | None,
    ) -> list[Visit]:
        """When robots were in a region, each time from the first glimpse inside to the last one before leaving."""
        part = self._span(interval)
        is_inside = region.contains(self._rows()[part]) if part.stop > part.start else np.zeros(0, dtype=bool)
        visits: list[Visit] = []
        open_visits: dict[str, int] = {}
        last_inside: dict[str, Glimpse] = {}
        for glimpse, is_in in zip(self._glimpses[part], is_inside, strict=True):
            if not _counts(glimpse, robot, known_at_ns):
                continue
            index = open_visits.get(glimpse.robot)
            if not is_in:
                if index is not None and _apart_m(last_inside[glimpse.robot], glimpse) > BRUSH_M:
                    del open_visits[glimpse.robot]
                continue
            last_inside[glimpse.robot] = glimpse
            if index is None or glimpse.stamp_ns - visits[index].to_ns > GAP_NS:
                open_visits[glimpse.robot] = len(visits)
                stamp_ns = glimpse.stamp_ns
                visits.append(
                    Visit(place=place, robot=glimpse.robot, from_ns=stamp_ns, to_ns=stamp_ns, num_glimpses=1)
                )
            else:
                visit = visits[index]
                visits[index] = replace(visit, to_ns=glimpse.stamp_ns, num_glimpses=visit.num_glimpses + 1)
        return visits

    def trajectory(
        self, robot: str, interval: Interval | None, *, known_at_ns: int | None
    ) -> Trajectory | None:
        """The way of a robot's most used camera; None when nothing was seen from it in the interval."""
        glimpses = self.between(interval, robot=robot, known_at_ns=known_at_ns)
        if not glimpses:
            return None
        sensors = [glimpse.sensor for glimpse in glimpses]
        sensor = max(set(sensors), key=lambda name: (sensors.count(name), name))
        chosen = tuple(glimpse for glimpse in glimpses if glimpse.sensor == sensor)
        steps = np.diff(np.array([g.position_world_m[:2] for g in chosen]).reshape(-1, 2), axis=0)
        return Trajectory(robot=robot, glimpses=chosen, length_m=float(np.linalg.norm(steps, axis=1).sum()))

    def meetings(
        self,
        entity_ids: Sequence[EntityId],
        interval: Interval | None,
        *,
        known_at_ns: int | None,
        current_id: Callable[[EntityId], EntityId],
    ) -> tuple[list[Meeting], list[str]]:
        """Spans in which all the entities were in view together, and the frames; a break of over a second splits."""
        wanted = set(entity_ids)
        meetings: list[Meeting] = []
        sources: list[str] = []
        for glimpse in self.between(interval, known_at_ns=known_at_ns):
            if not wanted <= {current_id(entity_id) for entity_id in glimpse.seen}:
                continue
            sources.append(glimpse.source)
            stamp_ns, last = glimpse.stamp_ns, meetings[-1] if meetings else None
            if last is None or stamp_ns - last.to_ns > 2 * KEPT_EVERY_NS:
                meetings.append(Meeting(from_ns=stamp_ns, to_ns=stamp_ns, num_glimpses=1))
            else:
                meetings[-1] = replace(last, to_ns=stamp_ns, num_glimpses=last.num_glimpses + 1)
        return meetings, sources

    def robots(self) -> tuple[str, ...]:
        """Everybody who saw something."""
        return tuple(dict.fromkeys(robot for robot, _ in self._last))

    def _thin(self) -> None:
        if len(self._glimpses) <= MOST_IN_RAM:
            return
        half = len(self._glimpses) // 2
        kept: list[Glimpse] = []
        last_ns: dict[tuple[str, str], int] = {}
        for glimpse in self._glimpses[:half]:
            camera = (glimpse.robot, glimpse.sensor)
            if glimpse.stamp_ns - last_ns.get(camera, -KEPT_EVERY_NS) >= KEPT_EVERY_NS:
                last_ns[camera] = glimpse.stamp_ns
                kept.append(glimpse)
        self._glimpses = kept + self._glimpses[half:]
        self._positions = np.array([g.position_world_m for g in self._glimpses]).reshape(-1, 3)

    def _insert(self, glimpse: Glimpse) -> None:
        index = bisect.bisect_right(self._glimpses, glimpse.stamp_ns, key=_stamp)
        if index < len(self._glimpses):
            self._positions = np.insert(self._rows(), index, glimpse.position_world_m, axis=0)
        else:
            if len(self._glimpses) == len(self._positions):
                spare = np.zeros((max(256, len(self._positions)), 3))
                self._positions = np.concatenate([self._positions, spare])
            self._positions[len(self._glimpses)] = glimpse.position_world_m
        self._glimpses.insert(index, glimpse)

    def _rows(self) -> Float64[np.ndarray, "n 3"]:
        return self._positions[: len(self._glimpses)]

    def _span(self, interval: Interval | None) -> slice:
        start, stop = 0, len(self._glimpses)
        if interval is not None and interval.from_ns is not None:
            start = bisect.bisect_left(self._glimpses, interval.from_ns, key=_stamp)
        if interval is not None and interval.to_ns is not None:
            stop = bisect.bisect_right(self._glimpses, interval.to_ns, key=_stamp)
        return slice(start, max(start, stop))


def dwell(place: str, visits: Sequence[Visit]) -> Dwell:
    """All visits together."""
    total_ns = sum(visit.duration_ns for visit in visits)
    return Dwell(place=place, total_ns=total_ns, num_visits=len(visits))


def _stamp(glimpse: Glimpse) -> int:
    return glimpse.stamp_ns


def _counts(glimpse: Glimpse, robot: str | None, known_at_ns: int | None) -> bool:
    return robot in (None, glimpse.robot) and (known_at_ns is None or glimpse.known_ns <= known_at_ns)


def _apart_m(a: Glimpse, b: Glimpse) -> float:
    return math.dist(a.position_world_m, b.position_world_m)


def _tells_more(last: Glimpse, new: Glimpse) -> bool:
    if new.stamp_ns - last.stamp_ns >= KEPT_EVERY_NS or new.seen != last.seen:
        return True
    if _apart_m(last, new) >= MOVED_M:
        return True
    cosine = abs(sum(a * b for a, b in zip(last.quaternion_xyzw, new.quaternion_xyzw, strict=True)))
    return 2.0 * math.acos(min(1.0, cosine)) >= TURNED_RAD
