"""Coarse depth images of what was seen lately and from where: when a place was last seen to be empty.

Cells have no stamps of their own (they would double their size), and a brick's says only when something in it was seen.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float16, Float64

from embodied_mem.geometry import invert, project, transform
from embodied_mem.messages import Frame, PinholeCamera

COLUMNS = 80
"""Samples in a row of a kept view."""
RECENT_NS = 12_000_000_000
"""So long every view is kept: longer than it takes until a change is told."""
GAP_NS = 1 << 26
"""Of one camera's views nearer in time than this (67 ms) one is kept."""
PLACE_M, TURN = 1.0, 0.5
"""Of older views, the last one is kept from each place of this size and each direction (unit vectors' coordinates)."""
MAX_OLDER = 256
MIN_CLEAR = 0.8
"""Share of the points that must be seen through: all would be, were it not for noise."""


@dataclass(frozen=True, eq=False)
class _View:
    stamp_ns: int
    camera: PinholeCamera
    T_world_camera: Float64[np.ndarray, "4 4"]
    step_px: int
    depth_m: Float16[np.ndarray, "h w"]

    def sees_through(self, points_world: Float64[np.ndarray, "n 3"], margin_m: float) -> bool:
        """Whether nearly all points are in view and lie `margin_m` or more before what was measured there."""
        points = transform(invert(self.T_world_camera), points_world)
        pixel = np.nan_to_num(project(self.camera, points), nan=-1e9)
        sample = np.rint((pixel - self.step_px // 2) / self.step_px)
        column, row = np.clip(sample, -1e6, 1e6).astype(np.int64).T
        rows, columns = self.depth_m.shape
        is_in_view = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
        measured_m = self.depth_m[np.where(is_in_view, row, 0), np.where(is_in_view, column, 0)]
        is_clear = is_in_view & (measured_m.astype(np.float64) > points[:, 2] + margin_m)
        return bool(is_clear.mean() >= MIN_CLEAR)


class PastViews:
    """The views of the last seconds, and the last one from each place and direction before that."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all views."""
        self._recent: deque[_View] = deque()
        self._last_ns: dict[tuple[str, str], int] = {}
        self._older: dict[tuple[int, ...], _View] = {}

    def note(self, frame: Frame) -> None:
        """Keep what the frame saw."""
        camera = (frame.robot, frame.sensor)
        if 0 <= frame.stamp_ns - self._last_ns.get(camera, -GAP_NS) < GAP_NS:
            return
        self._last_ns[camera] = frame.stamp_ns
        step_px = max(1, frame.camera.width_px // COLUMNS)
        depth_m = frame.depth_m[step_px // 2 :: step_px, step_px // 2 :: step_px].astype(np.float16)
        view = _View(frame.stamp_ns, frame.camera, frame.T_world_camera, step_px, depth_m)
        self._recent.append(view)
        while abs(frame.stamp_ns - self._recent[0].stamp_ns) > RECENT_NS:
            self._keep_older(self._recent.popleft())

    def _keep_older(self, view: _View) -> None:
        T = view.T_world_camera
        key = (*np.floor(T[:3, 3] / PLACE_M).astype(int), *np.rint(T[:3, 2] / TURN).astype(int))
        self._older.pop(key, None)  # the newest stand last
        self._older[key] = view
        if len(self._older) > MAX_OLDER:
            del self._older[next(iter(self._older))]

    def last_empty_ns(
        self, points_world: Float64[np.ndarray, "n 3"], before_ns: int, margin_m: float
    ) -> int | None:
        """When the points were last seen through, no later than `before_ns`; None when no view that is kept did."""
        for view in [*reversed(self._recent), *reversed(self._older.values())]:
            if view.stamp_ns <= before_ns and view.sees_through(points_world, margin_m):
                return view.stamp_ns
        return None

    @property
    def num_bytes(self) -> int:
        """What the kept images take."""
        return sum(view.depth_m.nbytes for view in (*self._recent, *self._older.values()))
