"""Where the robot was, what it had in view there, and what happened: the records behind visits, dwell and events."""

from __future__ import annotations

from dataclasses import dataclass

from embodied_mem.messages.events import Event
from embodied_mem.messages.knowledge import EntityId

Point = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Glimpse:
    """A frame of which the memory kept a note: the camera's pose in world and the entities that were in view.

    `quaternion_xyzw` rotates camera axes (x right, y down, z forward) into world.
    """

    robot: str
    sensor: str
    stamp_ns: int
    known_ns: int
    position_world_m: Point
    quaternion_xyzw: tuple[float, float, float, float]
    seen: tuple[EntityId, ...] = ()

    @property
    def source(self) -> str:
        """How evidence names the frame."""
        return f"{self.robot}/{self.sensor}/{self.stamp_ns}"


@dataclass(frozen=True, kw_only=True)
class Visit:
    """`robot` was in a place from its first glimpse there to its last before leaving; `num_glimpses` of them."""

    place: str
    robot: str
    from_ns: int
    to_ns: int
    num_glimpses: int

    @property
    def duration_ns(self) -> int:
        return self.to_ns - self.from_ns


@dataclass(frozen=True, kw_only=True)
class Dwell:
    """How long a robot was in a place in all, and in how many visits."""

    place: str
    total_ns: int
    num_visits: int


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """A robot's way: camera poses in order of time, and its length over the floor in metres."""

    robot: str
    glimpses: tuple[Glimpse, ...]
    length_m: float


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """A span in which entities were in view in the same frames, `num_glimpses` of them kept."""

    from_ns: int
    to_ns: int
    num_glimpses: int


@dataclass(frozen=True, kw_only=True)
class Happening:
    """An event with what the memory makes of it: the entities acted on, and where each was before and after.

    `position_world_m` is where it happened; `from_support` and `to_support` what the first entity was on or in
    before and after; None where that is unknown.
    """

    event_id: int
    event: Event
    entity_ids: tuple[EntityId, ...]
    position_world_m: Point | None
    from_support: EntityId | None = None
    to_support: EntityId | None = None
