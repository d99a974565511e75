"""The robots' way: visits end when a robot leaves or is not heard of, late glimpses fall into their place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_mem.geometry import Box, look_at
from embodied_mem.layers.world import journey
from embodied_mem.layers.world.journey import JourneyLog, dwell
from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.messages import Frame, Interval, Region
from embodied_mem.store.sqlite import SqliteRepository
from tests.context.two_rooms import CAMERA, Home

S = 1_000_000_000
INSIDE = Region(box=Box(min_m=(0, 0, 0), max_m=(1, 1, 2)))


def frame(stamp_s: float, x: float, robot: str = "robot") -> Frame:
    eye = np.array([x, 0.5, 1.0])
    return Frame(
        stamp_ns=round(stamp_s * S), camera=CAMERA, T_world_camera=look_at(eye, np.add(eye, (1.0, 0.0, 0.0))),
        depth_m=np.zeros((30, 40), dtype=np.float32), robot=robot,
    )  # fmt: skip


def log_of(*frames: Frame) -> JourneyLog:
    log = JourneyLog(SqliteRepository(":memory:"), WorldConfig())
    for one in frames:
        log.note(one, (), one.stamp_ns)
    return log


def spans(log: JourneyLog, robot: str | None = None) -> list[tuple[float, float]]:
    visits = log.visits("here", INSIDE, None, robot=robot, known_at_ns=None)
    return [(visit.from_ns / S, visit.to_ns / S) for visit in visits]


def test_a_visit_lasts_until_the_robot_leaves() -> None:
    log = log_of(frame(1, 0.5), frame(2, 0.6), frame(3, 2.0), frame(4, 0.5))
    assert spans(log) == [(1, 2), (4, 4)]
    assert dwell("here", log.visits("here", INSIDE, None, robot=None, known_at_ns=None)).total_ns == S


def test_a_silence_ends_a_visit() -> None:
    assert spans(log_of(frame(1, 0.5), frame(10, 0.5), frame(11, 0.5))) == [(1, 1), (10, 11)]


def test_robots_are_told_apart() -> None:
    log = log_of(frame(1, 0.5, "a"), frame(1.5, 5.0, "b"), frame(2, 0.5, "a"), frame(2.5, 0.5, "b"))
    assert spans(log) == [(1, 2), (2.5, 2.5)]
    assert spans(log, "b") == [(2.5, 2.5)]


def test_frames_that_tell_nothing_new_are_not_kept() -> None:
    log = log_of(*(frame(1 + 0.1 * k, 0.5) for k in range(31)))
    assert len(log) == 4


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(8)))
def test_the_order_of_arrival_does_not_change_the_way(order: list[int]) -> None:
    frames = [frame(k + 1, 0.3 * k) for k in range(8)]
    in_order, shuffled = log_of(*frames), log_of(*(frames[k] for k in order))
    assert [g.stamp_ns for g in shuffled.between()] == [g.stamp_ns for g in in_order.between()]
    assert spans(shuffled) == spans(in_order)


def test_what_arrived_later_was_not_known_before() -> None:
    log = JourneyLog(SqliteRepository(":memory:"), WorldConfig())
    log.note(frame(1, 0.5), (), 1 * S)
    log.note(frame(2, 0.5), (), 50 * S)
    assert len(log.between(known_at_ns=10 * S)) == 1
    assert log.visits("here", INSIDE, None, robot=None, known_at_ns=10 * S)[0].to_ns == 1 * S


def test_the_way_survives_a_restart() -> None:
    home = Home()
    home.furnish()
    with home.world.reading() as view:
        expected = view.journey.between()
    again = JourneyLog(home.world._repository, WorldConfig())
    assert again.between() == expected
    assert again.at(expected[3].source) == expected[3]
    assert again.at("robot/camera/17") is None
    assert again.between(Interval(from_ns=2 * S, to_ns=3 * S)) == expected[1:3]


def test_a_long_way_is_thinned_in_ram_and_whole_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journey, "MOST_IN_RAM", 200)
    frames = [frame(1 + 0.1 * k, 0.06 * k) for k in range(1000)]
    log = log_of(*frames)
    assert len(log) <= 400
    way = log.trajectory("robot", None, known_at_ns=None)
    assert way is not None
    assert abs(way.length_m - 0.06 * 999) < 0.5
    stamps = [g.stamp_ns for g in log.between()]
    assert stamps == sorted(stamps)
    assert stamps[-100:] == [one.stamp_ns for one in frames[-100:]]
    early = frames[7]
    kept = log.at(f"robot/camera/{early.stamp_ns}")
    assert kept is not None
    assert kept.position_world_m[0] == round(0.06 * 7, 6)


def test_a_step_over_the_border_and_back_is_no_leaving() -> None:
    in_the_doorway = (
        frame(1, 0.8),
        frame(1.5, 0.95),
        frame(2, 1.1),
        frame(2.5, 0.95),
        frame(3, 1.3),
        frame(3.5, 0.9),
    )
    assert spans(log_of(*in_the_doorway)) == [(1, 2.5), (3.5, 3.5)]
