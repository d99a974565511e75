"""Earlier views are found by where the camera stood: the same ones as by asking every view."""

from __future__ import annotations

import numpy as np
import pytest

from embodied_mem.geometry import look_at
from embodied_mem.layers.world import views
from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.layers.world.views import ViewLog
from embodied_mem.messages import Frame, PinholeCamera
from embodied_mem.store.sqlite import SqliteRepository

CAMERA = PinholeCamera(fx=12.0, fy=12.0, cx=7.5, cy=5.5, width_px=16, height_px=12)
SECOND_NS = 1_000_000_000


def walked(rng: np.random.Generator, repository: SqliteRepository) -> tuple[ViewLog, list[Frame]]:
    """What is kept of a walk to and fro through 20 m, and the frames that it kept: the last 100 of 160."""
    log = ViewLog(repository, WorldConfig(max_views=100))
    frames = []
    for index in range(160):
        eye = np.array([10.0 * np.sin(0.1 * index), rng.uniform(-5.0, 5.0), 1.0])
        target = np.add(eye, [*rng.uniform(-1.0, 1.0, 2), rng.uniform(-0.5, 0.0)])
        frames.append(
            Frame(
                stamp_ns=index * SECOND_NS, camera=CAMERA, T_world_camera=look_at(eye, target),
                depth_m=np.full((12, 16), 8.0, dtype=np.float32),
            )
        )  # fmt: skip
        log.add(frames[-1])
    return log, frames[-100:]


def points_towards(frame: Frame, point: np.ndarray) -> bool:
    ahead = point - frame.T_world_camera[:3, 3]
    distance_m = float(np.linalg.norm(ahead))
    return distance_m < views.CLEAR_RANGE_M and float(ahead @ frame.T_world_camera[:3, 2]) > 0.75 * distance_m


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("is_loaded", [False, True])
def test_places_had_been_looked_over_where_asking_every_view_says_so(seed: int, is_loaded: bool) -> None:
    rng, repository = np.random.default_rng(seed), SqliteRepository(":memory:")
    log, frames = walked(rng, repository)
    if is_loaded:
        log = ViewLog(repository, WorldConfig(max_views=100))
    points = rng.uniform((-10.0, -5.0, 0.0), (10.0, 5.0, 1.0), (200, 3)).astype(np.float32)
    before_ns = rng.integers(60 * SECOND_NS, 200 * SECOND_NS, 200)
    wanted = [
        sum(points_towards(f, p) for f in frames if f.stamp_ns < end - views.LONG_BEFORE_NS)
        >= views.NUM_OVERVIEWS
        for p, end in zip(points, before_ns.tolist(), strict=True)
    ]
    assert 0 < sum(wanted) < len(wanted)
    assert log.had_been_looked_over(points, before_ns=before_ns).tolist() == wanted


@pytest.mark.parametrize("seed", range(3))
def test_a_place_was_seen_empty_in_the_views_that_asking_every_view_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log, frames = walked(rng, SqliteRepository(":memory:"))
    num_found = 0
    for place in rng.uniform((-10.0, -5.0, 0.2), (10.0, 5.0, 0.8), (60, 3)):
        points = (place + rng.uniform(-0.1, 0.1, (30, 3))).astype(np.float32)
        end_ns = int(rng.integers(60, 200)) * SECOND_NS
        wanted = [
            frame.stamp_ns
            for frame in frames
            if frame.stamp_ns < end_ns - views.QUIET_NS
            and points_towards(frame, points.mean(axis=0))
            and min(views._share_shown(views._shrunk(frame), points)) >= 0.95
        ]
        assert log.empty_looks(points, before_ns=end_ns) == wanted
        num_found += len(wanted)
    assert num_found > 10


def test_nothing_was_looked_over_before_the_first_view() -> None:
    log = ViewLog(SqliteRepository(":memory:"), WorldConfig())
    point = np.zeros((1, 3), dtype=np.float32)
    assert log.empty_looks(point, before_ns=10 * SECOND_NS) == []
    assert not log.had_been_looked_over(point, before_ns=np.array([100 * SECOND_NS])).any()
    assert log.had_been_looked_over(point[:0], before_ns=np.zeros(0, dtype=np.int64)).shape == (0,)
