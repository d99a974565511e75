"""Habitat's axes and ours. Habitat: world y up, a camera looks along its -z with y up. Ours: world z up (REP-103),
camera axes of OpenCV (x right, y down, z forward). All in metres; quaternions are (x, y, z, w).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64

R_WORLD_HABITAT: Float64[np.ndarray, "3 3"] = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
R_HABITAT_OPENCV: Float64[np.ndarray, "3 3"] = np.diag([1.0, -1.0, -1.0])


def to_world(points_habitat: Float[np.ndarray, "*n 3"]) -> Float64[np.ndarray, "*n 3"]:
    """Points in Habitat's world axes, in ours."""
    return np.asarray(np.asarray(points_habitat, dtype=np.float64) @ R_WORLD_HABITAT.T)


def to_habitat(points_world: Float[np.ndarray, "*n 3"]) -> Float64[np.ndarray, "*n 3"]:
    """Points in our world axes, in Habitat's."""
    return np.asarray(np.asarray(points_world, dtype=np.float64) @ R_WORLD_HABITAT)


def rotation_matrix(quaternion: Sequence[float]) -> Float64[np.ndarray, "3 3"]:
    """The rotation that a quaternion (x, y, z, w) of any length above 0 stands for."""
    x, y, z, w = np.asarray(quaternion, dtype=np.float64) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def camera_pose(position: Sequence[float], quaternion: Sequence[float]) -> Float64[np.ndarray, "4 4"]:
    """T_world_camera of a sensor whose pose Habitat tells in its own axes."""
    pose = np.eye(4)
    pose[:3, :3] = R_WORLD_HABITAT @ rotation_matrix(quaternion) @ R_HABITAT_OPENCV
    pose[:3, 3] = to_world(np.asarray(position))
    return pose


def intrinsics(image_size: tuple[int, int], hfov_deg: float) -> Float64[np.ndarray, "3 3"]:
    """Camera matrix of an image (height, width): the focal length is the same for both axes, pixel centres whole."""
    height, width = image_size
    focal_px = width / 2 / math.tan(math.radians(hfov_deg) / 2)
    return np.array([[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1]])


def heading_rad(turn_rad: float) -> float:
    """Our yaw (from +x, counter-clockwise seen from above) of an agent turned by `turn_rad` about Habitat's y."""
    return math.remainder(turn_rad + math.pi / 2, 2 * math.pi)
