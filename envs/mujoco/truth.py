"""Answers from the truth: reads a simulator's log, and nothing else.

For checking what a memory says. Positions are centres of bounding boxes, world frame, metres; times are the
simulator's nanoseconds.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from embodied_mem.errors import InvalidQuery, did_you_mean

from .parts import Rectangle, Vector3
from .plan import OUTSIDE

CLEARLY_SEEN_PX = 60


@dataclass(frozen=True, kw_only=True)
class TrueObject:
    """One movable thing. `twin` looks exactly like it."""

    id: str
    category: str
    colour: str
    size_m: Vector3
    twin: str | None


@dataclass(frozen=True, kw_only=True)
class TruePlace:
    """Where a thing was from `from_ns` until `to_ns` (None: to the end of the log).

    `centre_world` is None out of the home; `carrier` is "robot" or "person" while it is carried.
    """

    from_ns: int
    to_ns: int | None
    centre_world: Vector3 | None
    receptacle: str | None
    room: str
    carrier: str | None


@dataclass(frozen=True, kw_only=True)
class TrueDeed:
    """What the robot or the person did. kind: pick, place, remove, open, close."""

    kind: str
    actor: str
    subject: str | None
    category: str | None
    start_ns: int
    end_ns: int
    outcome: str
    before: Vector3 | None
    after: Vector3 | None
    room_before: str | None
    room_after: str | None


@dataclass(frozen=True, kw_only=True)
class TrueFrame:
    """One picture the robot took: where it stood, and how many pixels of what were in it."""

    stamp_ns: int
    robot: Vector3
    room: str
    pixels: dict[str, int]


class HouseholdTruth:
    """One episode of a simulator's log."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        start = records[0]
        self.seed: int | None = start["seed"]
        self.objects: dict[str, TrueObject] = {o["id"]: _true_object(o) for o in start["objects"]}
        self.rooms: dict[str, Rectangle] = {
            r["name"]: Rectangle(**_bounds(r)) for r in start["plan"]["rooms"]
        }
        self.receptacles: dict[str, dict[str, Any]] = {r["name"]: r for r in start["plan"]["receptacles"]}
        self.furniture: dict[str, dict[str, Any]] = {f["name"]: f for f in start["plan"]["furniture"]}
        self.frames: list[TrueFrame] = [_true_frame(r) for r in records if r["type"] == "frame"]
        self.deeds: list[TrueDeed] = [_true_deed(r) for r in records if r["type"] == "deed"]
        self.start_ns, self.end_ns = self.frames[0].stamp_ns, self.frames[-1].stamp_ns
        self._stamps = [frame.stamp_ns for frame in self.frames]
        self._places = self._read_places(start, records)

    @classmethod
    def from_log(cls, path: str | Path, *, episode: int = -1) -> HouseholdTruth:
        """The last episode of a log, or another by its index."""
        episodes: list[list[dict[str, Any]]] = []
        with Path(path).open(encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                if record["type"] == "start":
                    episodes.append([])
                episodes[-1].append(record)
        complete = [records for records in episodes if any(r["type"] == "frame" for r in records)]
        if not complete:
            raise InvalidQuery(f"{path} holds no episode with a frame. Step the env that writes it first.")
        return cls(complete[episode])

    # Objects

    def where(self, object_id: str, at_ns: int | None = None) -> TruePlace:
        """Where a thing was at a time (default: at the end)."""
        at = self.end_ns if at_ns is None else at_ns
        places = self._places[self._known(object_id)]
        index = bisect.bisect_right([p.from_ns for p in places], at) - 1
        return places[max(index, 0)]

    def history(self, object_id: str) -> tuple[TruePlace, ...]:
        """Its resting places in order, carrying left out; a last one with `to_ns` was followed by its removal.

        Sliding along with a drawer does not end a stay; the stay has the position it ended at.
        """
        stays: list[TruePlace] = []
        for place in self._places[self._known(object_id)]:
            if place.carrier is not None or place.centre_world is None:
                continue
            last = stays[-1] if stays else None
            if last is not None and last.receptacle == place.receptacle and last.to_ns == place.from_ns:
                stays[-1] = replace(place, from_ns=last.from_ns)
            else:
                stays.append(place)
        return tuple(stays)

    def is_gone(self, object_id: str, at_ns: int | None = None) -> bool:
        """Whether it is out of the home."""
        return self.where(object_id, at_ns).room == OUTSIDE

    def best_pixels(self, name: str, *, since_ns: int | None = None, until_ns: int | None = None) -> int:
        """The most pixels of a thing (an object, a piece of furniture, a drawer) in any one picture of an interval."""
        return max((f.pixels.get(name, 0) for f in self.frames_between(since_ns, until_ns)), default=0)

    def observed(
        self,
        name: str,
        min_pixels: int = CLEARLY_SEEN_PX,
        *,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> bool:
        """Whether some picture of the interval showed at least so many of its pixels."""
        return self.best_pixels(name, since_ns=since_ns, until_ns=until_ns) >= min_pixels

    def sightings(self, name: str, min_pixels: int = CLEARLY_SEEN_PX) -> list[int]:
        """Stamps of the pictures that show it well."""
        return [f.stamp_ns for f in self.frames if f.pixels.get(name, 0) >= min_pixels]

    def named(self, category: str, colour: str | None = None) -> tuple[TrueObject, ...]:
        """All objects that the home began with, of a category and colour."""
        return tuple(
            o for o in self.objects.values() if o.category == category and colour in (None, o.colour)
        )

    def count(
        self, category: str, *, room: str | None = None, at_ns: int | None = None, colour: str | None = None
    ) -> int:
        """How many of a category are in the home (in a room) at a time, hidden ones included."""
        places = [self.where(o.id, at_ns) for o in self.named(category, colour)]
        return sum(1 for p in places if p.room != OUTSIDE and room in (None, p.room))

    # What happened

    def changes(
        self, *, since_ns: int | None = None, until_ns: int | None = None, actor: str | None = None
    ) -> tuple[TrueDeed, ...]:
        """Deeds that ended in the interval and changed something."""
        low = self.start_ns if since_ns is None else since_ns
        high = self.end_ns if until_ns is None else until_ns
        return tuple(
            d
            for d in self.deeds
            if low <= d.end_ns <= high and actor in (None, d.actor) and d.outcome == "success"
        )

    def robot_events(self) -> tuple[TrueDeed, ...]:
        """What the robot did, failures included."""
        return tuple(d for d in self.deeds if d.actor == "robot")

    def away(self) -> tuple[int, int] | None:
        """While the person acted: when the robot last came to a stand before, and when it next moved. None if nobody acted."""
        deeds = self.changes(actor="person")
        if not deeds:
            return None
        first = bisect.bisect_right(self._stamps, deeds[0].start_ns) - 1
        last = bisect.bisect_left(self._stamps, deeds[-1].end_ns)
        left = next((i for i in range(first, 0, -1) if self._moved(i)), 0)
        returned = next((i for i in range(last, len(self.frames)) if self._moved(i)), len(self.frames) - 1)
        return self._stamps[left], self._stamps[returned]

    # The robot

    def room_of(self, x: float, y: float) -> str:
        """The room whose floor holds a point, or "outside"."""
        return next((name for name, bounds in self.rooms.items() if bounds.contains(x, y)), OUTSIDE)

    def robot_pose(self, at_ns: int) -> Vector3:
        """x, y, yaw of the robot."""
        return self.frames[max(bisect.bisect_right(self._stamps, at_ns) - 1, 0)].robot

    def visited(self, room: str) -> list[tuple[int, int]]:
        """The intervals that the robot spent in a room."""
        visits: list[tuple[int, int]] = []
        for before, frame in zip([None, *self.frames[:-1]], self.frames, strict=True):
            if frame.room != room:
                continue
            if before is not None and before.room == room and visits:
                visits[-1] = (visits[-1][0], frame.stamp_ns)
            else:
                visits.append((frame.stamp_ns, frame.stamp_ns))
        return visits

    def frames_between(self, since_ns: int | None, until_ns: int | None) -> Iterator[TrueFrame]:
        low = 0 if since_ns is None else bisect.bisect_left(self._stamps, since_ns)
        high = len(self.frames) if until_ns is None else bisect.bisect_right(self._stamps, until_ns)
        return iter(self.frames[low:high])

    # Reading

    def _known(self, object_id: str) -> str:
        if object_id not in self.objects:
            hint = did_you_mean(object_id, self.objects)
            raise InvalidQuery(f"the log knows no object {object_id!r}.{hint} It has {sorted(self.objects)}.")
        return object_id

    def _moved(self, index: int) -> bool:
        a, b = self.frames[index - 1].robot, self.frames[index].robot
        return abs(a[0] - b[0]) + abs(a[1] - b[1]) > 1e-6

    def _read_places(
        self, start: dict[str, Any], records: list[dict[str, Any]]
    ) -> dict[str, list[TruePlace]]:
        places = {o["id"]: [_place(o["where"], self.start_ns)] for o in start["objects"]}
        for record in records:
            for name, where in record.get("moved", {}).items():
                stamp_ns = int(record["stamp_ns"])
                places[name][-1] = replace(places[name][-1], to_ns=stamp_ns)
                places[name].append(_place(where, stamp_ns))
        return places


def _bounds(room: dict[str, Any]) -> dict[str, float]:
    x0, y0, x1, y1 = room["bounds"]
    return {"x0": x0, "y0": y0, "x1": x1, "y1": y1}


def _vector(values: list[float] | None) -> Vector3 | None:
    return None if values is None else (values[0], values[1], values[2])


def _place(where: dict[str, Any], from_ns: int) -> TruePlace:
    return TruePlace(
        from_ns=from_ns,
        to_ns=None,
        centre_world=_vector(where["centre_world"]),
        receptacle=where["receptacle"],
        room=where["room"],
        carrier=where["carrier"],
    )


def _true_object(record: dict[str, Any]) -> TrueObject:
    size = _vector(record["size_m"])
    assert size is not None
    return TrueObject(
        id=record["id"],
        category=record["category"],
        colour=record["colour"],
        size_m=size,
        twin=record["twin"],
    )


def _true_frame(record: dict[str, Any]) -> TrueFrame:
    x, y, yaw = record["robot"]
    return TrueFrame(
        stamp_ns=record["stamp_ns"], robot=(x, y, yaw), room=record["room"], pixels=record["pixels"]
    )


def _true_deed(record: dict[str, Any]) -> TrueDeed:
    before, after = record["before"] or {}, record["after"] or {}
    return TrueDeed(
        **{
            key: record[key]
            for key in ("kind", "actor", "subject", "category", "start_ns", "end_ns", "outcome")
        },
        before=_vector(before.get("centre_world")),
        after=_vector(after.get("centre_world")),
        room_before=before.get("room"),
        room_after=after.get("room"),
    )
