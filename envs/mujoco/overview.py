"""A picture of the whole home from above, for people."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from .engine import mujoco
from .rendering import OffscreenView
from .world import HouseholdWorld

OVERVIEW_SIZE_PX = (480, 640)
MARGIN = 1.08
FREE_CAMERA_FOVY_DEG = 45.0


class Overview:
    """Looks down on a world, through the ceiling."""

    def __init__(self, world: HouseholdWorld) -> None:
        height, width = OVERVIEW_SIZE_PX
        self._view = OffscreenView(world.model, world.data, height_px=height, width_px=width)
        bounds = world.plan.bounds
        (x, y), (sx, sy) = bounds.centre, bounds.size_m
        half = max(sy, sx * height / width) / 2.0 * MARGIN
        self._camera = mujoco.MjvCamera()
        self._camera.lookat[:] = (x, y, 0.6)
        self._camera.distance = half / np.tan(np.radians(FREE_CAMERA_FOVY_DEG) / 2.0) + 0.6
        self._camera.azimuth, self._camera.elevation = 90.0, -78.0

    def picture(self) -> UInt8[np.ndarray, "h w 3"]:
        self._view.look_from_above(self._camera)
        return self._view.colour()

    def close(self) -> None:
        self._view.close()
