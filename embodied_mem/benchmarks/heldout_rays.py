"""How true an occupancy map is on real depth: built from every fifth frame, asked along rays of frames it never saw.

Each held-out ray (every 16th pixel whose depth is in range) ends at its measured depth d. Points every 2.5 cm from
0.4 m to d - 0.15 m should be free; of those within 0.10 m of d, at least one should be occupied. A ray cast through
the map should end near d: `premature` counts those that end more than 0.10 m before it. All depths are planar.

    python -m embodied_mem.benchmarks.heldout_rays FOLDER [FIRST LAST]      prints cost and figures as JSON

The defaults of the map were chosen on frames 0-249 of the sequence; 250-499 are for reporting.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from embodied_mem.geometry import back_project, transform
from embodied_mem.layers.occupancy import FREE, OCCUPIED, UNKNOWN, OccupancyConfig, OccupancyLayer
from embodied_mem.messages import Frame, Percept
from embodied_mem.replay.seven_scenes import SevenScenesFolder

BUILD_EVERY = 5
HELD_OUT_REMAINDERS = (13, 23, 33, 43)
"""Frame i is held out when i mod 50 is one of these."""
RAY_STRIDE_PX = 16
SAMPLE_M = 0.025
NEAREST_M = 0.4
DEEPEST_M = 4.0
CLEARANCE_M = 0.15
TOLERANCE_M = 0.10


@dataclass(frozen=True, kw_only=True)
class RayFigures:
    """Shares are of free-zone samples (free recall, false occupied, unknown) or of rays (all others)."""

    free_recall: float
    false_occupied: float
    unknown: float
    occupied_recall: float
    depth_error_median_m: float
    depth_error_mean_m: float
    within_10cm: float
    premature: float
    missed: float
    num_rays: int


@dataclass(frozen=True, kw_only=True)
class BuildFigures:
    """What building cost: CPU time of `update` alone, and the map's own count of bytes."""

    cpu_ms_median: float
    cpu_ms_p95: float
    num_frames: int
    num_gaussians: int
    bytes_per_gaussian: float


def is_built_from(index: int) -> bool:
    return index % BUILD_EVERY == 0


def is_held_out(index: int) -> bool:
    return index % 50 in HELD_OUT_REMAINDERS


def build(layer: OccupancyLayer, frames: Iterable[Frame]) -> BuildFigures:
    """Give all `frames` to the layer and say what that cost (the first frame, which compiles kernels, left out)."""
    costs_ms = []
    for frame in frames:
        percept = Percept(frame=frame, instances=())
        started_ns = time.process_time_ns()
        layer.update(percept)
        costs_ms.append((time.process_time_ns() - started_ns) / 1e6)
    num_gaussians = len(layer.snapshot())
    steady_ms = costs_ms[1:] or costs_ms
    return BuildFigures(
        cpu_ms_median=float(np.median(steady_ms)),
        cpu_ms_p95=float(np.percentile(steady_ms, 95)),
        num_frames=len(costs_ms),
        num_gaussians=num_gaussians,
        bytes_per_gaussian=layer.num_bytes / max(num_gaussians, 1),
    )


def measure(layer: OccupancyLayer, frames: Iterable[Frame]) -> RayFigures:
    """The map's figures along the rays of held-out `frames`."""
    counted = [_along_rays(layer, *_rays(frame)) for frame in frames]
    states = np.concatenate([free for free, _, _ in counted])
    is_hit = np.concatenate([hit for _, hit, _ in counted])
    errors_m = np.concatenate([error for _, _, error in counted])
    ended = np.isfinite(errors_m)
    return RayFigures(
        free_recall=float((states == FREE).mean()),
        false_occupied=float((states == OCCUPIED).mean()),
        unknown=float((states == UNKNOWN).mean()),
        occupied_recall=float(is_hit.mean()),
        depth_error_median_m=float(np.median(np.abs(errors_m[ended]))),
        depth_error_mean_m=float(np.abs(errors_m[ended]).mean()),
        within_10cm=float((np.abs(errors_m) <= TOLERANCE_M).mean()),
        premature=float((errors_m < -TOLERANCE_M).mean()),
        missed=float((~ended).mean()),
        num_rays=len(errors_m),
    )


def _rays(frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Camera position, directions with planar depth 1 (n, 3), and measured planar depths (n,)."""
    half = RAY_STRIDE_PX // 2
    v_px, u_px = (grid.ravel() for grid in np.mgrid[half : frame.camera.height_px : RAY_STRIDE_PX,
                                                    half : frame.camera.width_px : RAY_STRIDE_PX])  # fmt: skip
    depth_m = frame.depth_m[v_px, u_px]
    is_used = (depth_m > NEAREST_M) & (depth_m <= DEEPEST_M)
    ones = np.ones(int(is_used.sum()), dtype=np.float32)
    points = back_project(frame.camera, ones, u_px[is_used], v_px[is_used]).astype(np.float64)
    origin = frame.T_world_camera[:3, 3]
    return origin, transform(frame.T_world_camera, points) - origin, depth_m[is_used]


def _along_rays(
    layer: OccupancyLayer, origin: np.ndarray, directions: np.ndarray, depth_m: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States in the free zone, whether each surface was met, and each cast ray's planar depth error (inf: missed)."""
    z = np.arange(NEAREST_M, DEEPEST_M + TOLERANCE_M + SAMPLE_M, SAMPLE_M)
    points = origin + directions[:, None, :] * z[None, :, None]
    states = layer.state_at(points.reshape(-1, 3).astype(np.float32)).reshape(len(depth_m), len(z))
    is_free_zone = z[None, :] < depth_m[:, None] - CLEARANCE_M
    is_surface = np.abs(z[None, :] - depth_m[:, None]) <= TOLERANCE_M
    is_hit = ((states == OCCUPIED) & is_surface).any(axis=1)
    lengths = np.linalg.norm(directions, axis=1)
    cast_m, _ = layer.cast_rays(np.tile(origin, (len(depth_m), 1)), directions, 10.0)
    return states[is_free_zone], is_hit, cast_m / lengths - depth_m


def run(layer: OccupancyLayer, frames: Iterable[tuple[int, Frame]]) -> dict[str, float]:
    """Build from every fifth of the numbered `frames`, ask the held-out ones; all figures by name."""
    numbered = list(frames)
    built = build(layer, (frame for index, frame in numbered if is_built_from(index)))
    rays = measure(layer, (frame for index, frame in numbered if is_held_out(index)))
    return asdict(built) | asdict(rays)


def used_frames(folder: Path, first: int, last: int) -> Iterable[tuple[int, Frame]]:
    """The frames `first`..`last` of a 7-Scenes folder that the protocol builds from or holds out, numbered."""
    for index, frame in enumerate(SevenScenesFolder(folder, is_upright=True).frames()):
        if index > last:
            break
        if index >= first and (is_built_from(index) or is_held_out(index)):
            yield index, frame


if __name__ == "__main__":
    first, last = (int(word) for word in sys.argv[2:4]) if len(sys.argv) > 3 else (250, 499)
    layer = OccupancyLayer(OccupancyConfig(max_depth_m=DEEPEST_M))
    figures = run(layer, used_frames(Path(sys.argv[1]), first, last))
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
