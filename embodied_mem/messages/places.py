"""Space as the memory hands it round: the floor as a grid, areas of it, rooms and routes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int8

from embodied_mem.messages.knowledge import EntityId

FLOOR_UNKNOWN, FLOOR_FREE, FLOOR_BLOCKED = -1, 0, 1


@dataclass(frozen=True, kw_only=True)
class FloorMap:
    """The map seen as a floor plan, cell [i, j] around `origin_world_m` + (i, j) * `cell_m`.

    `drivable` is free where a robot's body fits in height, `open_above` free where only walls and tall furniture
    would stand; both -1 unknown, 0 free, 1 blocked. `floor_z_m` is the height of the floor in world.
    """

    origin_world_m: tuple[float, float]
    cell_m: float
    floor_z_m: float
    drivable: Int8[np.ndarray, "nx ny"]
    open_above: Int8[np.ndarray, "nx ny"]

    def cell_of(self, x_m: float, y_m: float) -> tuple[int, int]:
        """The cell that holds a point; it may lie outside the grid."""
        x0, y0 = self.origin_world_m
        return round((x_m - x0) / self.cell_m), round((y_m - y0) / self.cell_m)

    def center_of(self, cell: tuple[int, int]) -> tuple[float, float]:
        """The middle of a cell, world, metres."""
        x0, y0 = self.origin_world_m
        return x0 + cell[0] * self.cell_m, y0 + cell[1] * self.cell_m


@dataclass(frozen=True, kw_only=True)
class Area:
    """A part of the floor of any shape, from floor to ceiling: the cells of a grid laid out as in `FloorMap`."""

    origin_world_m: tuple[float, float]
    cell_m: float
    is_inside: Bool[np.ndarray, "nx ny"]

    def contains(self, points_world: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n"]:
        """Which points lie above or below the area's cells."""
        cells = np.round((points_world[:, :2] - np.array(self.origin_world_m)) / self.cell_m).astype(np.int64)
        size = np.array(self.is_inside.shape)
        is_on_grid = ((cells >= 0) & (cells < size)).all(axis=1)
        held = np.clip(cells, 0, size - 1)
        return np.asarray(is_on_grid & self.is_inside[held[:, 0], held[:, 1]])

    @property
    def size_m2(self) -> float:
        return float(self.is_inside.sum()) * self.cell_m**2

    @property
    def center(self) -> Float64[np.ndarray, "2"]:
        """The mean of its cells, world, metres."""
        return np.asarray(
            np.argwhere(self.is_inside).mean(axis=0) * self.cell_m + np.array(self.origin_world_m)
        )


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
