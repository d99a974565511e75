"""The held-out-ray figures are what they say they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embodied_mem.benchmarks.occupancy.heldout_rays import (
    build,
    figures,
    intervals,
    is_built_from,
    is_held_out,
    measure,
    run,
    used_frames,
)
from embodied_mem.benchmarks.occupancy.maps import LayerMap
from embodied_mem.geometry import look_at
from embodied_mem.layers.occupancy import OccupancyConfig
from embodied_mem.messages import Frame, PinholeCamera

CAMERA = PinholeCamera(fx=160.0, fy=160.0, cx=79.5, cy=59.5, width_px=160, height_px=120)


def wall(stamp_ns: int, depth_m: float) -> Frame:
    return Frame(
        stamp_ns=stamp_ns,
        camera=CAMERA,
        T_world_camera=look_at(np.zeros(3), np.array([1.0, 0.0, 0.0])),
        depth_m=np.full((120, 160), depth_m, dtype=np.float32),
    )


def test_a_map_of_a_wall_is_right_about_that_wall_and_wrong_about_another() -> None:
    ours = LayerMap.new(OccupancyConfig(stride_px=1))
    built = build(ours, [wall(i, 2.03) for i in range(5)])
    rays = [measure(ours, [wall(9, depth)]) for depth in (2.03, 1.5, 2.6)]
    right, nearer, further = (figures(one) for one in rays)
    assert built.num_frames == 5
    assert built.num_bytes == ours.num_bytes
    assert right.free_recall > 0.99
    assert right.occupied_recall > 0.99
    assert right.depth_error_median_m < 0.005
    assert nearer.occupied_recall == 0.0
    assert nearer.premature == 0.0
    assert further.premature > 0.99
    assert further.false_occupied > 0.01
    assert len(rays[0][0].errors_m) == 10 * 7  # one ray every 16 pixels


def test_intervals_hold_the_figure_and_are_wide_where_frames_differ() -> None:
    ours = LayerMap.new(OccupancyConfig(stride_px=1))
    build(ours, [wall(i, 2.03) for i in range(5)])
    alike = measure(ours, [wall(9, 2.03)] * 6)
    mixed = measure(ours, [wall(9, depth) for depth in (2.03, 2.03, 2.6) * 2])
    low, high = intervals(alike)["premature"]
    assert low == high == figures(alike).premature
    low, high = intervals(mixed)["premature"]
    assert low < figures(mixed).premature < high
    assert intervals(mixed) == intervals(mixed)


def test_no_frame_is_both_built_from_and_held_out() -> None:
    assert not [i for i in range(500) if is_built_from(i) and is_held_out(i)]


@pytest.mark.data
def test_a_real_room_is_mapped_well(data_folder: Path) -> None:
    frames = list(used_frames(data_folder / "7scenes", 0, 49))
    _, rays = run(LayerMap.new(OccupancyConfig(max_depth_m=4.0)), lambda: frames)
    found = figures(rays)
    assert found.free_recall > 0.995
    assert found.false_occupied < 0.003
    assert found.occupied_recall > 0.98
    assert found.depth_error_median_m < 0.015
    assert found.premature < 0.05
