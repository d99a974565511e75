"""What an atlas shows as one map: Gaussians, free cells and voxels of all its submaps, the newest that knows decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int8, Int64

from embodied_mem.geometry import Box, invert, transform
from embodied_mem.layers.occupancy._touching import packed, unpacked
from embodied_mem.layers.occupancy.grid import SemanticGrid, grid_shape
from embodied_mem.layers.occupancy.layer import OccupancyLayer
from embodied_mem.layers.occupancy.snapshot import FREE, MapSnapshot

QUARTERS = np.stack(np.meshgrid(*[[-0.25, 0.25]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
UPPER = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
"""Rows and columns of a covariance's six numbers."""


@dataclass
class Submap:
    """A map in the axes of the camera pose that it began with: its anchor's number, pose and stamp, whose camera it was."""

    anchor: int
    T_world_anchor: Float64[np.ndarray, "4 4"]
    layer: OccupancyLayer
    begun_ns: int = 0
    robot: str = ""


KeptOf = Callable[[int, np.ndarray], Bool[np.ndarray, "n"]]
"""Which of these points (world) of submap number i no newer submap saw through."""


def all_labels(submaps: Sequence[Submap]) -> tuple[str, ...]:
    """The labels of all submaps, in the order they came up."""
    return tuple(dict.fromkeys(label for submap in submaps for label in submap.layer.labels))


def joined_snapshot(submaps: Sequence[Submap], cell_m: float, is_kept: KeptOf) -> MapSnapshot:
    """The Gaussians of all submaps, in world."""
    labels, parts = all_labels(submaps), []
    for i, submap in enumerate(submaps):
        one = submap.layer.snapshot()
        means = transform(submap.T_world_anchor, one.means_world.astype(np.float64))
        kept = is_kept(i, means)
        number = np.array([labels.index(label) for label in one.labels] + [-1], dtype=np.int16)
        parts.append(
            {
                "means_world": means[kept].astype(np.float32),
                "covariances_m2": _turned(submap.T_world_anchor[:3, :3], one.covariances_m2[kept]),
                "label_index": number[one.label_index[kept]],
            }
            | {
                name: getattr(one, name)[kept]
                for name in (
                    "occupancy",
                    "state",
                    "color_rgb",
                    "label_share",
                    "first_seen_ns",
                    "last_seen_ns",
                )
            }
        )
    if not parts:
        return OccupancyLayer().snapshot()
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return MapSnapshot(**arrays, labels=labels, cell_m=cell_m)


def _turned(R: np.ndarray, covariances: Float32[np.ndarray, "n 6"]) -> Float32[np.ndarray, "n 6"]:
    """Covariances (xx, xy, xz, yy, yz, zz) in the axes that `R` turns them into."""
    full = np.empty((len(covariances), 3, 3))
    for k, (i, j) in enumerate(UPPER):
        full[:, i, j] = full[:, j, i] = covariances[:, k]
    full = R @ full @ R.T
    return np.stack([full[:, i, j] for i, j in UPPER], axis=1).astype(np.float32)


def joined_alike(
    submaps: Sequence[Submap], embedding: Float[np.ndarray, "d"], min_similarity: float, *, is_kept: KeptOf
) -> tuple[Float32[np.ndarray, "n 3"], Float32[np.ndarray, "n"]]:
    """The occupied Gaussians of all submaps that look like the embedding: means in world, and cosines."""
    all_means, all_similarities = [np.zeros((0, 3), np.float32)], [np.zeros(0, np.float32)]
    for i, submap in enumerate(submaps):
        if submap.layer.codebook is None:
            continue
        means, similarity = submap.layer.alike(embedding, min_similarity)
        means = transform(submap.T_world_anchor, means.astype(np.float64)).astype(np.float32)
        kept = is_kept(i, means)
        all_means.append(means[kept])
        all_similarities.append(similarity[kept])
    return np.concatenate(all_means), np.concatenate(all_similarities)


def joined_cells(
    submaps: Sequence[Submap], cell_m: float, state_at: Callable[[np.ndarray], Int8[np.ndarray, "n"]]
) -> tuple[Int64[np.ndarray, "n 3"], Int64[np.ndarray, "m 3"]]:
    """The cells of the world's grid that are free at their centres, and all that known cells of some submap touch."""
    free, known = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for submap in submaps:
        of_submap = submap.layer.known_cells()
        for found, cells in zip((free, known), of_submap, strict=True):
            # A grid that lies askew has cells without a centre of the other in them; quarters of cells leave no holes.
            quarters = (cells[:, None] + 0.5 + QUARTERS).reshape(-1, 3) * cell_m
            points = transform(submap.T_world_anchor, quarters)
            found.append(np.unique(packed(np.floor(points / cell_m).astype(np.int64))))
    free_cells, known_cells = (unpacked(np.unique(np.concatenate(found))) for found in (free, known))
    return free_cells[state_at((free_cells + 0.5) * cell_m) == FREE], known_cells


def joined_grid(
    submaps: Sequence[Submap], box: Box, voxel_m: float, *, form: str, stable_only: bool
) -> SemanticGrid:
    """The box as voxels: each as the newest submap has it that knows it."""
    shape, labels = grid_shape(box, voxel_m), all_labels(submaps)
    occupancy = np.full(shape, np.nan, dtype=np.float32)
    label_index = np.full(shape, -1, dtype=np.int16)
    T_world_grid = np.eye(4)
    T_world_grid[:3, 3] = box.min_m
    for submap in reversed(submaps):
        open_ = np.isnan(occupancy)
        if not open_.any():
            break
        T_anchor_grid = invert(submap.T_world_anchor) @ T_world_grid
        found, index = submap.layer.splat(T_anchor_grid, shape, voxel_m, form=form, stable_only=stable_only)
        number = np.array([labels.index(label) for label in submap.layer.labels] + [-1], dtype=np.int16)
        occupancy[open_], label_index[open_] = found[open_], number[index[open_]]
    return SemanticGrid(
        corner_world=T_world_grid[:3, 3].copy(),
        voxel_m=voxel_m,
        occupancy=occupancy,
        label_index=label_index,
        labels=labels,
    )
