"""Regions of the map that look like what was asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy._touching import touching


@dataclass(frozen=True, kw_only=True)
class LitRegion:
    """Gaussians that touch and look alike: their box, the mean of their means weighted by similarity, how many there are,
    and the best and mean cosine with what was asked for."""

    box: Box
    center_world: tuple[float, float, float]
    num_gaussians: int
    similarity: float
    mean_similarity: float


def lit_regions(
    means_world: Float32[np.ndarray, "n 3"],
    similarity: Float32[np.ndarray, "n"],
    cell_m: float,
    min_cells: int,
) -> list[LitRegion]:
    """The regions of at least `min_cells` Gaussians, the most similar first, of equal ones the largest."""
    cells = np.floor(means_world.astype(np.float64) / cell_m).astype(np.int64)
    regions = [
        _region(means_world[rows].astype(np.float64), similarity[rows])
        for rows in (touching(cells) if len(cells) else [])
        if len(rows) >= min_cells
    ]
    return sorted(regions, key=lambda region: (-region.similarity, -region.num_gaussians))


def _region(means_world: np.ndarray, similarity: np.ndarray) -> LitRegion:
    x, y, z = np.average(means_world, axis=0, weights=np.maximum(similarity, 1e-6)).tolist()
    return LitRegion(
        box=Box.around(means_world),
        center_world=(x, y, z),
        num_gaussians=len(means_world),
        similarity=float(similarity.max()),
        mean_similarity=float(similarity.mean()),
    )
