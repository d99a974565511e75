"""Two maps of one world frame as one: the same result whichever comes first."""

from __future__ import annotations

import numpy as np

from embodied_mem.layers.occupancy._saving import SavedMap
from embodied_mem.layers.occupancy._storage import Rows, canonical, gaussian_names
from embodied_mem.layers.occupancy._structures import (
    BRICK_CELLS,
    COVARIANCE_STEPS,
    HAS_GAUSSIAN,
    LEVEL_MASK,
    MAX_LABEL_WEIGHT,
    MAX_WEIGHT,
    MEAN_STEPS,
    NO_LABEL,
)
from embodied_mem.layers.occupancy.config import NUM_LEVELS, OccupancyConfig

TICK_SHIFT = 26


def merged(a: SavedMap, b: SavedMap, config: OccupancyConfig) -> SavedMap:
    """Everything that either knows."""
    labels = tuple(sorted({*a.labels, *b.labels}))
    epochs = [one.epoch_ns for one in (a, b) if one.epoch_ns is not None]
    epoch_ns = min(epochs) if epochs else None
    parts = [_shifted(_relabelled(one.rows, one.labels, labels), one.epoch_ns, epoch_ns) for one in (a, b)]
    keys = {*a.last_stamps, *b.last_stamps}
    return SavedMap(
        rows=_joined(parts[0], parts[1], config),
        labels=labels,
        last_stamps={key: max(a.last_stamps.get(key, -1), b.last_stamps.get(key, -1)) for key in keys},
        epoch_ns=epoch_ns,
        num_evicted=a.num_evicted + b.num_evicted,
        codebook=a.codebook,
    )


def _relabelled(rows: Rows, names: tuple[str, ...], all_names: tuple[str, ...]) -> Rows:
    to_all = np.array([all_names.index(name) for name in names] + [NO_LABEL], dtype=np.int16)
    return rows | {"labels": to_all[rows["labels"]]}


def _shifted(rows: Rows, from_ns: int | None, to_ns: int | None) -> Rows:
    """The same instants in ticks from another epoch."""
    if from_ns is None or to_ns is None:
        return rows
    names = ("brick_seen_tick", "first_seen_tick", "last_seen_tick")
    moved = {
        name: ((rows[name].astype(np.int64) << TICK_SHIFT) + (from_ns - to_ns)) >> TICK_SHIFT
        for name in names
    }
    return rows | {
        name: np.clip(ticks, -(2**31), 2**31 - 1).astype(np.int32) for name, ticks in moved.items()
    }


def _joined(a: Rows, b: Rows, config: OccupancyConfig) -> Rows:
    coords, where = np.unique(
        np.concatenate([a["brick_coord"], b["brick_coord"]]).reshape(-1, 3), axis=0, return_inverse=True
    )
    where_a, where_b = np.split(where.reshape(-1), [len(a["brick_coord"])])
    levels = [_levels(rows, at, len(coords)) for rows, at in ((a, where_a), (b, where_b))]
    level = np.where(
        (levels[0] > 0) & (levels[1] > 0),
        np.clip(levels[0] + levels[1] - config.level(0.0), 1, NUM_LEVELS),
        levels[0] + levels[1],
    )
    gaussians = _join_gaussians(_placed(a, where_a), _placed(b, where_b))
    at = gaussians["gaussian_cell"]
    stays = level.reshape(-1)[at] > config.level(config.remove_log_odds)
    gaussians = {name: array[stays] for name, array in gaussians.items()}
    cells = level.astype(np.uint8).reshape(-1)
    cells[gaussians["gaussian_cell"]] |= HAS_GAUSSIAN
    tick = np.full(len(coords), -(2**31), dtype=np.int64)
    for rows, at in ((a, where_a), (b, where_b)):
        np.maximum.at(tick, at, rows["brick_seen_tick"].astype(np.int64))
    return canonical(
        gaussians
        | {
            "brick_coord": coords.astype(np.int32),
            "brick_seen_tick": tick.astype(np.int32),
            "cells": cells.reshape(-1, BRICK_CELLS),
        }
    )


def _levels(rows: Rows, where: np.ndarray, num_bricks: int) -> np.ndarray:
    levels = np.zeros((num_bricks, BRICK_CELLS), dtype=np.int64)
    levels[where] = rows["cells"] & LEVEL_MASK
    return levels


def _placed(rows: Rows, where: np.ndarray) -> Rows:
    """The Gaussians with their cells numbered by the joined bricks."""
    brick, local = np.divmod(rows["gaussian_cell"], BRICK_CELLS)
    cell = where[brick] * BRICK_CELLS + local if len(brick) else brick
    return {name: rows[name] for name in gaussian_names(rows)} | {"gaussian_cell": cell.astype(np.int32)}


def _join_gaussians(a: Rows, b: Rows) -> Rows:
    both, in_a, in_b = np.intersect1d(a["gaussian_cell"], b["gaussian_cell"], return_indices=True)
    rest_a, rest_b = (
        np.setdiff1d(np.arange(len(a["weight"])), in_a),
        np.setdiff1d(np.arange(len(b["weight"])), in_b),
    )
    joined = _join_pairs({n: v[in_a] for n, v in a.items()}, {n: v[in_b] for n, v in b.items()}, both)
    return {name: np.concatenate([joined[name], a[name][rest_a], b[name][rest_b]]) for name in joined}


def _join_pairs(a: Rows, b: Rows, cell: np.ndarray) -> Rows:
    """Exact moments of both together; two without weight count alike."""
    w_a, w_b = a["weight"].astype(np.float64), b["weight"].astype(np.float64)
    total = w_a + w_b
    share = np.where(total > 0.0, w_b / np.where(total > 0.0, total, 1.0), 0.5)[:, None]
    m_a, m_b = a["mean"] / MEAN_STEPS, b["mean"] / MEAN_STEPS
    d = m_b - m_a
    cross = (d[:, :, None] * d[:, None, :])[:, *np.triu_indices(3)]
    covariance = (1.0 - share) * a["covariance"] + share * b["covariance"]
    covariance = covariance + share * (1.0 - share) * cross * COVARIANCE_STEPS
    labels, votes = _top_two(a, b)
    codes = {"code": _chosen_codes(a, b)} if "code" in a else {}
    return codes | {
        "gaussian_cell": cell.astype(np.int32),
        "mean": np.rint(((1.0 - share) * m_a + share * m_b) * MEAN_STEPS).astype(np.uint16),
        "covariance": np.clip(np.rint(covariance), -32767, 32767).astype(np.int16),
        "weight": np.minimum(total, MAX_WEIGHT).astype(np.float16),
        "color": _mixed_color(a["color"], b["color"], share[:, 0]),
        "labels": labels,
        "label_weights": votes,
        "first_seen_tick": np.minimum(a["first_seen_tick"], b["first_seen_tick"]),
        "last_seen_tick": np.maximum(a["last_seen_tick"], b["last_seen_tick"]),
    }


def _chosen_codes(a: Rows, b: Rows) -> np.ndarray:
    """The code of the Gaussian that has one; of two the heavier's, and of equally heavy ones the larger as a number."""
    has_a, has_b = a["code"][:, 0] > 0, b["code"][:, 0] > 0
    differs = a["code"] != b["code"]
    at = differs.argmax(axis=1)[:, None]
    is_larger = (np.take_along_axis(a["code"], at, 1) > np.take_along_axis(b["code"], at, 1))[:, 0]
    w_a, w_b = a["weight"].astype(np.float64), b["weight"].astype(np.float64)
    is_a = np.where(has_a & has_b, np.where(w_a == w_b, is_larger, w_a > w_b), has_a)
    return np.asarray(np.where(is_a[:, None], a["code"], b["code"]))


def _mixed_color(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    mixed = np.full(len(a), 3 << 30, dtype=np.int64)
    for shift in (20, 10, 0):
        channel_a, channel_b = a.astype(np.int64) >> shift & 1023, b.astype(np.int64) >> shift & 1023
        mixed |= np.rint((1.0 - share) * channel_a + share * channel_b).astype(np.int64) << shift
    return np.where(a == 0, b, np.where(b == 0, a, mixed)).astype(np.uint32)


def _top_two(a: Rows, b: Rows) -> tuple[np.ndarray, np.ndarray]:
    """The two labels with most votes of both together; of equal ones the smaller index."""
    names = np.concatenate([a["labels"], b["labels"]], axis=1).astype(np.int64)
    votes = np.concatenate([a["label_weights"], b["label_weights"]], axis=1).astype(np.int64)
    votes[names < 0] = 0
    same = (names[:, :, None] == names[:, None, :]) & (names >= 0)[:, :, None]
    pooled = (same * votes[:, None, :]).sum(axis=2)
    is_first = ~(same & np.tri(4, k=-1, dtype=bool)).any(axis=2) & (names >= 0)
    rank = np.where(is_first, pooled * 2**20 - names, -1)
    best = np.argsort(-rank, axis=1, kind="stable")[:, :2]
    chosen_rank = np.take_along_axis(rank, best, axis=1)
    chosen = np.where(chosen_rank >= 0, np.take_along_axis(names, best, axis=1), NO_LABEL)
    weight = np.where(chosen_rank >= 0, np.take_along_axis(pooled, best, axis=1), 0)
    scale = np.minimum(MAX_LABEL_WEIGHT / np.maximum(weight.max(axis=1, keepdims=True, initial=1), 1), 1.0)
    return chosen.astype(np.int16), np.ceil(weight * scale).astype(np.uint8)
