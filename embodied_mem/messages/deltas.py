"""What one layer tells the others after a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from embodied_mem.geometry import Box
from embodied_mem.messages.events import Event, ObjectMention
from embodied_mem.messages.knowledge import Change, EntityId

MAP = "map"
"""The actor of events that the map noticed by geometry: nobody is known to have done it."""


@dataclass(frozen=True, kw_only=True)
class MapEvent:
    """Occupied space that appeared, vanished or moved after `after_ns` (last seen as before) and before `before_ns`
    (first seen as now): geometry alone, whatever a detector says.

    `box` (world) is where it is, or was when it vanished; `before_box` where it was before it moved. `label` is the
    most voted one, "" when none was; `num_cells` how many of the map's cells changed. A move is told besides the
    appearance and disappearance that it is made of. A thing appeared after its place was last seen to be empty, as far
    as such a view was kept; else after the map began.
    """

    kind: Literal["appeared", "vanished", "moved"]
    box: Box
    before_box: Box | None = None
    label: str = ""
    num_cells: int
    after_ns: int
    before_ns: int

    def as_event(self) -> Event:
        """The same as an event at its place: the actor is MAP, the object that of the label, or "something"."""
        x, y, z = self.box.center.tolist()
        there = ObjectMention(label=self.label or "something", position_world_m=(x, y, z))
        return Event(
            kind=self.kind, actor=MAP, objects=(there,), start_ns=self.after_ns, end_ns=self.before_ns
        )


@dataclass(frozen=True, kw_only=True)
class MapChange:
    """What one frame did to the occupancy map, in Gaussians, and what has become certain to have changed."""

    num_points: int
    num_added: int
    num_merged: int
    num_removed: int
    num_live: int
    num_bytes: int
    events: tuple[MapEvent, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WorldDelta:
    """What one frame or event did to the world model."""

    seen: tuple[EntityId, ...] = ()
    added: tuple[EntityId, ...] = ()
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ObserveReport:
    """What `RobotMemory.observe` did; `map_change` is None when the map refused the frame (`map_refusal` says why)."""

    map_change: MapChange | None
    map_refusal: str
    world_delta: WorldDelta
