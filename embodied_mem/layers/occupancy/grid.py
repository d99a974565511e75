"""The map as voxels of any box: what planners and benchmarks of semantic occupancy read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int8, Int16

from embodied_mem.errors import InvalidQuery
from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy.snapshot import FREE, OCCUPIED, UNKNOWN

FORMS = ("product", "additive")
OCC_SCANNET_VOXEL_M = 0.08
OCC_SCANNET_SHAPE = (60, 60, 36)
"""Occ-ScanNet's layout: 4.8 x 4.8 x 2.88 m."""
MAX_VOXELS = 64_000_000


@dataclass(frozen=True, kw_only=True)
class SemanticGrid:
    """`occupancy[i, j, k]` (0..1, NaN where unknown) and `label_index` (into `labels`, -1 where empty or unlabelled)
    of the voxel whose lowest corner is `corner_world + voxel_m * (i, j, k)`.
    """

    corner_world: Float64[np.ndarray, "3"]
    voxel_m: float
    occupancy: Float32[np.ndarray, "x y z"]
    label_index: Int16[np.ndarray, "x y z"]
    labels: tuple[str, ...]

    @property
    def state(self) -> Int8[np.ndarray, "x y z"]:
        """UNKNOWN (-1), FREE (0) or OCCUPIED (1) for each voxel."""
        known = np.where(self.occupancy > 0.5, OCCUPIED, FREE)
        return np.where(np.isnan(self.occupancy), UNKNOWN, known).astype(np.int8)

    @property
    def centers_world(self) -> Float64[np.ndarray, "x y z 3"]:
        """The voxels' centres, in metres."""
        index = np.stack(np.meshgrid(*(np.arange(n) for n in self.occupancy.shape), indexing="ij"), axis=-1)
        return np.asarray(self.corner_world + (index + 0.5) * self.voxel_m)


def occ_scannet_box(center_world: Float64[np.ndarray, "3"]) -> Box:
    """The box of Occ-ScanNet's size around a point."""
    half = np.array(OCC_SCANNET_SHAPE) * OCC_SCANNET_VOXEL_M / 2
    return Box(min_m=tuple((center_world - half).tolist()), max_m=tuple((center_world + half).tolist()))


def grid_shape(box: Box, voxel_m: float) -> tuple[int, int, int]:
    """How many voxels the box has on each axis; a last one that is cut counts when a hundredth of it is inside.

    Raises:
        InvalidQuery: the voxel's side is not above 0, or there would be more than MAX_VOXELS.
    """
    if not (math.isfinite(voxel_m) and voxel_m > 0.0):
        raise InvalidQuery(f"voxel_m is {voxel_m}; it must be above 0 (metres), such as 0.08.")
    x, y, z = (max(1, math.ceil(side / voxel_m - 0.01)) for side in box.size.tolist())
    if x * y * z > MAX_VOXELS:
        raise InvalidQuery(
            f"a box of {box.size.round(2).tolist()} m has {x * y * z} voxels of {voxel_m} m; at most {MAX_VOXELS} are "
            "given at once. Ask for a smaller box or larger voxels."
        )
    return x, y, z
