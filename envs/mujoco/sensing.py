"""The robot's head camera: colour, depth with its faults, and panoptic ids that mean nothing beyond their frame."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, UInt8

from .categories import CATEGORY_INDEX, ID_DIVISOR
from .config import DepthNoise, HouseholdConfig
from .rendering import OffscreenView, camera_matrix
from .world import HouseholdWorld

RIM_STEP = 0.05


class HeadCamera:
    """Takes pictures of one world. Make and use it in one thread."""

    def __init__(
        self,
        world: HouseholdWorld,
        config: HouseholdConfig,
        ids_rng: np.random.Generator,
        noise_rng: np.random.Generator,
    ) -> None:
        self._world, self._config = world, config
        self._ids_rng, self._noise_rng = ids_rng, noise_rng
        height, width = config.image_size
        self._view = OffscreenView(world.model, world.data, height_px=height, width_px=width)
        self._base_id = np.array(
            [CATEGORY_INDEX[i.category] * ID_DIVISOR for i in world.instances], dtype=np.int32
        )
        self.intrinsics: Float64[np.ndarray, "3 3"] = camera_matrix(height, width, config.fovy_deg)

    def shoot(
        self,
    ) -> tuple[
        UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"], Int32[np.ndarray, "h w"], dict[str, int]
    ]:
        """Colour, depth in metres, segmentation ids, and the true number of pixels of every instance in view."""
        self._view.look_through(self._world.head_camera)
        rgb = self._view.colour()
        depth, instances = self._depth_and_instances()
        counts = np.bincount(instances.ravel(), minlength=len(self._world.instances))
        pixels = {self._world.instances[i].name: int(counts[i]) for i in np.flatnonzero(counts) if i > 0}
        return rgb, self._measured(depth), self._frame_ids()[instances], pixels

    def see(self, camera: str, modes: Collection[str]) -> dict[str, Any]:
        """The images asked for (rgb, depth, segmentation) and the geometry of one of the robot's cameras."""
        self._view.look_through(self._world.model.camera(camera).id)
        seen: dict[str, Any] = {}
        if "rgb" in modes:
            seen["rgb"] = self._view.colour()
        if "depth" in modes or "segmentation" in modes:
            depth, instances = self._depth_and_instances()
            if "depth" in modes:
                seen["depth"] = self._measured(depth)
            if "segmentation" in modes:
                seen["segmentation"] = self._frame_ids()[instances]
        return {
            **seen, "intrinsics": self.intrinsics.copy(), "T_world_camera": self._world.T_world_camera(camera)
        }  # fmt: skip

    def picture(self, camera: str) -> UInt8[np.ndarray, "h w 3"]:
        """What one of the robot's cameras sees, for people; draws no random numbers."""
        self._view.look_through(self._world.model.camera(camera).id)
        return self._view.colour()

    def reseed(self, ids_rng: np.random.Generator, noise_rng: np.random.Generator) -> None:
        """Draw ids and noise from other streams from here on."""
        self._ids_rng, self._noise_rng = ids_rng, noise_rng

    def close(self) -> None:
        self._view.close()

    def _depth_and_instances(self) -> tuple[Float32[np.ndarray, "h w"], Int32[np.ndarray, "h w"]]:
        """True depth, and the number of the instance that each pixel shows."""
        depth, geoms = self._view.depth_and_geoms()
        return depth, np.where(geoms >= 0, self._world.instance_of_geom[geoms], 0)

    def _frame_ids(self) -> Int32[np.ndarray, "n"]:
        """The id of every instance in this frame; void stays 0."""
        n = len(self._base_id)
        numbers = np.arange(1, n + 1, dtype=np.int32)
        if self._config.instance_ids == "shuffled":
            numbers = (self._ids_rng.permutation(ID_DIVISOR - 1)[:n] + 1).astype(np.int32)
        ids = self._base_id + numbers
        ids[0] = 0
        return ids

    def _measured(self, depth_m: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
        """What the sensor reports of true depth: noise on request, nothing outside its range."""
        noise = self._config.depth_noise
        measured = depth_m if noise.is_off else add_noise(depth_m, noise, self._noise_rng)
        near, far = self._config.depth_range_m
        in_range = (measured >= near) & (measured <= far)
        return np.where(in_range, measured, np.float32(0.0)).astype(np.float32)


def add_noise(
    depth_m: Float32[np.ndarray, "h w"], noise: DepthNoise, rng: np.random.Generator
) -> Float32[np.ndarray, "h w"]:
    """Depth with noise of sigma = floor + growth * depth^2 and with missing pixels (0)."""
    sigma = noise.floor_m + noise.growth * depth_m**2
    noisy = depth_m + rng.standard_normal(depth_m.shape, dtype=np.float32) * sigma
    lost = rng.random(depth_m.shape) < np.where(_is_rim(depth_m), noise.rim_dropout, noise.dropout)
    return np.where(lost | (depth_m == 0.0), np.float32(0.0), np.maximum(noisy, 0.0)).astype(np.float32)


def _is_rim(depth_m: Float32[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels beside a jump in depth of more than 5 %."""
    rim = np.zeros(depth_m.shape, dtype=bool)
    across = np.abs(np.diff(depth_m, axis=1)) > RIM_STEP * depth_m[:, 1:]
    down = np.abs(np.diff(depth_m, axis=0)) > RIM_STEP * depth_m[1:]
    rim[:, 1:] |= across
    rim[:, :-1] |= across
    rim[1:] |= down
    rim[:-1] |= down
    return rim


def scaled(noise: DepthNoise, by: float) -> DepthNoise:
    """A depth camera whose faults are `by` times as large."""
    return DepthNoise(
        floor_m=noise.floor_m * by, growth=noise.growth * by, rim_dropout=min(1.0, noise.rim_dropout * by),
        dropout=min(1.0, noise.dropout * by),
    )  # fmt: skip
