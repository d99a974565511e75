"""Offscreen pictures of a model: colour, metric depth and which instance each pixel shows.

Two render passes make all three: depth is read together with the segmentation colours, so the two agree at
every edge. A view must be used in the thread that made it, and never across a fork (EGL hangs).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, UInt8

from .engine import mujoco
from .mjcf import CEILING_GROUP, FAR_M, NEAR_M

MAX_GEOMS = 3000
UNSEEN_GROUP = 5
GEOM_OBJECT = 5  # mjOBJ_GEOM


class OffscreenView:
    """Renders one compiled model at one size."""

    def __init__(self, model: Any, data: Any, *, height_px: int, width_px: int) -> None:
        self._model, self._data = model, data
        self._size = (height_px, width_px)
        self._groups = model.geom_group.copy()
        self._rect = mujoco.MjrRect(0, 0, width_px, height_px)
        self._scene = mujoco.MjvScene(model, MAX_GEOMS)
        self._gl = mujoco.GLContext(width_px, height_px)
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR

    def look_through(self, camera: int) -> None:
        """Updates the scene for a camera of the model at the data's present state.

        Geoms outside of the picture are put aside first: drawing time goes by their number (409 in a home of five
        rooms), hardly by pixels.
        """
        view = mujoco.MjvCamera()
        view.fixedcamid, view.type = camera, mujoco.mjtCamera.mjCAMERA_FIXED
        self._model.geom_group[:] = np.where(self._may_be_in_picture(camera), self._groups, UNSEEN_GROUP)
        self._update(view, with_ceiling=True)
        self._model.geom_group[:] = self._groups

    def look_from_above(self, view: Any) -> None:
        """Updates the scene for a free camera (MjvCamera), the ceiling left out."""
        self._update(view, with_ceiling=False)

    def _update(self, view: Any, *, with_ceiling: bool) -> None:
        option = mujoco.MjvOption()
        option.geomgroup[CEILING_GROUP] = with_ceiling
        option.geomgroup[UNSEEN_GROUP] = False
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(self._model, self._data, option, None, view, everything, self._scene)

    def _may_be_in_picture(self, camera: int) -> Bool[np.ndarray, "n"]:
        """Geoms whose bounding sphere reaches into the camera's frustum."""
        half_height = math.radians(float(self._model.cam_fovy[camera])) / 2.0
        half_width = math.atan(math.tan(half_height) * self._size[1] / self._size[0])
        R_world_camera = self._data.cam_xmat[camera].reshape(3, 3)
        x, y, back = ((self._data.geom_xpos - self._data.cam_xpos[camera]) @ R_world_camera).T
        reach = self._model.geom_rbound + 0.01
        in_width = np.abs(x) * math.cos(half_width) + back * math.sin(half_width) <= reach
        in_height = np.abs(y) * math.cos(half_height) + back * math.sin(half_height) <= reach
        return np.asarray(in_width & in_height & (back <= reach))

    def colour(self) -> UInt8[np.ndarray, "h w 3"]:
        picture = np.empty((*self._size, 3), dtype=np.uint8)
        self._draw(segmented=False)
        mujoco.mjr_readPixels(picture, None, self._rect, self._context)
        return np.ascontiguousarray(picture[::-1])

    def depth_and_geoms(self) -> tuple[Float32[np.ndarray, "h w"], Int32[np.ndarray, "h w"]]:
        """Planar depth in metres (0 where there is only sky) and geom ids (-1 where there is none)."""
        colours = np.empty((*self._size, 3), dtype=np.uint8)
        raw = np.empty(self._size, dtype=np.float32)
        self._draw(segmented=True)
        mujoco.mjr_readPixels(colours, raw, self._rect, self._context)
        codes = colours[::-1].astype(np.int32) @ np.array([1, 256, 65536], dtype=np.int32)
        geoms = self._geom_of_code()[codes]
        depth = np.where(geoms >= 0, _metres(raw[::-1]), np.float32(0.0))
        return depth.astype(np.float32), geoms

    def close(self) -> None:
        self._gl.make_current()
        self._context.free()
        self._gl.free()

    def _draw(self, *, segmented: bool) -> None:
        self._gl.make_current()
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = segmented
        self._scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = segmented
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        mujoco.mjr_render(self._rect, self._scene, self._context)

    def _geom_of_code(self) -> Int32[np.ndarray, "n"]:
        """Table from a pixel's id colour to the geom it shows."""
        table = np.full(self._scene.ngeom + 2, -1, dtype=np.int32)
        for drawn in self._scene.geoms[: self._scene.ngeom]:
            if drawn.segid != -1 and drawn.objtype == GEOM_OBJECT:
                table[drawn.segid + 1] = drawn.objid
        return table


def _metres(raw: Float32[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """Planar depth from the reversed-Z depth buffer (1 at the near plane, 0 at infinity)."""
    near, far = np.float32(NEAR_M), np.float32(FAR_M)
    c = np.float32(0.5) * (far + near) / (far - near) - np.float32(0.5)
    d = near * far / (far - near)
    return np.asarray(d / (raw.astype(np.float64) + c))


def camera_matrix(height_px: int, width_px: int, fovy_deg: float) -> Float64[np.ndarray, "3 3"]:
    """Pinhole matrix with integer pixel centres: MuJoCo's are at u + 0.5, ours at u."""
    focal = height_px / 2.0 / np.tan(np.radians(fovy_deg) / 2.0)
    return np.array(
        [[focal, 0.0, (width_px - 1) / 2.0], [0.0, focal, (height_px - 1) / 2.0], [0.0, 0.0, 1.0]],
        dtype=np.float64,
    )
