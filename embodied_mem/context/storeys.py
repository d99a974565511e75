"""The floors of a home, one above the other, and the stairs between them: found in the map's free space.

Whatever was seen from above with room over it for a robot to stand is walkable. Where much of it lies level, well above
the lowest floor, there is another floor; where it rises from one floor to the next in steps, there are stairs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float32, Int64
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from embodied_mem.context.floor import (
    ROBOT_HEIGHT_M,
    Grid,
    columns_over,
    floor_height_m,
    floor_map,
    grid_over,
)
from embodied_mem.messages import FLOOR_BLOCKED, FLOOR_FREE, FloorMap, FloorPlan
from embodied_mem.messages.places import storey_spans_m

STOREY_M = 2.1
"""Floors lie at least this far above each other: a landing or a gallery's step is none."""
STOREY_M2 = 3.0
NEAR_LOWEST_M = 0.3
"""The lowest floor's surface lies within this of the height below which there is little free space."""
STEP_RISE_M = 0.25
"""One goes up steps no higher than this, ..."""
TREAD_CELLS = 2.5
"""... whose surfaces lie within so many cells of each other, seen from above."""
FREE_SHARE, NEAR_CELLS = 0.5, (2, 6)
"""Of the cells above a walkable surface this share is free: rays leave gaps. Where the cells so near beneath are all free
and those above are not, it is a ceiling, though rays that graze it and the floor on it carve some of what lies between."""
OPEN_CELLS, MIN_OPEN_CELLS, SOLID_CELLS = (-2.5, 0.75), 3, (-1.5, 1.5)
"""Where so many cells between these heights about a floor were seen through, and none is solid, there is no floor. (Rays
that graze a floor carve a cell or two beneath it.)"""


def floor_plan(
    free_world: Float32[np.ndarray, "n 3"], occupied_world: Float32[np.ndarray, "m 3"], cell_m: float
) -> FloorPlan | None:
    """The floors from the centres of free cells and of occupied ones; None when nothing is known to be free."""
    if not len(free_world):
        return None
    grid, lowest_m = grid_over(free_world, cell_m), floor_height_m(free_world, cell_m)
    walkable = _walkable(free_world, occupied_world, cell_m, lowest_m)
    heights_m = _heights_m(walkable, lowest_m, cell_m)
    if len(heights_m) < 2:
        return FloorPlan(storeys=(floor_map(free_world, occupied_world, cell_m, lowest_m, grid),))
    storeys = []
    for height_m, (low_m, high_m) in zip(heights_m, storey_spans_m(heights_m), strict=True):
        free, occupied = (
            points[(points[:, 2] >= low_m) & (points[:, 2] < high_m)]
            for points in (free_world, occupied_world)
        )
        storeys.append(floor_map(free, occupied, cell_m, height_m, grid))
    whole = [storeys[0], *(_without_holes(one, free_world, occupied_world, grid) for one in storeys[1:])]
    return FloorPlan(storeys=tuple(whole), flights_world=_flights(walkable, whole))


def _walkable(
    free_world: Float32[np.ndarray, "n 3"],
    occupied_world: Float32[np.ndarray, "m 3"],
    cell_m: float,
    lowest_m: float,
) -> Float32[np.ndarray, "k 3"]:
    """Points of surfaces with mostly free space above them, and nothing in it, up to a robot's height.

    None when the space is not even high enough for a second floor.
    """
    if not len(occupied_world) or free_world[:, 2].max() < lowest_m + STOREY_M + ROBOT_HEIGHT_M:
        return occupied_world[:0]
    low = np.minimum(free_world.min(axis=0), occupied_world.min(axis=0)) - NEAR_CELLS[1] * cell_m
    num_high = round(ROBOT_HEIGHT_M / cell_m)
    size = np.ceil((np.maximum(free_world.max(axis=0), occupied_world.max(axis=0)) - low) / cell_m) + 2
    height = int(size[2]) + num_high

    def keys(points: Float32[np.ndarray, "p 3"]) -> Int64[np.ndarray, "p"]:
        cells = np.round((points - low) / cell_m).astype(np.int64)
        return np.array((cells[:, 0] * int(size[1]) + cells[:, 1]) * height + cells[:, 2])

    def num_between(known: Int64[np.ndarray, "p"], first: int, last: int) -> Int64[np.ndarray, "m"]:
        return np.asarray(
            np.searchsorted(known, own + last, side="right")
            - np.searchsorted(known, own + first, side="left")
        )

    own, free = keys(occupied_world), np.sort(keys(free_world))
    is_high = num_between(free, 1, num_high) >= FREE_SHARE * num_high
    is_high &= num_between(np.sort(own), 1, num_high) == 0
    first, last = NEAR_CELLS
    num_near = last - first + 1
    is_ceiling = (num_between(free, -last, -first) == num_near) & (num_between(free, first, last) < num_near)
    return np.asarray(occupied_world[is_high & ~is_ceiling])


def _heights_m(walkable: Float32[np.ndarray, "k 3"], lowest_m: float, cell_m: float) -> list[float]:
    """Heights of the floors, the lowest first: those at which most walkable surface lies, none near another."""
    heights = walkable[:, 2]
    is_lowest = np.abs(heights - lowest_m) <= NEAR_LOWEST_M
    found = [float(np.median(heights[is_lowest])) if is_lowest.any() else lowest_m]
    while True:
        is_other = heights > found[0]
        for height_m in found:
            is_other &= np.abs(heights - height_m) >= STOREY_M
        cells = (heights[is_other] - lowest_m) / cell_m
        counts = np.bincount(cells.astype(np.int64), minlength=1)
        level = int(np.convolve(counts, np.ones(3), mode="same").argmax()) + 0.5
        is_level = np.abs(cells - level) <= 1.5
        if is_level.sum() * cell_m**2 < STOREY_M2:
            return sorted(found)
        found.append(float(np.median(heights[is_other][is_level])))


def _without_holes(
    storey: FloorMap,
    free_world: Float32[np.ndarray, "n 3"],
    occupied_world: Float32[np.ndarray, "m 3"],
    grid: Grid,
) -> FloorMap:
    """A floor on which one does not drive where one sees through it to the floor below."""
    num_open = _num_between(free_world, storey, grid, OPEN_CELLS)
    num_solid = _num_between(occupied_world, storey, grid, SOLID_CELLS)
    is_open = (num_open >= MIN_OPEN_CELLS) & (num_solid == 0) & (storey.drivable == FLOOR_FREE)
    is_hole = ndimage.binary_opening(is_open, structure=np.ones((3, 3)))  # not what no ray has hit yet
    return replace(storey, drivable=np.where(is_hole, FLOOR_BLOCKED, storey.drivable).astype(np.int8))


def _num_between(
    points_world: Float32[np.ndarray, "n 3"], storey: FloorMap, grid: Grid, between_cells: tuple[float, float]
) -> Int64[np.ndarray, "nx ny"]:
    """How many points lie over each cell of a floor between two heights, in cells from the floor."""
    cell, height_m = columns_over(points_world, grid, storey.cell_m, storey.floor_z_m)
    height_cells, shape = height_m / storey.cell_m, grid[1]
    is_between = (height_cells > between_cells[0]) & (height_cells < between_cells[1])
    return np.asarray(np.bincount(cell[is_between], minlength=shape[0] * shape[1]).reshape(shape))


def _flights(
    walkable: Float32[np.ndarray, "k 3"], storeys: list[FloorMap]
) -> tuple[Float32[np.ndarray, "n 3"], ...]:
    """Walkable surfaces that lead in steps from one floor to another."""
    heights_m = np.array([one.floor_z_m for one in storeys])
    off_m = np.abs(walkable[:, 2, None] - heights_m)
    steps = walkable[(off_m > STEP_RISE_M / 3).all(axis=1)]
    if not len(steps):
        return ()
    pairs = steps_that_meet(steps, storeys[0].cell_m)
    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(len(steps), len(steps)))
    num, flight_of = connected_components(graph, directed=False)
    touches = np.zeros((num, len(storeys)), dtype=bool)
    for index, storey in enumerate(storeys):
        touches[flight_of[_is_beside(steps, storey)], index] = True
    kept = [steps[flight_of == flight] for flight in np.flatnonzero(touches.sum(axis=1) >= 2)]
    return tuple(flight[np.argsort(flight[:, 2], kind="stable")] for flight in kept)


def steps_that_meet(points_world: Float32[np.ndarray, "n 3"], cell_m: float) -> Int64[np.ndarray, "k 2"]:
    """Pairs of points on stairs between which one can step."""
    pairs = cKDTree(points_world[:, :2]).query_pairs(TREAD_CELLS * cell_m, output_type="ndarray")
    rise_m = np.abs(points_world[pairs[:, 0], 2] - points_world[pairs[:, 1], 2])
    return np.asarray(pairs[rise_m <= STEP_RISE_M], dtype=np.int64)


def _is_beside(points_world: Float32[np.ndarray, "n 3"], storey: FloorMap) -> Bool[np.ndarray, "n"]:
    """Which points on stairs lie a step from a floor."""
    free = np.argwhere(storey.drivable == FLOOR_FREE) * storey.cell_m + np.array(storey.origin_world_m)
    is_level = np.abs(points_world[:, 2] - storey.floor_z_m) <= STEP_RISE_M
    if not len(free):
        return np.zeros(len(points_world), dtype=bool)
    distance_m, _ = cKDTree(free).query(points_world[:, :2])
    return np.asarray(is_level & (distance_m <= 2 * TREAD_CELLS * storey.cell_m))
