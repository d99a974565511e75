"""The map's arrays on their device: allocation within a byte budget, growth, compaction, eviction."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy import _reading, _structures
from embodied_mem.layers.occupancy._structures import BRICK_CELLS, DEAD, NUM_BRICKS, NUM_GAUSSIANS, NUM_LIVE
from embodied_mem.layers.occupancy._warp import wp

BRICK_FIELDS = {"brick_coord": wp.vec3i, "brick_seen_tick": wp.int32}
GAUSSIAN_FIELDS = {
    "gaussian_cell": wp.int32,
    "mean": _structures.vec3u16,
    "covariance": _structures.vec6i16,
    "weight": wp.float16,
    "color": wp.uint32,
    "labels": _structures.vec2i16,
    "label_weights": _structures.vec2u8,
    "first_seen_tick": wp.int32,
    "last_seen_tick": wp.int32,
}
CODE_FIELD = {"code": _structures.vec16u8}
"""The one field that only maps with codes have."""
CODE_BYTES = 16
ROW_FORMATS: dict[str, tuple[str, tuple[int, ...], str]] = {
    "brick_coord": ("int32", (3,), "brick"),
    "brick_seen_tick": ("int32", (), "brick"),
    "cells": ("uint8", (BRICK_CELLS,), "brick"),
    "gaussian_cell": ("int32", (), "gaussian"),
    "mean": ("uint16", (3,), "gaussian"),
    "covariance": ("int16", (6,), "gaussian"),
    "weight": ("float16", (), "gaussian"),
    "color": ("uint32", (), "gaussian"),
    "labels": ("int16", (2,), "gaussian"),
    "label_weights": ("uint8", (2,), "gaussian"),
    "first_seen_tick": ("int32", (), "gaussian"),
    "last_seen_tick": ("int32", (), "gaussian"),
}
"""dtype, shape of one row, and whose row it is."""
NUM_COUNTERS = 8
HASH_SLOTS_PER_BRICK = 2.0
HASH_SLOTS_PER_GAUSSIAN = 1.2
GROWTH = 1.06
"""Small, because spare room counts against the budget; a growth copies the map, about 0.1 ms per 1,000 Gaussians."""
FREE_SPACE_TICKS = 450
"""Half a minute in ticks of 67 ms."""
EVICT_TO = 0.9
"""An eviction goes down to this share of the budget, so that it is not due again at the next frame."""

Rows = dict[str, np.ndarray]
"""The used part of each array, by name."""


@dataclass(frozen=True)
class Capacity:
    """How many bricks and Gaussians the arrays have room for."""

    num_bricks: int
    num_gaussians: int
    code_bytes: int = 0

    @property
    def num_bytes(self) -> int:
        brick_slots, gaussian_slots = self.hash_slots
        bricks = self.num_bricks * (BRICK_CELLS + 12 + 4) + 4 * brick_slots
        return bricks + self.num_gaussians * (42 + self.code_bytes) + 4 * gaussian_slots + 4 * NUM_COUNTERS

    @property
    def hash_slots(self) -> tuple[int, int]:
        """Slots of the brick hash and of the Gaussian hash; one more than could be filled."""
        bricks, gaussians = (
            HASH_SLOTS_PER_BRICK * self.num_bricks,
            HASH_SLOTS_PER_GAUSSIAN * self.num_gaussians,
        )
        return int(bricks) + 1, int(gaussians) + 1

    def holds(self, other: Capacity) -> bool:
        return self.num_bricks >= other.num_bricks and self.num_gaussians >= other.num_gaussians

    def scaled(self, factor: float) -> Capacity:
        return Capacity(int(self.num_bricks * factor), int(self.num_gaussians * factor), self.code_bytes)


START = Capacity(num_bricks=64, num_gaussians=1024)


class MapStorage:
    """Owns the arrays. Numbers of bricks and Gaussians may change whenever `reserve` or `replace` is called."""

    def __init__(self, device: str, budget_bytes: int, brick_m: float, *, has_codes: bool = False) -> None:
        self._device = device
        self._budget_bytes = budget_bytes
        self._brick_m = brick_m
        self._code_bytes = CODE_BYTES if has_codes else 0
        self.gaussian_fields = GAUSSIAN_FIELDS | (CODE_FIELD if has_codes else {})
        self.kept_boxes: tuple[Box, ...] = ()
        self.num_evicted = 0
        self.clear()

    def clear(self) -> None:
        """An empty map."""
        self._allocate(dataclasses.replace(START, code_bytes=self._code_bytes))

    def _allocate(self, capacity: Capacity) -> None:
        self.capacity = capacity
        arrays = _structures.MapArrays()
        brick_slots, gaussian_slots = capacity.hash_slots
        arrays.brick_hash = wp.zeros(brick_slots, dtype=wp.int32, device=self._device)
        arrays.gaussian_hash = wp.zeros(gaussian_slots, dtype=wp.int32, device=self._device)
        arrays.cells = wp.zeros(capacity.num_bricks * BRICK_CELLS, dtype=wp.uint8, device=self._device)
        arrays.counters = wp.zeros(NUM_COUNTERS, dtype=wp.int32, device=self._device)
        for name, dtype in BRICK_FIELDS.items():
            setattr(arrays, name, wp.zeros(capacity.num_bricks, dtype=dtype, device=self._device))
        arrays.code = wp.zeros(0, dtype=_structures.vec16u8, device=self._device)
        for name, dtype in self.gaussian_fields.items():
            setattr(arrays, name, wp.zeros(capacity.num_gaussians, dtype=dtype, device=self._device))
        self.arrays = arrays

    def counters(self) -> np.ndarray:
        """The counters by the indices of `_structures` (a copy on a GPU, a view on the CPU)."""
        return np.asarray(self.arrays.counters.numpy())

    def start_counting(self) -> None:
        """Set to zero what a frame adds, merges, removes and drops; what there is stays counted."""
        counters = self.counters()
        counters[NUM_LIVE + 1 :] = 0
        if self._device != "cpu":  # there it was a copy
            self._fill("counters", wp.int32, counters)

    @property
    def num_bytes(self) -> int:
        """What the arrays take, their hashes and spare room included."""
        return self.capacity.num_bytes

    @property
    def num_live(self) -> int:
        return int(self.counters()[NUM_LIVE])

    def rows(self) -> Rows:
        """A copy of the bricks and live Gaussians, bricks in their present order."""
        counters = self.counters()
        num_bricks, num_gaussians = int(counters[NUM_BRICKS]), int(counters[NUM_GAUSSIANS])
        is_live = self.arrays.gaussian_cell.numpy()[:num_gaussians] != DEAD
        rows = {name: getattr(self.arrays, name).numpy()[:num_bricks].copy() for name in BRICK_FIELDS}
        rows["cells"] = self.arrays.cells.numpy()[: num_bricks * BRICK_CELLS].reshape(-1, BRICK_CELLS).copy()
        for name in self.gaussian_fields:
            rows[name] = getattr(self.arrays, name).numpy()[:num_gaussians][is_live]
        return rows

    def replace(self, rows: Rows, capacity: Capacity | None = None) -> None:
        """Hold exactly `rows` from now on, with room for `capacity` (by default just enough, at least the start)."""
        num_bricks, num_gaussians = len(rows["brick_coord"]), len(rows["gaussian_cell"])
        if capacity is None:
            capacity = Capacity(
                max(num_bricks, START.num_bricks), max(num_gaussians, START.num_gaussians), self._code_bytes
            )
        self._allocate(capacity)
        if num_bricks == 0:
            return
        coords = wp.array(rows["brick_coord"], dtype=wp.vec3i, device=self._device)
        order = wp.empty(num_bricks, dtype=wp.int32, device=self._device)
        wp.launch(_reading.rebuild_bricks, 1, inputs=[self.arrays, coords, order], device=self._device)
        self._fill("brick_seen_tick", wp.int32, rows["brick_seen_tick"])
        self._fill("cells", wp.uint8, rows["cells"].reshape(-1))
        if num_gaussians > 0:
            for name, dtype in self.gaussian_fields.items():
                self._fill(name, dtype, rows[name])
            wp.launch(_reading.rebuild_gaussians, num_gaussians, inputs=[self.arrays], device=self._device)
        counters = np.zeros(NUM_COUNTERS, dtype=np.int32)
        counters[[NUM_BRICKS, NUM_GAUSSIANS, NUM_LIVE]] = num_bricks, num_gaussians, num_gaussians
        self._fill("counters", wp.int32, counters)

    def _fill(self, name: str, dtype: object, values: np.ndarray) -> None:
        source = wp.array(np.ascontiguousarray(values), dtype=dtype, device=self._device)
        wp.copy(getattr(self.arrays, name), source, count=len(values))

    def replace_within_budget(self, rows: Rows) -> None:
        """Hold `rows`, less the least important bricks if they do not fit the budget; counts what it evicts afresh."""
        self.num_evicted = 0
        nothing = Capacity(0, 0, self._code_bytes)
        if _needed(rows, nothing).num_bytes > self._budget_bytes:
            rows, self.num_evicted = self._evict(rows, nothing, self._budget_bytes)
        self.replace(rows)

    def has_room(self, extra: Capacity) -> bool:
        """Whether that many more bricks and Gaussians can be put without `reserve`."""
        counters = self.counters()
        needed = Capacity(
            int(counters[NUM_BRICKS]) + extra.num_bricks, int(counters[NUM_GAUSSIANS]) + extra.num_gaussians
        )
        return self.capacity.holds(needed)

    def reserve(self, extra: Capacity) -> bool:
        """Make room for `extra` by compacting, growing or, at the budget, evicting; True when bricks were renumbered.

        When the budget cannot hold `extra` at all, as much room is made as half the budget gives.
        """
        extra = dataclasses.replace(extra, code_bytes=self._code_bytes)
        if extra.num_bytes > self._budget_bytes // 2:
            extra = extra.scaled(self._budget_bytes / 2 / extra.num_bytes)
        rows = self.rows()
        needed = _needed(rows, extra)
        is_evicting = needed.num_bytes > self._budget_bytes
        if is_evicting:
            rows, num_evicted = self._evict(rows, extra, int(self._budget_bytes * EVICT_TO))
            self.num_evicted += num_evicted
            needed = _needed(rows, extra)
        self.replace(rows, self._grown(needed))
        return is_evicting

    def _evict(self, rows: Rows, extra: Capacity, budget_bytes: int) -> tuple[Rows, int]:
        return _without_least(rows, _importance(rows, self.kept_boxes, self._brick_m), extra, budget_bytes)

    def _grown(self, needed: Capacity) -> Capacity:
        """The present capacity, or one that holds `needed` with some room to spare, within the budget."""
        # A compaction that frees little would be due again soon: grow when less than a tenth stays free.
        wanted = Capacity(
            max(self.capacity.num_bricks, int(needed.num_bricks * GROWTH)),
            max(self.capacity.num_gaussians, int(needed.num_gaussians * GROWTH)),
            needed.code_bytes,
        )
        if wanted.num_bytes <= self._budget_bytes:
            return wanted
        factor = self._budget_bytes / needed.num_bytes
        grown = needed.scaled(min(factor, GROWTH))
        return grown if grown.num_bytes <= self._budget_bytes and grown.holds(needed) else needed


def _needed(rows: Rows, extra: Capacity) -> Capacity:
    return Capacity(
        len(rows["brick_coord"]) + extra.num_bricks,
        len(rows["gaussian_cell"]) + extra.num_gaussians,
        CODE_BYTES if "code" in rows else 0,
    )


def gaussian_names(rows: Rows) -> tuple[str, ...]:
    """The fields of Gaussians that `rows` has."""
    return tuple(name for name in (*GAUSSIAN_FIELDS, *CODE_FIELD) if name in rows)


def _importance(rows: Rows, kept_boxes: tuple[Box, ...], brick_m: float) -> np.ndarray:
    """A rank for each brick: those that a task needs first, then by when they were last seen. Free space without
    surfaces counts as seen half a minute earlier: looking along it once brings it back.
    """
    corners = rows["brick_coord"].astype(np.float64) * brick_m
    is_kept = np.zeros(len(corners), dtype=bool)
    for box in kept_boxes:
        is_kept |= ((corners <= box.max_m) & (corners + brick_m >= box.min_m)).all(axis=1)
    has_surface = np.zeros(len(corners), dtype=bool)
    has_surface[rows["gaussian_cell"] // BRICK_CELLS] = True
    tick = rows["brick_seen_tick"].astype(np.int64)
    return np.asarray(tick - np.where(has_surface, 0, FREE_SPACE_TICKS) + np.where(is_kept, 2**40, 0))


def _without_least(
    rows: Rows, importance: np.ndarray, extra: Capacity, budget_bytes: int
) -> tuple[Rows, int]:
    """`rows` without the least important bricks, so that they and `extra` fit; and how many Gaussians went.

    An evicted brick's cells are unknown again, never free.
    """
    coords = rows["brick_coord"]
    best_first = np.lexsort((coords[:, 2], coords[:, 1], coords[:, 0], -importance))
    owner = rows["gaussian_cell"] // BRICK_CELLS
    per_brick = np.bincount(owner, minlength=len(coords))[best_first]
    num_bricks = np.arange(1, len(coords) + 1) + extra.num_bricks
    num_gaussians = np.cumsum(per_brick) + extra.num_gaussians
    code_bytes = CODE_BYTES if "code" in rows else 0
    sizes = [
        Capacity(int(b), int(g), code_bytes).num_bytes for b, g in zip(num_bricks, num_gaussians, strict=True)
    ]
    num_kept = int(np.searchsorted(sizes, budget_bytes, side="right"))
    kept = np.sort(best_first[:num_kept])
    return keep_bricks(rows, kept), int(len(owner) - per_brick[:num_kept].sum())


def keep_bricks(rows: Rows, kept: np.ndarray) -> Rows:
    """The bricks with indices `kept`, in that order, and their Gaussians, renumbered."""
    renumbered = np.full(len(rows["brick_coord"]), -1, dtype=np.int32)
    renumbered[kept] = np.arange(len(kept), dtype=np.int32)
    owner, local = np.divmod(rows["gaussian_cell"], BRICK_CELLS)
    is_kept = renumbered[owner] >= 0 if len(owner) else np.zeros(0, dtype=bool)
    chosen = {name: rows[name][kept] for name in (*BRICK_FIELDS, "cells")}
    chosen |= {name: rows[name][is_kept] for name in gaussian_names(rows)}
    chosen["gaussian_cell"] = (renumbered[owner[is_kept]] * BRICK_CELLS + local[is_kept]).astype(np.int32)
    return chosen


def canonical(rows: Rows) -> Rows:
    """The same map in the one order that does not depend on how it came about."""
    coords = rows["brick_coord"]
    sorted_rows = keep_bricks(rows, np.lexsort((coords[:, 2], coords[:, 1], coords[:, 0])))
    order = np.argsort(sorted_rows["gaussian_cell"], kind="stable")
    return sorted_rows | {name: sorted_rows[name][order] for name in gaussian_names(rows)}
