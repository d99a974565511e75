"""What a map costs: CPU time of frames and questions, bytes, and whether either grows with time."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embodied_mem.benchmarks.occupancy.heldout_rays import BuildFigures, build
from embodied_mem.benchmarks.occupancy.maps import LayerMap, ScoredMap
from embodied_mem.messages import Frame

NUM_POINTS, NUM_RAYS = 200_000, 20_000


@dataclass(frozen=True, kw_only=True)
class Growth:
    """The same frames over and over: the map's bytes and the process's resident memory after the first and last
    pass, and the median CPU time of a frame in both."""

    bytes_ratio: float
    rss_ratio: float
    cpu_ratio: float


def build_cost(new_map: Callable[[], ScoredMap], frames: Sequence[Frame], *, repeats: int) -> BuildFigures:
    """The cheapest of `repeats` builds by its median: others' use of a shared machine only ever adds."""
    return min((build(new_map(), frames) for _ in range(repeats)), key=lambda built: built.cpu_ms_median)


def query_us(ours: LayerMap, frames: Sequence[Frame]) -> tuple[float, float]:
    """CPU microseconds of a point and of a ray, in batches around where the camera looked."""
    rng = np.random.default_rng(0)
    camera = frames[len(frames) // 2].T_world_camera
    points = (camera[:3, 3] + rng.uniform(-2.0, 2.0, size=(NUM_POINTS, 3))).astype(np.float32)
    directions = rng.normal(size=(NUM_RAYS, 3))
    origins = np.tile(camera[:3, 3], (NUM_RAYS, 1))
    point_us = 1e6 / NUM_POINTS * _least_cpu_s(lambda: ours.layer.occupancy_at(points))
    return point_us, 1e6 / NUM_RAYS * _least_cpu_s(lambda: ours.layer.cast_rays(origins, directions))


def growth(ours: LayerMap, frames: Sequence[Frame], passes: int) -> Growth:
    """Give the map the same frames `passes` times, as a robot that stays in one place."""
    first = last = (0.0, 0.0, 0.0)
    for number in range(passes):
        shift_ns = number * (frames[-1].stamp_ns - frames[0].stamp_ns + 1_000_000_000)
        again = [dataclasses.replace(frame, stamp_ns=frame.stamp_ns + shift_ns) for frame in frames]
        built = build(ours, again)
        last = (float(built.num_bytes), float(_rss_bytes()), built.cpu_ms_median)
        first = last if number == 0 else first
    return Growth(bytes_ratio=last[0] / first[0], rss_ratio=last[1] / first[1], cpu_ratio=last[2] / first[2])


def _least_cpu_s(call: Callable[[], object]) -> float:
    call()  # compiles the kernel
    took_s = []
    for _ in range(5):
        started_s = time.process_time()
        call()
        took_s.append(time.process_time() - started_s)
    return min(took_s)


def _rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
