"""Points and Gaussians from elsewhere as a map of this configuration, to be merged into one."""

from __future__ import annotations

import numpy as np

from embodied_mem.errors import InvalidQuery
from embodied_mem.layers.occupancy._saving import SavedMap
from embodied_mem.layers.occupancy._storage import CODE_BYTES, Rows, canonical
from embodied_mem.layers.occupancy._structures import (
    BRICK_CELLS,
    BRICK_SIDE,
    COVARIANCE_STEPS,
    HAS_GAUSSIAN,
    LEVEL_MASK,
    MAX_WEIGHT,
    MEAN_STEPS,
    NO_LABEL,
)
from embodied_mem.layers.occupancy.config import OccupancyConfig

UPPER = np.triu_indices(3)


def imported(
    means_world: np.ndarray,
    covariances_m2: np.ndarray,
    color_rgb: np.ndarray,
    stamp_ns: int,
    config: OccupancyConfig,
    *,
    has_codes: bool,
) -> SavedMap:
    """One Gaussian for each cell in which something lies, by exact moments of all that does; as certain as can be."""
    count = len(means_world)
    if covariances_m2.shape != (count, 6) or color_rgb.shape != (count, 3):
        raise InvalidQuery(
            f"{count} means came with covariances of shape {covariances_m2.shape} and colours of shape {color_rgb.shape}; "
            f"they must be ({count}, 6) and ({count}, 3)."
        )
    places = means_world.astype(np.float64) / config.cell_m
    cells, owner = np.unique(np.floor(places).astype(np.int64), axis=0, return_inverse=True)
    owner = owner.reshape(-1)
    num_points = np.bincount(owner, minlength=len(cells)).astype(np.float64)
    inside = places - cells[owner]
    products = (inside[:, :, None] * inside[:, None, :])[:, *UPPER] + covariances_m2 / config.cell_m**2
    mean = _averages(inside, owner, num_points)
    covariance = _averages(products, owner, num_points) - (mean[:, :, None] * mean[:, None, :])[:, *UPPER]
    color = np.rint(4.0 * _averages(color_rgb.astype(np.float64), owner, num_points)).astype(np.int64)
    bricks, brick = np.unique(cells // BRICK_SIDE, axis=0, return_inverse=True)
    x, y, z = (cells - bricks[brick.reshape(-1)] * BRICK_SIDE).T
    gaussian_cell = brick.reshape(-1) * BRICK_CELLS + (x * BRICK_SIDE + y) * BRICK_SIDE + z
    levels = np.zeros(len(bricks) * BRICK_CELLS, dtype=np.uint8)
    levels[gaussian_cell] = LEVEL_MASK | HAS_GAUSSIAN
    rows: Rows = {
        "brick_coord": bricks.astype(np.int32),
        "brick_seen_tick": np.zeros(len(bricks), dtype=np.int32),
        "cells": levels.reshape(-1, BRICK_CELLS),
        "gaussian_cell": gaussian_cell.astype(np.int32),
        "mean": np.rint(mean * MEAN_STEPS).astype(np.uint16),
        "covariance": np.clip(np.rint(covariance * COVARIANCE_STEPS), -32767, 32767).astype(np.int16),
        "weight": np.minimum(num_points, MAX_WEIGHT).astype(np.float16),
        "color": (3 << 30 | color[:, 0] << 20 | color[:, 1] << 10 | color[:, 2]).astype(np.uint32),
        "labels": np.full((len(cells), 2), NO_LABEL, dtype=np.int16),
        "label_weights": np.zeros((len(cells), 2), dtype=np.uint8),
        "first_seen_tick": np.zeros(len(cells), dtype=np.int32),
        "last_seen_tick": np.zeros(len(cells), dtype=np.int32),
    }
    if has_codes:
        rows["code"] = np.zeros((len(cells), CODE_BYTES), dtype=np.uint8)
    return SavedMap(rows=canonical(rows), labels=(), last_stamps={}, epoch_ns=stamp_ns, num_evicted=0)


def _averages(values: np.ndarray, owner: np.ndarray, num_points: np.ndarray) -> np.ndarray:
    """The mean of the rows of each owner."""
    columns = [np.bincount(owner, weights=column, minlength=len(num_points)) for column in values.T]
    return np.asarray(np.stack(columns, axis=1) / num_points[:, None])
