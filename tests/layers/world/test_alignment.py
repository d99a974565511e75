"""A shift that everything in view shares is the camera's: it is taken out before anything counts as moved or gone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embodied_mem.benchmarks.world.absence import measure_changes
from embodied_mem.benchmarks.world.degrade import HEADLINE
from embodied_mem.geometry import Box
from embodied_mem.layers.world.alignment import MIN_VIEWS, aligned, pose_error_m
from embodied_mem.layers.world.looks import Glance, started
from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.layers.world.thing import Thing
from embodied_mem.messages import ObservedInstance, Percept
from embodied_mem.testing.synthetic_room import SyntheticRoom
from tests.context.two_rooms import box, thing

BOXES = (
    box((1.0, 0.2, 0.8), (0.3, 0.2, 0.2)),
    box((1.6, 0.9, 0.9), (0.2, 0.3, 0.4)),
    box((0.4, 1.1, 0.7), (0.25, 0.25, 0.3)),
)


def view(where: Box, shift_m: np.ndarray) -> ObservedInstance:
    """The box's surface, seen in full."""
    low, high = np.add(where.min_m, shift_m), np.add(where.max_m, shift_m)
    points = np.random.default_rng(0).random((500, 3))
    points[np.arange(500), np.arange(500) % 3] = np.arange(500) // 3 % 2
    seen = thing("vase", Box(min_m=tuple(low.tolist()), max_m=tuple(high.tolist())))
    return replace(seen, points_world=(low + points * (high - low)).astype(np.float32))


def known(where: Box, num_views: int = MIN_VIEWS) -> Thing:
    return known_from(view(where, np.zeros(3)), num_views)


def known_from(instance: ObservedInstance, num_views: int = MIN_VIEWS) -> Thing:
    glance = Glance(stamp_ns=0, known_ns=0, eye_world=(0.0, 0.0, 0.0), source="test/camera/0")
    first = started("e1", instance, glance, WorldConfig())
    first.num_views = num_views
    return first


def part(where: Box, share: float) -> ObservedInstance:
    """The part of the box that a picture's rim leaves: so much of its length along x."""
    whole = view(where, np.zeros(3))
    points = whole.points_world[whole.points_world[:, 0] <= where.min_m[0] + share * where.size[0]]
    return replace(whole, points_world=points, box=Box.around(points), is_cut=True)


@settings(max_examples=20)
@given(st.tuples(*[st.floats(-0.05, 0.05)] * 3))
@example((0.0, 0.0, 0.031))
def test_a_shift_of_everything_is_found_and_taken_out(shift: tuple[float, float, float]) -> None:
    shift_m = np.array(shift)
    found = pose_error_m([(view(one, shift_m), known(one)) for one in BOXES])
    left_m = shift_m if found is None else shift_m - found
    assert np.linalg.norm(left_m) <= 0.015
    if np.linalg.norm(shift_m) > 0.02:
        assert found is not None


def test_one_thing_alone_or_one_that_moved_among_others_is_no_error_of_the_camera() -> None:
    moved = np.array([0.1, 0.0, 0.0])
    assert pose_error_m([(view(BOXES[0], moved), known(BOXES[0]))]) is None
    pairs = [(view(one, moved if index == 0 else np.zeros(3)), known(one)) for index, one in enumerate(BOXES)]
    found = pose_error_m(pairs)
    assert found is None or np.linalg.norm(found) < 0.03


def test_two_things_carried_together_have_moved_whether_or_not_others_are_in_view() -> None:
    moved = np.array([0.12, 0.0, 0.0])
    pairs = [(view(one, moved if index < 2 else np.zeros(3)), known(one)) for index, one in enumerate(BOXES)]
    assert pose_error_m(pairs[:2]) is None
    assert pose_error_m(pairs) is None


def test_things_that_come_into_view_part_by_part_shift_nothing() -> None:
    long = [box((x, 0.5, 0.6), (0.8, 0.1, 0.4)) for x in (0.0, 1.0, 2.0)]
    growing = [(part(one, 0.6), known_from(part(one, 0.3))) for one in long]
    assert pose_error_m(growing) is None
    newly_met = [(view(one, np.array([0.03, 0.0, 0.0])), known(one, num_views=1)) for one in BOXES]
    assert pose_error_m(newly_met) is None


def test_a_patch_of_something_kept_in_coarse_cells_shifts_nothing() -> None:
    """Nearest points pull it to one side, but bring it no nearer: the cells are as far apart as before."""
    grid = 0.12 * np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3), axis=-1).reshape(-1, 3).astype(np.float32)
    patch = np.random.default_rng(0).uniform((0.0, -0.06, -0.06), (0.03, 0.06, 0.06), (300, 3))
    coarse = replace(thing("sofa", Box.around(grid)), points_world=grid)
    cut = replace(coarse, points_world=patch.astype(np.float32), box=Box.around(patch), is_cut=True)
    assert pose_error_m([(cut, known_from(coarse))] * 3) is None


def test_a_whole_thing_that_stands_where_it_stood_speaks_against_a_shift() -> None:
    shift_m = np.array([0.04, 0.0, 0.0])
    cut = [(replace(view(one, shift_m), is_cut=True), known(one)) for one in BOXES]
    assert pose_error_m(cut) is not None
    still = box((2.2, 0.4, 0.7), (0.2, 0.2, 0.2))
    assert pose_error_m([*cut, (view(still, np.zeros(3)), known(still))]) is None


def test_an_aligned_percept_has_its_camera_and_its_things_where_they_are() -> None:
    (frame,) = SyntheticRoom(seed=0).frames(1)
    error_m = np.array([0.03, -0.02, 0.01])
    percept = Percept(frame=frame, instances=tuple(view(one, error_m) for one in BOXES))
    right = aligned(percept, error_m)
    for instance, where in zip(right.instances, BOXES, strict=True):
        assert instance.box.center == pytest.approx(where.center, abs=1e-5)
        assert instance.points_world.max(axis=0) == pytest.approx(where.max_m, abs=1e-5)
    offset_m = percept.frame.T_world_camera[:3, 3] - right.frame.T_world_camera[:3, 3]
    assert offset_m == pytest.approx(error_m)


def test_wavering_poses_and_misses_hide_no_change_and_make_hardly_any() -> None:
    """Without alignment, five of the nine that are reported here are false; with it, two of six."""
    score = measure_changes((21, 23), HEADLINE, lambda doing: None)
    assert score.num_both == score.num_true == 4
    assert score.num_reported <= 6
