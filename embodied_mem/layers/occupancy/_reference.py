"""The map's update and reading in plain numpy and dictionaries, slow and obvious: what the kernels must agree with.

Without the kernels' quantisation: moments are float64, and evidence is kept in the same integer levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied_mem.geometry import back_project, invert, project, transform
from embodied_mem.layers.occupancy.config import NUM_LEVELS, OccupancyConfig
from embodied_mem.messages import Frame

Cell = tuple[int, int, int]
NEIGHBOUR_PX = 2
STEEPEST = 2.75
TILE_PX, MIN_TILE = 32, 8
CARVE_SIGMAS, EDGE_SIGMAS = 3.0, 1.4
MIN_EDGE_VARIANCE = 1e-5
CORNER = 0.48
SPLAT_CORE = 0.4


@dataclass
class ReferenceGaussian:
    """Moments in metres, world."""

    weight: float
    mean: np.ndarray
    covariance: np.ndarray


class ReferenceMap:
    """`levels` of every known cell and the Gaussians of those that have one."""

    def __init__(self, config: OccupancyConfig) -> None:
        self.config = config
        self.levels: dict[Cell, int] = {}
        self.gaussians: dict[Cell, ReferenceGaussian] = {}

    def update(self, frame: Frame) -> None:
        """Carve every cell around the view that was not hit, then merge the points of each cell that was."""
        points, weights, patches = self._points(frame)
        cells = np.floor(points / self.config.cell_m).astype(int)
        hit: dict[Cell, list[int]] = {}
        for i, (x, y, z) in enumerate(cells.tolist()):
            hit.setdefault((x, y, z), []).append(i)
        for cell in self._cells_around(frame):
            self._carve(frame, cell, is_hit=cell in hit)
        for cell, members in hit.items():
            self._merge(cell, moments(points[members], weights[members], patches[members]))

    def _points(self, frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The used pixels' points in world, their weights, and the covariances of the patches that they stand for."""
        stride, depth_m = self.config.stride_px, frame.depth_m
        v_px, u_px = (g.ravel() for g in np.mgrid[stride // 2 : depth_m.shape[0] : stride,
                                                  stride // 2 : depth_m.shape[1] : stride])  # fmt: skip
        is_used = np.array([self._is_used(frame, v, u) for v, u in zip(v_px, u_px, strict=True)], dtype=bool)
        v_px, u_px = v_px[is_used], u_px[is_used]
        z = depth_m[v_px, u_px]
        points = transform(frame.T_world_camera, back_project(frame.camera, z, u_px, v_px).astype(np.float64))
        sight = points - frame.T_world_camera[:3, 3]
        sight /= np.linalg.norm(sight, axis=1, keepdims=True)
        sides_m = np.minimum(stride * z.astype(np.float64) / frame.camera.fx, self.config.cell_m)
        spread = sides_m**2 / 12.0
        patches = spread[:, None, None] * (np.eye(3) - sight[:, :, None] * sight[:, None, :])
        sigma_m = self._sigma_m(z)
        if frame.depth_sigma_m is not None:
            sigma_m = np.maximum(
                frame.depth_sigma_m[v_px, u_px].astype(np.float64), self.config.depth_sigma_m
            )
        return points, (self.config.depth_sigma_m / sigma_m) ** 2, patches

    def _is_used(self, frame: Frame, v: int, u: int) -> bool:
        depth_m = frame.depth_m
        z = float(depth_m[v, u])
        max_ratio = max(self.config.max_edge_ratio, STEEPEST * NEIGHBOUR_PX / frame.camera.fx)
        if not self.config.min_depth_m <= z <= self.config.max_depth_m:
            return False
        if frame.depth_sigma_m is not None and float(frame.depth_sigma_m[v, u]) > self.config.cell_m:
            return False
        for dv, du in ((0, NEIGHBOUR_PX), (NEIGHBOUR_PX, 0)):
            steps = [_depth_step(depth_m, v + sign * dv, u + sign * du, z) for sign in (-1, 1)]
            if min(steps) > max_ratio * z:
                return False
        return True

    def _sigma_m(self, z: np.ndarray) -> np.ndarray:
        return self.config.depth_sigma_m + self.config.depth_sigma_per_m2 * z.astype(np.float64) ** 2

    def _cells_around(self, frame: Frame) -> list[Cell]:
        """Every cell of the box around the view pyramid."""
        camera, far_m = frame.camera, self.config.max_depth_m
        u_px = np.array([0.0, camera.width_px, 0.0, camera.width_px])
        v_px = np.array([0.0, 0.0, camera.height_px, camera.height_px])
        corners = back_project(camera, np.full(4, far_m, dtype=np.float32), u_px, v_px).astype(np.float64)
        corners = transform(frame.T_world_camera, np.vstack([np.zeros((1, 3)), corners]))
        low = np.floor(corners.min(axis=0) / self.config.cell_m).astype(int) - 2
        high = np.floor(corners.max(axis=0) / self.config.cell_m).astype(int) + 3
        axes = [range(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
        return [(x, y, z) for x in axes[0] for y in axes[1] for z in axes[2]]

    def _carve(self, frame: Frame, cell: Cell, *, is_hit: bool) -> None:
        gaussian = self.gaussians.get(cell)
        if gaussian is None:
            if not is_hit and self._free_cell_is_seen(frame, cell):
                self._lower(cell)
        elif not is_hit and self._is_missed(frame, gaussian.mean):
            gaussian.weight *= self.config.miss_weight_decay
            if self._lower(cell) <= self.config.level(self.config.remove_log_odds):
                del self.gaussians[cell]
        elif self._cut_open_edges(frame, gaussian):
            gaussian.weight *= self.config.edge_weight_decay

    def _lower(self, cell: Cell) -> int:
        level = self.levels.get(cell, self.config.level(0.0)) - self.config.miss_levels
        self.levels[cell] = max(level, 1)
        return self.levels[cell]

    def _free_cell_is_seen(self, frame: Frame, cell: Cell) -> bool:
        """At its centre; a cell of which nothing is known also at four of its corners, unless all of the tile of
        pixels around it lies before it."""
        side_m = self.config.cell_m
        center = (np.array(cell) + 0.5) * side_m
        if cell not in self.levels and not self._may_be_before_surface(frame, center):
            return False
        if self._is_seen_through(frame, center, side_m / 2):
            return True
        corners = np.array([[-1, -1, 1], [1, -1, -1], [-1, 1, -1], [1, 1, 1]]) * CORNER * side_m
        return cell not in self.levels and any(self._is_seen_through(frame, center + c, 0.0) for c in corners)

    def _may_be_before_surface(self, frame: Frame, place_world: np.ndarray) -> bool:
        p = transform(invert(frame.T_world_camera), place_world[None])
        if float(p[0, 2]) <= self.config.cell_m / 2:
            return False
        stride, offset = self.config.stride_px, self.config.stride_px // 2
        used_m = np.minimum(frame.depth_m[offset::stride, offset::stride], self.config.max_depth_m)
        last = np.array(used_m.shape[::-1]) - 1
        side = max(MIN_TILE, 1 << (TILE_PX // stride).bit_length() - 1)
        column, row = (
            np.clip((project(frame.camera, p)[0] - offset) / stride, 0, last) // side * side
        ).astype(int)
        furthest_m = float(used_m[row : row + side, column : column + side].max())
        return furthest_m > float(p[0, 2]) - self.config.cell_m / 2

    def _cut_open_edges(self, frame: Frame, gaussian: ReferenceGaussian) -> bool:
        """Cut the Gaussian on each side where its rim was seen through; whether there was one."""
        probed, is_open, cut = gaussian.mean.copy(), False, self.config.edge_cut
        for axis in range(3):
            variance = gaussian.covariance[axis, axis]
            if variance <= MIN_EDGE_VARIANCE * self.config.cell_m**2:
                continue
            rim = EDGE_SIGMAS * gaussian.covariance[axis] / np.sqrt(variance)
            open_signs = [s for s in (1, -1) if self._is_seen_through(frame, probed + s * rim, 0.0)]
            lost = cut * len(open_signs)
            gaussian.mean = gaussian.mean - sum(open_signs) * np.sqrt(3.0) / EDGE_SIGMAS * cut * rim
            gaussian.covariance = gaussian.covariance - (
                (1.0 - (1.0 - lost) ** 2) / EDGE_SIGMAS**2 * np.outer(rim, rim)
            )
            is_open = is_open or bool(open_signs)
        return is_open

    def _is_seen_through(self, frame: Frame, place_world: np.ndarray, radius_m: float) -> bool:
        p = transform(invert(frame.T_world_camera), place_world[None])
        z = float(p[0, 2])
        if z <= self.config.cell_m / 2:
            return False
        stride = self.config.stride_px
        used = (project(frame.camera, p)[0] - stride // 2) / stride
        slack = 0.5 + radius_m * np.array([frame.camera.fx, frame.camera.fx]) / (z * stride)
        rows, columns = (-(-(side - stride // 2) // stride) for side in frame.depth_m.shape)
        last = np.array([columns - 1, rows - 1])
        if (used < -slack).any() or (used > last + slack).any():
            return False
        column, row = np.clip(np.floor(used + 0.5).astype(int), 0, last) * stride + stride // 2
        margin_m = self._margin_m(frame, z)
        return z + margin_m < self._nearest_m(frame, int(row), int(column))

    def _is_missed(self, frame: Frame, mean_world: np.ndarray) -> bool:
        """Seen through, and clearly nearer than a surface drawn evenly between the used pixels around it."""
        if not self._is_seen_through(frame, mean_world, 0.0):
            return False
        p = transform(invert(frame.T_world_camera), mean_world[None])
        z, stride = float(p[0, 2]), self.config.stride_px
        rows, columns = (-(-(side - stride // 2) // stride) for side in frame.depth_m.shape)
        last = np.array([columns - 1, rows - 1])
        column, row = np.clip((project(frame.camera, p)[0] - stride // 2) / stride, 0, last)
        j, i = min(int(column), columns - 2), min(int(row), rows - 2)
        if i < 0 or j < 0:
            return True
        across, down = np.array([1 - column + j, column - j]), np.array([1 - row + i, row - i])
        pixels = [[self._nearest_m(frame, y * stride + stride // 2, x * stride + stride // 2)
                   for x in (j, j + 1)] for y in (i, i + 1)]  # fmt: skip
        depth_m = np.array(pixels)
        if (depth_m <= 0).any():
            return True
        margin_m = self._margin_m(frame, z)
        return bool((z + margin_m) * (down @ (1.0 / depth_m) @ across) < 1.0)

    def _margin_m(self, frame: Frame, z: float) -> float:
        """What a place must lie before the nearest depth; a frame's own uncertainty is taken off its depths."""
        sigma_m = 0.0 if frame.depth_sigma_m is not None else float(self._sigma_m(np.array(z)))
        return self.config.carve_margin_m + CARVE_SIGMAS * sigma_m

    def _nearest_m(self, frame: Frame, v: int, u: int) -> float:
        """The nearest depth measured around the pixel, at most the range; 0 where the pixel has none."""
        depth_m = frame.depth_m
        if depth_m[v, u] < self.config.min_depth_m:
            return 0.0
        window = self.config.carve_window_px
        around = [(v + i * window, u + j * window) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        inside = [depth_m[a, b] for a, b in around if 0 <= a < depth_m.shape[0] and 0 <= b < depth_m.shape[1]]
        nearest_m = min(
            [float(d) for d in inside if d >= self.config.min_depth_m] + [self.config.max_depth_m]
        )
        if frame.depth_sigma_m is None:
            return nearest_m
        return max(
            min(nearest_m, float(depth_m[v, u]) - CARVE_SIGMAS * float(frame.depth_sigma_m[v, u])), 0.0
        )

    def _merge(self, cell: Cell, seen: ReferenceGaussian) -> None:
        level = self.levels.get(cell, self.config.level(0.0))
        self.levels[cell] = min(level + self.config.hit_levels, NUM_LEVELS)
        old = self.gaussians.get(cell)
        self.gaussians[cell] = seen if old is None else joined(old, seen)


def moments(points: np.ndarray, weights: np.ndarray, patches: np.ndarray) -> ReferenceGaussian:
    """Weighted mean and covariance of patches: of their centres, and within each."""
    weights = weights.astype(np.float64)
    mean = np.average(points, axis=0, weights=weights)
    d = points - mean
    within = np.average(patches, axis=0, weights=weights)
    return ReferenceGaussian(
        float(weights.sum()), mean, (d * weights[:, None]).T @ d / weights.sum() + within
    )


def joined(a: ReferenceGaussian, b: ReferenceGaussian) -> ReferenceGaussian:
    """The moments of both sets of points together."""
    weight = a.weight + b.weight
    mean = (a.weight * a.mean + b.weight * b.mean) / weight
    spread_a, spread_b = np.outer(a.mean - mean, a.mean - mean), np.outer(b.mean - mean, b.mean - mean)
    covariance = (a.weight * (a.covariance + spread_a) + b.weight * (b.covariance + spread_b)) / weight
    return ReferenceGaussian(weight, mean, covariance)


def _depth_step(depth_m: np.ndarray, v: int, u: int, z: float) -> float:
    is_inside = 0 <= v < depth_m.shape[0] and 0 <= u < depth_m.shape[1]
    return abs(float(depth_m[v, u]) - z) if is_inside and depth_m[v, u] > 0 else 0.0


def brute_force_ray(
    occupied: dict[Cell, tuple[np.ndarray, np.ndarray]],
    known: set[Cell],
    config: OccupancyConfig,
    ray: tuple[np.ndarray, np.ndarray],
    max_range_m: float,
) -> float:
    """Distance along `ray` (origin, unit direction) to the first of the occupied Gaussians (mean, covariance as read)
    that it meets inside their cell and gates, or beside which it leaves what is known; infinity for none.
    """
    origin, direction = ray
    grazed_m, was_level = float(np.inf), False
    for cell in _cells_along(origin, direction, config.cell_m, max_range_m):
        if cell in occupied:
            mean, covariance = occupied[cell]
            span = _span_in_cell(np.array(cell) * config.cell_m, config.cell_m, origin, direction)
            if span is None:
                continue
            A = np.linalg.inv(covariance)
            t = float(direction @ A @ (mean - origin) / (direction @ A @ direction))
            is_level = span[0] <= t <= span[1]
            t = min(max(t, span[0]), span[1])
            if is_in_gates(mean - origin - t * direction, covariance, config):
                return t
            if np.isinf(grazed_m) or (is_level and not was_level):
                grazed_m, was_level = t, is_level
        elif cell in known:
            grazed_m, was_level = float(np.inf), False
        elif np.isfinite(grazed_m):
            break
    return grazed_m


def _cells_along(origin: np.ndarray, direction: np.ndarray, cell_m: float, max_range_m: float) -> list[Cell]:
    """The cells that the ray passes, in order, found by small steps: one that it only nicks may be left out."""
    t = np.arange(0.0, max_range_m, cell_m / 50)
    cells = np.floor((origin + t[:, None] * direction) / cell_m).astype(int)
    is_new = np.concatenate([[True], (np.diff(cells, axis=0) != 0).any(axis=1)])
    return [(x, y, z) for x, y, z in cells[is_new].tolist()]


def is_in_gates(d: np.ndarray, covariance: np.ndarray, config: OccupancyConfig) -> bool:
    """Whether `d` from the mean is within the box along the axes, and near enough across the surface."""
    values, vectors = np.linalg.eigh(covariance)
    across = float(vectors[:, 0] @ d) ** 2 / float(values[0])
    is_in_box = (d**2 <= config.gate_sigmas**2 * np.diag(covariance)).all()
    return bool(is_in_box and across <= config.thickness_sigmas**2)


def _span_in_cell(
    corner: np.ndarray, side_m: float, origin: np.ndarray, direction: np.ndarray
) -> tuple[float, float] | None:
    """Where the ray enters and leaves the cube, or None."""
    with np.errstate(divide="ignore"):
        a, b = (corner - origin) / direction, (corner + side_m - origin) / direction
    enter, leave = float(np.minimum(a, b).max()), float(np.maximum(a, b).min())
    return (max(enter, 0.0), leave) if leave > max(enter, 0.0) else None


@dataclass(frozen=True, kw_only=True)
class ReadGaussian:
    """A Gaussian as it is read: probability that it is occupied, and the shares of its labels."""

    mean: np.ndarray
    covariance: np.ndarray
    occupancy: float
    shares: dict[int, float]


def splat_voxel(
    gaussians: list[ReadGaussian],
    center: np.ndarray,
    voxel_m: float,
    cell_m: float,
    empty_score: float | None,
) -> tuple[float, int]:
    """(occupancy, label) of one voxel; the additive form with `empty_score`, the product form without.

    Only Gaussians whose cell overlaps the voxel grown by half a cell are asked, as in the kernel.
    """
    empty, total = 1.0, 0.0
    scores: dict[int, float] = {}
    reach_m = (voxel_m + cell_m) / 2
    low, high = np.floor((center - reach_m) / cell_m), np.floor((center + reach_m) / cell_m)
    for g in gaussians:
        cell = np.floor(g.mean / cell_m)
        if (cell < low).any() or (cell > high).any():
            continue
        d = g.mean - center
        d = d - np.clip(d, -SPLAT_CORE * voxel_m, SPLAT_CORE * voxel_m)
        e = g.occupancy * float(np.exp(-0.5 * d @ np.linalg.inv(g.covariance) @ d))
        empty *= 1.0 - min(e, 0.999)
        total += e
        density = (
            e if empty_score is not None else e / float(np.sqrt(np.linalg.det(g.covariance / cell_m**2)))
        )
        for label, share in g.shares.items():
            scores[label] = scores.get(label, 0.0) + density * share
    value = 1.0 - empty if empty_score is None else total / (total + empty_score)
    best = max(scores, key=lambda label: scores[label]) if scores and value > 0.5 else -1
    return value, best
