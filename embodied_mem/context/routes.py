"""Ways over free floor and stairs: distances from one place to everywhere, and the shortest way to one of them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from embodied_mem.context.storeys import STEP_RISE_M, steps_that_meet
from embodied_mem.geometry import Box
from embodied_mem.messages import FLOOR_FREE, Area, FloorMap, FloorPlan

ROBOT_RADIUS_M = 0.22
SNAP_M = 0.6
"""A start that is not on free floor is moved by at most this."""
REACH_M = 1.0
"""A thing is reached from a cell that is within this of its box."""
FOOT_M = 0.45
"""Steps within this height of a floor keep nobody away from it."""
ABOVE_STAIRS_M = 2.0
"""A camera on stairs is at most so far above them, ..."""
BENEATH_CELLS = 1.5
"""... and at most so many cells beside the nearest point that is known of them."""
NEIGHBORS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass(frozen=True, kw_only=True)
class Ways:
    """Distances in metres over free floor and stairs from one start, infinite where nothing known to be free leads.

    A node is a cell of a floor (numbered floor by floor), or after those a point on stairs; `before` is the node from
    which one comes to each, -1 at the start and where no way leads.
    """

    plan: FloorPlan
    start_floor: int
    distance_m: Float64[np.ndarray, "floors nx ny"]
    before: Int32[np.ndarray, "nodes"]
    is_free: Bool[np.ndarray, "floors nx ny"]
    steps_world: Float32[np.ndarray, "steps 3"]

    def to_box(self, box: Box, area: Area | None = None) -> tuple[float, int] | None:
        """Length to the nearest cell from which a thing can be reached, and its node; None when there is none.

        `area` is the room that the thing is in: nothing is reached through a wall.
        """
        floor = self.plan.storey_at(float(box.center[2]))
        storey, distance_m = self.plan.storeys[floor], self.distance_m[floor]
        nx, ny = distance_m.shape
        x0, y0 = storey.origin_world_m
        x = x0 + np.arange(nx)[:, None] * storey.cell_m
        y = y0 + np.arange(ny)[None, :] * storey.cell_m
        gap_x = np.maximum(np.maximum(box.min_m[0] - x, x - box.max_m[0]), 0.0)
        gap_y = np.maximum(np.maximum(box.min_m[1] - y, y - box.max_m[1]), 0.0)
        gap_m = np.hypot(gap_x, gap_y)
        # Of cells equally far to drive the one nearest to the thing: a way that stops short is no way to it.
        cost = np.where(gap_m <= REACH_M, distance_m + 2.0 * gap_m, np.inf)
        if area is not None:
            near = np.argwhere(np.isfinite(cost))
            outside = near[~area.covers(near * storey.cell_m + np.array([x0, y0]))]
            cost[outside[:, 0], outside[:, 1]] = np.inf
        best = np.unravel_index(int(cost.argmin()), cost.shape)
        if not np.isfinite(cost[best]):
            return None
        return float(distance_m[best]), int(np.ravel_multi_index((floor, *best), self.distance_m.shape))

    def trace(self, node: int) -> list[tuple[float, float, float]]:
        """Way-points from the start to a node, straightened where the floor between is free."""
        nodes = [node]
        while (index := int(self.before[nodes[-1]])) >= 0:
            nodes.append(index)
        nodes.reverse()
        parts = itertools.groupby(nodes, key=self._floor_of)
        kept = [one for floor, part in parts for one in self._straightened(floor, list(part))]
        return [self._position(one) for one in kept]

    def _floor_of(self, node: int) -> int | None:
        """The floor of a node; None on stairs."""
        return node // self.distance_m[0].size if node < self.distance_m.size else None

    def _straightened(self, floor: int | None, nodes: list[int]) -> list[int]:
        if floor is None:
            return nodes
        cells = np.stack(np.unravel_index(nodes, self.distance_m.shape), axis=1)[:, 1:]
        kept, anchor = [nodes[0]], 0
        for index in range(2, len(nodes)):
            if not self._is_clear(floor, cells[anchor], cells[index]):
                anchor = index - 1
                kept.append(nodes[anchor])
        return [*kept, nodes[-1]] if len(nodes) > 1 else kept

    def _is_clear(self, floor: int, a: Int64[np.ndarray, "2"], b: Int64[np.ndarray, "2"]) -> bool:
        steps = 2 * int(np.abs(a - b).max()) + 1
        line = np.linspace(a, b, steps).round().astype(int)
        return bool(self.is_free[floor][line[:, 0], line[:, 1]].all())

    def _position(self, node: int) -> tuple[float, float, float]:
        floor = self._floor_of(node)
        if floor is None:
            x, y, z = self.steps_world[node - self.distance_m.size].tolist()
            return x, y, z
        storey = self.plan.storeys[floor]
        _, i, j = np.unravel_index(node, self.distance_m.shape)
        return *storey.center_of((int(i), int(j))), storey.floor_z_m


def ways_from(plan: FloorPlan, start_world_m: tuple[float, float, float]) -> Ways | None:
    """Ways from a point; None when neither free floor nor stairs are within `SNAP_M` of it.

    Cells nearer to something than `ROBOT_RADIUS_M` are not entered, but where the robot stands may be such a cell.
    """
    start_floor = plan.storey_at(start_world_m[2])
    steps = np.concatenate([np.zeros((0, 3), dtype=np.float32), *plan.flights_world])
    clear_m = np.stack([_clearance_m(storey, steps) for storey in plan.storeys])
    is_floor = np.stack([storey.drivable == FLOOR_FREE for storey in plan.storeys])
    is_free = np.asarray((clear_m >= ROBOT_RADIUS_M) & is_floor)
    start = _start(plan, start_floor, is_free[start_floor], steps, start_world_m)
    if start is None:
        return None
    graph = _graph(plan, is_free, clear_m, steps)
    cost, before = dijkstra(graph, indices=start, return_predecessors=True)
    before = np.where(before < 0, -1, before).astype(np.int32)
    length_m = _lengths(plan, steps, cost, before)
    return Ways(
        plan=plan, start_floor=start_floor, distance_m=length_m[: is_free.size].reshape(is_free.shape), before=before,
        is_free=is_free, steps_world=steps,
    )  # fmt: skip


def route_length_m(waypoints: list[tuple[float, float, float]]) -> float:
    """The length of a polyline, metres."""
    return float(sum(math.dist(a, b) for a, b in itertools.pairwise(waypoints)))


def _clearance_m(storey: FloorMap, steps: Float32[np.ndarray, "n 3"]) -> Float64[np.ndarray, "nx ny"]:
    """How far each cell is from what is no free floor; the foot and the head of stairs are as good as floor."""
    is_open = storey.drivable == FLOOR_FREE
    level = steps[np.abs(steps[:, 2] - storey.floor_z_m) <= FOOT_M]
    cells = np.round((level[:, :2] - np.array(storey.origin_world_m)) / storey.cell_m).astype(np.int64)
    is_open[cells[:, 0], cells[:, 1]] = True
    return np.asarray(ndimage.distance_transform_edt(np.pad(is_open, 1))[1:-1, 1:-1] * storey.cell_m)


def _start(
    plan: FloorPlan,
    floor: int,
    is_free: Bool[np.ndarray, "nx ny"],
    steps: Float32[np.ndarray, "n 3"],
    start_world_m: tuple[float, float, float],
) -> int | None:
    """The node nearest to a point: stairs right beneath it, else a free cell of its floor, else stairs near by."""
    storey, (x, y, z) = plan.storeys[floor], start_world_m
    beneath = np.flatnonzero((steps[:, 2] <= z) & (steps[:, 2] > z - ABOVE_STAIRS_M))
    away_m = np.linalg.norm(steps[beneath, :2] - np.array([x, y]), axis=1)
    on_stairs_m = float(away_m.min(initial=np.inf))
    cells = np.argwhere(is_free)
    if len(cells) and on_stairs_m > BENEATH_CELLS * storey.cell_m:
        squared = ((cells - np.array(storey.cell_of(x, y))) ** 2).sum(axis=1)
        best = int(squared.argmin())
        if squared[best] * storey.cell_m**2 <= SNAP_M**2:
            return int(floor * is_free.size + cells[best, 0] * is_free.shape[1] + cells[best, 1])
    if on_stairs_m > SNAP_M:
        return None
    return len(plan.storeys) * is_free.size + int(beneath[away_m.argmin()])


def _graph(
    plan: FloorPlan,
    is_free: Bool[np.ndarray, "floors nx ny"],
    clear_m: Float64[np.ndarray, "floors nx ny"],
    steps: Float32[np.ndarray, "n 3"],
) -> csr_array:
    """Free cells joined to their eight neighbours, stairs to their next steps and to the floors at both ends."""
    cell_m, size = plan.storeys[0].cell_m, is_free[0].size
    parts = []
    for floor, storey in enumerate(plan.storeys):
        row, column, weight = _floor_edges(is_free[floor], clear_m[floor], cell_m)
        parts.append((row + floor * size, column + floor * size, weight))
        if len(steps):
            row, column, weight = _edges_to_stairs(storey, is_free[floor], steps)
            parts.append((row + floor * size, column + is_free.size, weight))
    if len(steps):
        row, column = (steps_that_meet(steps, cell_m) + is_free.size).T
        weight = np.linalg.norm(steps[row - is_free.size] - steps[column - is_free.size], axis=1)
        parts.append((row, column, weight.astype(np.float64)))
    row, column, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
    num = is_free.size + len(steps)
    return csr_array((np.tile(weight, 2), (np.append(row, column), np.append(column, row))), shape=(num, num))


Edges = tuple[Int64[np.ndarray, "k"], Int64[np.ndarray, "k"], Float64[np.ndarray, "k"]]
"""Between which nodes, and at what price."""


def _floor_edges(
    is_free: Bool[np.ndarray, "nx ny"], clear_m: Float64[np.ndarray, "nx ny"], cell_m: float
) -> Edges:
    """Cells near things cost more, so that ways keep to the middle."""
    nx, ny = is_free.shape
    index = np.arange(nx * ny).reshape(nx, ny)
    price = 1.0 + 1.5 * np.clip(1.0 - (clear_m - ROBOT_RADIUS_M) / 0.25, 0.0, 1.0)
    rows, columns, weights = [], [], []
    for dx, dy in NEIGHBORS:
        here = (slice(0, nx - dx), slice(max(0, -dy), ny - max(0, dy)))
        there = (slice(dx, nx), slice(max(0, dy), ny - max(0, -dy)))
        joined = is_free[here] & is_free[there]
        rows.append(index[here][joined])
        columns.append(index[there][joined])
        weights.append(math.hypot(dx, dy) * cell_m * (price[here][joined] + price[there][joined]) / 2)
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(weights)


def _edges_to_stairs(
    storey: FloorMap, is_free: Bool[np.ndarray, "nx ny"], steps: Float32[np.ndarray, "n 3"]
) -> Edges:
    """From free cells of a floor to the points on stairs that are a step away."""
    cells = np.argwhere(is_free)
    level = np.flatnonzero(np.abs(steps[:, 2] - storey.floor_z_m) <= STEP_RISE_M)
    centers = cells * storey.cell_m + np.array(storey.origin_world_m)
    tree = cKDTree(steps[level, :2]) if len(level) and len(cells) else None
    near = [] if tree is None else tree.query_ball_point(centers, ROBOT_RADIUS_M + storey.cell_m)
    pairs = [(cell, level[step]) for cell, found in enumerate(near) for step in found]
    if not pairs:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    cell, step = np.array(pairs, dtype=np.int64).T
    rise_m = steps[step, 2] - storey.floor_z_m
    length_m = np.hypot(np.linalg.norm(centers[cell] - steps[step, :2], axis=1), rise_m)
    return cells[cell, 0] * is_free.shape[1] + cells[cell, 1], step, length_m.astype(np.float64)


def _lengths(
    plan: FloorPlan,
    steps: Float32[np.ndarray, "n 3"],
    cost: Float64[np.ndarray, "nodes"],
    before: Int32[np.ndarray, "nodes"],
) -> Float64[np.ndarray, "nodes"]:
    """True lengths along the cheapest ways: costs without the price of being near things."""
    places = np.concatenate([*(_centers(storey) for storey in plan.storeys), steps])
    step_m = np.linalg.norm(places - places[before], axis=1).tolist()
    length = np.full(len(cost), np.inf)
    order = np.argsort(cost)
    for node in order[: int(np.isfinite(cost).sum())].tolist():
        previous = int(before[node])
        length[node] = 0.0 if previous < 0 else length[previous] + step_m[node]
    return length


def _centers(storey: FloorMap) -> Float64[np.ndarray, "n 3"]:
    """The middles of all cells of a floor, row by row."""
    cells = np.argwhere(np.ones_like(storey.drivable))
    flat = cells * storey.cell_m + np.array(storey.origin_world_m)
    return np.column_stack([flat, np.full(len(flat), storey.floor_z_m)])
