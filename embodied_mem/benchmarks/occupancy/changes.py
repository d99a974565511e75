"""How a map deals with change: how long a removed box stays, and what somebody who walks through leaves behind."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from embodied_mem.benchmarks.occupancy.maps import ScoredMap
from embodied_mem.geometry import Box, look_at
from embodied_mem.layers.occupancy import OCCUPIED
from embodied_mem.messages import Frame, PinholeCamera
from embodied_mem.testing.box_views import depth_of_boxes

CAMERA = PinholeCamera(fx=160.0, fy=160.0, cx=159.5, cy=119.5, width_px=320, height_px=240)
HALL = (
    Box(min_m=(3.54, -4.0, -0.1), max_m=(3.7, 4.0, 3.0)),
    Box(min_m=(-2.0, -4.0, -0.2), max_m=(3.7, 4.0, -0.02)),
)
"""A wall ahead and a floor."""
CRATE = Box(min_m=(1.64, -0.33, -0.02), max_m=(2.2, 0.33, 1.0))
PERSON_SIZE_M = (0.3, 0.5, 1.7)
PERSON_X_M = 2.2
NOISE_M, NOISE_PER_M2 = 0.0012, 0.0019
MAX_CLEAR_FRAMES = 60


def clear_frames(scored: ScoredMap, num_seen: int, *, seed: int = 0) -> int:
    """After how many frames without it a crate that was seen in `num_seen` frames is gone (no point of its front
    occupied); MAX_CLEAR_FRAMES when it is still there by then."""
    rng = np.random.default_rng(seed)
    front = _front(CRATE)
    for i in range(num_seen):
        scored.integrate(_look(i, (*HALL, CRATE), rng))
    for i in range(MAX_CLEAR_FRAMES):
        if not (scored.states(front) == OCCUPIED).any():
            return i
        scored.integrate(_look(num_seen + i, HALL, rng))
    return MAX_CLEAR_FRAMES


def crossing(num_frames: int, *, is_walked: bool, seed: int = 0) -> Iterator[Frame]:
    """The hall for `num_frames`; in the middle third somebody walks through, whom no detector names.

    The noise is the same with and without the person, so that runs differ by the person alone.
    """
    rng = np.random.default_rng(seed)
    for i in range(num_frames):
        boxes: tuple[Box, ...] = HALL
        if is_walked and num_frames // 3 <= i < 2 * num_frames // 3:
            boxes = (*HALL, person_at(3.0 * (i - num_frames // 3) / num_frames))
        yield _look(i, boxes, rng)


def exact_hall(num_frames: int) -> list[Frame]:
    """The empty hall without noise: the truth for `crossing`."""
    return [_look(i, HALL, None) for i in range(num_frames)]


def person_at(share: float) -> Box:
    """The person's box when that share (0..1) of the way is done."""
    y = -2.0 + 4.0 * share
    half_x, half_y = PERSON_SIZE_M[0] / 2, PERSON_SIZE_M[1] / 2
    return Box(
        min_m=(PERSON_X_M - half_x, y - half_y, -0.02),
        max_m=(PERSON_X_M + half_x, y + half_y, PERSON_SIZE_M[2]),
    )


def path_centers(voxel_m: float) -> np.ndarray:
    """Centres of the voxels that the person was in, clear of floor and walls by half a voxel."""
    low = np.array([PERSON_X_M - PERSON_SIZE_M[0] / 2, -1.9, 0.1])
    high = np.array([PERSON_X_M + PERSON_SIZE_M[0] / 2, 1.9, PERSON_SIZE_M[2]])
    axes = [np.arange(a, b, voxel_m) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def _front(box: Box) -> np.ndarray:
    """Points on the face that looks at the camera, a cell away from its rims."""
    y, z = (
        np.arange(box.min_m[1] + 0.1, box.max_m[1] - 0.05, 0.05),
        np.arange(0.15, box.max_m[2] - 0.05, 0.05),
    )
    grid = np.stack(np.meshgrid([box.min_m[0]], y, z, indexing="ij"), axis=-1)
    return grid.reshape(-1, 3)


def _look(index: int, boxes: tuple[Box, ...], rng: np.random.Generator | None) -> Frame:
    """A hand-held camera's view of the boxes, with a depth camera's noise unless `rng` is None."""
    eye = np.array([0.05 * (index % 3), 0.04 * (index % 5) - 0.08, 1.0 + 0.03 * (index % 4)])
    T_world_camera = look_at(eye, np.array([3.0, 0.0, 0.8]))
    depth_m = depth_of_boxes(CAMERA, T_world_camera, boxes)
    if rng is not None:
        noise = rng.normal(size=depth_m.shape) * (NOISE_M + NOISE_PER_M2 * depth_m**2)
        depth_m = np.where(depth_m > 0.0, depth_m + noise, 0.0)
    return Frame(
        stamp_ns=index * 100_000_000,
        camera=CAMERA,
        T_world_camera=T_world_camera,
        depth_m=depth_m.astype(np.float32),
    )
