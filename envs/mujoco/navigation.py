"""Where a round body can stand and drive: an occupancy grid of the floor plan and shortest routes in it."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float64
from scipy.ndimage import label

from .parts import Rectangle, distance_to_nearest, rectangle_array

CELL_M = 0.1
NEIGHBOURS = tuple(
    (dx, dy, math.hypot(dx, dy)) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if (dx, dy) != (0, 0)
)


class FreeSpace:
    """Floor cells of 10 cm whose centre keeps `clearance_m` from every obstacle."""

    def __init__(self, bounds: Rectangle, obstacles: Iterable[Rectangle], clearance_m: float) -> None:
        self._rectangles = rectangle_array(obstacles)
        self._origin = np.array([bounds.x0, bounds.y0])
        self._shape = tuple(math.ceil(s / CELL_M) + 1 for s in bounds.size_m)
        self.clearance_m = clearance_m
        centres = self.cell_centres().reshape(-1, 2)
        distance = distance_to_nearest(centres, self._rectangles)
        self.is_free: Bool[np.ndarray, "nx ny"] = (distance >= clearance_m).reshape(self._shape)
        # What costs: driving close to things, so that routes keep to the middle of the free floor.
        self._cost = 1.0 + 1.5 * np.clip(1.0 - (distance - clearance_m) / 0.25, 0.0, 1.0).reshape(self._shape)

    def cell_centres(self) -> Float64[np.ndarray, "nx ny 2"]:
        nx, ny = self._shape
        grid = np.stack(np.meshgrid(np.arange(nx), np.arange(ny), indexing="ij"), axis=-1)
        return np.asarray(self._origin + grid * CELL_M, dtype=np.float64)

    def cell_of(self, x: float, y: float) -> tuple[int, int]:
        i = round((x - self._origin[0]) / CELL_M)
        j = round((y - self._origin[1]) / CELL_M)
        return (min(max(i, 0), self._shape[0] - 1), min(max(j, 0), self._shape[1] - 1))

    def point_of(self, cell: tuple[int, int]) -> tuple[float, float]:
        return (float(self._origin[0] + cell[0] * CELL_M), float(self._origin[1] + cell[1] * CELL_M))

    def nearest_free(
        self, x: float, y: float, within: Bool[np.ndarray, "nx ny"] | None = None
    ) -> tuple[int, int]:
        """The free cell nearest to a point (in the mask `within` if given)."""
        allowed = self.is_free if within is None else self.is_free & within
        cells = np.argwhere(allowed)
        centre = np.array(self.cell_of(x, y))
        best = cells[np.argmin(((cells - centre) ** 2).sum(axis=1))]
        return (int(best[0]), int(best[1]))

    def reachable_from(self, x: float, y: float) -> Bool[np.ndarray, "nx ny"]:
        """All cells that connect with the free cell nearest to the point."""
        areas, _ = label(self.is_free)
        return np.asarray(areas == areas[self.nearest_free(x, y)])

    def is_clear_line(self, a: tuple[float, float], b: tuple[float, float]) -> bool:
        """Whether the straight line keeps the clearance all along."""
        length = math.dist(a, b)
        steps = np.linspace(0.0, 1.0, max(2, int(length / 0.05) + 1))[:, None]
        points = np.array(a) + steps * (np.array(b) - np.array(a))
        return bool(distance_to_nearest(points, self._rectangles).min() >= self.clearance_m - 0.02)

    def route(self, start: tuple[float, float], goal: tuple[float, float]) -> list[tuple[float, float]]:
        """Way-points from `start` to the free point nearest to `goal`, shortened to straight legs.

        Empty when the two are not connected.
        """
        cells = self._shortest(self.nearest_free(*start), self.nearest_free(*goal))
        return self._straightened(start, [self.point_of(cell) for cell in cells])

    def _shortest(self, start: tuple[int, int], goal: tuple[int, int]) -> list[tuple[int, int]]:
        queue: list[tuple[float, tuple[int, int]]] = [(0.0, start)]
        cost = {start: 0.0}
        came: dict[tuple[int, int], tuple[int, int]] = {}
        while queue:
            _, cell = heapq.heappop(queue)
            if cell == goal:
                return self._traced(came, cell)
            for dx, dy, length in NEIGHBOURS:
                near = (cell[0] + dx, cell[1] + dy)
                if (
                    not (0 <= near[0] < self._shape[0] and 0 <= near[1] < self._shape[1])
                    or not self.is_free[near]
                ):
                    continue
                spent = cost[cell] + length * float(self._cost[near])
                if spent < cost.get(near, math.inf):
                    cost[near] = spent
                    came[near] = cell
                    heapq.heappush(queue, (spent + math.dist(near, goal), near))
        return []

    @staticmethod
    def _traced(came: dict[tuple[int, int], tuple[int, int]], cell: tuple[int, int]) -> list[tuple[int, int]]:
        cells = [cell]
        while cells[-1] in came:
            cells.append(came[cells[-1]])
        return cells[::-1]

    def _straightened(
        self, start: tuple[float, float], points: list[tuple[float, float]]
    ) -> list[tuple[float, float]]:
        legs: list[tuple[float, float]] = []
        at = start
        index = 0
        while index < len(points):
            reach = index
            for ahead in range(len(points) - 1, index, -1):
                if self.is_clear_line(at, points[ahead]):
                    reach = ahead
                    break
            at = points[reach]
            legs.append(at)
            index = reach + 1
        return legs


def is_blocked(
    a: tuple[float, float], b: tuple[float, float], rectangles: Float64[np.ndarray, "n 4"]
) -> bool:
    """Whether the segment a-b passes through any of the rectangles."""
    return bool(are_blocked(np.array([a]), np.array([b]), rectangles)[0])


def are_blocked(
    starts: Float64[np.ndarray, "k 2"],
    ends: Float64[np.ndarray, "k 2"],
    rectangles: Float64[np.ndarray, "n 4"],
) -> Bool[np.ndarray, "k"]:
    """Which segments pass through any of the rectangles (slab test)."""
    start, step = starts[:, None], (ends - starts)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        t0 = (rectangles[:, :2] - start) / step
        t1 = (rectangles[:, 2:] - start) / step
    inside = (rectangles[:, :2] <= start) & (start <= rectangles[:, 2:])
    low = np.where(step == 0.0, np.where(inside, -np.inf, np.inf), np.minimum(t0, t1))
    high = np.where(step == 0.0, np.where(inside, np.inf, -np.inf), np.maximum(t0, t1))
    enter, leave = low.max(axis=2), high.min(axis=2)
    passes = (enter <= leave) & (leave >= 0.0) & (enter <= 1.0)
    return np.asarray(passes.any(axis=1))
