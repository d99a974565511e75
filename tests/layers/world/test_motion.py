"""Things in motion are looked for where their motion has brought them: two people who cross keep their names."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_mem.layers.world.motion import FORESEEN_S, LIKELY_MPS, SEEN_M, SPECTRAL_DENSITY, Motion
from embodied_mem.layers.world.thing import Thing
from tests.context.two_rooms import HALL_POINT, Home, box, thing

S = 1_000_000_000
steps = st.lists(
    st.tuples(st.floats(0.01, 1.9), st.tuples(*[st.floats(-5.0, 5.0)] * 3)), min_size=1, max_size=12
)


def kalman(first: np.ndarray, views: list[tuple[float, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The textbook filter in six dimensions: mean and covariance of position and velocity."""
    eye = np.eye(3)
    x, P = np.append(first, np.zeros(3)), np.kron(np.diag([SEEN_M**2, LIKELY_MPS**2]), eye)
    H = np.hstack([eye, np.zeros((3, 3))])
    for dt, z in views:
        F = np.kron(np.array([[1.0, dt], [0.0, 1.0]]), eye)
        Q = SPECTRAL_DENSITY * np.kron(np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]), eye)
        x, P = F @ x, F @ P @ F.T + Q
        K = P @ H.T @ np.linalg.inv(H @ P @ H.T + SEEN_M**2 * eye)
        x, P = x + K @ (z - H @ x), (np.eye(6) - K @ H) @ P
    return x, P


@given(steps)
def test_it_is_the_textbook_filter(seen: list[tuple[float, tuple[float, float, float]]]) -> None:
    motion, stamp_ns = Motion(stamp_ns=0, position_world_m=(0.0, 0.0, 0.0)), 0
    views = []
    for dt_s, place in seen:
        stamp_ns += round(dt_s * S)
        views.append(((stamp_ns - motion.stamp_ns) / S, np.array(place)))
        motion = motion.seen(place, stamp_ns)
    x, P = kalman(np.zeros(3), views)
    np.testing.assert_allclose(np.append(motion.position_world_m, motion.velocity_world_mps), x, atol=1e-6)
    np.testing.assert_allclose(motion.variance, [P[0, 0], P[0, 3], P[3, 3]], atol=1e-6)


def test_who_walks_on_is_expected_farther_along_the_way_but_not_for_ever() -> None:
    motion = Motion(stamp_ns=0, position_world_m=(0.0, 0.0, 1.0))
    for number in range(1, 11):
        motion = motion.seen((0.5 * number, 0.0, 1.0), number * S // 2)
    assert motion.at(6 * S).position_world_m == pytest.approx((6.0, 0.0, 1.0), abs=0.05)
    assert motion.at(100 * S).position_world_m == motion.at(round((5 + FORESEEN_S) * S)).position_world_m
    assert motion.at(0) == motion
    anew = motion.seen((0.0, 0.0, 1.0), 100 * S)
    assert anew == Motion(stamp_ns=100 * S, position_world_m=(0.0, 0.0, 1.0))
    assert math.dist(anew.velocity_world_mps, (0.0, 0.0, 0.0)) == 0.0


def test_two_people_who_look_alike_keep_their_names_when_they_cross() -> None:
    home = Home()

    def see(*at_x: float) -> None:
        home.see(HALL_POINT, *(thing("person", box((x, y, 0.85), (0.4, 0.3, 1.7))) for x, y in zip(at_x, (2.0, 2.4), strict=True)), after_s=0.5)  # fmt: skip

    see(0.0, 4.0)
    start = {round(e.placement.position_world_m[0]): e.entity_id for e in home.world.entities()}
    for step in range(
        1, 8
    ):  # a metre a second towards each other and on; between frames each comes to where the other was
        see(0.55 * step, 4.0 - 0.55 * step)
    now = {entity.entity_id: entity.placement.position_world_m[1] for entity in home.world.entities()}
    assert now == {start[0]: pytest.approx(2.0, abs=0.05), start[4]: pytest.approx(2.4, abs=0.05)}


def test_a_motion_is_saved_with_its_thing() -> None:
    home = Home()
    for step in range(4):
        home.see(HALL_POINT, thing("person", box((0.6 * step, 2.0, 0.85), (0.4, 0.3, 1.7))), after_s=0.5)
    (walker,) = home.world._state.roster
    assert walker.motion is not None
    assert walker.motion.velocity_world_mps[0] == pytest.approx(1.2, abs=0.1)
    assert Thing.from_bytes(walker.to_bytes(), walker.shape).motion == walker.motion
