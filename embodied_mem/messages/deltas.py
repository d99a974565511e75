"""What one layer tells the others after a frame."""

from __future__ import annotations

from dataclasses import dataclass

from embodied_mem.messages.knowledge import Change, EntityId


@dataclass(frozen=True, kw_only=True)
class MapChange:
    """What one frame did to the occupancy map, in Gaussians."""

    num_points: int
    num_added: int
    num_merged: int
    num_removed: int
    num_live: int
    num_bytes: int


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
