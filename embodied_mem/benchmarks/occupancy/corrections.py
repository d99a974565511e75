"""What correcting a drifted trajectory costs, and whether the map is then as good as with the right poses."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embodied_mem.benchmarks.occupancy.maps import pixel_rays
from embodied_mem.layers.occupancy import OccupancyConfig
from embodied_mem.layers.occupancy.atlas import AtlasConfig, SubmapAtlas
from embodied_mem.messages import Frame, Percept
from embodied_mem.testing.synthetic_room import SyntheticRoom

NUM_FRAMES = 100
DRIFT_M = 0.5
TRAVEL_M, MAX_SUBMAPS = 0.17, 60
"""Short submaps, so that there are more than 50 of them in one room."""
RAY_STRIDE_PX = 12
TOLERANCE_M = 0.10


@dataclass(frozen=True, kw_only=True)
class CorrectionFigures:
    """Shares of rays of true views that end within 10 cm of the truth: with drifted poses, after the correction, and
    with poses that were right from the start."""

    cpu_ms: float
    num_submaps: int
    drifted: float
    corrected: float
    right: float


def correct_drift() -> CorrectionFigures:
    """Go once around the synthetic room's table while odometry slips by half a metre, then close the loop."""
    frames = list(SyntheticRoom(seed=0).frames(NUM_FRAMES))
    config = AtlasConfig(submap=OccupancyConfig(stride_px=2), travel_m=TRAVEL_M, max_submaps=MAX_SUBMAPS)
    right, bent = SubmapAtlas(config), SubmapAtlas(config)
    begun: dict[int, np.ndarray] = {}
    for i, frame in enumerate(frames):
        T_drifted = frame.T_world_camera.copy()
        T_drifted[:3, 3] += DRIFT_M * i / NUM_FRAMES * np.array([0.6, 0.8, 0.0])
        right.update(Percept(frame=frame, instances=()))
        bent.update(Percept(frame=dataclasses.replace(frame, T_world_camera=T_drifted), instances=()))
        for anchor in bent.anchors:
            begun.setdefault(anchor, frame.T_world_camera)
    drifted = _within(bent, frames)
    started_s = time.process_time()
    bent.correct({anchor: begun[anchor] for anchor in bent.anchors})
    cpu_ms = 1e3 * (time.process_time() - started_s)
    return CorrectionFigures(
        cpu_ms=cpu_ms,
        num_submaps=len(bent.anchors),
        drifted=drifted,
        corrected=_within(bent, frames),
        right=_within(right, frames),
    )


def _within(atlas: SubmapAtlas, frames: Sequence[Frame]) -> float:
    good = []
    for frame in frames[::20]:
        camera, half = frame.camera, RAY_STRIDE_PX // 2
        v_px, u_px = (
            grid.ravel()
            for grid in np.mgrid[
                half : camera.height_px : RAY_STRIDE_PX, half : camera.width_px : RAY_STRIDE_PX
            ]
        )
        origin, directions = pixel_rays(frame, u_px, v_px)
        found_m = atlas.cast_rays(np.tile(origin, (len(u_px), 1)), directions)
        depth_m = found_m / np.linalg.norm(directions, axis=1)
        good.append(np.abs(depth_m - frame.depth_m[v_px, u_px]) <= TOLERANCE_M)
    return float(np.concatenate(good).mean())
