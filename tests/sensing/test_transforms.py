"""The tree of frames: interpolation, gaps, mountings, and what is said when there is no pose."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_mem.errors import ConfigError, InvalidPose
from embodied_mem.geometry import invert
from embodied_mem.sensing.transforms import (
    Edge,
    PoseNotYet,
    PoseUnavailable,
    PoseUncertain,
    TransformTree,
    interpolate,
    parse_static_transform,
    pose_from_rpy,
)

S = 1_000_000_000


def at(x, yaw=0.0):
    return pose_from_rpy(np.array([x, 0.0, 0.0]), 0.0, 0.0, yaw)


def tree():
    result = TransformTree(max_gap_ns=S)
    for second in range(4):
        result.add_sample("odom", "base", second * S, at(float(second), yaw=0.2 * second))
    return result


@given(fraction=st.floats(0, 1))
def test_a_pose_between_samples_lies_on_the_way(fraction):
    T = tree().lookup("odom", "base", S + round(fraction * S))
    np.testing.assert_allclose(T, at(1 + fraction, yaw=0.2 * (1 + fraction)), atol=1e-6)


def test_interpolation_takes_the_short_way_round():
    T = interpolate(at(0, yaw=3.1), at(0, yaw=-3.1), 0.5)
    assert abs(abs(np.arctan2(T[1, 0], T[0, 0])) - np.pi) < 1e-6


def test_mountings_chain_with_what_moves():
    frames = tree()
    frames.add_fixed(parse_static_transform("base camera 0.1 0 1.2 0 0 0"))
    frames.add_fixed(Edge(parent="map", child="odom", T_parent_child=at(5.0)))
    T = frames.lookup("map", "camera", 0)
    np.testing.assert_allclose(T[:3, 3], [5.1, 0, 1.2])
    np.testing.assert_allclose(frames.lookup("camera", "map", 0), invert(T))


def test_a_leading_slash_makes_no_difference():
    np.testing.assert_array_equal(tree().lookup("/odom", "/base", 0), tree().lookup("odom", "base", 0))


def test_the_newest_pose_being_older_than_the_image_is_worth_waiting_for():
    with pytest.raises(PoseNotYet, match=r"0\.500 s older"):
        tree().lookup("odom", "base", 3 * S + S // 2)


def test_gaps_unknown_frames_and_times_before_the_start_say_what_to_do():
    frames = tree()
    frames.add_sample("odom", "base", 10 * S, at(10.0))
    with pytest.raises(PoseUnavailable, match="max_pose_gap_s"):
        frames.lookup("odom", "base", 5 * S)
    with pytest.raises(PoseUnavailable, match="static_transforms"):
        frames.lookup("map", "base", 0)
    late = TransformTree(max_gap_ns=S)
    late.add_sample("odom", "base", 5 * S, at(0.0))
    with pytest.raises(PoseUnavailable, match="older than the first"):
        late.lookup("odom", "base", 0)


def test_uncertain_samples_give_no_pose():
    frames = tree()
    frames.add_sample("odom", "base", 4 * S, at(4.0), is_trusted=False)
    frames.lookup("odom", "base", 3 * S)
    with pytest.raises(PoseUncertain, match="max_position_std_m"):
        frames.lookup("odom", "base", 3 * S + 1)


@pytest.mark.parametrize("bad", [np.full((4, 4), np.nan), np.zeros((4, 4)), np.diag([2.0, 1, 1, 1])])
def test_poses_that_are_not_rigid_are_refused_and_change_nothing(bad):
    frames = tree()
    with pytest.raises(InvalidPose):
        frames.add_sample("odom", "base", 4 * S, bad)
    np.testing.assert_allclose(frames.lookup("odom", "base", 3 * S)[0, 3], 3.0)


@pytest.mark.parametrize(("parent", "child"), [("", "base"), ("odom", ""), ("odom", "odom")])
def test_frames_need_names(parent, child):
    with pytest.raises(InvalidPose, match="must have names"):
        tree().add_sample(parent, child, 0, np.eye(4))


def test_frames_in_a_circle_do_not_hang_the_lookup():
    frames = TransformTree(max_gap_ns=S)
    frames.add_sample("a", "b", 0, at(1.0))
    frames.add_sample("b", "a", 0, at(1.0))
    with pytest.raises(PoseUnavailable):
        frames.lookup("map", "a", 0)


@pytest.mark.parametrize("text", ["", "a b", "a b 1 2 3", "a b x y z 0 0 0", "a b 1 2 3 4 5 6 7 8"])
def test_a_static_transform_that_cannot_be_read_is_refused(text):
    with pytest.raises(ConfigError, match="roll pitch yaw"):
        parse_static_transform(text)


def test_the_clock_starting_over_forgets_the_old_samples():
    frames = tree()
    frames.add_sample("odom", "base", 0, at(50.0))
    np.testing.assert_allclose(frames.lookup("odom", "base", 0)[0, 3], 50.0)
