"""FindingDory's goal predicates."""

import math

import numpy as np
import pytest

from embodied_mem.envs.habitat.predicates import THRESHOLDS, angle_to, coverage, robot_at, robot_in_room


@pytest.mark.parametrize("kind", sorted(THRESHOLDS))
def test_each_threshold_is_allowed_and_anything_beyond_is_not(kind):
    limits = THRESHOLDS[kind]
    at = {"distance_m": limits.distance_m, "angle_rad": limits.angle_rad, "seen_share": limits.coverage}
    assert robot_at(kind, **at).holds
    assert robot_at(kind, **{**at, "distance_m": limits.distance_m + 1e-6}).failures(limits) == ("too far",)
    assert robot_at(kind, **{**at, "angle_rad": limits.angle_rad + 1e-6}).failures(limits) == (
        "looks elsewhere",
    )
    if limits.coverage:
        assert robot_at(kind, **{**at, "seen_share": 0.0}).failures(limits) == ("not in view",)


def test_the_published_thresholds():
    told = {kind: (one.distance_m, one.angle_rad, one.coverage) for kind, one in THRESHOLDS.items()}
    assert told == {
        "object": (2.0, 0.785, 0.001),
        "receptacle": (0.1, 1.57, 0.001),
        "position": (1.0, 0.785, 0.0),
    }


def test_no_way_is_too_far():
    assert not robot_at("object", distance_m=math.inf, angle_rad=0.0).holds


def test_the_angle_is_the_shorter_way_round():
    assert angle_to((0, 0), math.pi - 0.1, (-1.0, -0.1)) == pytest.approx(0.1 + math.atan(0.1))
    assert angle_to((0, 0), 0.0, (0.0, 2.0)) == pytest.approx(math.pi / 2)


def test_coverage_is_the_share_of_the_image():
    picture = np.zeros((10, 20), dtype=np.int32)
    picture[:2, :5] = 4001
    assert coverage(picture, 4001) == 10 / 200
    assert coverage(picture, 5) == 0.0


def test_a_robot_between_rooms_is_in_both():
    assert robot_in_room(("kitchen", "hall"), "hall")
    assert not robot_in_room((), "hall")
