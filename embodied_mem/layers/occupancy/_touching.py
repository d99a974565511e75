"""Which cells hang together."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

TOUCHING = 1.8
"""Cells nearer than this (in cells) touch: faces, edges and corners."""


def touching(cells: Int64[np.ndarray, "n 3"]) -> list[np.ndarray]:
    """The rows of the cells in groups that touch at faces, edges or corners, each in ascending order."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(cells).query_pairs(TOUCHING, output_type="ndarray")
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(cells), len(cells)))
    count, group = connected_components(links, directed=False)
    return np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group, minlength=count))[:-1])
