"""Where free space borders on the unknown: where there is something left to explore."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy._touching import packed, touching

NEIGHBOURS = np.vstack([np.eye(3, dtype=np.int64), -np.eye(3, dtype=np.int64)])


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """A connected patch of free cells that touch unknown ones. `position_world_m` is the free cell nearest to their
    mean, so that it can be reached; `area_m2` counts one cell's face for each.
    """

    position_world_m: tuple[float, float, float]
    box: Box
    num_cells: int
    area_m2: float


def frontiers_of(
    free_cells: Int64[np.ndarray, "n 3"],
    known_cells: Int64[np.ndarray, "m 3"],
    cell_m: float,
    *,
    min_cells: int,
) -> list[Frontier]:
    """The frontiers among free cells, largest first (equal ones by position); those below `min_cells` are left out.

    A cell that a surface passes through is known, though nobody saw what is behind the surface.
    """
    if len(free_cells) == 0:
        return []
    around = free_cells[:, None, :] + NEIGHBOURS
    is_known = np.isin(packed(around), packed(known_cells))
    cells = free_cells[~is_known.all(axis=1)]
    if len(cells) == 0:
        return []
    centers = (cells + 0.5) * cell_m
    found = [_frontier(centers[rows], cell_m) for rows in touching(cells) if len(rows) >= min_cells]
    return sorted(found, key=lambda one: (-one.num_cells, one.position_world_m))


def _frontier(cells: np.ndarray, cell_m: float) -> Frontier:
    nearest = cells[np.linalg.norm(cells - cells.mean(axis=0), axis=1).argmin()]
    return Frontier(
        position_world_m=(float(nearest[0]), float(nearest[1]), float(nearest[2])),
        box=Box.around(cells).grown(cell_m / 2),
        num_cells=len(cells),
        area_m2=len(cells) * cell_m**2,
    )
