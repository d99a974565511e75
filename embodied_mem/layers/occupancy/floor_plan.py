"""What planners read: distances to the nearest obstacle, and a plan of the floor from a slab of heights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int8

from embodied_mem.layers.occupancy.grid import SemanticGrid
from embodied_mem.layers.occupancy.snapshot import FREE, OCCUPIED


@dataclass(frozen=True, kw_only=True)
class FloorGrid:
    """A plan from above. `cells[j, i]` is the square whose lowest corner is `corner_world_xy + cell_m * (i, j)`:
    -1 unknown, 0 free, 100 occupied, the values and order of nav_msgs/OccupancyGrid.
    """

    corner_world_xy: Float64[np.ndarray, "2"]
    cell_m: float
    cells: Int8[np.ndarray, "y x"]


def floor_grid(grid: SemanticGrid, *, min_free: float = 0.5) -> FloorGrid:
    """The voxels of `grid` seen from above: occupied where any of a column is, free where at least `min_free` of the
    column is known to be free and none occupied, unknown otherwise. The grid's box is the slab of heights.
    """
    state = grid.state
    cells = np.full(state.shape[:2], -1, dtype=np.int8)
    cells[(state == FREE).mean(axis=2) >= min_free] = 0
    cells[(state == OCCUPIED).any(axis=2)] = 100
    return FloorGrid(
        corner_world_xy=grid.corner_world[:2].copy(), cell_m=grid.voxel_m, cells=np.ascontiguousarray(cells.T)
    )


def distance_field(grid: SemanticGrid, *, unknown_is_occupied: bool = False) -> Float32[np.ndarray, "x y z"]:
    """Metres from each voxel's centre to the nearest obstacle's surface, negative inside obstacles; infinite where the
    grid has none. Obstacles beyond the grid are not known: ask for a margin around what matters.
    """
    from scipy.ndimage import distance_transform_edt

    state = grid.state
    is_obstacle = state != FREE if unknown_is_occupied else state == OCCUPIED
    if not is_obstacle.any():
        return np.full(state.shape, np.inf, dtype=np.float32)
    half = grid.voxel_m / 2
    outside = distance_transform_edt(~is_obstacle, sampling=grid.voxel_m)
    if is_obstacle.all():
        return np.full(state.shape, -np.inf, dtype=np.float32)
    inside = distance_transform_edt(is_obstacle, sampling=grid.voxel_m)
    return np.asarray(np.where(is_obstacle, half - inside, outside - half), dtype=np.float32)
