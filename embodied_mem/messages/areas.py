"""A part of the floor of any shape."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64


@dataclass(frozen=True, kw_only=True)
class Area:
    """A part of the floor, from floor to ceiling: the cells [i, j] around `origin_world_m` + (i, j) * `cell_m`.

    It ends at `low_z_m` and `high_z_m` in height where there are floors below and above; infinite where there are none.
    """

    origin_world_m: tuple[float, float]
    cell_m: float
    is_inside: Bool[np.ndarray, "nx ny"]
    low_z_m: float = -math.inf
    high_z_m: float = math.inf

    def contains(self, points_world: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n"]:
        """Which points lie over the area's cells, on its floor."""
        height_m = points_world[:, 2]
        return np.asarray(self.covers(points_world) & (height_m >= self.low_z_m) & (height_m < self.high_z_m))

    def covers(self, points_world: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, "n"]:
        """Which points lie above or below the area's cells, on whatever floor."""
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
