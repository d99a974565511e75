"""What one depth image says about points in world: out of view, hidden, on a surface, or seen through."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int16

from embodied_mem.messages import Frame, Percept

KERNEL = np.ones((3, 3), dtype=np.uint8)
DEPTH_SLOPE = 0.01
"""Depth sensors err by about 1 % of the distance."""


@dataclass(frozen=True, kw_only=True)
class PointLooks:
    """For each of n points: `is_surface` something was measured where it is, `is_through` the camera saw farther,
    neither: hidden or out of view. `label_index` is the percept's label at its pixel (-1: none). `depth_m` is its
    own depth in the camera.
    """

    is_surface: Bool[np.ndarray, "n"]
    is_through: Bool[np.ndarray, "n"]
    label_index: Int16[np.ndarray, "n"]
    depth_m: Float32[np.ndarray, "n"]


class DepthView:
    """One frame's depth, to be asked about points."""

    def __init__(self, frame: Frame, label_index: Int16[np.ndarray, "h w"] | None, margin_m: float) -> None:
        self.frame = frame
        self._labels = label_index
        self._margin_m = margin_m
        T = frame.T_world_camera
        self._R = T[:3, :3].astype(np.float32)
        self.eye_world = T[:3, 3].astype(np.float32)
        # A point beside an edge may fall on the pixel next to it: it counts as seen through only when all 3x3
        # pixels are farther. 0 (no return) stays the minimum, so that it never counts as seen through.
        self._nearest_m = cv2.erode(np.ascontiguousarray(frame.depth_m), KERNEL)

    @classmethod
    def of(cls, percept: Percept, margin_m: float) -> DepthView:
        return cls(percept.frame, percept.label_index, margin_m)

    def is_in_view(
        self, centers_world: Float32[np.ndarray, "n 3"], radius_m: Float32[np.ndarray, "n"]
    ) -> Bool[np.ndarray, "n"]:
        """Which balls may show in the image; a few more than do."""
        camera = self.frame.camera
        x, y, z = ((centers_world - self.eye_world) @ self._R).T
        reach_x = radius_m * np.float32(1.5) + np.maximum(z, 0) * (
            max(camera.cx, camera.width_px - camera.cx) / camera.fx
        )
        reach_y = radius_m * np.float32(1.5) + np.maximum(z, 0) * (
            max(camera.cy, camera.height_px - camera.cy) / camera.fy
        )
        return np.asarray((z > -radius_m) & (np.abs(x) < reach_x) & (np.abs(y) < reach_y))

    def look(self, points_world: Float32[np.ndarray, "n 3"]) -> PointLooks:
        """What the image says about each point."""
        camera = self.frame.camera
        x, y, z = ((points_world - self.eye_world) @ self._R).T
        safe_z = np.where(z > 0.05, z, 1.0)
        u = np.rint(x / safe_z * camera.fx + camera.cx).astype(np.int32)
        v = np.rint(y / safe_z * camera.fy + camera.cy).astype(np.int32)
        is_inside = (z > 0.05) & (u >= 0) & (u < camera.width_px) & (v >= 0) & (v < camera.height_px)
        pixel = np.where(is_inside, v * camera.width_px + u, 0)
        measured_m, nearest_m = self.frame.depth_m.ravel()[pixel], self._nearest_m.ravel()[pixel]
        margin_m = self._margin_m + DEPTH_SLOPE * z
        is_through = is_inside & (nearest_m > z + margin_m)
        is_surface = is_inside & ~is_through & (measured_m >= z - margin_m)
        labels = np.full(len(z), -1, dtype=np.int16)
        if self._labels is not None:
            labels = np.where(is_inside, self._labels.ravel()[pixel], np.int16(-1))
        return PointLooks(is_surface=is_surface, is_through=is_through, label_index=labels, depth_m=z)
