"""Ways over the free floor: distances from one place to everywhere, and the shortest way to one of them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int32
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from embodied_mem.geometry import Box
from embodied_mem.messages import FLOOR_FREE, Area, FloorMap

ROBOT_RADIUS_M = 0.22
SNAP_M = 0.6
"""A start that is not on free floor is moved by at most this."""
REACH_M = 1.0
"""A thing is reached from a cell that is within this of its box."""
NEIGHBORS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass(frozen=True, kw_only=True)
class Ways:
    """Distances in metres over free floor from one start, infinite where nothing known to be free leads."""

    floor: FloorMap
    distance_m: Float64[np.ndarray, "nx ny"]
    before: Int32[np.ndarray, "nx ny"]
    is_free: Bool[np.ndarray, "nx ny"]

    def to_box(self, box: Box, area: Area | None = None) -> tuple[float, tuple[int, int]] | None:
        """Length to the nearest cell from which a thing can be reached, and that cell; None when there is none.

        `area` is the room that the thing is in: nothing is reached through a wall.
        """
        nx, ny = self.distance_m.shape
        x0, y0 = self.floor.origin_world_m
        x = x0 + np.arange(nx)[:, None] * self.floor.cell_m
        y = y0 + np.arange(ny)[None, :] * self.floor.cell_m
        gap_x = np.maximum(np.maximum(box.min_m[0] - x, x - box.max_m[0]), 0.0)
        gap_y = np.maximum(np.maximum(box.min_m[1] - y, y - box.max_m[1]), 0.0)
        gap_m = np.hypot(gap_x, gap_y)
        # Of cells equally far to drive the one nearest to the thing: a way that stops short is no way to it.
        cost = np.where(gap_m <= REACH_M, self.distance_m + 2.0 * gap_m, np.inf)
        if area is not None:
            near = np.argwhere(np.isfinite(cost))
            points = np.concatenate(
                [near * self.floor.cell_m + np.array([x0, y0]), np.zeros((len(near), 1))], axis=1
            )
            outside = near[~area.contains(points)]
            cost[outside[:, 0], outside[:, 1]] = np.inf
        best = np.unravel_index(int(cost.argmin()), cost.shape)
        if not np.isfinite(cost[best]):
            return None
        cell = (int(best[0]), int(best[1]))
        return float(self.distance_m[cell]), cell

    def trace(self, cell: tuple[int, int]) -> list[tuple[float, float]]:
        """Way-points from the start to a cell, straightened where the floor between is free."""
        ny = self.before.shape[1]
        cells = [cell]
        while (index := int(self.before[cells[-1]])) >= 0:
            cells.append((index // ny, index % ny))
        cells.reverse()
        kept = [cells[0]]
        anchor = 0
        for index in range(2, len(cells)):
            if not self._is_clear(cells[anchor], cells[index]):
                anchor = index - 1
                kept.append(cells[anchor])
        if len(cells) > 1:
            kept.append(cells[-1])
        return [self.floor.center_of(one) for one in kept]

    def _is_clear(self, a: tuple[int, int], b: tuple[int, int]) -> bool:
        steps = 2 * max(abs(a[0] - b[0]), abs(a[1] - b[1])) + 1
        line = np.linspace(a, b, steps).round().astype(int)
        return bool(self.is_free[line[:, 0], line[:, 1]].all())


def ways_from(floor: FloorMap, x_m: float, y_m: float) -> Ways | None:
    """Ways from a point; None when no free floor is within `SNAP_M` of it.

    Cells nearer to something than `ROBOT_RADIUS_M` are not entered, but where the robot stands may be such a cell.
    """
    is_floor = floor.drivable == FLOOR_FREE
    clearance_m = ndimage.distance_transform_edt(np.pad(is_floor, 1))[1:-1, 1:-1] * floor.cell_m
    is_free = np.asarray(clearance_m >= ROBOT_RADIUS_M)
    start = _nearest_free(floor, is_free, x_m, y_m)
    if start is None:
        return None
    nx, ny = is_free.shape
    graph = _graph(is_free, clearance_m, floor.cell_m)
    cost, before = dijkstra(graph, indices=start[0] * ny + start[1], return_predecessors=True)
    before = np.where(before < 0, -1, before).astype(np.int32)
    length_m = _lengths(cost, before, ny, floor.cell_m)
    return Ways(
        floor=floor, distance_m=length_m.reshape(nx, ny), before=before.reshape(nx, ny), is_free=is_free
    )


def route_length_m(waypoints: list[tuple[float, float]]) -> float:
    """The length of a polyline, metres."""
    return float(sum(math.dist(a, b) for a, b in itertools.pairwise(waypoints)))


def _nearest_free(
    floor: FloorMap, is_free: Bool[np.ndarray, "nx ny"], x_m: float, y_m: float
) -> tuple[int, int] | None:
    cells = np.argwhere(is_free)
    if not len(cells):
        return None
    center = np.array(floor.cell_of(x_m, y_m))
    squared = ((cells - center) ** 2).sum(axis=1)
    best = int(squared.argmin())
    if squared[best] * floor.cell_m**2 > SNAP_M**2:
        return None
    return int(cells[best, 0]), int(cells[best, 1])


def _graph(
    is_free: Bool[np.ndarray, "nx ny"], clearance_m: Float64[np.ndarray, "nx ny"], cell_m: float
) -> csr_array:
    """Free cells joined to their eight neighbours; cells near things cost more, so that ways keep to the middle."""
    nx, ny = is_free.shape
    index = np.arange(nx * ny).reshape(nx, ny)
    price = 1.0 + 1.5 * np.clip(1.0 - (clearance_m - ROBOT_RADIUS_M) / 0.25, 0.0, 1.0)
    rows, columns, weights = [], [], []
    for dx, dy in NEIGHBORS:
        here = (slice(0, nx - dx), slice(max(0, -dy), ny - max(0, dy)))
        there = (slice(dx, nx), slice(max(0, dy), ny - max(0, -dy)))
        joined = is_free[here] & is_free[there]
        rows.append(index[here][joined])
        columns.append(index[there][joined])
        weights.append(math.hypot(dx, dy) * cell_m * (price[here][joined] + price[there][joined]) / 2)
    row, column, weight = (np.concatenate(part) for part in (rows, columns, weights))
    size = (nx * ny, nx * ny)
    return csr_array((np.tile(weight, 2), (np.append(row, column), np.append(column, row))), shape=size)


def _lengths(cost: np.ndarray, before: np.ndarray, ny: int, cell_m: float) -> Float64[np.ndarray, "n"]:
    """True lengths along the cheapest ways: costs without the price of being near things."""
    length = np.full(len(cost), np.inf)
    order = np.argsort(cost)
    for cell in order[: int(np.isfinite(cost).sum())].tolist():
        previous = int(before[cell])
        if previous < 0:
            length[cell] = 0.0
            continue
        step = math.hypot(cell // ny - previous // ny, cell % ny - previous % ny) * cell_m
        length[cell] = length[previous] + step
    return length
