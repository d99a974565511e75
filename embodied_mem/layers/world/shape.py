"""An entity's surface as it has been seen so far: points thinned to cells, each with how often it was seen."""

from __future__ import annotations

import struct

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from embodied_mem.geometry import Box, highest, lowest

HEADER = struct.Struct("<fi")
KEY_STRIDES = np.array([1 << 42, 1 << 21, 1])
KEY_OF_ORIGIN = int(KEY_STRIDES.sum()) << 20
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
        """What `_put` does, for one view's cells with keys in order: most are known, and stay where they are."""
        if not len(self):
            self._keys, self._cells = keys, cells
            return
        slots = self._keys.searchsorted(keys)
        is_known = self._keys.take(slots, mode="clip") == keys
        known = is_known.nonzero()[0]
        if len(known):
            self._see_again(slots[known], cells[known])
        if len(known) < len(keys):
            new = (~is_known).nonzero()[0]
            all_keys = np.concatenate([self._keys, keys[new]])
            order = all_keys.argsort(kind="stable")
            self._keys, self._cells = all_keys[order], np.concatenate([self._cells, cells[new]])[order]

    def _see_again(self, slots: Int64[np.ndarray, "k"], seen: Float32[np.ndarray, "k 11"]) -> None:
        """Put cells of one view together with known ones; `points_world` that were handed out stay as they are."""
        is_all = len(slots) == len(self)
        known = self._cells if is_all else self._cells[slots]
        joined = known + seen
        joined[:, MEAN] = (known[:, MEAN] * known[:, HITS, None] + seen[:, MEAN]) / joined[:, HITS, None]
        np.minimum(known[:, LOW], seen[:, LOW], out=joined[:, LOW])
        np.maximum(known[:, HIGH], seen[:, HIGH], out=joined[:, HIGH])
        if is_all:
            self._cells = joined
        else:
            self._cells = self._cells.copy()
            self._cells[slots] = joined

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
        low, high = lowest(sure[:, LOW]), highest(sure[:, HIGH])
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
    cells = np.floor(points / np.float32(cell_m)).astype(np.int64)
    return np.asarray(cells @ KEY_STRIDES + KEY_OF_ORIGIN)


def _one_view(
    points: Float32[np.ndarray, "n 3"], cell_m: float
) -> tuple[Int64[np.ndarray, "k"], Float32[np.ndarray, "k 11"]]:
    """One view's points as cells, each seen once however many points fall into it. Keys come out sorted."""
    keys = _keys(points, cell_m)
    order = keys.argsort(kind="stable")
    ordered, rows = keys[order], points[order]
    starts = _starts(ordered)
    cells = np.empty((len(starts), 11), dtype=np.float32)
    cells[:, LOW] = np.minimum.reduceat(rows, starts, axis=0)
    cells[:, HIGH] = np.maximum.reduceat(rows, starts, axis=0)
    num_points = np.concatenate([starts[1:], [len(rows)]]) - starts
    np.divide(
        np.add.reduceat(rows, starts, axis=0), num_points.astype(np.float32)[:, None], out=cells[:, MEAN]
    )
    cells[:, HITS], cells[:, MISSES] = 1, 0
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
    order = keys.argsort(kind="stable")
    ordered, rows = keys[order], cells[order]
    starts = _starts(ordered)
    rows[:, MEAN] *= rows[:, HITS, None]
    joined = np.add.reduceat(rows, starts, axis=0)
    joined[:, MEAN] /= joined[:, HITS, None]
    joined[:, LOW] = np.minimum.reduceat(rows[:, LOW], starts, axis=0)
    joined[:, HIGH] = np.maximum.reduceat(rows[:, HIGH], starts, axis=0)
    return ordered[starts], joined
