"""Space as the memory hands it round: the floor as a grid, rooms and routes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int8

from embodied_mem.messages.areas import Area
from embodied_mem.messages.knowledge import EntityId

FLOOR_UNKNOWN, FLOOR_FREE, FLOOR_BLOCKED = -1, 0, 1


@dataclass(frozen=True, kw_only=True)
class FloorMap:
    """The map seen as a floor plan, cell [i, j] around `origin_world_m` + (i, j) * `cell_m`.

    `drivable` is free where a robot's body fits in height, `open_above` free where only walls and tall furniture
    would stand (the floor tells where nothing that high was seen); both -1 unknown, 0 free, 1 blocked. `is_shut` is where walls and tall furniture stand, as far as the
    map has them: more than what `open_above` has blocked, since walls are often not seen up to the ceiling.
    `floor_z_m` is the height of the floor in world.
    """

    origin_world_m: tuple[float, float]
    cell_m: float
    floor_z_m: float
    drivable: Int8[np.ndarray, "nx ny"]
    open_above: Int8[np.ndarray, "nx ny"]
    is_shut: Bool[np.ndarray, "nx ny"]

    def cell_of(self, x_m: float, y_m: float) -> tuple[int, int]:
        """The cell that holds a point; it may lie outside the grid."""
        x0, y0 = self.origin_world_m
        return round((x_m - x0) / self.cell_m), round((y_m - y0) / self.cell_m)

    def center_of(self, cell: tuple[int, int]) -> tuple[float, float]:
        """The middle of a cell, world, metres."""
        x0, y0 = self.origin_world_m
        return x0 + cell[0] * self.cell_m, y0 + cell[1] * self.cell_m


@dataclass(frozen=True, kw_only=True)
class Room:
    """A room found in free space. `category` is read from its contents ('' when they say nothing), `neighbors`
    are the rooms that a passage joins it with.
    """

    room_id: str
    area: Area
    category: str = ""
    category_confidence: float = 0.0
    neighbors: tuple[str, ...] = ()
    contents: tuple[EntityId, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Route:
    """Way-points over the floor (world, metres, at floor height) to where `entity_id` can be reached from."""

    entity_id: EntityId | None
    waypoints_world_m: tuple[tuple[float, float, float], ...]
    length_m: float
    rooms: tuple[str, ...] = ()
