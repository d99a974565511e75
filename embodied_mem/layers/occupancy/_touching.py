"""Cells as single numbers, and which of them hang together."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

TOUCHING = 1.8
"""Cells nearer than this (in cells) touch: faces, edges and corners."""
HALF_WORLD = 1 << 20
"""Cells lie within so many of the origin on each axis."""


def packed(cells: Int64[np.ndarray, "*n 3"]) -> Int64[np.ndarray, "*n"]:
    """One number for each cell; they rise in the order of the coordinates."""
    shifted = cells + HALF_WORLD
    return np.asarray((shifted[..., 0] << 42) | (shifted[..., 1] << 21) | shifted[..., 2])


def unpacked(numbers: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n 3"]:
    """The cells that `packed` numbered."""
    parts = [numbers >> 42, numbers >> 21, numbers]
    return np.stack([(part & (2 * HALF_WORLD - 1)) - HALF_WORLD for part in parts], axis=1)


def touching(cells: Int64[np.ndarray, "n 3"]) -> list[np.ndarray]:
    """The rows of the cells in groups that touch at faces, edges or corners, each in ascending order."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(cells).query_pairs(TOUCHING, output_type="ndarray")
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(cells), len(cells)))
    count, group = connected_components(links, directed=False)
    return np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group, minlength=count))[:-1])
