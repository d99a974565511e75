"""Small made-up views: boxes that float before a wall, in front of a camera that looks along world x."""

from __future__ import annotations

import numpy as np

from embodied_mem.geometry import look_at
from embodied_mem.messages import Detection, Frame, PinholeCamera


def camera(width_px: int = 64, height_px: int = 48) -> PinholeCamera:
    return PinholeCamera(
        fx=width_px * 0.9, fy=width_px * 0.9, cx=(width_px - 1) / 2, cy=(height_px - 1) / 2,
        width_px=width_px, height_px=height_px,
    )  # fmt: skip


POSE = look_at(np.array([1.0, 2.0, 1.5]), np.array([5.0, 2.0, 1.5]))


def view(
    *panels: tuple[str, int, tuple[int, int, int, int], float],
    wall_m: float = 4.0,
    seed: int = 0,
    size_px: tuple[int, int] = (64, 48),
    **changes: object,
) -> Frame:
    """A wall with flat panels (label, id, (row, column, height, width), depth) before it, later ones in front."""
    cam = camera(*size_px)
    depth = np.full((cam.height_px, cam.width_px), wall_m, dtype=np.float32)
    ids = np.full(depth.shape, 1000, dtype=np.int32)
    for _, instance, (row, column, height, width), depth_m in panels:
        depth[row : row + height, column : column + width] = depth_m
        ids[row : row + height, column : column + width] = instance
    rgb = np.random.default_rng(seed).integers(0, 256, (*depth.shape, 3), dtype=np.uint8)
    detections = tuple(
        Detection(label=label, instance=instance)
        for label, instance in {"wall": 1000, **_named(panels)}.items()
    )
    fields: dict[str, object] = {
        "stamp_ns": 1, "camera": cam, "T_world_camera": POSE, "depth_m": depth, "rgb": rgb,
        "segmentation": ids, "detections": detections,
    }  # fmt: skip
    return Frame(**{**fields, **changes})  # type: ignore[arg-type]


def _named(panels: tuple[tuple[str, int, tuple[int, int, int, int], float], ...]) -> dict[str, int]:
    return {label: instance for label, instance, _, _ in panels}
