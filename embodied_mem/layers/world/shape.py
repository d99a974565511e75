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
MEAN, LOW, HIGH, HITS, MISSES = slice(0, 3), slice(3, 6), slice(6, 9), 9, 10
"""Columns of a cell."""


class Shape:
    """Cells of edge `cell_m` in world. Each keeps the mean and the extent of its points, in how many views it
    was seen (`hits`) and seen through (`misses`). When there are more than `max_cells`, the edge doubles.
    """

    def __init__(self, cell_m: float, max_cells: int) -> None:
        self.cell_m = cell_m
        self.max_cells = max_cells
        self._keys: Int64[np.ndarray, "n"] = np.zeros(0, dtype=np.int64)
        self._cells: Float32[np.ndarray, "n 11"] = np.zeros((0, 11), dtype=np.float32)
        """Mean, low and high corner, hits, misses: side by side, so that cells are sorted and joined in one go."""

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def points_world(self) -> Float32[np.ndarray, "n 3"]:
        """The mean point of each cell."""
        return self._cells[:, MEAN]

    def add(self, points_world: Float32[np.ndarray, "m 3"]) -> None:
        """Take in the points of one view; each cell counts once, however many points fall into it."""
        if not len(points_world):
            return
        points = points_world[:: -(-len(points_world) // MAX_POINTS)]
        self._join(*_one_view(points, self.cell_m))
        while len(self) > self.max_cells:
            self.cell_m *= 2
            self._put_all(_keys(self.points_world, self.cell_m), self._cells)

    def _join(self, keys: Int64[np.ndarray, "m"], cells: Float32[np.ndarray, "m 11"]) -> None:
        """What `_put` does, for keys in order of which none is there twice: most are known, and stay where they are."""
        slots = np.searchsorted(self._keys, keys)
        is_known = slots < len(self._keys)
        is_known[is_known] = self._keys[slots[is_known]] == keys[is_known]
        if is_known.any():
            at, seen = slots[is_known], cells[is_known]
            known = self._cells[at]
            joined = known + seen
            joined[:, MEAN] = known[:, MEAN] * known[:, HITS, None] + seen[:, MEAN] * seen[:, HITS, None]
            joined[:, MEAN] /= joined[:, HITS, None]
            joined[:, LOW] = np.minimum(known[:, LOW], seen[:, LOW])
            joined[:, HIGH] = np.maximum(known[:, HIGH], seen[:, HIGH])
            self._cells = self._cells.copy()
            self._cells[at] = joined
        if not is_known.all():
            is_new = ~is_known
            self._keys = np.insert(self._keys, slots[is_new], keys[is_new])
            self._cells = np.insert(self._cells, slots[is_new], cells[is_new], axis=0)

    def _put(self, keys: Int64[np.ndarray, "m"], cells: Float32[np.ndarray, "m 11"]) -> None:
        self._put_all(np.concatenate([self._keys, keys]), np.concatenate([self._cells, cells]))

    def _put_all(self, keys: Int64[np.ndarray, "n"], cells: Float32[np.ndarray, "n 11"]) -> None:
        self._keys, self._cells = _grouped(keys, cells)

    def absorb(self, other: Shape) -> None:
        """Take in the cells of a piece of the same thing."""
        while self.cell_m < other.cell_m:
            self.cell_m *= 2
            self._put_all(_keys(self.points_world, self.cell_m), self._cells)
        self._put(_keys(other.points_world, self.cell_m), other._cells)

    def keep(self, is_kept: Bool[np.ndarray, "n"]) -> None:
        """Drop the other cells."""
        self._keys, self._cells = self._keys[is_kept], self._cells[is_kept]

    def carve(self, is_through: Bool[np.ndarray, "n"]) -> None:
        """Count a view in which some cells were seen through; drop those more often missed than seen."""
        if not is_through.any():
            return
        misses = self._cells[:, MISSES]
        misses += is_through
        is_kept = (misses < 3) | (misses <= self._cells[:, HITS])
        if is_kept.any() and not is_kept.all():
            self.keep(is_kept)

    def shift(self, offset_m: Float[np.ndarray, "3"]) -> None:
        """Move every cell by `offset_m`."""
        cells = self._cells.copy()
        cells[:, :9] += np.tile(offset_m.astype(np.float32), 3)
        self._put_all(_keys(cells[:, MEAN], self.cell_m), cells)

    def box(self) -> Box:
        """The box of the cells seen at least twice, when they are most of them; else of all (at least one)."""
        is_sure = self._cells[:, HITS] >= 2
        num_sure = np.count_nonzero(is_sure)
        is_partly = len(is_sure) <= 2 * num_sure < 2 * len(is_sure)
        sure = self._cells[is_sure] if is_partly else self._cells
        low, high = bounds(sure[:, LOW])[0], bounds(sure[:, HIGH])[1]
        return Box(min_m=tuple(low.tolist()), max_m=tuple(high.tolist()))

    def to_bytes(self) -> bytes:
        """Everything, exactly: keys, then means, low corners, high corners, hits and misses, each of all cells."""
        columns = [self._cells[:, column].tobytes() for column in (MEAN, LOW, HIGH, HITS, MISSES)]
        return HEADER.pack(self.cell_m, len(self)) + self._keys.tobytes() + b"".join(columns)

    @classmethod
    def from_bytes(cls, payload: bytes, max_cells: int) -> Shape:
        """What `to_bytes` gave."""
        cell_m, num = HEADER.unpack_from(payload)
        shape = cls(float(np.float32(cell_m)), max_cells)
        shape._keys = np.frombuffer(payload, dtype=np.int64, count=num, offset=HEADER.size).copy()
        floats = np.frombuffer(payload, dtype=np.float32, offset=HEADER.size + 8 * num)
        vectors, counts = floats[: 9 * num].reshape(3, num, 3), floats[9 * num :].reshape(2, num)
        shape._cells = np.hstack([*vectors, counts.T])
        return shape


def _keys(points: Float32[np.ndarray, "n 3"], cell_m: float) -> Int64[np.ndarray, "n"]:
    cells = np.floor(points / np.float32(cell_m)).astype(np.int64) + KEY_OFFSET
    return np.asarray((cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2])


def _one_view(
    points: Float32[np.ndarray, "n 3"], cell_m: float
) -> tuple[Int64[np.ndarray, "k"], Float32[np.ndarray, "k 11"]]:
    """One view's points as cells, each seen once however many points fall into it. Keys come out sorted."""
    keys = _keys(points, cell_m)
    order = np.argsort(keys, kind="stable")
    ordered, rows = keys[order], points[order]
    starts = _starts(ordered)
    cells = np.zeros((len(starts), 11), dtype=np.float32)
    num_points = np.diff(starts, append=len(rows)).astype(np.float32)
    cells[:, MEAN] = np.add.reduceat(rows, starts, axis=0) / num_points[:, None]
    cells[:, LOW] = np.minimum.reduceat(rows, starts, axis=0)
    cells[:, HIGH] = np.maximum.reduceat(rows, starts, axis=0)
    cells[:, HITS] = 1
    return ordered[starts], cells


def _starts(ordered: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "k"]:
    """Where each run of equal keys begins."""
    is_start = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=is_start[1:])
    return is_start.nonzero()[0]


def _grouped(
    keys: Int64[np.ndarray, "n"], cells: Float32[np.ndarray, "n 11"]
) -> tuple[Int64[np.ndarray, "k"], Float32[np.ndarray, "k 11"]]:
    """One cell per key: means weighted by hits, extents joined, hits and misses summed. Keys come out sorted."""
    order = np.argsort(keys, kind="stable")
    ordered, rows = keys[order], cells[order]
    starts = _starts(ordered)
    rows[:, MEAN] *= rows[:, HITS, None]
    joined = np.add.reduceat(rows, starts, axis=0)
    joined[:, MEAN] /= joined[:, HITS, None]
    joined[:, LOW] = np.minimum.reduceat(rows[:, LOW], starts, axis=0)
    joined[:, HIGH] = np.maximum.reduceat(rows[:, HIGH], starts, axis=0)
    return ordered[starts], joined
