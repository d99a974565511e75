from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_mem.errors import InvalidMessage, InvalidPose
from embodied_mem.geometry import (
    Box,
    back_project,
    invert,
    look_at,
    pose_from_quaternion,
    project,
    quaternion_from_pose,
    transform,
)
from embodied_mem.messages import PinholeCamera

coordinate = st.floats(-20, 20)
point = st.tuples(coordinate, coordinate, coordinate).map(np.array)
quaternion = (
    st.tuples(*[st.floats(-1, 1)] * 4)
    .map(np.array)
    .filter(lambda q: np.linalg.norm(q) > 0.1)
    .map(lambda q: q / np.linalg.norm(q))
)


@given(point, quaternion)
def test_a_pose_survives_its_quaternion(position: np.ndarray, q: np.ndarray) -> None:
    T = pose_from_quaternion(position, q)
    back = quaternion_from_pose(T)
    assert min(np.abs(back - q).max(), np.abs(back + q).max()) < 1e-6
    assert np.allclose(pose_from_quaternion(position, back), T, atol=1e-9)


@given(point, quaternion, point)
def test_a_transform_and_its_inverse_cancel(position: np.ndarray, q: np.ndarray, p: np.ndarray) -> None:
    T = pose_from_quaternion(position, q)
    assert np.allclose(transform(invert(T), transform(T, p[None])), p[None], atol=1e-9)


def test_a_quaternion_that_is_not_of_length_one_is_refused() -> None:
    with pytest.raises(InvalidPose, match="length 2"):
        pose_from_quaternion(np.zeros(3), np.array([0.0, 0.0, 0.0, 2.0]))
    with pytest.raises(InvalidPose):
        pose_from_quaternion(np.zeros(3), np.array([np.nan, 0.0, 0.0, 1.0]))


@given(
    st.lists(st.tuples(st.floats(0, 639), st.floats(0, 479), st.floats(0.1, 10)), min_size=1, max_size=20),
)
def test_pixels_come_back_where_they_were(pixels: list[tuple[float, float, float]]) -> None:
    camera = PinholeCamera(fx=525.0, fy=520.0, cx=319.5, cy=239.5, width_px=640, height_px=480)
    u, v, depth = np.array(pixels, np.float32).T
    assert np.allclose(project(camera, back_project(camera, depth, u, v)), np.stack([u, v], 1), atol=1e-2)


def test_points_behind_the_camera_project_to_nan() -> None:
    camera = PinholeCamera(fx=1.0, fy=1.0, cx=0.0, cy=0.0, width_px=2, height_px=2)
    assert np.isnan(project(camera, np.array([[0.0, 0.0, -1.0]]))).all()


@given(point, point)
def test_a_camera_that_looks_at_a_point_has_it_on_its_axis(eye: np.ndarray, target: np.ndarray) -> None:
    distance = np.linalg.norm(target - eye)
    if distance < 0.1:
        return
    p_camera = transform(invert(look_at(eye, target)), target[None])[0]
    assert np.allclose(p_camera, [0, 0, distance], atol=1e-6)


@given(st.lists(point, min_size=1, max_size=20), point)
def test_a_box_holds_exactly_what_it_is_drawn_around(points: list[np.ndarray], other: np.ndarray) -> None:
    cloud = np.array(points)
    box = Box.around(cloud)
    assert box.contains(cloud).all()
    assert box.union(Box.around(other[None])).contains(np.vstack([cloud, other])).all()
    assert box.grown(0.1).contains(cloud + 0.09).all()
    assert np.allclose(Box.around(box.corners()).center, box.center)


def test_a_box_inside_out_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="min <= max"):
        Box(min_m=(1, 0, 0), max_m=(0, 1, 1))
    for low in ((np.nan, 0, 0), (-np.inf, 0, 0), (0, 0)):
        with pytest.raises(InvalidMessage, match="three finite numbers"):
            Box(min_m=low, max_m=(2, 1, 1))
