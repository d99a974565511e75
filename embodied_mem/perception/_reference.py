"""The same percept, computed slowly and plainly: one whole-image mask per detection, Python loops over pixels.

Only for tests. Knows instances of a segmentation (no masks, no boxes) and looks at every pixel.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32

from embodied_mem.geometry import Box, back_project, transform
from embodied_mem.messages import Frame
from embodied_mem.perception.edges import GRAZING
from embodied_mem.perception.perceive import PerceptionConfig


def reference_points(
    frame: Frame, instance: int, config: PerceptionConfig
) -> tuple[Float32[np.ndarray, "n 3"], Box, bool]:
    """All points of one instance in image order with outliers left out, its box, and whether it is cut."""
    assert frame.segmentation is not None
    is_mine = frame.segmentation == instance
    is_measured = (frame.depth_m > config.min_depth_m) & (frame.depth_m <= config.max_depth_m)
    is_jump, num_rim, num_covered = _walk_rim(frame, is_mine, is_measured, config)
    chosen = is_mine & is_measured & ~is_jump
    if chosen.sum() < max(8, 0.3 * (is_mine & is_measured).sum()):
        chosen = is_mine & is_measured
    rows, columns = np.nonzero(chosen)
    in_camera = back_project(
        frame.camera, frame.depth_m[rows, columns], columns.astype(np.float64), rows.astype(np.float64)
    )
    points = transform(frame.T_world_camera, in_camera)
    kept = points[_inliers(points)]
    touches = is_mine[0].any() or is_mine[-1].any() or is_mine[:, 0].any() or is_mine[:, -1].any()
    is_covered = num_covered >= 2 and num_covered >= config.covered_fraction * num_rim
    is_far = bool((is_mine & (frame.depth_m > config.max_depth_m)).any())
    return kept, Box.around(kept), bool(touches or is_covered or is_far)


def _inliers(points: Float32[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n"]:
    inside = np.ones(len(points), dtype=bool)
    for axis in range(3):
        values = np.sort(points[:, axis])
        low, high = values[int(0.02 * len(values))], values[len(values) - 1 - int(0.02 * len(values))]
        reach = 0.75 * (high - low) + 0.03
        inside &= (points[:, axis] >= low - reach) & (points[:, axis] <= high + reach)
    return inside


def _walk_rim(
    frame: Frame,
    is_mine: Bool[np.ndarray, "h w"],
    is_measured: Bool[np.ndarray, "h w"],
    config: PerceptionConfig,
) -> tuple[Bool[np.ndarray, "h w"], int, int]:
    """Which of its pixels lie on a jump of depth, how many border others, how many something nearer borders."""
    height, width = is_mine.shape
    is_jump, num_rim, num_covered = np.zeros_like(is_mine), 0, 0
    for row, column in zip(*np.nonzero(is_mine), strict=True):
        is_rim = is_covered = False
        for d_row, d_column in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            r, c = row + d_row, column + d_column
            if not (0 <= r < height and 0 <= c < width):
                continue
            is_rim |= not is_mine[r, c]
            if not (is_measured[row, column] and is_measured[r, c]):
                continue
            # The allowed step is that of the pixel further up or left, so that both see the same jump.
            first = frame.depth_m[min(row, r), min(column, c)]
            allowed = config.jump_m + GRAZING / frame.camera.fx * first
            rise = frame.depth_m[row, column] - frame.depth_m[r, c]
            is_jump[row, column] |= abs(rise) > allowed
            is_covered |= rise > allowed and not is_mine[r, c]
        num_rim += is_rim
        num_covered += is_covered
    return is_jump, num_rim, num_covered
