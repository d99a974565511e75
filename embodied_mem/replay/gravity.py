"""Which way is up in a recording whose world frame does not say: from how the camera was held and the surfaces seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from embodied_mem.geometry import back_project
from embodied_mem.messages import Frame

GRID_COLUMNS = 53
"""How many pixels across an image normals are taken from: 4 cm apart at 2 m for a Kinect, well above its noise."""


def upright_world(frames: Sequence[Frame]) -> Float64[np.ndarray, "4 4"]:
    """The rotation `T_upright_world` that makes z point up in the recording (at least one frame).

    A camera is held level on average, which gives up to some 20 degrees; then the surfaces decide: those that face
    up (floor, tables) must be level, those that face sideways (walls) upright. The heading is kept as far as it can be.
    """
    up = np.mean([-frame.T_world_camera[:3, 1] for frame in frames], axis=0)
    up /= np.linalg.norm(up)
    normals = np.concatenate([surface_normals(frame) for frame in frames])
    for tolerance_deg in (35.0, 20.0, 10.0, 6.0, 6.0):
        up = _refined(up, normals, np.radians(tolerance_deg))
    T = np.eye(4)
    T[:3, :3] = _shortest_rotation(up, np.array([0.0, 0.0, 1.0]))
    return T


def surface_normals(frame: Frame) -> Float64[np.ndarray, "n 3"]:
    """Unit normals (world, towards the camera) where four neighbouring measurements agree on a plane."""
    height, width = frame.depth_m.shape
    step = max(1, width // GRID_COLUMNS)
    rows, columns = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    depth = frame.depth_m[rows, columns]
    points = back_project(
        frame.camera, depth.ravel(), columns.ravel().astype(np.float64), rows.ravel().astype(np.float64)
    ).reshape(*depth.shape, 3)
    right, down = points[:-1, 1:] - points[:-1, :-1], points[1:, :-1] - points[:-1, :-1]
    corner = points[1:, 1:] - points[:-1, :-1]
    normals = np.cross(down, right).astype(np.float64)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    normals /= np.maximum(length, 1e-12)
    measured = (depth[:-1, :-1] > 0) & (depth[:-1, 1:] > 0) & (depth[1:, :-1] > 0) & (depth[1:, 1:] > 0)
    # The fourth corner lies in the plane of the other three, and none is beyond a jump of depth.
    off_plane_m = np.abs((normals * corner).sum(axis=-1))
    reach_m = np.linalg.norm(corner, axis=-1)
    is_flat = measured & (off_plane_m < 0.15 * reach_m) & (reach_m < 0.1 * depth[:-1, :-1] + 0.02)
    return np.asarray(normals[is_flat] @ frame.T_world_camera[:3, :3].T)


def _refined(
    up: Float64[np.ndarray, "3"], normals: Float64[np.ndarray, "n 3"], tolerance_rad: float
) -> Float64[np.ndarray, "3"]:
    """The direction that is most along level surfaces' normals and least along upright ones'."""
    along = normals @ up
    level = normals[along > np.cos(tolerance_rad)]
    upright = normals[np.abs(along) < np.sin(tolerance_rad)]
    if len(level) + len(upright) < 30:
        return up
    scatter = level.T @ level - upright.T @ upright
    best = np.linalg.eigh(scatter)[1][:, -1]
    return np.asarray(best if best @ up > 0 else -best)


def _shortest_rotation(
    a: Float64[np.ndarray, "3"], b: Float64[np.ndarray, "3"]
) -> Float64[np.ndarray, "3 3"]:
    """The rotation with the smallest angle that takes unit vector `a` to `b`."""
    cosine = float(a @ b)
    if cosine < -1 + 1e-9:
        return np.diag([1.0, -1.0, -1.0])
    v = np.cross(a, b)
    V = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.asarray(np.eye(3) + V + V @ V / (1.0 + cosine))
