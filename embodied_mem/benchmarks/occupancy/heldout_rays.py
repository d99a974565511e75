"""How true a map is on real depth: built from every fifth frame, asked along rays of frames it never saw.

Each held-out ray (every 16th pixel whose depth is in range) ends at its measured depth d. Points every 2.5 cm from
0.4 m to d - 0.15 m should be free; of those within 0.10 m of d, at least one should be occupied. A ray cast through
the map should end near d: `premature` counts those that end more than 0.10 m before it. All depths are planar.

    python -m embodied_mem.benchmarks.occupancy.heldout_rays FOLDER [FIRST LAST]     prints our map's figures as JSON

The defaults of the map were chosen on frames 0-249 of the sequence; 250-499 are for reporting.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from embodied_mem.benchmarks.occupancy.maps import LayerMap, ScoredMap, pixel_rays
from embodied_mem.layers.occupancy import FREE, OCCUPIED, UNKNOWN, OccupancyConfig, OccupancyLayer
from embodied_mem.messages import Frame
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
NUM_BOOTSTRAPS = 1000


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


@dataclass(frozen=True, kw_only=True)
class FrameRays:
    """One held-out frame: how many free-zone samples were in each state, whether each surface was met, and each cast
    ray's planar depth error (infinite where it met nothing)."""

    num_free: int
    num_occupied: int
    num_unknown: int
    is_hit: np.ndarray
    errors_m: np.ndarray


@dataclass(frozen=True, kw_only=True)
class BuildFigures:
    """What building cost: CPU time of all threads in `integrate` alone, and the map's own count of bytes."""

    cpu_ms_median: float
    cpu_ms_p95: float
    num_frames: int
    num_bytes: int


def is_built_from(index: int) -> bool:
    return index % BUILD_EVERY == 0


def is_held_out(index: int) -> bool:
    return index % 50 in HELD_OUT_REMAINDERS


def build(scored: ScoredMap, frames: Iterable[Frame]) -> BuildFigures:
    """Give all `frames` to the map and say what that cost (the first frame, which compiles kernels, left out)."""
    costs_ms = []
    for frame in frames:
        started_ns = time.process_time_ns()
        scored.integrate(frame)
        costs_ms.append((time.process_time_ns() - started_ns) / 1e6)
    steady_ms = costs_ms[1:] or costs_ms
    return BuildFigures(
        cpu_ms_median=float(np.median(steady_ms)),
        cpu_ms_p95=float(np.percentile(steady_ms, 95)),
        num_frames=len(costs_ms),
        num_bytes=scored.num_bytes,
    )


def measure(scored: ScoredMap, frames: Iterable[Frame]) -> list[FrameRays]:
    """What the map says along the rays of each of the held-out `frames`."""
    return [_along_rays(scored, frame) for frame in frames]


def figures(rays: Sequence[FrameRays]) -> RayFigures:
    """The figures of all frames together."""
    errors_m = np.concatenate([frame.errors_m for frame in rays])
    counts = np.array([(frame.num_free, frame.num_occupied, frame.num_unknown) for frame in rays])
    free, occupied, unknown = counts.sum(axis=0) / counts.sum()
    ended = np.abs(errors_m[np.isfinite(errors_m)])
    return RayFigures(
        free_recall=float(free),
        false_occupied=float(occupied),
        unknown=float(unknown),
        occupied_recall=float(np.concatenate([frame.is_hit for frame in rays]).mean()),
        depth_error_median_m=float(np.median(ended)),
        depth_error_mean_m=float(ended.mean()),
        within_10cm=float((np.abs(errors_m) <= TOLERANCE_M).mean()),
        premature=float((errors_m < -TOLERANCE_M).mean()),
        missed=float((~np.isfinite(errors_m)).mean()),
    )


def intervals(rays: Sequence[FrameRays], *, seed: int = 0) -> dict[str, tuple[float, float]]:
    """5th and 95th percentile of each figure over frames drawn with replacement (rays of one frame go together)."""
    rng = np.random.default_rng(seed)
    draws = [rng.integers(0, len(rays), size=len(rays)) for _ in range(NUM_BOOTSTRAPS)]
    drawn = [asdict(figures([rays[i] for i in draw])) for draw in draws]
    return {name: tuple(np.percentile([one[name] for one in drawn], (5, 95)).tolist()) for name in drawn[0]}


def _along_rays(scored: ScoredMap, frame: Frame) -> FrameRays:
    u_px, v_px, depth_m = _ray_pixels(frame)
    origin, directions = pixel_rays(frame, u_px, v_px)
    z = np.arange(NEAREST_M, DEEPEST_M + TOLERANCE_M + SAMPLE_M, SAMPLE_M)
    is_free_zone = z[None, :] < depth_m[:, None] - CLEARANCE_M
    is_surface = np.abs(z[None, :] - depth_m[:, None]) <= TOLERANCE_M
    is_asked = is_free_zone | is_surface
    points = (origin + directions[:, None, :] * z[None, :, None])[is_asked]
    states = np.full(is_asked.shape, UNKNOWN, dtype=np.int8)
    states[is_asked] = scored.states(points)
    free_zone = states[is_free_zone]
    return FrameRays(
        num_free=int((free_zone == FREE).sum()),
        num_occupied=int((free_zone == OCCUPIED).sum()),
        num_unknown=int((free_zone == UNKNOWN).sum()),
        is_hit=((states == OCCUPIED) & is_surface).any(axis=1),
        errors_m=scored.depths_m(frame, u_px, v_px) - depth_m,
    )


def _ray_pixels(frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, rows and measured planar depths of the pixels whose rays are used."""
    half = RAY_STRIDE_PX // 2
    v_px, u_px = (grid.ravel() for grid in np.mgrid[half : frame.camera.height_px : RAY_STRIDE_PX,
                                                    half : frame.camera.width_px : RAY_STRIDE_PX])  # fmt: skip
    depth_m = frame.depth_m[v_px, u_px]
    is_used = (depth_m > NEAREST_M) & (depth_m <= DEEPEST_M)
    return u_px[is_used], v_px[is_used], depth_m[is_used]


def calibration_error(layer: OccupancyLayer, frames: Iterable[Frame], *, num_bins: int = 10) -> float:
    """Expected calibration error of the probabilities at known places: points in the free zone are not occupied, the
    measured points are (taken again until they are as many)."""
    free, surface = [], []
    for frame in frames:
        u_px, v_px, depth_m = _ray_pixels(frame)
        origin, directions = pixel_rays(frame, u_px, v_px)
        clear_m = (depth_m - CLEARANCE_M)[:, None] * np.linspace(0.2, 0.9, 8)
        free.append(layer.occupancy_at((origin + directions[:, None] * clear_m[..., None]).reshape(-1, 3)))
        surface.append(layer.occupancy_at(origin + directions * depth_m[:, None]))
    said_free = np.concatenate(free)
    said = np.concatenate([said_free, np.resize(np.concatenate(surface), len(said_free))])
    is_known = ~np.isnan(said)
    said, true = said[is_known], np.repeat([0.0, 1.0], len(said_free))[is_known]
    which = np.minimum((said * num_bins).astype(int), num_bins - 1)
    gaps = [
        abs(said[which == b].mean() - true[which == b].mean()) * (which == b).mean() for b in np.unique(which)
    ]
    return float(np.sum(gaps))


def run(
    scored: ScoredMap, frames: Callable[[], Iterable[tuple[int, Frame]]]
) -> tuple[BuildFigures, list[FrameRays]]:
    """Build from every fifth of the numbered frames that `frames` gives, then ask along the held-out ones."""
    built = build(scored, (frame for index, frame in frames() if is_built_from(index)))
    return built, measure(scored, (frame for index, frame in frames() if is_held_out(index)))


def used_frames(folder: Path, first: int, last: int) -> Iterable[tuple[int, Frame]]:
    """The frames `first`..`last` of a 7-Scenes folder that the protocol builds from or holds out, numbered."""
    for index, frame in enumerate(SevenScenesFolder(folder, is_upright=True).frames()):
        if index > last:
            break
        if index >= first and (is_built_from(index) or is_held_out(index)):
            yield index, frame


if __name__ == "__main__":
    first, last = (int(word) for word in sys.argv[2:4]) if len(sys.argv) > 3 else (250, 499)
    numbered = list(used_frames(Path(sys.argv[1]), first, last))
    built, rays = run(LayerMap.new(OccupancyConfig(max_depth_m=DEEPEST_M)), lambda: numbered)
    sys.stdout.write(json.dumps(asdict(built) | asdict(figures(rays)), indent=1) + "\n")
