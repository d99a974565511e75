"""Kept views say when a place was last empty, and stay few however long a robot looks around."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from embodied_mem.geometry import look_at
from embodied_mem.layers.occupancy.past_views import GAP_NS, MAX_OLDER, RECENT_NS, PastViews
from embodied_mem.messages import Frame, PinholeCamera

CAMERA = PinholeCamera(fx=160.0, fy=160.0, cx=159.5, cy=119.5, width_px=320, height_px=240)
SECOND_NS = 1_000_000_000
PLACE = np.array([[2.0, 0.0, 0.0], [2.0, 0.1, 0.1]])


def view(stamp_ns: int, depth_m: float, *, eye: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Frame:
    T = look_at(np.array(eye), np.add(eye, (1.0, 0.0, 0.0)))
    depths = np.full((240, 320), depth_m, dtype=np.float32)
    return Frame(stamp_ns=stamp_ns, camera=CAMERA, T_world_camera=T, depth_m=depths)


def test_only_a_measurement_behind_a_place_shows_that_it_was_empty() -> None:
    views = PastViews()
    for stamp_ns, depth_m in ((1, 3.0), (2, 2.02), (3, 1.5), (4, 0.0)):
        views.note(view(stamp_ns * SECOND_NS, depth_m))
    assert views.last_empty_ns(PLACE, 9 * SECOND_NS, margin_m=0.05) == SECOND_NS
    assert views.last_empty_ns(PLACE, 9 * SECOND_NS, margin_m=0.01) == 2 * SECOND_NS
    assert views.last_empty_ns(PLACE, SECOND_NS - 1, margin_m=0.05) is None
    assert (
        views.last_empty_ns(PLACE - np.array([4.0, 0.0, 0.0]), 9 * SECOND_NS, margin_m=0.05) is None
    )  # behind the camera
    assert (
        views.last_empty_ns(PLACE + np.array([0.0, 9.0, 0.0]), 9 * SECOND_NS, margin_m=0.05) is None
    )  # beside the image
    views.clear()
    assert views.last_empty_ns(PLACE, 9 * SECOND_NS, margin_m=0.05) is None


def test_of_older_views_the_last_from_each_place_is_kept() -> None:
    views = PastViews()
    for second in range(60):
        views.note(view(second * SECOND_NS, 3.0 if second < 30 else 1.0))
    for second in range(60, 120):
        views.note(view(second * SECOND_NS, 1.0, eye=(0.0, 5.0, 0.0)))
    # All views from the first place are old by now: the last of them saw something before the place.
    assert views.last_empty_ns(PLACE, 120 * SECOND_NS, margin_m=0.05) is None
    for second in range(120, 140):
        views.note(view(second * SECOND_NS, 3.0))
    views.note(view(200 * SECOND_NS, 1.0, eye=(0.0, 5.0, 0.0)))
    assert views.last_empty_ns(PLACE, 200 * SECOND_NS, margin_m=0.05) == 139 * SECOND_NS


def test_of_two_cameras_that_look_at_once_both_are_kept() -> None:
    views = PastViews()
    views.note(view(SECOND_NS, 1.0))
    views.note(replace(view(SECOND_NS, 3.0), sensor="other"))
    assert views.last_empty_ns(PLACE, 2 * SECOND_NS, margin_m=0.05) == SECOND_NS


def test_views_stay_few() -> None:
    views, most = PastViews(), (RECENT_NS // GAP_NS + 2 + MAX_OLDER) * 80 * 60 * 2
    for i in range(700):
        views.note(view(i * 30_000_000, 3.0, eye=(float(i), 0.0, 0.0)))
        assert views.num_bytes <= most
    assert views.num_bytes > most // 2
