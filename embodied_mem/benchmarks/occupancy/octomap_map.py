"""OctoMap: log-odds in an octree, every ray walked."""

from __future__ import annotations

from typing import Any

import numpy as np

from embodied_mem.benchmarks.occupancy.maps import pixel_rays
from embodied_mem.errors import MissingExtra
from embodied_mem.geometry import back_project, transform
from embodied_mem.messages import Frame


class OctoMapMap:
    """At OctoMap's own defaults: hit .7, miss .4, clamped to .12 and .97."""

    def __init__(self, resolution_m: float, *, stride_px: int = 1, max_depth_m: float = 4.0) -> None:
        self.name = f"octomap_{resolution_m * 100:g}cm" + ("" if stride_px == 1 else f"_stride{stride_px}")
        self._tree = _octomap().OcTree(resolution_m)
        self._stride_px, self._max_depth_m = stride_px, max_depth_m

    def integrate(self, frame: Frame) -> None:
        stride = self._stride_px
        v_px, u_px = (
            grid.ravel()
            for grid in np.mgrid[stride // 2 : frame.camera.height_px : stride,
                                 stride // 2 : frame.camera.width_px : stride]
        )  # fmt: skip
        depth_m = frame.depth_m[v_px, u_px]
        is_used = (depth_m > 0.15) & (depth_m <= self._max_depth_m)
        points_camera = back_project(
            frame.camera, depth_m[is_used], u_px[is_used].astype(float), v_px[is_used].astype(float)
        )
        points_world = transform(frame.T_world_camera, points_camera.astype(np.float64))
        self._tree.insertPointCloud(points_world, frame.T_world_camera[:3, 3].copy())

    def states(self, points_world: np.ndarray) -> np.ndarray:
        # OctoMap's own codes are ours: -1 unknown, 0 free, 1 occupied.
        return np.asarray(self._tree.getLabels(points_world.astype(np.float64)), dtype=np.int8)

    def voxel_states(self, centers_world: np.ndarray) -> np.ndarray:
        return self.states(centers_world)

    def depths_m(self, frame: Frame, u_px: np.ndarray, v_px: np.ndarray) -> np.ndarray:
        origin, directions = pixel_rays(frame, u_px, v_px)
        forward = frame.T_world_camera[:3, 2]
        depth_m = np.full(len(u_px), np.inf, dtype=np.float32)
        end = np.zeros(3)
        for i, direction in enumerate(directions):
            if self._tree.castRay(origin, direction, end, ignoreUnknownCells=True, maxRange=10.0):
                depth_m[i] = (end - origin) @ forward
        return depth_m

    @property
    def num_bytes(self) -> int:
        return int(self._tree.memoryUsage())


def _octomap() -> Any:
    try:
        import octomap
    except ImportError as error:
        raise MissingExtra(
            "the benchmark compares with octomap-python, which is not installed; run `pip install embodied_mem[baselines]`"
        ) from error
    return octomap
