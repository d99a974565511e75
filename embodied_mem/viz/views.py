"""The map in 3D: its Gaussians drawn in their colours, as seen from a camera or from above the place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from embodied_mem.geometry import invert, look_at, project, transform
from embodied_mem.layers.occupancy import MapSnapshot
from embodied_mem.messages import PinholeCamera
from embodied_mem.viz.maps import HEADROOM_M, floor_height_m

SAMPLES = 64
"""Points drawn from each Gaussian: together they cover its disc at the distance of an overview."""

MAX_RADIUS_PX = 3

BACKGROUND = np.array([246, 247, 248], dtype=np.uint8)


def overview(
    snapshot: MapSnapshot,
    *,
    width_px: int = 1280,
    height_px: int = 800,
    heading_deg: float = 235.0,
    elevation_deg: float = 42.0,
) -> UInt8[np.ndarray, "h w 3"]:
    """The whole map from outside and above, without what hangs above head room."""
    occupied = snapshot.occupied()
    points = occupied.means_world
    if not len(points):
        return np.tile(BACKGROUND, (height_px, width_px, 1))
    low, high = np.percentile(points, 1, axis=0), np.percentile(points, 99, axis=0)
    high[2] = min(high[2], floor_height_m(points) + HEADROOM_M)
    center = (low + high) / 2
    heading, elevation = np.radians(heading_deg), np.radians(elevation_deg)
    away = np.array(
        [np.cos(heading) * np.cos(elevation), np.sin(heading) * np.cos(elevation), np.sin(elevation)]
    )
    shown = points[points[:, 2] <= high[2]][:: max(1, len(points) // 5000)]
    distance_m = 0.3
    while (
        camera := _framed(shown, T := look_at(center + away * distance_m, center), width_px, height_px)
    ) is None:
        distance_m *= 1.05
    return draw_view(occupied, T, camera, max_height_m=float(high[2]))


def _framed(
    points_world: Float32[np.ndarray, "n 3"],
    T_world_camera: Float64[np.ndarray, "4 4"],
    width_px: int,
    height_px: int,
) -> PinholeCamera | None:
    """A camera at that pose with nearly all points in the middle 86 % of its image, or None if it is too near."""
    focal_px = 0.9 * width_px
    camera = PinholeCamera(fx=focal_px, fy=focal_px, cx=0.0, cy=0.0, width_px=width_px, height_px=height_px)
    pixels = project(camera, transform(invert(T_world_camera), points_world))
    if np.isnan(pixels).any():
        return None
    low, high = np.percentile(pixels, 0.1, axis=0), np.percentile(pixels, 99.9, axis=0)
    if ((high - low) > 0.86 * np.array([width_px, height_px])).any():
        return None
    shift = (np.array([width_px, height_px]) - low - high) / 2
    return replace(camera, cx=float(shift[0]), cy=float(shift[1]))


def draw_view(
    snapshot: MapSnapshot,
    T_world_camera: Float64[np.ndarray, "4 4"],
    camera: PinholeCamera,
    *,
    max_height_m: float = np.inf,
) -> UInt8[np.ndarray, "h w 3"]:
    """The snapshot's Gaussians as `camera` sees them; nearer ones hide what is behind, edges are darkened so that
    shapes stand out. What lies higher than `max_height_m` is left out.
    """
    kept = snapshot.means_world[:, 2] <= max_height_m
    points, colors = sample_points(
        snapshot.means_world[kept], snapshot.covariances_m2[kept], snapshot.color_rgb[kept]
    )
    in_camera = transform(invert(T_world_camera), points)
    is_ahead = in_camera[:, 2] > 0.05
    in_camera, colors = in_camera[is_ahead], colors[is_ahead]
    u = np.rint(in_camera[:, 0] / in_camera[:, 2] * camera.fx + camera.cx).astype(np.int64)
    v = np.rint(in_camera[:, 1] / in_camera[:, 2] * camera.fy + camera.cy).astype(np.int64)
    depth_m = np.full(camera.height_px * camera.width_px, np.inf, dtype=np.float32)
    image = np.tile(BACKGROUND, (camera.height_px * camera.width_px, 1))
    order = np.argsort(-in_camera[:, 2], kind="stable")  # far first: what is written last stays
    u, v, z, colors = u[order], v[order], in_camera[order, 2], colors[order]
    # Samples lie about an eighth of a cell apart; near ones cover more pixels. Rings are drawn from the outside in,
    # so that a sample's rim never hides the middle of another that is about as far.
    radius_px = np.clip(np.rint(0.15 * snapshot.cell_m * camera.fx / z), 1, MAX_RADIUS_PX)
    for reach in range(MAX_RADIUS_PX, -1, -1):
        large = radius_px >= reach
        for d_row, d_column in _ring(reach):
            _write(depth_m, image, camera, v[large] + d_row, u[large] + d_column, z[large], colors[large])
    shape = (camera.height_px, camera.width_px)
    return _shade(image.reshape(*shape, 3), depth_m.reshape(shape))


def _ring(reach: int) -> list[tuple[int, int]]:
    """The pixels that are `reach` pixels away, diagonals included."""
    steps = range(-reach, reach + 1)
    return [(row, column) for row in steps for column in steps if max(abs(row), abs(column)) == reach]


def _write(
    depth_m: np.ndarray, image: np.ndarray, camera: PinholeCamera,
    rows: np.ndarray, columns: np.ndarray, z: np.ndarray, colors: np.ndarray,
) -> None:  # fmt: skip
    is_inside = (rows >= 0) & (rows < camera.height_px) & (columns >= 0) & (columns < camera.width_px)
    cell = rows[is_inside] * camera.width_px + columns[is_inside]
    is_nearer = z[is_inside] < depth_m[cell] + 0.02
    cell = cell[is_nearer]
    depth_m[cell] = z[is_inside][is_nearer]
    image[cell] = colors[is_inside][is_nearer]


def sample_points(
    means: Float32[np.ndarray, "n 3"],
    covariances_m2: Float32[np.ndarray, "n 6"],
    color_rgb: UInt8[np.ndarray, "n 3"],
) -> tuple[Float32[np.ndarray, "m 3"], UInt8[np.ndarray, "m 3"]]:
    """`SAMPLES` points of every Gaussian, spread over 2.2 standard deviations (to a cell's corners), always the same ones."""
    xx, xy, xz, yy, yz, zz = covariances_m2.T.astype(np.float64)
    full = np.stack(
        [np.stack([xx, xy, xz], -1), np.stack([xy, yy, yz], -1), np.stack([xz, yz, zz], -1)], axis=1
    )
    values, axes = np.linalg.eigh(full)
    spread = (axes * np.sqrt(np.maximum(values, 0.0))[:, None, :]).astype(np.float32)
    unit = np.random.default_rng(0).normal(size=(SAMPLES, 3))
    unit *= (
        2.2
        * np.random.default_rng(1).random((SAMPLES, 1)) ** (1 / 3)
        / np.linalg.norm(unit, axis=1, keepdims=True)
    )
    points = means[:, None, :] + np.einsum("nij,sj->nsi", spread, unit.astype(np.float32))
    return points.reshape(-1, 3), np.repeat(color_rgb, SAMPLES, axis=0)


def _shade(
    image: UInt8[np.ndarray, "h w 3"], depth_m: Float32[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Darken pixels that lie behind a neighbour (eye-dome lighting, Boucheny 2009), in log depth."""
    log_depth = np.log2(np.where(np.isfinite(depth_m), depth_m, 1e3))
    padded = np.pad(log_depth, 2, mode="edge")
    height, width = depth_m.shape
    behind = np.zeros_like(log_depth)
    for d_row, d_column in ((0, 2), (2, 0), (4, 2), (2, 4)):
        behind += np.clip(log_depth - padded[d_row : d_row + height, d_column : d_column + width], 0.0, 0.2)
    light = np.where(np.isfinite(depth_m), np.exp(-6.0 * behind / 4), 1.0)[..., None]
    return np.asarray(np.clip(image * light, 0, 255), dtype=np.uint8)
