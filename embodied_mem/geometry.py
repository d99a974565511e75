"""How things are placed: rigid transforms, pixels to points, axis-aligned boxes.

World is z-up (REP-103); cameras use OpenCV axes (x right, y down, z forward); a transform is named
`T_to_from` and read right to left: `p_world = T_world_camera @ p_camera`. Pixel (u, v) with integer
coordinates is the centre of that pixel (the OpenCV and ROS convention).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from embodied_mem.errors import InvalidMessage, InvalidPose

if TYPE_CHECKING:
    from embodied_mem.messages import PinholeCamera

RIGID_TOLERANCE = 1e-3
"""How far R @ R.T may be from the identity, and det R from 1, in a pose that we accept."""

FROM_FIRST = np.zeros(1, dtype=np.int64)
"""Where `reduceat` begins when all rows are reduced to one."""


def check_rigid(T: np.ndarray, name: str) -> Float64[np.ndarray, "4 4"]:
    """`T` as a read-only float64 copy, or an error that says what is wrong with it.

    Raises:
        InvalidPose: wrong shape, not finite, last row not (0, 0, 0, 1), or R not a rotation.
    """
    T = np.array(T, dtype=np.float64)
    if T.shape != (4, 4):
        raise InvalidPose(f"{name} has shape {T.shape}; it must be a 4x4 matrix. Pass [R t; 0 1].")
    if not np.isfinite(T).all():
        raise InvalidPose(f"{name} holds NaN or infinity:\n{T}\nDrop the frame or wait for a valid pose.")
    error = max(
        float(np.abs(T[:3, :3] @ T[:3, :3].T - np.eye(3)).max()), abs(float(np.linalg.det(T[:3, :3])) - 1.0)
    )
    if error > RIGID_TOLERANCE or not np.allclose(T[3], (0.0, 0.0, 0.0, 1.0)):
        raise InvalidPose(
            f"{name} is not a rigid motion (rotation off by {error:.3g}, last row {T[3].tolist()}; allowed "
            f"{RIGID_TOLERANCE:g} and [0, 0, 0, 1]). Normalise the quaternion, and check the row/column order."
        )
    T.flags.writeable = False
    return T


def invert(T: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "4 4"]:
    """The inverse of a rigid transform: `T_b_a` from `T_a_b`."""
    inverse = np.eye(4)
    inverse[:3, :3] = T[:3, :3].T
    inverse[:3, 3] = -T[:3, :3].T @ T[:3, 3]
    return inverse


def transform(T: Float64[np.ndarray, "4 4"], points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Points moved by `T`, in their own dtype."""
    return np.asarray(points @ T[:3, :3].T.astype(points.dtype) + T[:3, 3].astype(points.dtype))


def pose_from_quaternion(
    position: Float[np.ndarray, "3"], quaternion_xyzw: Float[np.ndarray, "4"]
) -> Float64[np.ndarray, "4 4"]:
    """A transform from position in metres and a unit quaternion in ROS order (x, y, z, w).

    Raises:
        InvalidPose: the quaternion's length is off 1 by more than 1e-3, or anything is not finite.
    """
    x, y, z, w = (float(c) for c in quaternion_xyzw)
    norm = float(np.sqrt(x * x + y * y + z * z + w * w))
    if not abs(norm - 1.0) <= 1e-3:
        raise InvalidPose(
            f"quaternion {[x, y, z, w]} has length {norm:.4g}; it must be 1. Normalise it (order x y z w)."
        )
    x, y, z, w = x / norm, y / norm, z / norm, w / norm
    T = np.eye(4)
    T[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    T[:3, 3] = position
    return check_rigid(T, "pose")


def quaternion_from_pose(T: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "4"]:
    """The unit quaternion (x, y, z, w) of a transform's rotation, w >= 0."""
    m = T[:3, :3]
    # Bar-Itzhack: the eigenvector of K's largest eigenvalue; sound for every rotation, no branches.
    K = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], 0, 0, 0],
            [m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], 0, 0],
            [m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1], 0],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
        ]
    )
    quaternion = np.linalg.eigh(K)[1][:, -1]
    return np.asarray(quaternion * (1.0 if quaternion[3] >= 0 else -1.0))


def look_at(
    eye_world: Float64[np.ndarray, "3"], target_world: Float64[np.ndarray, "3"]
) -> Float64[np.ndarray, "4 4"]:
    """`T_world_camera` of a camera at `eye_world` that looks at `target_world`, horizon level."""
    forward = np.asarray(target_world, dtype=np.float64) - eye_world
    forward /= np.linalg.norm(forward)
    up = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.999 else np.array([0.0, 1.0, 0.0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    T = np.eye(4)
    T[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    T[:3, 3] = eye_world
    return T


def back_project(
    camera: PinholeCamera,
    depth_m: Float32[np.ndarray, "n"],
    u_px: Float[np.ndarray, "n"],
    v_px: Float[np.ndarray, "n"],
) -> Float32[np.ndarray, "n 3"]:
    """Points in camera axes for pixels (u, v) with planar depth; no distortion (rectify first)."""
    points = np.empty((len(depth_m), 3), dtype=np.float32)
    points[:, 0] = (u_px - camera.cx) / camera.fx * depth_m
    points[:, 1] = (v_px - camera.cy) / camera.fy * depth_m
    points[:, 2] = depth_m
    return points


def project(camera: PinholeCamera, points_camera: Float[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 2"]:
    """Pixel coordinates (u, v) of points in camera axes; NaN for points at or behind the camera."""
    z = np.where(points_camera[:, 2] > 1e-6, points_camera[:, 2], np.nan).astype(np.float64)
    u = points_camera[:, 0] / z * camera.fx + camera.cx
    v = points_camera[:, 1] / z * camera.fy + camera.cy
    return np.stack([u, v], axis=1)


def bounds(points: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "d"], Float[np.ndarray, "d"]]:
    """Lowest and highest coordinates of at least one point."""
    return lowest(points), highest(points)


def lowest(points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "d"]:
    """Lowest coordinates of at least one point."""
    # reduceat runs along the rows; min(axis=0) of so narrow an array takes ten times as long.
    return np.asarray(np.minimum.reduceat(points, FROM_FIRST)[0])


def highest(points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "d"]:
    """Highest coordinates of at least one point."""
    return np.asarray(np.maximum.reduceat(points, FROM_FIRST)[0])


@dataclass(frozen=True, kw_only=True)
class Box:
    """An axis-aligned box in world, metres; `min_m[i] <= max_m[i]`."""

    min_m: tuple[float, float, float]
    max_m: tuple[float, float, float]

    def __post_init__(self) -> None:
        low, high = tuple(map(float, self.min_m)), tuple(map(float, self.max_m))
        # Plain floats: boxes are made by the thousand, and an array of three costs ten times as much.
        is_box = len(low) == len(high) == 3 and all(map(math.isfinite, low + high))
        if not is_box or any(a > b for a, b in zip(low, high, strict=True)):
            raise InvalidMessage(
                f"Box from {self.min_m} to {self.max_m}: both must be three finite numbers with min <= max on "
                f"each axis. Swap the corners or drop the box."
            )
        object.__setattr__(self, "min_m", low)
        object.__setattr__(self, "max_m", high)

    @classmethod
    def around(cls, points: Float[np.ndarray, "n 3"]) -> Box:
        """The smallest box that holds `points` (at least one)."""
        low, high = bounds(points)
        return cls(min_m=tuple(low.tolist()), max_m=tuple(high.tolist()))

    @property
    def center_m(self) -> tuple[float, float, float]:
        """The centre in plain floats, which cost a tenth of an array."""
        (ax, ay, az), (bx, by, bz) = self.min_m, self.max_m
        return (ax + bx) / 2, (ay + by) / 2, (az + bz) / 2

    @property
    def size_m(self) -> tuple[float, float, float]:
        """The size in plain floats."""
        (ax, ay, az), (bx, by, bz) = self.min_m, self.max_m
        return bx - ax, by - ay, bz - az

    @cached_property
    def center(self) -> Float64[np.ndarray, "3"]:
        """Read-only, like `size`: both are asked for again and again, and made once."""
        return _read_only(self.center_m)

    @cached_property
    def size(self) -> Float64[np.ndarray, "3"]:
        return _read_only(self.size_m)

    @property
    def footprint_m2(self) -> float:
        """The area that it covers seen from above."""
        return (self.max_m[0] - self.min_m[0]) * (self.max_m[1] - self.min_m[1])

    def contains(self, points: Float[np.ndarray, "n 3"], *, margin_m: float = 0.0) -> Bool[np.ndarray, "n"]:
        """Which points lie inside, or within `margin_m` of it."""
        inside = (points >= np.array(self.min_m) - margin_m) & (points <= np.array(self.max_m) + margin_m)
        return np.asarray(inside[:, 0] & inside[:, 1] & inside[:, 2])

    def grown(self, margin_m: float) -> Box:
        """The box with every face moved out by `margin_m` (>= 0)."""
        return Box(
            min_m=tuple((np.array(self.min_m) - margin_m).tolist()),
            max_m=tuple((np.array(self.max_m) + margin_m).tolist()),
        )

    def union(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return Box(
            min_m=tuple(np.minimum(self.min_m, other.min_m).tolist()),
            max_m=tuple(np.maximum(self.max_m, other.max_m).tolist()),
        )

    def corners(self) -> Float64[np.ndarray, "8 3"]:
        """The eight corners, x slowest."""
        low, high = np.array(self.min_m), np.array(self.max_m)
        grid = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(8, 3)
        return np.asarray(low + grid * (high - low))


def _read_only(values: Sequence[float]) -> Float64[np.ndarray, "3"]:
    array = np.array(values)
    array.flags.writeable = False
    return array
