"""Depth thumbnails of earlier views: they tell whether a place was looked at before, and was empty then."""

from __future__ import annotations

import functools
import itertools
import math
import struct
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float16, Float32, Float64, Int64

from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.messages import Frame
from embodied_mem.store import Repository

RECORD_KIND = "view"
HEADER = struct.Struct("<q4d12d2i")
SIDE_PX = 80
"""Longer side of a thumbnail."""
CLEAR_RANGE_M = 3.2
"""A place is looked at clearly from within this distance."""
SQUARE_M = CLEAR_RANGE_M + 0.1
"""Edge of the squares of floor by which views are found: what looks at a place clearly stands on one of the nine around it."""
LONG_BEFORE_NS = 30_000_000_000
NUM_OVERVIEWS = 4
"""Surroundings that were looked over so often, so long ago, belong to a part of the home that was visited before."""
QUIET_NS = 4_000_000_000
"""Views shortly before a first sighting are left out: it may have been overlooked in them."""


Square = tuple[int, int]
"""Column and row of a square of floor."""


@dataclass(frozen=True, kw_only=True)
class View:
    """The least depth of each block of an image (0: nothing measured), with intrinsics of the small image."""

    stamp_ns: int
    focal_px: tuple[float, float]
    center_px: tuple[float, float]
    T_world_camera: Float64[np.ndarray, "4 4"]
    nearest_m: Float16[np.ndarray, "h w"]


class ViewLog:
    """Remembers views at intervals and answers what they showed of a place."""

    def __init__(self, repository: Repository, config: WorldConfig) -> None:
        self._repository = repository
        self._config = config
        self._views: list[View] = [_unpack(payload) for _, payload in repository.records(RECORD_KIND)]
        poses = np.array([view.T_world_camera for view in self._views]).reshape(-1, 4, 4)
        self._stamps_ns = np.array([view.stamp_ns for view in self._views], dtype=np.int64)  # in order
        self._eyes, self._forward = poses[:, :3, 3], poses[:, :3, 2]
        self._num_dropped = 0
        self._from_square: dict[Square, list[int]] = defaultdict(list)
        """Numbers, in order, of the views from over each square; those dropped are counted."""
        for number, view in enumerate(self._views):
            self._from_square[_square(view.T_world_camera[:3, 3])].append(number)

    def add(self, frame: Frame) -> None:
        """Keep the frame's thumbnail, unless one was kept just before from nearly the same pose."""
        last = self._views[-1] if self._views else None
        if last is not None and not self._tells_more(last, frame):
            return
        view = _shrunk(frame)
        self._from_square[_square(view.T_world_camera[:3, 3])].append(self._num_dropped + len(self._views))
        self._views.append(view)
        self._repository.put_record(RECORD_KIND, str(view.stamp_ns), _pack(view))
        while len(self._views) > self._config.max_views:
            self._drop_oldest()
        kept = slice(-len(self._views), None)
        self._stamps_ns = np.append(self._stamps_ns, view.stamp_ns)[kept]
        self._eyes = np.vstack([self._eyes, view.T_world_camera[:3, 3]])[kept]
        self._forward = np.vstack([self._forward, view.T_world_camera[:3, 2]])[kept]

    def _drop_oldest(self) -> None:
        oldest = self._views.pop(0)
        self._from_square[_square(oldest.T_world_camera[:3, 3])].pop(0)
        self._num_dropped += 1
        self._repository.delete_record(RECORD_KIND, str(oldest.stamp_ns))

    def _tells_more(self, last: View, frame: Frame) -> bool:
        elapsed_s = (frame.stamp_ns - last.stamp_ns) * 1e-9
        if elapsed_s < self._config.view_interval_s:
            return False
        T = frame.T_world_camera
        moved_m = float(np.linalg.norm(T[:3, 3] - last.T_world_camera[:3, 3]))
        cosine = float(T[:3, 2] @ last.T_world_camera[:3, 2])
        return moved_m > 0.1 or cosine < 0.995 or elapsed_s > 5.0

    def empty_looks(self, points_world: Float32[np.ndarray, "n 3"], *, before_ns: int) -> list[int]:
        """Stamps of earlier views in which a thing with these points would have been plain to see, and was not.

        What stands out was seen through; a flat thing's place lay open (nothing in front of it).
        """
        candidates = self._candidates(points_world.mean(axis=0), before_ns - QUIET_NS)
        is_flat = bool(candidates) and float(np.ptp(points_world[:, 2])) < 0.06
        found = []
        for index in candidates:
            view = self._views[index]
            shown, through = _share_shown(view, points_world)
            if shown >= 0.95 and (is_flat or through >= 0.6):
                found.append(view.stamp_ns)
        return found

    def had_been_looked_over(
        self, points_world: Float32[np.ndarray, "n 3"], *, before_ns: Int64[np.ndarray, "n"]
    ) -> Bool[np.ndarray, "n"]:
        """Whether the surroundings of each point had been in near view several times, well before its stamp."""
        ends = np.searchsorted(self._stamps_ns, before_ns - LONG_BEFORE_NS).tolist()
        near = [self._around(point, end) for point, end in zip(points_world, ends, strict=True)]
        rows = np.repeat(np.arange(len(near)), [len(views) for views in near])
        views = np.array(list(itertools.chain.from_iterable(near)), dtype=np.int64)
        shows = self._show(views, points_world[rows])
        return np.asarray(np.bincount(rows[shows], minlength=len(near)) >= NUM_OVERVIEWS)

    def _candidates(self, point_world: Float[np.ndarray, "3"], before_ns: int) -> list[int]:
        """Views before a stamp that point towards a point near by."""
        near = sorted(self._around(point_world, int(np.searchsorted(self._stamps_ns, before_ns))))
        if not near:
            return []
        return list(itertools.compress(near, self._show(np.array(near), point_world)))

    def _around(self, point_world: Float[np.ndarray, "3"], end: int) -> list[int]:
        """Views before number `end` from over the nine squares around a point, in no order."""
        column, row = _square(point_world)
        return [
            number - self._num_dropped
            for square in itertools.product((column - 1, column, column + 1), (row - 1, row, row + 1))
            if square in self._from_square
            for number in self._from_square[square]
            if number < self._num_dropped + end
        ]

    def _show(
        self, views: Int64[np.ndarray, "k"], points_world: Float[np.ndarray, "*k 3"]
    ) -> Bool[np.ndarray, "k"]:
        """Which of some views point towards a point near by: one for all, or one for each."""
        ahead = points_world - self._eyes[views]
        depth_m = np.einsum("vk,vk->v", ahead, self._forward[views])
        distance_m = np.sqrt(np.einsum("vk,vk->v", ahead, ahead))
        return np.asarray((distance_m < CLEAR_RANGE_M) & (depth_m > 0.75 * distance_m))


def _square(point_world: Float[np.ndarray, "3"]) -> Square:
    return math.floor(point_world[0] / SQUARE_M), math.floor(point_world[1] / SQUARE_M)


def _share_shown(view: View, points_world: Float32[np.ndarray, "n 3"]) -> tuple[float, float]:
    """Which share of the points lay in the open, and which share was seen through."""
    T = view.T_world_camera
    x, y, z = ((points_world - T[:3, 3]) @ T[:3, :3]).T
    safe_z = np.where(z > 0.05, z, 1.0)
    u = np.rint(x / safe_z * view.focal_px[0] + view.center_px[0]).astype(np.int64)
    v = np.rint(y / safe_z * view.focal_px[1] + view.center_px[1]).astype(np.int64)
    height, width = view.nearest_m.shape
    is_inside = (z > 0.05) & (u >= 1) & (u < width - 1) & (v >= 1) & (v < height - 1)
    nearest_m = view.nearest_m[np.where(is_inside, v, 0), np.where(is_inside, u, 0)].astype(np.float32)
    margin_m = 0.04 + 0.02 * z
    is_open = is_inside & (nearest_m >= z - margin_m)
    is_through = is_inside & (nearest_m >= z + margin_m)
    return float(is_open.mean()), float(is_through.mean())


def _shrunk(frame: Frame) -> View:
    camera = frame.camera
    block = max(1, -(-max(camera.width_px, camera.height_px) // SIDE_PX))
    rows, columns = camera.height_px // block, camera.width_px // block
    blocks = frame.depth_m[: rows * block, : columns * block].reshape(rows, block, columns, block)
    least = blocks.min(axis=1)
    middle = (block - 1) / 2
    return View(
        stamp_ns=frame.stamp_ns,
        focal_px=(camera.fx / block, camera.fy / block),
        center_px=((camera.cx - middle) / block, (camera.cy - middle) / block),
        T_world_camera=frame.T_world_camera,
        nearest_m=np.minimum(functools.reduce(np.minimum, least.transpose(2, 0, 1)), 60000.0).astype(
            np.float16
        ),
    )


def _pack(view: View) -> bytes:
    pose = view.T_world_camera[:3].ravel().tolist()
    header = HEADER.pack(view.stamp_ns, *view.focal_px, *view.center_px, *pose, *view.nearest_m.shape)
    return header + view.nearest_m.tobytes()


def _unpack(payload: bytes) -> View:
    stamp_ns, fx, fy, cx, cy, *rest = HEADER.unpack_from(payload)
    T = np.eye(4)
    T[:3] = np.array(rest[:12]).reshape(3, 4)
    nearest_m = np.frombuffer(payload, dtype=np.float16, offset=HEADER.size).reshape(rest[12], rest[13])
    return View(
        stamp_ns=stamp_ns, focal_px=(fx, fy), center_px=(cx, cy), T_world_camera=T, nearest_m=nearest_m
    )
