"""The map as a floor plan: which cells a robot could drive on, and where only walls and tall furniture stand."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Int8
from scipy import ndimage

from embodied_mem.messages import FLOOR_BLOCKED, FLOOR_FREE, FLOOR_UNKNOWN, FloorMap

STEP_M = 0.1
"""Lower than this above the floor nothing stops a robot's wheels (and depth noise lies on the floor)."""
ROBOT_HEIGHT_M = 1.35
ABOVE_SEATS_M, TALL_M, BELOW_CEILING_M = (0.8, 1.35), (1.35, 1.95), (1.95, 2.35)
"""Between these heights beds, seats and tables have ended, most furniture has, all but walls has and ceilings have not
begun."""
BLOCKED_SHARE = 0.3
MIN_KNOWN_CELLS = 2
MARGIN_CELLS = 2


Grid = tuple[Float32[np.ndarray, "2"], tuple[int, int]]
"""Middle of the first cell of a floor plan, world, and how many cells there are."""


def grid_over(points_world: Float32[np.ndarray, "n 3"], cell_m: float) -> Grid:
    """The grid that holds points, with a margin."""
    low = points_world[:, :2].min(axis=0) - MARGIN_CELLS * cell_m
    size = np.ceil((points_world[:, :2].max(axis=0) - low) / cell_m).astype(int) + 1 + MARGIN_CELLS
    return low, (int(size[0]), int(size[1]))


def floor_height_m(free_world: Float32[np.ndarray, "n 3"], cell_m: float) -> float:
    """The height below which little free space lies."""
    return float(np.percentile(free_world[:, 2], 1.0)) - cell_m


def floor_map(
    free_world: Float32[np.ndarray, "n 3"],
    occupied_world: Float32[np.ndarray, "m 3"],
    cell_m: float,
    floor_z_m: float,
    grid: Grid,
) -> FloorMap:
    """The plan of one flat floor from the centres of free cells and of occupied ones."""
    low, shape = grid
    free = columns_over(free_world, grid, cell_m, floor_z_m)
    occupied = columns_over(occupied_world, grid, cell_m, floor_z_m)
    drivable = _drivable(free, occupied, shape)
    return FloorMap(
        origin_world_m=(float(low[0]), float(low[1])), cell_m=cell_m, floor_z_m=floor_z_m,
        drivable=drivable, open_above=_open_above(free, occupied, drivable),
        is_shut=_closed(_band(free, occupied, shape, TALL_M)[1]),
    )  # fmt: skip


Columns = tuple[np.ndarray, np.ndarray]
"""Flat cell index and height above the floor, of each point that lies over the grid."""


def columns_over(points: np.ndarray, grid: Grid, cell_m: float, floor_z_m: float) -> Columns:
    """In which cell of a grid each point lies, and how far above a floor."""
    low, shape = grid
    cells = np.round((points[:, :2] - low) / cell_m).astype(np.int64)
    is_on = ((cells >= 0) & (cells < np.array(shape))).all(axis=1)
    return cells[is_on, 0] * shape[1] + cells[is_on, 1], points[is_on, 2] - floor_z_m


def _drivable(free: Columns, occupied: Columns, shape: tuple[int, int]) -> Int8[np.ndarray, "nx ny"]:
    """Free where cells near the floor are seen through and none up to the robot's height is occupied."""
    grid = np.full(shape[0] * shape[1], FLOOR_UNKNOWN, dtype=np.int8)
    cell, height = free
    grid[cell[(height > 0) & (height < 0.5)]] = FLOOR_FREE
    cell, height = occupied
    grid[cell[(height > STEP_M) & (height < ROBOT_HEIGHT_M)]] = FLOOR_BLOCKED
    return grid.reshape(shape)


def _open_above(
    free: Columns, occupied: Columns, drivable: Int8[np.ndarray, "nx ny"]
) -> Int8[np.ndarray, "nx ny"]:
    """What the cells below the ceiling say, else those below them: walls go on where wardrobes end. Where nothing that
    high was seen, free space above seats or on the floor will do: walls stand on the floor.

    A column is blocked when `BLOCKED_SHARE` of its known cells are occupied: noise in the poses tears walls open.
    """
    is_told, is_blocked = _band(free, occupied, drivable.shape, ABOVE_SEATS_M)
    has_no_wall = (drivable == FLOOR_FREE) | is_told & ~is_blocked
    grid = np.where(has_no_wall, FLOOR_FREE, FLOOR_UNKNOWN).astype(np.int8)
    for band_m in (TALL_M, BELOW_CEILING_M):
        is_told, is_blocked = _band(free, occupied, drivable.shape, band_m)
        grid[is_told] = np.where(is_blocked, FLOOR_BLOCKED, FLOOR_FREE)[is_told]
    return np.where(_closed(grid == FLOOR_BLOCKED), FLOOR_BLOCKED, grid).astype(np.int8)


def _band(
    free: Columns, occupied: Columns, shape: tuple[int, int], band_m: tuple[float, float]
) -> tuple[Bool[np.ndarray, "nx ny"], Bool[np.ndarray, "nx ny"]]:
    """Which columns are known well enough between two heights, and which of all columns are blocked there."""
    num_free, num_occupied = (
        np.bincount(cell[(height > band_m[0]) & (height < band_m[1])], minlength=shape[0] * shape[1]).reshape(
            shape
        )
        for cell, height in (free, occupied)
    )
    num_known = num_free + num_occupied
    return num_known >= MIN_KNOWN_CELLS, num_occupied >= np.maximum(BLOCKED_SHARE * num_known, 1)


def _closed(is_blocked: Bool[np.ndarray, "nx ny"]) -> Bool[np.ndarray, "nx ny"]:
    """Without gaps of a cell."""
    return np.asarray(ndimage.binary_closing(is_blocked, structure=np.ones((3, 3))), dtype=bool)
