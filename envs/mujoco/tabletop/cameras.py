"""The table's cameras: colour, depth with its faults, and panoptic ids that mean nothing beyond their frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64, Int32

from ..config import REALISTIC_NOISE
from ..rendering import OffscreenView, camera_matrix
from ..sensing import add_noise, scaled
from ..task_options import seen_by_all
from .config import TabletopConfig
from .props import ID_DIVISOR
from .scene import FOVY_DEG
from .world import TableWorld

FLIP_YZ = np.diag([1.0, -1.0, -1.0])
GREY_LEVELS = 4.0


class TableCameras:
    """Takes pictures of one table. Make and use it in one thread; nothing is opened before the first picture."""

    def __init__(self, table: TableWorld, config: TabletopConfig) -> None:
        self._table, self._config = table, config
        self._view: OffscreenView | None = None
        self._base_id = np.array(table.instances, dtype=np.int32) * ID_DIVISOR
        height, width = config.image_size
        self.intrinsics: Float64[np.ndarray, "3 3"] = camera_matrix(height, width, FOVY_DEG)
        self._draw = np.random.default_rng(0)

    def reseed(self, seed: np.random.SeedSequence) -> None:
        """Draw ids and noise anew from here."""
        self._draw = np.random.default_rng(seed)

    def shoot(self) -> dict[str, Any]:
        """Images and geometry of every camera, by the observation's keys."""
        self._table.refresh()
        return seen_by_all(self._config, self._shoot_one)

    def picture(self, camera: str) -> np.ndarray:
        """One camera's colour image without faults, for people."""
        self._table.refresh()
        view = self._opened()
        view.look_through(self._table.camera_index(camera))
        return view.colour()

    def close(self) -> None:
        if self._view is not None:
            self._view.close()
            self._view = None

    def _opened(self) -> OffscreenView:
        if self._view is None:
            height, width = self._config.image_size
            self._view = OffscreenView(self._table.model, self._table.data, height_px=height, width_px=width)
        return self._view

    def _shoot_one(self, name: str) -> dict[str, Any]:
        camera = self._table.camera_index(name)
        view, modes, noise = self._opened(), self._config.obs_modes, self._config.noise
        view.look_through(camera)
        seen: dict[str, Any] = {}
        if "rgb" in modes:
            seen["rgb"] = self._noisy(view.colour()) if noise else view.colour()
        if "depth" in modes or "segmentation" in modes:
            depth, geoms = view.depth_and_geoms()
            if "depth" in modes:
                seen["depth"] = (
                    add_noise(depth, scaled(REALISTIC_NOISE, noise), self._draw) if noise else depth
                )
            if "segmentation" in modes:
                seen["segmentation"] = self._frame_ids()[
                    np.where(geoms >= 0, self._table.instance_of_geom[geoms], 0)
                ]
        T = np.eye(4)
        T[:3, :3] = self._table.data.cam_xmat[camera].reshape(3, 3) @ FLIP_YZ
        T[:3, 3] = self._table.data.cam_xpos[camera]
        return {**seen, "intrinsics": self.intrinsics.copy(), "T_world_camera": T}

    def _noisy(self, rgb: np.ndarray) -> np.ndarray:
        faults = self._draw.standard_normal(rgb.shape, dtype=np.float32) * (GREY_LEVELS * self._config.noise)
        return np.asarray(np.clip(np.rint(rgb + faults), 0, 255), dtype=np.uint8)

    def _frame_ids(self) -> Int32[np.ndarray, "n"]:
        n = len(self._base_id)
        numbers = np.arange(1, n + 1, dtype=np.int32)
        if self._config.instance_ids == "shuffled":
            numbers = (self._draw.permutation(ID_DIVISOR - 1)[:n] + 1).astype(np.int32)
        ids = self._base_id + numbers
        ids[0] = 0
        return ids
