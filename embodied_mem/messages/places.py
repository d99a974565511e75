"""Space as the memory hands it round: the floor as a grid, rooms and routes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int8

from embodied_mem.messages.areas import Area
from embodied_mem.messages.knowledge import EntityId

FLOOR_UNKNOWN, FLOOR_FREE, FLOOR_BLOCKED = -1, 0, 1


@dataclass(frozen=True, kw_only=True)
class FloorMap:
    """The map seen as a floor plan, cell [i, j] around `origin_world_m` + (i, j) * `cell_m`.

    `drivable` is free where a robot's body fits in height, `open_above` free where only walls and tall furniture
    would stand (the floor tells where nothing that high was seen); both -1 unknown, 0 free, 1 blocked. `is_shut` is
    where walls and tall furniture stand, as far as the map has them: more than what `open_above` has blocked, since walls are often not seen up to the ceiling.
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


STOREY_SLACK_M = 0.3
"""What is this far below a floor counts as on it still: the thickness of ceilings."""


def storey_spans_m(heights_m: Sequence[float]) -> list[tuple[float, float]]:
    """From which height to which one is on each floor, given the floors' heights, the lowest first."""
    edges = [-math.inf, *(height_m - STOREY_SLACK_M for height_m in heights_m[1:]), math.inf]
    return list(itertools.pairwise(edges))


@dataclass(frozen=True, kw_only=True)
class FloorPlan:
    """The floors of a home, the lowest first, all on one grid; and the flights of stairs that join them, each as points
    in world on its steps, the lowest first.
    """

    storeys: tuple[FloorMap, ...]
    flights_world: tuple[Float32[np.ndarray, "n 3"], ...] = ()

    def storey_at(self, z_m: float) -> int:
        """The floor that a height belongs to: the highest one that is not above it."""
        return sum(one.floor_z_m - STOREY_SLACK_M <= z_m for one in self.storeys[1:])

    def span_m(self, storey: int) -> tuple[float, float]:
        """From which height to which one is on a floor; infinite below the lowest and above the highest."""
        return storey_spans_m([one.floor_z_m for one in self.storeys])[storey]


@dataclass(frozen=True, kw_only=True)
class Room:
    """A room found in free space. `category` is read from its contents ('' when they say nothing), `neighbors`
    are the rooms that a passage or stairs join it with. `floor` is 0 on the lowest floor known, `floor_z_m` its height.
    """

    room_id: str
    area: Area
    category: str = ""
    category_confidence: float = 0.0
    neighbors: tuple[str, ...] = ()
    contents: tuple[EntityId, ...] = ()
    floor: int = 0
    floor_z_m: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Route:
    """Way-points over the floor (world, metres, at floor height) to where `entity_id` can be reached from."""

    entity_id: EntityId | None
    waypoints_world_m: tuple[tuple[float, float, float], ...]
    length_m: float
    rooms: tuple[str, ...] = ()
