"""Places by name: rooms of the map, neighbourhoods of things, regions as they are; and ways between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float64

from embodied_mem.context.room_names import means_a_room, plain
from embodied_mem.context.rooms import CEILING_M, NEAR_THING_M, RoomBook
from embodied_mem.context.routes import Ways, ways_from
from embodied_mem.errors import InvalidQuery, did_you_mean
from embodied_mem.geometry import Box
from embodied_mem.layers.world.places import FURNISHING
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import Answer, Area, FloorPlan, Region, Room

SURVEY_EVERY_NS = 5_000_000_000
"""Rooms are looked for anew when this much more has been observed."""
Point = tuple[float, float, float]


class PlaceBook:
    """Keeps the floor plans and the rooms up to date as questions ask for them."""

    def __init__(self, plan: Callable[[], FloorPlan | None]) -> None:
        self._take_plan = plan
        self._plan: FloorPlan | None = None
        self._surveyed_ns: int | None = None
        self._book: RoomBook | None = None
        self._view: WorldView | None = None

    def rooms(self, view: WorldView, as_of_ns: int | None = None) -> list[Room]:
        """All rooms; largest first."""
        return self._surveyed(view).rooms(view, as_of_ns=as_of_ns)

    def room_at(self, position: Point, view: WorldView, as_of_ns: int | None = None) -> Room | None:
        """The room that holds a point."""
        book = self._surveyed(view)
        room_id = book.room_at(position)
        return next((room for room in book.rooms(view, as_of_ns=as_of_ns) if room.room_id == room_id), None)

    def area_at(self, position_world_m: Float64[np.ndarray, "3"], view: WorldView) -> Area | None:
        """The floor of the room that holds a point."""
        book = self._surveyed(view)
        x, y, z = (float(c) for c in position_world_m)
        room_id = book.room_at((x, y, z))
        return None if room_id is None else book.area(room_id)

    def region(self, place: Region | str, view: WorldView) -> Region:
        """The part of space that a region or a name means: a room by id or kind, else what is near a thing.

        Raises:
            InvalidQuery: no room and no single thing is called that.
        """
        if isinstance(place, Region):
            return place if place.room is None else self._surveyed(view).region(place.room, view)
        if means_a_room(place):
            return self._surveyed(view).region(place, view)
        entity_id, why = view.which(place)
        placed = None if entity_id is None else view.location(entity_id)
        if placed is None:
            reason = why.reason if why is not None else f"{place!r} is at no known place"
            have = sorted({room.category for room in self.rooms(view) if room.category} | set(FURNISHING))
            raise InvalidQuery(
                f"{place!r} is no place: {reason}. Name a room, one thing, or give a region.{did_you_mean(plain(place), have)}"
            )
        box = placed[0].placement.box
        return Region(box=_around(box, self._surveyed(view).floor_span_m(float(box.center[2]))))

    def goal(self, target: str | Point, view: WorldView) -> tuple[Box | None, str | None, Answer[Any] | None]:
        """The box to drive up to, for a thing, a room or a point; the thing's id; or why there is none."""
        if not isinstance(target, str):
            x, y, z = target
            return Box(min_m=(x, y, z), max_m=(x, y, z)), None, None
        if means_a_room(target):
            room = self._surveyed(view).named(target, view)[0]
            x, y, z = (*(float(c) for c in room.area.center), room.floor_z_m)
            return Box(min_m=(x, y, z), max_m=(x, y, z)), None, None
        entity_id, why = view.which(target)
        if entity_id is None:
            return None, None, why
        placed = view.location(entity_id)
        if placed is None:
            reason = f"{view.label_of(entity_id)} is at no known place"
            return None, entity_id, Answer(status="unknown", reason=reason)
        return placed[0].placement.box, entity_id, None

    def ways(self, view: WorldView, start: Point) -> Ways | Answer[Any]:
        """Ways over free floor from a point, or why there are none."""
        self._surveyed(view)
        if self._plan is None:
            return Answer(status="unknown", reason="the map knows no free floor yet")
        ways = ways_from(self._plan, start)
        if ways is None:
            x, y = start[:2]
            return Answer(status="unknown", reason=f"no floor known to be free is near ({x:.2f}, {y:.2f})")
        return ways

    def rooms_along(self, points: list[Point], view: WorldView) -> tuple[str, ...]:
        """Ids of the rooms that a way leads through, in order, the same one not twice in a row."""
        book = self._surveyed(view)
        found: list[str] = []
        for a, b in zip(points, points[1:] or points, strict=False):
            for share in np.linspace(0.0, 1.0, 12):
                x, y, z = ((1 - share) * np.array(a) + share * np.array(b)).tolist()
                room_id = book.room_at((x, y, z))
                if room_id is not None and (not found or found[-1] != room_id):
                    found.append(room_id)
        return tuple(found)

    def _surveyed(self, view: WorldView) -> RoomBook:
        if self._book is None or self._view is not view:
            # Another view: the world was reset or loaded anew.
            self._book, self._view, self._surveyed_ns = RoomBook(view), view, None
        is_due = self._surveyed_ns is None or abs(view.now_ns - self._surveyed_ns) >= SURVEY_EVERY_NS
        if is_due and view.now_ns >= 0:
            self._plan = self._take_plan()
            if self._plan is not None:
                self._book.survey(self._plan, view)
            self._surveyed_ns = view.now_ns
        return self._book


def _around(box: Box, span_m: tuple[float, float]) -> Box:
    """What is near a box on its floor, from floor to ceiling."""
    low_m = max(min(box.min_m[2], 0.0) - NEAR_THING_M, span_m[0])
    high_m = min(max(box.max_m[2], 0.0) + CEILING_M, span_m[1])
    return Box(
        min_m=(box.min_m[0] - NEAR_THING_M, box.min_m[1] - NEAR_THING_M, low_m),
        max_m=(box.max_m[0] + NEAR_THING_M, box.max_m[1] + NEAR_THING_M, high_m),
    )
