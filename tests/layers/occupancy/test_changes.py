"""A scripted hall: what appears, vanishes and moves is told once, where it is, with bounds that hold the true time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_mem.errors import ConfigError
from embodied_mem.geometry import Box, look_at
from embodied_mem.layers.occupancy import AtlasConfig, OccupancyConfig, OccupancyLayer, SubmapAtlas
from embodied_mem.messages import Frame, MapEvent, Percept, PinholeCamera, Region
from embodied_mem.robot_memory import RobotMemory, RobotMemoryConfig
from embodied_mem.testing.box_views import depth_of_boxes

CAMERA = PinholeCamera(fx=80.0, fy=80.0, cx=79.5, cy=59.5, width_px=160, height_px=120)
CONFIG = OccupancyConfig(cell_m=0.08, stride_px=2)
HALL = (
    Box(min_m=(3.5, -4.0, -0.1), max_m=(3.7, 4.0, 3.0)),
    Box(min_m=(-2.0, -4.0, -0.2), max_m=(3.7, 4.0, -0.02)),
)
CRATE = Box(min_m=(2.0, -0.8, 0.0), max_m=(2.5, -0.3, 0.6))
ELSEWHERE = Box(min_m=(2.0, 0.5, 0.0), max_m=(2.5, 1.0, 0.6))
LABELS = ("crate", "hall")
SECOND_NS = 1_000_000_000
PERIOD_NS = SECOND_NS // 5


def look(
    stamp_ns: int,
    boxes: Sequence[Box],
    *,
    target: tuple[float, float, float] = (3.0, 0.0, 0.4),
    things: int = 0,
    noise: np.random.Generator | None = None,
) -> Percept:
    """One view; the last `things` of the boxes are labelled as crates."""
    T = look_at(np.array([0.0, 0.0, 1.2]), np.array(target))
    depth_m = depth_of_boxes(CAMERA, T, boxes).astype(np.float32)
    without = depth_of_boxes(CAMERA, T, boxes[: len(boxes) - things]).astype(np.float32)
    label_index = np.where(depth_m < without, 0, 1).astype(np.int16)
    if noise is not None:
        depth_m += (0.0012 + 0.0019 * depth_m**2) * noise.standard_normal(depth_m.shape).astype(np.float32)
    frame = Frame(stamp_ns=stamp_ns, camera=CAMERA, T_world_camera=T, depth_m=np.maximum(depth_m, 0.0))
    return Percept(frame=frame, instances=(), labels=LABELS, label_index=label_index)


def watch(layer: OccupancyLayer, start_ns: int, end_ns: int, see: Callable[[int], Percept]) -> list[MapEvent]:
    """What is told while frames come in from `start_ns` until before `end_ns`."""
    return [
        event
        for stamp_ns in range(start_ns, end_ns, PERIOD_NS)
        for event in layer.update(see(stamp_ns)).events
    ]


def is_front_of(seen: Box, crate: Box) -> bool:
    """Whether the box is of the crate, give or take two cells, and covers most of the side that the robot sees."""
    reach_m = 2 * CONFIG.cell_m
    is_within = np.all(np.array(seen.min_m) >= np.array(crate.min_m) - reach_m) and np.all(
        np.array(seen.max_m) <= np.array(crate.max_m) + reach_m
    )
    sizes, whole = np.subtract(seen.max_m, seen.min_m), np.subtract(crate.max_m, crate.min_m)
    return bool(is_within and (sizes[1:] >= 0.7 * whole[1:]).all())


@pytest.mark.parametrize("is_watched", [True, False])
def test_a_crate_that_is_put_down_and_taken_away_is_told_with_its_times(is_watched: bool) -> None:
    layer, rng = OccupancyLayer(CONFIG), np.random.default_rng(0)
    put_ns, taken_ns, end_ns = 6 * SECOND_NS, 14 * SECOND_NS, 20 * SECOND_NS

    def see(stamp_ns: int) -> Percept:
        is_there = put_ns <= stamp_ns < taken_ns
        # Not watched, the robot looks the other way for two seconds around each change.
        is_away = any(abs(stamp_ns - at_ns) < SECOND_NS for at_ns in (put_ns, taken_ns)) and not is_watched
        target = (-2.0, 0.1, 0.2) if is_away else (3.0, 0.0, 0.4)
        boxes = (*HALL, CRATE) if is_there else HALL
        return look(stamp_ns, boxes, target=target, things=int(is_there), noise=rng)

    events = watch(layer, SECOND_NS, end_ns, see)
    assert [event.kind for event in events] == ["appeared", "vanished"]
    for event, true_ns in zip(events, (put_ns, taken_ns), strict=True):
        assert event.label == "crate"
        assert event.after_ns <= true_ns <= event.before_ns
        width_ns = event.before_ns - event.after_ns
        assert width_ns <= PERIOD_NS + 70_000_000 if is_watched else width_ns >= SECOND_NS
        assert event.before_box is None
        assert is_front_of(event.box, CRATE)


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**31))
def test_what_appears_while_the_robot_looks_around_has_bounds_that_hold_its_time(seed: int) -> None:
    layer, rng = OccupancyLayer(CONFIG), np.random.default_rng(seed)
    put_ns, end_ns = int(rng.integers(4, 10)) * SECOND_NS, 17 * SECOND_NS
    low, size = rng.uniform([1.6, -0.9, 0.0], [2.4, 0.4, 0.5]), rng.uniform(0.3, 0.6, 3)
    (x, y, z), (far_x, far_y, top) = low.tolist(), (low + size).tolist()
    crate = Box(min_m=(x, y, z), max_m=(far_x, far_y, top))
    # A glance every two seconds, often past the crate's place, so that only a corner of its bricks is in view.
    sides = rng.uniform(-3.0, 3.0, 12)

    def see(stamp_ns: int) -> Percept:
        is_last = stamp_ns >= 12 * SECOND_NS or stamp_ns < 3 * SECOND_NS
        side = 0.0 if is_last else sides[stamp_ns // (2 * SECOND_NS)]
        boxes = (*HALL, crate) if stamp_ns >= put_ns else HALL
        return look(stamp_ns, boxes, target=(3.0, side, 0.4), things=int(stamp_ns >= put_ns), noise=rng)

    events = watch(layer, SECOND_NS, end_ns, see)
    assert [event.kind for event in events].count("appeared") >= 1
    for event in events:
        assert event.kind == "appeared"
        assert event.after_ns <= put_ns <= event.before_ns


def test_a_look_past_a_things_place_does_not_say_that_it_was_empty() -> None:
    """The crate fills most of one brick, of which only an empty corner stays in view while it is put down."""
    layer = OccupancyLayer(CONFIG)
    crate = Box(min_m=(2.0, -0.6, 0.0), max_m=(2.5, -0.2, 0.6))
    turned_ns, put_ns, back_ns = 3 * SECOND_NS, 4 * SECOND_NS, 8 * SECOND_NS

    def see(stamp_ns: int) -> Percept:
        is_turned = turned_ns <= stamp_ns < back_ns
        boxes = (*HALL, crate) if stamp_ns >= put_ns else HALL
        return look(stamp_ns, boxes, target=(2.16, 2.08, 0.4) if is_turned else (3.0, 0.0, 0.4))

    (event,) = watch(layer, SECOND_NS, 13 * SECOND_NS, see)
    assert event.after_ns == turned_ns - PERIOD_NS
    assert event.before_ns == back_ns


def test_a_thing_whose_place_nobody_saw_for_long_is_bounded_by_the_last_look_from_there() -> None:
    layer = OccupancyLayer(CONFIG)
    left_ns, put_ns, back_ns = 3 * SECOND_NS, 10 * SECOND_NS, 20 * SECOND_NS

    def see(stamp_ns: int) -> Percept:
        is_away = left_ns <= stamp_ns < back_ns
        boxes = (*HALL, CRATE) if stamp_ns >= put_ns else HALL
        return look(stamp_ns, boxes, target=(-2.0, 0.1, 0.2) if is_away else (3.0, 0.0, 0.4))

    (event,) = watch(layer, SECOND_NS, 25 * SECOND_NS, see)
    assert event.after_ns == left_ns - PERIOD_NS
    assert event.before_ns == back_ns


def test_a_crate_that_is_carried_over_is_told_as_a_move() -> None:
    layer = OccupancyLayer(CONFIG)
    moved_ns = 6 * SECOND_NS

    def see(stamp_ns: int) -> Percept:
        return look(stamp_ns, (*HALL, CRATE if stamp_ns < moved_ns else ELSEWHERE), things=1)

    events = watch(layer, SECOND_NS, 12 * SECOND_NS, see)
    kinds = [event.kind for event in events]
    assert sorted(kinds) == ["appeared", "moved", "vanished"]
    moved = events[kinds.index("moved")]
    assert moved.before_box is not None
    assert is_front_of(moved.box, ELSEWHERE)
    assert is_front_of(moved.before_box, CRATE)
    assert moved.after_ns <= moved_ns <= moved.before_ns
    assert moved.label == "crate"


def test_things_of_other_labels_are_no_move() -> None:
    layer = OccupancyLayer(CONFIG)

    def see(stamp_ns: int) -> Percept:
        is_before = stamp_ns < 6 * SECOND_NS
        percept = look(stamp_ns, (*HALL, CRATE if is_before else ELSEWHERE), things=1)
        labels = LABELS if is_before else ("cushion", "hall")
        return Percept(frame=percept.frame, instances=(), labels=labels, label_index=percept.label_index)

    kinds = [event.kind for event in watch(layer, SECOND_NS, 12 * SECOND_NS, see)]
    assert sorted(kinds) == ["appeared", "vanished"]


def test_a_still_scene_tells_nothing_however_noisy_and_explored() -> None:
    layer, rng = OccupancyLayer(CONFIG), np.random.default_rng(1)

    def see(stamp_ns: int) -> Percept:
        side = 3.0 * np.sin(stamp_ns / SECOND_NS)
        return look(stamp_ns, (*HALL, CRATE), target=(3.0, side, 0.2), things=1, noise=rng)

    assert watch(layer, SECOND_NS, 21 * SECOND_NS, see) == []


def test_the_same_thing_seen_from_another_side_is_not_told_again() -> None:
    layer = OccupancyLayer(CONFIG)

    def see(stamp_ns: int) -> Percept:
        boxes = HALL if stamp_ns < 4 * SECOND_NS else (*HALL, CRATE)
        T = look_at(
            np.array([0.0, 0.0, 1.2]) if stamp_ns < 8 * SECOND_NS else np.array([2.3, 2.0, 1.2]),
            np.array([2.4, -0.4, 0.3]),
        )
        depth_m = depth_of_boxes(CAMERA, T, boxes).astype(np.float32)
        frame = Frame(stamp_ns=stamp_ns, camera=CAMERA, T_world_camera=T, depth_m=depth_m)
        return Percept(frame=frame, instances=())

    events = watch(layer, SECOND_NS, 14 * SECOND_NS, see)
    assert [event.kind for event in events] == ["appeared"]
    assert events[0].label == ""


def test_a_loaded_map_starts_without_pending_changes() -> None:
    layer, other = OccupancyLayer(CONFIG), OccupancyLayer(CONFIG)
    watch(layer, SECOND_NS, 4 * SECOND_NS, lambda stamp_ns: look(stamp_ns, (*HALL, CRATE), things=1))
    for index in range(3):  # some misses, too few for the crate to be gone
        layer.update(look((4 + index) * SECOND_NS, HALL))
    other.load_state(layer.state())
    events = watch(
        other, 8 * SECOND_NS, 12 * SECOND_NS, lambda stamp_ns: look(stamp_ns, (*HALL, CRATE), things=1)
    )
    assert events == []


@pytest.mark.parametrize("options", [{"event_settle_s": -1.0}, {"event_min_cells": 0}])
def test_options_of_events_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="event_"):
        OccupancyConfig(**options)  # type: ignore[arg-type]


def test_the_memory_remembers_what_the_map_noticed_though_nothing_names_it(tmp_path: Path) -> None:
    told: list[MapEvent] = []
    config = RobotMemoryConfig(occupancy=CONFIG)
    with RobotMemory.open(tmp_path, config) as memory:
        for stamp_ns in range(SECOND_NS, 10 * SECOND_NS, PERIOD_NS):
            boxes = HALL if stamp_ns < 5 * SECOND_NS else (*HALL, CRATE)
            report = memory.observe(look(stamp_ns, boxes).frame)
            assert report.map_change is not None
            told += report.map_change.events
        memory.save()
    assert [event.kind for event in told] == ["appeared"]
    assert is_front_of(told[0].box, CRATE)
    with RobotMemory.open(tmp_path, config) as memory:
        (happening,) = memory.questions.events(kind="appeared", actor="map").value or ()
        assert (happening.event.start_ns, happening.event.end_ns) == (told[0].after_ns, told[0].before_ns)
        assert happening.entity_ids == ()
        assert happening.position_world_m == pytest.approx(told[0].box.center)
        near, far = (
            memory.questions.events(place=Region(center_world_m=centre, radius_m=0.7))
            for centre in ((2.2, -0.5, 0.3), (2.2, 2.5, 0.3))
        )
        assert len(near.value or ()) == 1
        assert not far.value
        assert memory.num_entities == 0


def test_events_of_a_submap_are_told_in_world() -> None:
    layer, atlas = OccupancyLayer(CONFIG), SubmapAtlas(AtlasConfig(submap=CONFIG, travel_m=9.0, turn_rad=3.0))

    def see(stamp_ns: int) -> Percept:
        return look(stamp_ns, HALL if stamp_ns < 4 * SECOND_NS else (*HALL, CRATE))

    events = [watch(one, SECOND_NS, 9 * SECOND_NS, see) for one in (layer, atlas)]
    assert [[event.kind for event in told] for told in events] == [["appeared"], ["appeared"]]
    assert np.allclose(events[0][0].box.center, events[1][0].box.center, atol=2 * CONFIG.cell_m)
