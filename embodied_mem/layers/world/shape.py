"""An entity's surface as it has been seen so far: points thinned to cells, each with how often it was seen."""

from __future__ import annotations

import struct

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from embodied_mem.geometry import Box, bounds

HEADER = struct.Struct("<fi")
KEY_OFFSET = 1 << 20
MAX_POINTS = 320
"""More points of one view tell nothing new about a thing's shape."""


class Shape:
    """Cells of edge `cell_m` in world. Each keeps the mean and the extent of its points, in how many views it
    was seen (`hits`) and seen through (`misses`). When there are more than `max_cells`, the edge doubles.
    """

    def __init__(self, cell_m: float, max_cells: int) -> None:
        self.cell_m = cell_m
        self.max_cells = max_cells
        self._keys: Int64[np.ndarray, "n"] = np.zeros(0, dtype=np.int64)
        self.points_world: Float32[np.ndarray, "n 3"] = np.zeros((0, 3), dtype=np.float32)
        self._low: Float32[np.ndarray, "n 3"] = np.zeros((0, 3), dtype=np.float32)
        self._high: Float32[np.ndarray, "n 3"] = np.zeros((0, 3), dtype=np.float32)
        self._hits: Float32[np.ndarray, "n"] = np.zeros(0, dtype=np.float32)
        self._misses: Float32[np.ndarray, "n"] = np.zeros(0, dtype=np.float32)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, points_world: Float32[np.ndarray, "m 3"]) -> None:
        """Take in the points of one view; each cell counts once, however many points fall into it."""
        if not len(points_world):
            return
        points = points_world[:: -(-len(points_world) // MAX_POINTS)]
        ones = np.ones(len(points), dtype=np.float32)
        keys, mean, low, high, _, _ = _grouped(_keys(points, self.cell_m), points, points, points, ones, ones)
        ones = np.ones(len(keys), dtype=np.float32)
        self._put(keys, mean, low, high, ones, np.zeros_like(ones))
        while len(self) > self.max_cells:
            self.cell_m *= 2
            self._put_all(_keys(self.points_world, self.cell_m))

    def _put(
        self,
        keys: np.ndarray,
        mean: np.ndarray,
        low: np.ndarray,
        high: np.ndarray,
        hits: np.ndarray,
        misses: np.ndarray,
    ) -> None:
        self.points_world = np.concatenate([self.points_world, mean])
        self._low, self._high = np.concatenate([self._low, low]), np.concatenate([self._high, high])
        self._hits, self._misses = np.concatenate([self._hits, hits]), np.concatenate([self._misses, misses])
        self._put_all(np.concatenate([self._keys, keys]))

    def _put_all(self, keys: Int64[np.ndarray, "n"]) -> None:
        self._keys, self.points_world, self._low, self._high, self._hits, self._misses = _grouped(
            keys, self.points_world, self._low, self._high, self._hits, self._misses
        )

    def absorb(self, other: Shape) -> None:
        """Take in the cells of a piece of the same thing."""
        while self.cell_m < other.cell_m:
            self.cell_m *= 2
            self._put_all(_keys(self.points_world, self.cell_m))
        keys = _keys(other.points_world, self.cell_m)
        self._put(keys, other.points_world, other._low, other._high, other._hits, other._misses)

    def keep(self, is_kept: Bool[np.ndarray, "n"]) -> None:
        """Drop the other cells."""
        self._keys, self.points_world = self._keys[is_kept], self.points_world[is_kept]
        self._low, self._high = self._low[is_kept], self._high[is_kept]
        self._hits, self._misses = self._hits[is_kept], self._misses[is_kept]

    def carve(self, is_through: Bool[np.ndarray, "n"]) -> None:
        """Count a view in which some cells were seen through; drop those more often missed than seen."""
        if not is_through.any():
            return
        self._misses += is_through
        is_kept = (self._misses < 3) | (self._misses <= self._hits)
        if is_kept.any() and not is_kept.all():
            self.keep(is_kept)

    def shift(self, offset_m: Float[np.ndarray, "3"]) -> None:
        """Move every cell by `offset_m`."""
        offset = offset_m.astype(np.float32)
        self.points_world, self._low, self._high = (
            self.points_world + offset,
            self._low + offset,
            self._high + offset,
        )
        self._put_all(_keys(self.points_world, self.cell_m))

    def box(self) -> Box:
        """The box of the cells seen at least twice, when they are most of them; else of all (at least one)."""
        is_sure = self._hits >= 2
        if 2 * int(is_sure.sum()) < len(is_sure):
            is_sure = np.ones(len(is_sure), dtype=bool)
        low, high = bounds(self._low[is_sure])[0], bounds(self._high[is_sure])[1]
        return Box(min_m=tuple(low.tolist()), max_m=tuple(high.tolist()))

    def to_bytes(self) -> bytes:
        """Everything, exactly."""
        arrays = (self._keys, self.points_world, self._low, self._high, self._hits, self._misses)
        return HEADER.pack(self.cell_m, len(self)) + b"".join(array.tobytes() for array in arrays)

    @classmethod
    def from_bytes(cls, payload: bytes, max_cells: int) -> Shape:
        """What `to_bytes` gave."""
        cell_m, num = HEADER.unpack_from(payload)
        shape = cls(float(np.float32(cell_m)), max_cells)
        shape._keys = np.frombuffer(payload, dtype=np.int64, count=num, offset=HEADER.size).copy()
        floats = np.frombuffer(payload, dtype=np.float32, offset=HEADER.size + 8 * num).copy()
        shape.points_world, shape._low, shape._high = (
            floats[k * 3 * num : (k + 1) * 3 * num].reshape(num, 3) for k in range(3)
        )
        shape._hits, shape._misses = floats[9 * num : 10 * num], floats[10 * num :]
        return shape


def _keys(points: Float32[np.ndarray, "n 3"], cell_m: float) -> Int64[np.ndarray, "n"]:
    cells = np.floor(points / np.float32(cell_m)).astype(np.int64) + KEY_OFFSET
    return np.asarray((cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2])


def _grouped(
    keys: np.ndarray,
    mean: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    hits: np.ndarray,
    misses: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One row per key: means weighted by hits, extents joined, hits and misses summed. Keys come out sorted."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    weights = hits[order]
    total = np.add.reduceat(weights, starts)
    weighted = np.add.reduceat(mean[order] * weights[:, None], starts, axis=0) / total[:, None]
    return (
        ordered[starts],
        weighted.astype(np.float32),
        np.minimum.reduceat(low[order], starts, axis=0),
        np.maximum.reduceat(high[order], starts, axis=0),
        total,
        np.add.reduceat(misses[order], starts),
    )
