"""What a camera sees of axis-aligned boxes, exactly: rays, where they enter and leave a box, depth images."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float64

from embodied_mem.geometry import Box
from embodied_mem.messages import PinholeCamera


def pixel_rays(
    camera: PinholeCamera, T_world_camera: Float64[np.ndarray, "4 4"]
) -> Float64[np.ndarray, "h w 3"]:
    """World directions through the pixels' centres, scaled so that the ray parameter is planar depth; no component
    is zero."""
    v, u = np.mgrid[0 : camera.height_px, 0 : camera.width_px]
    rays_camera = np.stack(
        [(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], axis=-1
    )
    rays = rays_camera @ T_world_camera[:3, :3].T
    return np.where(np.abs(rays) < 1e-12, 1e-12, rays)


def slab(
    box: Box, eye: Float64[np.ndarray, "3"], rays: Float64[np.ndarray, "h w 3"], *, entering: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where rays enter and leave a box (slab method), and the axis of the entered (or left) face."""
    to_low, to_high = (np.array(box.min_m) - eye) / rays, (np.array(box.max_m) - eye) / rays
    near, far = np.minimum(to_low, to_high), np.maximum(to_low, to_high)
    axis = near.argmax(axis=-1) if entering else far.argmin(axis=-1)
    return near.max(axis=-1), far.min(axis=-1), axis


def depth_of_boxes(
    camera: PinholeCamera, T_world_camera: Float64[np.ndarray, "4 4"], boxes: Iterable[Box]
) -> Float64[np.ndarray, "h w"]:
    """Planar depth of the boxes' surfaces in metres, 0 where a ray meets none."""
    rays, eye = pixel_rays(camera, T_world_camera), T_world_camera[:3, 3]
    depth_m = np.full(rays.shape[:2], np.inf)
    for box in boxes:
        enter, leave, _ = slab(box, eye, rays)
        depth_m = np.where((enter < leave) & (enter > 0.0) & (enter < depth_m), enter, depth_m)
    return np.where(np.isfinite(depth_m), depth_m, 0.0)
