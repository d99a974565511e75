"""The kernels agree with the plain reference on random scenes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_mem.geometry import look_at
from embodied_mem.layers.occupancy import OccupancyConfig, OccupancyLayer
from embodied_mem.layers.occupancy._reference import ReferenceMap, brute_force_ray, joined, moments
from embodied_mem.messages import Frame, Percept, PinholeCamera

CAMERA = PinholeCamera(fx=24.0, fy=25.0, cx=15.3, cy=11.6, width_px=32, height_px=24)
CONFIG = OccupancyConfig(cell_m=0.1, stride_px=2, max_depth_m=2.0, carve_window_px=2)


def random_frames(seed: int, count: int) -> list[Frame]:
    """Bumpy walls with holes, seen from places nearby, so that hits, misses and occlusions all occur."""
    rng = np.random.default_rng(seed)
    frames = []
    for i in range(count):
        coarse = rng.uniform(0.3, 2.4, size=(3, 4)).astype(np.float32)
        depth_m = np.kron(coarse, np.ones((8, 8), dtype=np.float32))
        depth_m += rng.normal(0.0, 0.01, size=depth_m.shape).astype(np.float32)
        depth_m[rng.random(depth_m.shape) < 0.05] = 0.0
        T = look_at(
            rng.uniform(-0.3, 0.3, size=3), np.array([1.0, 0.2, 0.1]) + rng.uniform(-0.2, 0.2, size=3)
        )
        frames.append(Frame(stamp_ns=i * 10**8, camera=CAMERA, T_world_camera=T, depth_m=np.abs(depth_m)))
    return frames


def cells_of_layer(layer: OccupancyLayer) -> dict[tuple[int, int, int], int]:
    state = layer.state()
    brick, local = np.nonzero(state["cells"])
    coordinates = state["brick_coord"][brick] * 8 + np.stack([local // 64, local // 8 % 8, local % 8], axis=1)
    levels = state["cells"][brick, local] & 127
    return {tuple(c): int(level) for c, level in zip(coordinates.tolist(), levels, strict=True)}


@pytest.mark.parametrize("seed", range(2))
def test_levels_and_moments_of_every_cell_agree(seed: int) -> None:
    layer, reference = OccupancyLayer(CONFIG), ReferenceMap(CONFIG)
    for frame in random_frames(seed, 5):
        layer.update(Percept(frame=frame, instances=()))
        reference.update(frame)
    levels = cells_of_layer(layer)
    everywhere = set(levels) | set(reference.levels)
    # float32 and float64 may fall on different sides of a pixel's or cell's border
    differing = [cell for cell in everywhere if levels.get(cell) != reference.levels.get(cell)]
    assert len(reference.gaussians) > 50
    assert len(differing) <= 0.004 * len(everywhere)

    snapshot = layer.snapshot()
    where = {
        tuple(c): i for i, c in enumerate(np.floor(snapshot.means_world / CONFIG.cell_m).astype(int).tolist())
    }
    compared = [cell for cell in reference.gaussians if cell in where and cell not in differing]
    means = np.array([reference.gaussians[cell].mean for cell in compared])
    rows = [where[cell] for cell in compared]
    error_m = np.abs(snapshot.means_world[rows] - means).max(axis=1)
    assert len(compared) > 0.95 * len(reference.gaussians)
    assert np.quantile(error_m, 0.98) < 1e-5
    own = np.array([reference.gaussians[cell].covariance[np.triu_indices(3)] for cell in compared])
    own[:, [0, 3, 5]] += CONFIG.min_sigma_m**2
    error_m2 = np.abs(snapshot.covariances_m2[rows] - own).max(axis=1)
    assert np.quantile(error_m2, 0.98) < 1e-6


def test_rays_agree_with_brute_force() -> None:
    layer = OccupancyLayer(CONFIG)
    for frame in random_frames(7, 4):
        layer.update(Percept(frame=frame, instances=()))
    occupied = layer.snapshot().occupied()
    gaussians = {}
    for mean, c in zip(
        occupied.means_world.astype(np.float64), occupied.covariances_m2.astype(np.float64), strict=True
    ):
        covariance = np.array([[c[0], c[1], c[2]], [c[1], c[3], c[4]], [c[2], c[4], c[5]]])
        x, y, z = np.floor(mean / CONFIG.cell_m).astype(int).tolist()
        gaussians[x, y, z] = (mean, covariance)
    rng = np.random.default_rng(0)
    origins = rng.uniform(-0.3, 0.3, size=(150, 3))
    directions = np.array([1.0, 0.2, 0.1]) + rng.normal(0.0, 0.4, size=(150, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    depth_m, _ = layer.cast_rays(origins, directions, 10.0)
    known = set(cells_of_layer(layer))
    expected_m = [
        brute_force_ray(gaussians, known, CONFIG, (o, d), 10.0)
        for o, d in zip(origins, directions, strict=True)
    ]
    agrees = np.isclose(depth_m, expected_m, atol=1e-3)
    assert np.isfinite(expected_m).sum() > 50
    assert (
        agrees.mean() >= 0.97
    )  # a mean near its cell's border, or a ray at the edge of a gate, may fall either way


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6))
def test_moments_of_a_cell_do_not_depend_on_how_its_points_were_cut_into_frames(
    seed: int, num_parts: int
) -> None:
    rng = np.random.default_rng(seed)
    points, weights = rng.uniform(0.0, 0.08, size=(60, 3)), rng.uniform(0.1, 2.0, size=60)
    patches = rng.uniform(0.0, 1e-4, size=(60, 1, 1)) * np.eye(3)
    parts = np.array_split(np.arange(60), num_parts)
    merged = moments(points[parts[0]], weights[parts[0]], patches[parts[0]])
    for part in parts[1:]:
        merged = joined(merged, moments(points[part], weights[part], patches[part]))
    whole = moments(points, weights, patches)
    assert np.allclose(merged.mean, whole.mean, atol=1e-12)
    assert np.allclose(merged.covariance, whole.covariance, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_incremental_moments_are_those_of_all_points_at_once(seed: int) -> None:
    """One fixed view of a wall inside one layer of cells, its noise drawn anew at each frame."""
    rng = np.random.default_rng(seed)
    config = OccupancyConfig(cell_m=0.1, stride_px=2, carve_margin_m=0.1)  # nothing is seen through
    layer, reference = OccupancyLayer(config), ReferenceMap(config)
    T = look_at(np.array([0.0, 0.013, 0.027]), np.array([1.0, 0.013, 0.027]))
    seen: dict[tuple[int, ...], list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
    for i in range(20):
        depth_m = (1.05 + rng.uniform(-0.02, 0.02, size=(24, 32))).astype(np.float32)
        frame = Frame(stamp_ns=i, camera=CAMERA, T_world_camera=T, depth_m=depth_m)
        layer.update(Percept(frame=frame, instances=()))
        patches = reference._points(frame)
        for cell, *patch in zip(np.floor(patches[0] / 0.1).astype(int).tolist(), *patches, strict=True):
            seen.setdefault(tuple(cell), []).append((patch[0], patch[1], patch[2]))
    snapshot = layer.snapshot()
    assert len(snapshot) == len(seen)
    for mean, covariance in zip(snapshot.means_world, snapshot.covariances_m2, strict=True):
        members = seen[tuple(np.floor(mean / 0.1).astype(int).tolist())]
        whole = moments(*(np.array(column) for column in zip(*members, strict=True)))
        assert np.abs(mean - whole.mean).max() < 1e-5
        own = whole.covariance[np.triu_indices(3)] + np.array([1, 0, 0, 1, 0, 1]) * config.min_sigma_m**2
        assert np.abs(covariance - own).max() < 1e-5
