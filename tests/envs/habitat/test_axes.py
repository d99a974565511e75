"""Habitat's axes and ours."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_mem.envs.habitat.axes import (
    camera_pose,
    heading_rad,
    intrinsics,
    rotation_matrix,
    to_habitat,
    to_world,
)
from embodied_mem.geometry import invert, transform
from embodied_mem.messages import PinholeCamera

coordinate = st.floats(-50, 50)
point = st.tuples(coordinate, coordinate, coordinate).map(np.array)


@given(point)
def test_there_and_back_is_the_same_point(p):
    assert np.allclose(to_habitat(to_world(p)), p)
    assert np.isclose(np.linalg.norm(to_world(p)), np.linalg.norm(p))


def test_up_is_up_and_the_floor_stays_the_floor():
    assert np.allclose(to_world(np.array([1.0, 2.0, -3.0])), [1.0, 3.0, 2.0])


def test_a_camera_at_rest_looks_along_our_north_with_the_sky_above():
    pose = camera_pose((1.0, 1.5, -2.0), (0, 0, 0, 1))
    assert np.allclose(pose[:3, 3], [1.0, 2.0, 1.5])
    assert np.allclose(pose[:3, 2], [0, 1, 0])  # forward, -z there
    assert np.allclose(pose[:3, 1], [0, 0, -1])  # image rows run down
    assert np.isclose(np.linalg.det(pose[:3, :3]), 1.0)


@given(st.floats(-10, 10))
def test_the_heading_is_where_the_camera_looks(turn):
    quaternion = (0.0, math.sin(turn / 2), 0.0, math.cos(turn / 2))
    ahead = camera_pose((0, 0, 0), quaternion)[:3, 2]
    yaw = heading_rad(turn)
    assert np.allclose(ahead, [math.cos(yaw), math.sin(yaw), 0.0], atol=1e-9)


@given(st.tuples(coordinate, coordinate, coordinate, coordinate).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_quaternions_of_any_length_are_rotations(quaternion):
    rotation = rotation_matrix(quaternion)
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)


def test_a_pixel_is_lifted_to_where_habitat_has_it():
    """Habitat's own projection: x / -z * f from the middle of the image, y upwards."""
    matrix = intrinsics((48, 64), 90.0)
    camera = PinholeCamera.from_matrix(matrix, width_px=64, height_px=48)
    assert camera.fx == pytest.approx(32.0)
    in_habitat = np.array([0.5, 0.25, -2.0])
    u, v = 31.5 + 32.0 * 0.5 / 2.0, 23.5 - 32.0 * 0.25 / 2.0
    pose = camera_pose((0, 0, 0), (0, 0, 0, 1))
    in_camera = transform(invert(pose), to_world(in_habitat)[None])[0]
    assert np.allclose(in_camera / in_camera[2] * [32.0, 32.0, 1.0] + [31.5, 23.5, 0.0], [u, v, 1.0])
