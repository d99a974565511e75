"""Small scenes with known geometry: what a camera sees of axis-aligned boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from embodied_mem.geometry import Box, look_at
from embodied_mem.messages import Frame, Percept, PinholeCamera
from embodied_mem.testing.box_views import depth_of_boxes

CAMERA = PinholeCamera(fx=60.0, fy=60.0, cx=39.5, cy=29.5, width_px=80, height_px=60)


def depth_of(T_world_camera: np.ndarray, boxes: Sequence[Box], camera: PinholeCamera = CAMERA) -> np.ndarray:
    """Planar depth of the boxes' surfaces, 0 where a ray meets none."""
    return depth_of_boxes(camera, T_world_camera, boxes).astype(np.float32)


@pytest.fixture
def camera() -> PinholeCamera:
    return CAMERA


@pytest.fixture
def see() -> Callable[..., Percept]:
    """`see(stamp_ns, eye, target, boxes, **percept fields)`: one view of the boxes."""

    def see_boxes(
        stamp_ns: int,
        eye: tuple[float, float, float],
        target: tuple[float, float, float],
        boxes: Sequence[Box],
        *,
        rgb: np.ndarray | None = None,
        labels: tuple[str, ...] = (),
        label_index: np.ndarray | None = None,
        shift_m: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> Percept:
        T = look_at(np.array(eye), np.array(target))
        depth_m = depth_of(T, boxes)
        T[:3, 3] += shift_m
        frame = Frame(stamp_ns=stamp_ns, camera=CAMERA, T_world_camera=T, depth_m=depth_m, rgb=rgb)
        return Percept(frame=frame, instances=(), labels=labels, label_index=label_index)

    return see_boxes
