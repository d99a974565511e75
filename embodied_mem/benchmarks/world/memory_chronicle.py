"""The day as our memory tells it, through its typed questions."""

from __future__ import annotations

import bisect

import numpy as np

from embodied_mem.benchmarks.world.chronicle import (
    CannotAnswer,
    Chronicle,
    Errand,
    Item,
    Point,
    Pose,
    RoomStay,
)
from embodied_mem.messages import Entity, Glimpse, Happening, Location, Region, Room
from embodied_mem.robot_memory import RobotMemory

FURNITURE_M = 0.45
"""Things whose longest edge is longer hold others."""
SEEN_TWICE = 2
"""What was in one frame only may be a wrong word for something else."""
AGENTS = ("person", "robot")
FIXED = ("door", "drawer", "picture")


class MemoryChronicle(Chronicle):
    """`Chronicle` over a RobotMemory; answers are asked once and kept, since nothing changes any more."""

    is_truth = False

    def __init__(self, memory: RobotMemory) -> None:
        self._memory = memory
        self._questions = memory.questions
        self._entities = {entity.entity_id: entity for entity in memory.entities()}
        best_seen = {one.label: one for one in sorted(self._entities.values(), key=lambda one: one.num_views)}
        self._large_kinds = {label for label, one in best_seen.items() if _is_large(one)}
        self._rooms: tuple[Room, ...] = memory.questions.rooms().value or ()
        way = memory.questions.trajectory().value
        self._way: tuple[Glimpse, ...] = () if way is None else way.glimpses

    def named(self, label: str, color: str | None = None) -> list[Item]:
        answer = self._questions.find(f"{color} {label}" if color else label, order="certain", k=100)
        return [self._located(one) for one in answer.value or ()]

    def things(self) -> list[Item]:
        found = [self._located(one) for one in self._questions.find(order="certain", k=100_000).value or ()]
        others = {
            *AGENTS,
            *FIXED,
            *self._large_kinds,
        }  # the leg of a chair that was hardly seen is no small thing
        return [one for one in found if one.size_m <= FURNITURE_M and one.label not in others]

    def furniture(self, label: str | None = None) -> list[Item]:
        if label is not None:
            return [
                self._located(one)
                for one in self._questions.find(label=label, order="certain", k=100).value or ()
            ]
        holders = {entity.support for entity in self._entities.values() if entity.support}
        return [
            _item(self._entities[key])
            for key in sorted(holders, key=str)
            if key in self._entities
            and _is_large(self._entities[key])
            and self._entities[key].label not in FIXED  # a drawer is part of its furniture
        ]

    def errands(self) -> list[Errand]:
        picks = list(self._questions.events(kind="pick").value or ())
        places = list(self._questions.events(kind="place").value or ())
        found: list[Errand] = []
        for pick in picks:
            place = next((one for one in places if one.event.start_ns >= pick.event.end_ns), None)
            if place is None or not pick.entity_ids:
                continue
            places.remove(place)
            errand = self._errand(pick, place)
            if errand is not None:
                found.append(errand)
        return found

    def rooms(self) -> list[Item]:
        return [_room_item(room) for room in self._rooms]

    def room_of(self, position_world_m: Point) -> str:
        point = np.array([position_world_m])
        return next((_name(room) for room in self._rooms if room.area.contains(point)[0]), "outside")

    def stays(self) -> list[RoomStay]:
        visits = [
            RoomStay(room=_name(room), from_ns=visit.from_ns, to_ns=visit.to_ns)
            for room in self._rooms
            for visit in self._questions.visited(Region(area=room.area)).value or ()
        ]
        merged: list[RoomStay] = []
        for stay in sorted(visits, key=lambda one: one.from_ns):
            if merged and merged[-1].room == stay.room:
                merged[-1] = RoomStay(room=stay.room, from_ns=merged[-1].from_ns, to_ns=stay.to_ns)
            else:
                merged.append(stay)
        return merged

    def pose(self, at_ns: int) -> Pose:
        """That of the last kept frame: in those that were not kept the camera stood within centimetres of it."""
        if not self._way:
            raise CannotAnswer
        index = bisect.bisect_right(self._way, at_ns, key=lambda g: g.stamp_ns) - 1
        glimpse = self._way[max(0, index)]
        return Pose(position_world_m=np.array(glimpse.position_world_m), forward=_forward(glimpse))

    def position_at(self, item: Item, at_ns: int) -> Point:
        answer = self._memory.where(item.key, as_of_ns=at_ns)
        if answer.value is None:
            raise CannotAnswer
        return answer.value.placement.position_world_m

    def first_seen_ns(self, label: str) -> int | None:
        seen = [
            entity.first_seen_ns
            for entity in self._entities.values()
            if entity.label == label and entity.num_views >= SEEN_TWICE
        ]
        return min(seen, default=None)

    def _errand(self, pick: Happening, place: Happening) -> Errand | None:
        entity = self._entities.get(pick.entity_ids[0])
        if entity is None or pick.position_world_m is None or place.position_world_m is None:
            return None
        return Errand(
            item=_item(entity), pick_ns=pick.event.end_ns, place_ns=place.event.end_ns,
            from_world_m=pick.position_world_m, to_world_m=place.position_world_m,
            source=self._holder(pick.from_support), target=self._holder(place.to_support),
        )  # fmt: skip

    def _holder(self, entity_id: str | None) -> Item | None:
        entity = self._entities.get(entity_id or "")
        if entity is not None and entity.label == "drawer" and entity.support in self._entities:
            entity = self._entities[entity.support]
        return None if entity is None else _item(entity)

    def _located(self, location: Location) -> Item:
        color = self._entities[location.entity_id].color if location.entity_id in self._entities else ""
        return Item(
            key=location.entity_id, label=location.label, color=color,
            position_world_m=location.placement.position_world_m, box=location.placement.box,
        )  # fmt: skip


def _item(entity: Entity) -> Item:
    return Item(
        key=entity.entity_id, label=entity.label, color=entity.color, box=entity.placement.box,
        position_world_m=entity.placement.position_world_m,
    )  # fmt: skip


def _is_large(entity: Entity) -> bool:
    return bool(entity.placement.box.size.max() > FURNITURE_M)


def _room_item(room: Room) -> Item:
    x, y = (float(c) for c in room.area.center)
    return Item(key=room.room_id, label=_name(room), kind="room", position_world_m=(x, y, 1.0))


def _forward(glimpse: Glimpse) -> np.ndarray:
    """The camera's viewing direction over the floor: its z axis."""
    x, y, z, w = glimpse.quaternion_xyzw
    forward = np.array([2 * (x * z + y * w), 2 * (y * z - x * w)])
    return np.asarray(forward / np.linalg.norm(forward))


def _name(room: Room) -> str:
    return room.category or room.room_id
