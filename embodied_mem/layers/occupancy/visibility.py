"""How much of a place a camera would see from somewhere: what a robot asks before it goes to look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from embodied_mem.geometry import Box, invert, project, transform
from embodied_mem.messages import PinholeCamera

POINTS_PER_SIDE = 6


@dataclass(frozen=True, kw_only=True)
class Visibility:
    """Shares of a box's volume: in view with nothing known before it, hidden by something, or out of view. They add up
    to 1.
    """

    seen: float
    occluded: float
    out_of_view: float


def visibility_of(
    box: Box,
    camera: PinholeCamera,
    T_world_camera: Float64[np.ndarray, "4 4"],
    cast: Callable[[np.ndarray, np.ndarray, float], np.ndarray],
    *,
    max_range_m: float,
    margin_m: float,
) -> Visibility:
    """Ask along rays to a lattice of points in the box. What lies in the box itself, or within `margin_m` before it
    (its own surface, as the map has it), does not hide it.

    `cast(origins, directions, max_range_m)` gives the distance to the first surface along each ray.
    """
    points = _lattice(box)
    p_camera = transform(invert(T_world_camera), points)
    pixel = project(camera, p_camera)
    size = np.array([camera.width_px, camera.height_px])
    is_in_view = (np.nan_to_num(pixel, nan=-9.0) >= -0.5).all(axis=1)
    is_in_view &= (np.nan_to_num(pixel, nan=-9.0) <= size - 0.5).all(axis=1)
    eye = T_world_camera[:3, 3]
    distance_m = np.linalg.norm(points - eye, axis=1)
    is_in_view &= (p_camera[:, 2] > 0.0) & (distance_m <= max_range_m)
    is_hidden = np.zeros(len(points), dtype=bool)
    if is_in_view.any():
        rays = points[is_in_view] - eye
        met_m = cast(np.tile(eye, (len(rays), 1)), rays, max_range_m)
        is_hidden[is_in_view] = met_m < _entry_m(box, eye, rays) - margin_m
    return Visibility(
        seen=float((is_in_view & ~is_hidden).mean()),
        occluded=float(is_hidden.mean()),
        out_of_view=float((~is_in_view).mean()),
    )


def _lattice(box: Box) -> np.ndarray:
    share = (np.arange(POINTS_PER_SIDE) + 0.5) / POINTS_PER_SIDE
    grid = np.stack(np.meshgrid(share, share, share, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(np.array(box.min_m) + grid * box.size)


def _entry_m(box: Box, eye: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Distance along each ray to where it enters the box; 0 from inside."""
    lengths = np.linalg.norm(rays, axis=1, keepdims=True)
    directions = rays / lengths
    directions = np.where(np.abs(directions) < 1e-12, 1e-12, directions)
    a, b = (np.array(box.min_m) - eye) / directions, (np.array(box.max_m) - eye) / directions
    return np.asarray(np.maximum(np.minimum(a, b).max(axis=1), 0.0))
