"""The held-out-ray figures are what they say they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embodied_mem.benchmarks.heldout_rays import (
    build,
    is_built_from,
    is_held_out,
    measure,
    run,
    used_frames,
)
from embodied_mem.geometry import look_at
from embodied_mem.layers.occupancy import OccupancyConfig, OccupancyLayer
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
    layer = OccupancyLayer(OccupancyConfig(stride_px=1))
    built = build(layer, [wall(i, 2.03) for i in range(5)])
    right, nearer, further = (measure(layer, [wall(9, depth)]) for depth in (2.03, 1.5, 2.6))
    assert built.num_frames == 5
    assert built.num_gaussians == len(layer.snapshot())
    assert right.free_recall > 0.99
    assert right.occupied_recall > 0.99
    assert right.depth_error_median_m < 0.005
    assert nearer.occupied_recall == 0.0
    assert nearer.premature == 0.0
    assert further.premature > 0.99
    assert further.false_occupied > 0.01
    assert right.num_rays == 10 * 7  # one ray every 16 pixels


def test_no_frame_is_both_built_from_and_held_out() -> None:
    assert not [i for i in range(500) if is_built_from(i) and is_held_out(i)]


@pytest.mark.data
def test_a_real_room_is_mapped_well(data_folder: Path) -> None:
    layer = OccupancyLayer(OccupancyConfig(max_depth_m=4.0))
    figures = run(layer, used_frames(data_folder / "7scenes", 0, 49))
    assert figures["free_recall"] > 0.98
    assert figures["false_occupied"] < 0.01
    assert figures["occupied_recall"] > 0.95
    assert figures["depth_error_median_m"] < 0.02
    assert figures["premature"] < 0.08
