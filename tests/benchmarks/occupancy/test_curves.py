"""Curves have a row for each point and a picture; maps of a short time are built from frames of that time alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from embodied_mem.benchmarks.occupancy import curves
from embodied_mem.benchmarks.occupancy.pictures import curve_picture
from embodied_mem.benchmarks.results import Goal
from embodied_mem.geometry import look_at
from embodied_mem.layers.occupancy import OccupancyConfig
from embodied_mem.messages import Frame, PinholeCamera

CAMERA = PinholeCamera(fx=160.0, fy=160.0, cx=79.5, cy=59.5, width_px=160, height_px=120)
CONFIG = OccupancyConfig(cell_m=0.1, stride_px=2, max_depth_m=4.0)


def wall(index: int, depth_m: float) -> tuple[int, Frame]:
    frame = Frame(
        stamp_ns=index * 10**8,
        camera=CAMERA,
        T_world_camera=look_at(np.zeros(3), np.array([1.0, 0.0, 0.0])),
        depth_m=np.full((120, 160), depth_m, dtype=np.float32),
    )
    return index, frame


def test_poses_that_jump_later_do_not_spoil_a_map_of_a_short_time() -> None:
    then = [wall(i, 2.03) for i in (5, 10, 13, 15)]
    later = [wall(i, 1.6) for i in (80, 85, 90, 95, 100)]  # as if the camera's pose had jumped by 43 cm
    curve = curves.windows(then + later, CONFIG, "10cm")
    assert curve.lines["within_10cm"][0] > 0.99
    assert curve.lines["premature"][-1] > 0.5
    assert f"curve/10cm/frames_within_{curves.WINDOWS[0]}/premature" in [row.metric for row in curve.rows]
    assert len(curve.rows) == len(curves.WINDOWS) * len(curves.RAY_LINES)


def test_wider_gates_let_no_more_rays_through() -> None:
    curve = curves.gates([wall(i, 2.03) for i in (5, 10, 13, 15)], CONFIG, "10cm")
    recall = curve.lines["occupied_recall"]
    assert all(np.diff(recall) >= 0.0)
    assert recall[-1] > 0.99


def test_cost_is_a_line_over_points_that_were_truly_fused() -> None:
    frames = [frame for _, frame in (wall(i, 2.03) for i in range(4))]
    curve, line = curves.cost_by_points(frames, CONFIG, "10cm")
    assert curve.x[0] == 160 * 120
    assert all(np.diff(curve.x) < 0)
    assert [row.metric.rsplit("/", 1)[1] for row in line] == ["ns_per_point", "fixed_ms", "copy_ns_per_pixel"]


def test_a_curve_is_drawn_with_its_goals() -> None:
    curve = curves.Curve(
        key="k", title="A trade", x_name="x", x=(1, 2), lines={"a": (0.1, 0.2), "b": (3.0, 4.0)}, caption="c"
    )
    plain, with_goal = (curve_picture(curve, goals) for goals in ({}, {"a": Goal(op=">=", value=0.15)}))
    assert plain.image.shape == with_goal.image.shape
    assert (plain.image != with_goal.image).any()
    with pytest.raises(ValueError, match="zip"):
        dataclasses.replace(curve, x=(1,)).rows  # noqa: B018
