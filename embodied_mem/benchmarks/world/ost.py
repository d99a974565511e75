"""The fifteen question types of OST-Bench (Lin et al. 2025): the robot's own state, what it saw, where things are to it.

Judgements are one of a few words, estimations a number within a tolerance, temporal ones compare two moments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from embodied_mem.benchmarks.world.asking import Params
from embodied_mem.benchmarks.world.chronicle import CannotAnswer, Chronicle, Item, Undecided

S = 1_000_000_000
GRID_NS = 600_000_000
Ask = Callable[[Chronicle, Params], Any]
Vary = Callable[[Chronicle, np.random.Generator], Iterator[Params]]
MIN_MOVE_M, MIN_TURN_RAD = 0.5, math.radians(20.0)
DISTANCE_SLACK_M, DISTANCE_SLACK_SHARE = 0.15, 0.1
ANGLE_SLACK_RAD = math.radians(12.0)


@dataclass(frozen=True, kw_only=True)
class OstType:
    """One type; `is_right` compares a given answer with the true one."""

    name: str
    group: str
    ask: Ask
    vary: Vary
    is_right: Callable[[Any, Any], bool] = lambda given, true: bool(given == true)


def _moments(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    """Pairs of moments, a few seconds to a minute apart."""
    stays = truth.stays()
    start_ns, end_ns = stays[0].from_ns, stays[-1].to_ns
    for _ in range(80):
        first_ns = _on_grid(start_ns, int(rng.integers(start_ns, max(start_ns + 1, end_ns - 5 * S))))
        second_ns = _on_grid(start_ns, min(end_ns, first_ns + int(rng.integers(2 * S, 60 * S))))
        yield {"first_ns": first_ns, "second_ns": second_ns}


def _on_grid(start_ns: int, stamp_ns: int) -> int:
    """The last moment at or before a stamp at which every memory got a frame, also one that gets every third."""
    return start_ns + (stamp_ns - start_ns) // GRID_NS * GRID_NS


def _unmoved(truth: Chronicle) -> list[Item]:
    """Things that are one of a kind and were never carried: words alone name them at any time."""
    moved = {errand.item.label for errand in truth.errands()}
    items: list[Item] = []
    for item in truth.things():
        try:
            if item.label not in moved and len(truth.named(item.label)) == 1:
                items.append(item)
        except Undecided:
            continue
    return items


def _views(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    """A thing and two moments after it was seen."""
    items = _unmoved(truth)
    for params in _moments(truth, rng):
        if not items:
            return
        item = items[int(rng.integers(len(items)))]
        yield {**params, "label": item.label}


def _two_things(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    items = _unmoved(truth)
    for params in _moments(truth, rng):
        if len(items) < 2:
            return
        a, b = rng.choice(len(items), 2, replace=False)
        yield {**params, "label": items[int(a)].label, "other": items[int(b)].label}


def _labels_by(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    labels = sorted({item.label for item in truth.things()})
    for params in _moments(truth, rng):
        yield {"label": labels[int(rng.integers(len(labels)))], "by_ns": params["second_ns"], **params}


def _by_moments(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    for params in _moments(truth, rng):
        yield {"by_ns": params["second_ns"]}


def _one(c: Chronicle, label: str) -> Item:
    """The one thing of a label; a memory that believes in several takes the one it names first."""
    found = c.named(label)
    if not found:
        raise CannotAnswer
    if c.is_truth and len(found) > 1:
        raise Undecided
    return found[0]


def _offset(c: Chronicle, p: Params, when: str = "first_ns") -> tuple[float, float]:
    """Where a thing is from the robot at a moment: distance over the floor, and bearing (left is positive)."""
    pose, item = c.pose(p[when]), _one(c, p["label"])
    away = np.subtract(item.position_world_m, pose.position_world_m)[:2]
    ahead, left = float(away @ pose.forward), float(pose.forward[0] * away[1] - pose.forward[1] * away[0])
    return math.hypot(ahead, left), math.atan2(left, ahead)


def _clear(c: Chronicle, value: float, least: float) -> float:
    """The value, when it is clear of zero."""
    if c.is_truth and abs(value) < least:
        raise Undecided
    return value


def _moved_m(c: Chronicle, p: Params) -> float:
    offset = c.pose(p["second_ns"]).position_world_m - c.pose(p["first_ns"]).position_world_m
    return float(np.linalg.norm(offset[:2]))


def _way(c: Chronicle, p: Params) -> str:
    """Which way one ended up, seen from where one was."""
    first = c.pose(p["first_ns"])
    offset = (c.pose(p["second_ns"]).position_world_m - first.position_world_m)[:2]
    ahead = float(offset @ first.forward)
    left = float(first.forward[0] * offset[1] - first.forward[1] * offset[0])
    if c.is_truth and (math.hypot(ahead, left) < MIN_MOVE_M or abs(abs(ahead) - abs(left)) < 0.3):
        raise Undecided
    return _quarter(math.atan2(left, ahead))


def _quarter(bearing_rad: float) -> str:
    if abs(bearing_rad) <= math.pi / 4:
        return "ahead"
    if abs(bearing_rad) >= 3 * math.pi / 4:
        return "behind"
    return "left" if bearing_rad > 0 else "right"


def _turned_rad(c: Chronicle, p: Params) -> float:
    a, b = c.pose(p["first_ns"]).forward, c.pose(p["second_ns"]).forward
    return math.atan2(float(a[0] * b[1] - a[1] * b[0]), float(a @ b))


def _turned(c: Chronicle, p: Params) -> str:
    angle = _turned_rad(c, p)
    if c.is_truth and not MIN_TURN_RAD < abs(angle) < math.pi - MIN_TURN_RAD:
        raise Undecided
    return "left" if angle > 0 else "right"


def _was_seen(c: Chronicle, p: Params) -> bool:
    return c.was_seen(p["label"], p["by_ns"])


def _seen_in(c: Chronicle, p: Params) -> bool:
    """Whether the first sight of it fell between the two moments."""
    first_ns = c.first_seen_ns(p["label"])
    if first_ns is None:
        return False
    if c.is_truth and min(abs(first_ns - p["first_ns"]), abs(first_ns - p["second_ns"])) < 2 * S:
        raise Undecided
    return bool(p["first_ns"] < first_ns <= p["second_ns"])


def _how_many(c: Chronicle, p: Params) -> int:
    return len(c.named(p["label"]))


def _how_diverse(c: Chronicle, p: Params) -> int:
    """How many of the kinds of movable things that are there now had been in view by a moment."""
    return sum(c.was_seen(label, p["by_ns"]) for label in c.labels())


def _first_of(c: Chronicle, p: Params) -> str:
    a, b = c.first_seen_ns(p["label"]), c.first_seen_ns(p["other"])
    if a is None or b is None:
        raise Undecided if c.is_truth else CannotAnswer
    if c.is_truth and abs(a - b) < 3 * S:
        raise Undecided
    return str(p["label"] if a < b else p["other"])


def _direction(c: Chronicle, p: Params) -> str:
    distance_m, bearing_rad = _offset(c, p)
    off_diagonal = abs(abs(math.remainder(bearing_rad, math.pi / 2)) - math.pi / 4)
    if c.is_truth and (distance_m < 0.4 or off_diagonal < math.radians(8.0)):
        raise Undecided
    return _quarter(bearing_rad)


def _bearing(c: Chronicle, p: Params) -> float:
    distance_m, bearing_rad = _offset(c, p)
    if c.is_truth and distance_m < 0.6:
        raise Undecided
    return bearing_rad


def _bearing_change(c: Chronicle, p: Params) -> str:
    """Whether it went to the left or to the right in one's view."""
    (near_a, a), (near_b, b) = _offset(c, p), _offset(c, p, "second_ns")
    change = math.remainder(b - a, 2 * math.pi)
    if c.is_truth and (min(near_a, near_b) < 0.6 or not MIN_TURN_RAD < abs(change) < math.pi - MIN_TURN_RAD):
        raise Undecided
    return "left" if change > 0 else "right"


def _nearer(c: Chronicle, p: Params) -> str:
    a, b = _offset(c, p)[0], _offset(c, {**p, "label": p["other"]})[0]
    _clear(c, a - b, 0.3)
    return str(p["label"] if a < b else p["other"])


def _distance(c: Chronicle, p: Params) -> float:
    return _offset(c, p)[0]


def _approached(c: Chronicle, p: Params) -> str:
    change_m = _clear(c, _offset(c, p, "second_ns")[0] - _offset(c, p)[0], 0.3)
    return "nearer" if change_m < 0 else "farther"


def _is_near_number(given: float, true: float) -> bool:
    return abs(given - true) <= max(DISTANCE_SLACK_M, DISTANCE_SLACK_SHARE * abs(true))


def _is_near_angle(given: float, true: float) -> bool:
    return abs(math.remainder(given - true, 2 * math.pi)) <= ANGLE_SLACK_RAD


def ost_types() -> list[OstType]:
    """All fifteen."""
    state, seen, place = "agent state", "visible information", "agent-object relation"
    return [
        OstType(name="position.judgement", group=state, ask=_way, vary=_moments),
        OstType(
            name="position.estimation", group=state, ask=_moved_m, vary=_moments, is_right=_is_near_number
        ),
        OstType(name="orientation.judgement", group=state, ask=_turned, vary=_moments),
        OstType(
            name="orientation.estimation",
            group=state,
            ask=_turned_rad,
            vary=_moments,
            is_right=_is_near_angle,
        ),
        OstType(name="existence", group=seen, ask=_was_seen, vary=_labels_by),
        OstType(name="existence.temporal", group=seen, ask=_seen_in, vary=_labels_by),
        OstType(name="quantity", group=seen, ask=_how_many, vary=_labels_by),
        OstType(name="diversity", group=seen, ask=_how_diverse, vary=_by_moments),
        OstType(name="order", group=seen, ask=_first_of, vary=_two_things),
        OstType(name="direction.judgement", group=place, ask=_direction, vary=_views),
        OstType(name="direction.estimation", group=place, ask=_bearing, vary=_views, is_right=_is_near_angle),
        OstType(name="direction.temporal", group=place, ask=_bearing_change, vary=_views),
        OstType(name="distance.judgement", group=place, ask=_nearer, vary=_two_things),
        OstType(
            name="distance.estimation", group=place, ask=_distance, vary=_views, is_right=_is_near_number
        ),
        OstType(name="distance.temporal", group=place, ask=_approached, vary=_views),
    ]
