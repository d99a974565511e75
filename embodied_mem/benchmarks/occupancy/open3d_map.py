"""Open3D's VoxelBlockGrid: a truncated signed distance field in hashed blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from embodied_mem.benchmarks.occupancy.maps import pixel_rays
from embodied_mem.errors import MissingExtra
from embodied_mem.layers.occupancy import FREE, OCCUPIED, UNKNOWN
from embodied_mem.messages import Frame

BLOCK_VOXELS = 16
TRUNCATION_VOXELS = 8.0
"""Both are Open3D's defaults."""
MIN_WEIGHT = 1.0
"""Frames a voxel must be seen in. Open3D's default of 3 loses what few frames saw: fewer true rows on frames 0-249."""
SURFACE_VOXELS = 1.0
"""A point this near the zero level, in voxels, is on the surface: half a voxel would leave holes in it."""
NEAREST_RAY_M, FURTHEST_RAY_M = 0.2, 5.0


class VoxelBlockGridMap:
    """A point is occupied within a voxel of the zero level, free before it, and unknown behind it or unseen."""

    def __init__(
        self,
        voxel_m: float,
        *,
        stride_px: int = 1,
        truncation_voxels: float = TRUNCATION_VOXELS,
        max_depth_m: float = 4.0,
    ) -> None:
        o3d = _open3d()
        self.name = f"open3d_{voxel_m * 100:g}cm" + ("" if stride_px == 1 else f"_stride{stride_px}")
        if truncation_voxels != TRUNCATION_VOXELS:
            self.name += f"_truncation{truncation_voxels:g}"
        self._truncation_voxels = truncation_voxels
        self._o3d, self._device = o3d, o3d.core.Device("CPU:0")
        self._voxel_m, self._stride_px, self._max_depth_m = voxel_m, stride_px, max_depth_m
        self._grid = o3d.t.geometry.VoxelBlockGrid(
            attr_names=("tsdf", "weight"),
            attr_dtypes=(o3d.core.float32, o3d.core.float32),
            attr_channels=((1), (1)),
            voxel_size=voxel_m,
            block_resolution=BLOCK_VOXELS,
            block_count=20_000,
            device=self._device,
        )

    def integrate(self, frame: Frame) -> None:
        stride = self._stride_px
        offset = stride // 2
        depth_m = np.ascontiguousarray(frame.depth_m[offset::stride, offset::stride])
        image = self._o3d.t.geometry.Image(self._o3d.core.Tensor(depth_m))
        placed = self._placed(frame, stride, offset)
        scale = {"depth_scale": 1.0, "depth_max": self._max_depth_m}
        truncation = {"trunc_voxel_multiplier": float(self._truncation_voxels)}
        blocks = self._grid.compute_unique_block_coordinates(image, *placed, **scale, **truncation)
        self._grid.integrate(blocks, image, *placed, **scale, **truncation)

    def _placed(self, frame: Frame, stride_px: int, offset_px: int) -> tuple[Any, Any]:
        """Intrinsics of every `stride_px`-th pixel, and world to camera, as Open3D's tensors."""
        camera, tensor = frame.camera, self._o3d.core.Tensor
        K = np.array([
            [camera.fx / stride_px, 0, (camera.cx - offset_px) / stride_px],
            [0, camera.fy / stride_px, (camera.cy - offset_px) / stride_px],
            [0, 0, 1],
        ])  # fmt: skip
        return tensor(K), tensor(np.linalg.inv(frame.T_world_camera))

    def states(self, points_world: np.ndarray) -> np.ndarray:
        sdf_voxels, weight = self._nearest_voxels(points_world)
        state = np.full(len(points_world), UNKNOWN, dtype=np.int8)
        is_seen = weight >= MIN_WEIGHT
        state[is_seen & (sdf_voxels > SURFACE_VOXELS)] = FREE
        state[is_seen & (np.abs(sdf_voxels) <= SURFACE_VOXELS)] = OCCUPIED
        return state

    def voxel_states(self, centers_world: np.ndarray) -> np.ndarray:
        """The state of cubes with a lattice point at each corner: occupied where the distance changes sign among those
        that were seen, free where all of them were seen and lie before the surface."""
        base = np.rint(centers_world / self._voxel_m - 0.5).astype(np.int64)
        least, most = np.full(len(base), np.inf), np.full(len(base), -np.inf)
        is_seen = np.ones(len(base), dtype=bool)
        for corner in np.ndindex(2, 2, 2):
            sdf, weight = self._voxels_at(base + corner)
            known = weight >= MIN_WEIGHT
            least = np.where(known, np.minimum(least, sdf), least)
            most = np.where(known, np.maximum(most, sdf), most)
            is_seen &= known
        state = np.where(is_seen & (least > 0.0), FREE, UNKNOWN)
        return np.where((least <= 0.0) & (most > 0.0), OCCUPIED, state).astype(np.int8)

    def _nearest_voxels(self, points_world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Signed distance in voxels and weight of the voxel nearest to each point; weight 0 where there is none."""
        return self._voxels_at(np.rint(points_world / self._voxel_m).astype(np.int64))

    def _voxels_at(self, voxel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        block, local = voxel // BLOCK_VOXELS, voxel % BLOCK_VOXELS
        # One number for each block, since finding the different rows of an array is slow.
        packed, inverse = np.unique((block + 2**15) @ np.array([2**32, 2**16, 1]), return_inverse=True)
        unique = np.stack([packed >> 32, packed >> 16 & 0xFFFF, packed & 0xFFFF], axis=1) - 2**15
        found, is_found = self._grid.hashmap().find(self._o3d.core.Tensor(unique.astype(np.int32)))
        rows = np.where(is_found.numpy(), found.numpy(), 0)[inverse]
        index = (rows, local[:, 2], local[:, 1], local[:, 0], 0)
        weight = np.where(is_found.numpy()[inverse], self._grid.attribute("weight").numpy()[index], 0.0)
        return self._grid.attribute("tsdf").numpy()[index] * self._truncation_voxels, weight

    def depths_m(self, frame: Frame, u_px: np.ndarray, v_px: np.ndarray) -> np.ndarray:
        """Where the trilinear distance first changes sign.

        Open3D's own ray_cast has three times this error here, and on some views it never returns (0.20).
        """
        origin, directions = pixel_rays(frame, u_px, v_px)
        z = np.arange(NEAREST_RAY_M, FURTHEST_RAY_M, self._voxel_m / 2)
        points = origin + directions[:, None, :] * z[None, :, None]
        sdf, weight = (a.reshape(points.shape[:2]) for a in self._nearest_voxels(points.reshape(-1, 3)))
        is_near = (weight > 0.0) & (np.abs(sdf) < 3.0)
        sdf[is_near], weight[is_near] = self._trilinear(points[is_near])
        is_known = weight >= MIN_WEIGHT
        crosses = (sdf[:, :-1] > 0) & (sdf[:, 1:] <= 0) & is_known[:, :-1] & is_known[:, 1:]
        first, ray = crosses.argmax(axis=1), np.arange(len(u_px))
        before, after = sdf[ray, first], sdf[ray, first + 1]
        does_end = crosses.any(axis=1)
        share = before / np.where(does_end, before - after, 1.0)
        return np.where(does_end, z[first] + share * (z[1] - z[0]), np.inf).astype(np.float32)

    def _trilinear(self, points_world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Signed distance in voxels between eight voxels, and the least of their weights."""
        place = points_world / self._voxel_m
        base = np.floor(place).astype(np.int64)
        share = place - base
        sdf, weight = np.zeros(len(place)), np.full(len(place), np.inf)
        for corner in np.ndindex(2, 2, 2):
            corner_sdf, corner_weight = self._voxels_at(base + corner)
            sdf += np.prod(np.where(corner, share, 1.0 - share), axis=1) * corner_sdf
            weight = np.minimum(weight, corner_weight)
        return sdf, weight

    @property
    def num_bytes(self) -> int:
        """Of the blocks in use: tsdf and weight, keys and the hash's indices."""
        return int(self._grid.hashmap().size()) * (BLOCK_VOXELS**3 * 8 + 12 + 8)


def _open3d() -> Any:
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise MissingExtra(
            "the benchmark compares with open3d, which cannot be imported; run `pip install open3d` and, on Debian, "
            "`apt-get install libusb-1.0-0 libgl1`"
        ) from error
    return open3d
