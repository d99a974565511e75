"""What to do on each task, as far as anything that is seen now allows; what is past is asked of a memory.

A skill sees the present frame only. What it does during the cue needs no memory; at the choice it asks `Recalled`, and
guesses at random where nothing was remembered, so that a robot without memory performs at chance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TypeVar

import numpy as np

from embodied_mem.benchmarks.suite.protocol import Sighting, TaskMemory, Vector3
from embodied_mem.envs.mujoco.tabletop.task import KeyPose, carry, press

Option = TypeVar("Option")
MIDDLE: Vector3 = (0.06, 0.0, 0.0)
BACK: Vector3 = (0.24, 0.0, 0.0)
PAD_TOP_M = 0.004
KNOB_HEIGHT_M, KNOB_HALF_M, DRAWER_TRAVEL_M = 0.044, 0.015, 0.12
OPEN_AHEAD_M = 0.05
SAME_PLACE_M = 0.06
BLOCK_TOP_M, CUP_TOP_M, BUTTON_TOP_M = 0.045, 0.08, 0.03


@dataclass(frozen=True, kw_only=True)
class View:
    """What is seen now."""

    seen: tuple[Sighting, ...]

    def of(self, label: str, color: str | None = None) -> list[Sighting]:
        """Things of a label, from the robot's left to its right."""
        found = [one for one in self.seen if one.label == label and color in (None, one.color)]
        return sorted(found, key=lambda one: -one.position_m[1])

    def one(self, label: str) -> Sighting:
        """The largest thing of a label."""
        return max(self.of(label), key=lambda one: one.size_m[0] * one.size_m[1])


@dataclass(frozen=True, kw_only=True)
class Recalled:
    """What a memory says about the time before the gate; `rng` decides where it says nothing."""

    memory: TaskMemory
    before_ns: int
    rng: np.random.Generator

    def of(self, label: str) -> list[Sighting]:
        """Sightings that began before the gate, oldest first."""
        return [one for one in self.memory.sightings(label) if one.from_ns < self.before_ns]

    def first(self, label: str) -> Sighting | None:
        found = self.of(label)
        return found[0] if found else None

    def any_of(self, options: Sequence[Option]) -> Option:
        """A guess."""
        return options[int(self.rng.integers(len(options)))]


Cue = Callable[[View], list[KeyPose]]
Choose = Callable[[View, Recalled], list[KeyPose]]


@dataclass(frozen=True, kw_only=True)
class Skill:
    """`cue` plans what to do while the cue is there (nothing by default), `choose` what to do after the gate."""

    choose: Choose
    cue: Cue = lambda view: []


def nearest(options: Sequence[Sighting], place: Vector3) -> Sighting:
    """The option nearest to a place, over the table."""
    return min(options, key=lambda one: distance_m(one.position_m, place))


def distance_m(a: Vector3, b: Vector3) -> float:
    """Over the table."""
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


def base(one: Sighting, height_m: float = 0.0) -> Vector3:
    """Where a thing stands that is `height_m` above the table."""
    return (one.position_m[0], one.position_m[1], height_m)


def block_base(one: Sighting) -> Vector3:
    """A block's underside, from its top (what hides below may be unseen)."""
    top_m = one.position_m[2] + one.size_m[2] / 2
    return (one.position_m[0], one.position_m[1], max(0.0, top_m - BLOCK_TOP_M))


def onto(pad: Sighting) -> Vector3:
    return base(pad, PAD_TOP_M)


def press_button(view: View) -> list[KeyPose]:
    return press(base(view.one("button")), BUTTON_TOP_M)


def colored(view: View, color: str, label: str = "block") -> Sighting | None:
    found = view.of(label, color)
    return found[0] if found else None


# -- places ---------------------------------------------------------------------------------------------------


def _move_to_middle(view: View) -> list[KeyPose]:
    return [*carry(block_base(view.one("block")), MIDDLE), *press_button(view)]


def _put_back(view: View, past: Recalled) -> list[KeyPose]:
    pads, was = view.of("pad"), past.first("block")
    pad = past.any_of(pads) if was is None else nearest(pads, was.position_m)
    return carry(block_base(view.one("block")), onto(pad))


def _on_pad(view: View) -> Sighting:
    """The block that stands on a pad, or the one nearest to doing so."""
    return min(
        view.of("block"), key=lambda b: min(distance_m(b.position_m, p.position_m) for p in view.of("pad"))
    )


def _clear_pad(view: View) -> list[KeyPose]:
    return [*carry(block_base(_on_pad(view)), BACK), *press_button(view)]


def _fill_empty_pad(view: View, past: Recalled) -> list[KeyPose]:
    pads, middle = view.of("pad"), min(view.of("block"), key=lambda one: one.position_m[0])
    was_full = [
        pad
        for pad in pads
        for one in past.of("block")
        if distance_m(one.position_m, pad.position_m) < SAME_PLACE_M
    ]
    empty = [pad for pad in pads if was_full and pad is not was_full[0]]
    return carry(block_base(middle), onto(empty[0] if empty else past.any_of(pads)))


def _knob(drawer: Sighting) -> Vector3:
    front = drawer.position_m[0] - drawer.size_m[0] / 2
    return (front + KNOB_HALF_M, drawer.position_m[1], KNOB_HEIGHT_M)


def _shut_drawer(view: View) -> list[KeyPose]:
    drawers = sorted(view.of("drawer"), key=lambda one: _knob(one)[0])
    x, y, z = _knob(drawers[0])
    shut_x = _knob(drawers[-1])[0]
    return [
        KeyPose(position_m=(x, y, z), close=True),
        KeyPose(position_m=(shut_x, y, z), close=True),
        KeyPose(position_m=(shut_x, y, z)),
        KeyPose(position_m=(shut_x - 0.05, y, 0.2)),
        *press_button(view),
    ]


def _pull(drawer: Sighting) -> list[KeyPose]:
    x, y, z = _knob(drawer)
    end: Vector3 = (x - DRAWER_TRAVEL_M, y, z)
    return [
        KeyPose(position_m=(x, y, z), close=True),
        KeyPose(position_m=end, close=True),
        KeyPose(position_m=end),
    ]


def _reopen(view: View, past: Recalled) -> list[KeyPose]:
    """The drawer that stood out furthest, if any did."""
    drawers, seen = view.of("drawer"), past.of("drawer")
    shut_x = float(np.median([one.position_m[0] for one in drawers]))
    out = [one for one in seen if one.position_m[0] < shut_x - OPEN_AHEAD_M / 2]
    if not out:
        return _pull(past.any_of(drawers))
    was = min(out, key=lambda one: one.position_m[0]).position_m
    return _pull(min(drawers, key=lambda one: abs(one.position_m[1] - was[1])))


def _open_where_the_ball_went(view: View, past: Recalled) -> list[KeyPose]:
    drawers, ball = view.of("drawer"), past.first("ball")
    if ball is None:
        return _pull(past.any_of(drawers))
    return _pull(min(drawers, key=lambda one: abs(one.position_m[1] - ball.position_m[1])))


def _to_lit_pad(view: View, past: Recalled) -> list[KeyPose]:
    pads = view.of("pad")
    lit = [one for one in past.of("pad") if one.color in LIT_COLORS]
    pad = nearest(pads, lit[0].position_m) if lit else past.any_of(pads)
    return carry(block_base(view.one("block")), onto(pad))


def _to_tray(view: View) -> list[KeyPose]:
    return [*carry(block_base(view.one("block")), onto(view.one("pad"))), *press_button(view)]


def _take_back(view: View, past: Recalled) -> list[KeyPose]:
    was = past.first("block")
    guess: Vector3 = (float(past.rng.uniform(0.0, 0.28)), float(past.rng.uniform(-0.24, 0.24)), 0.0)
    return carry(block_base(view.one("block")), guess if was is None else base(was))


# -- colours, orders, counts ----------------------------------------------------------------------------------

LIT_COLORS = ("yellow",)


def _touch_color(view: View, past: Recalled) -> list[KeyPose]:
    was = past.first("block")
    block = None if was is None else colored(view, was.color)
    return press(base(block or past.any_of(view.of("block"))), BLOCK_TOP_M)


def _in_order(
    known: Sequence[Sighting | None], options: Sequence[Sighting], past: Recalled
) -> list[Sighting]:
    """The options, those known first in their order, the others at random behind."""
    order = list({id(one): one for one in known if one is not None}.values())
    rest = [one for one in options if all(one is not other for other in order)]
    return [*order, *(rest[int(i)] for i in past.rng.permutation(len(rest)))]


def _touch_chain(view: View, past: Recalled) -> list[KeyPose]:
    colors = dict.fromkeys(one.color for one in past.of("block"))
    order = _in_order([colored(view, color) for color in colors], view.of("block"), past)
    return [pose for one in order for pose in press(base(one), BLOCK_TOP_M)]


def _press_in_order(view: View, past: Recalled) -> list[KeyPose]:
    buttons = view.of("button")
    lit = [one for one in past.of("button") if one.color in LIT_COLORS]
    order = _in_order([nearest(buttons, one.position_m) for one in lit], buttons, past)
    return [pose for one in order for pose in press(base(one), BUTTON_TOP_M)]


def _press_count(view: View, past: Recalled) -> list[KeyPose]:
    """Buttons are told apart by how far their white marks reach."""
    by_marks = sorted(view.of("button"), key=lambda one: one.white_width_m)
    lit = [one for one in past.of("lamp") if one.color in LIT_COLORS]
    knows = bool(past.of("lamp")) and 1 <= len(lit) <= len(by_marks)
    button = by_marks[len(lit) - 1] if knows else past.any_of(by_marks)
    return press(base(button), BUTTON_TOP_M)


def _tracked(start: Sighting, later: Sequence[Sighting], num_things: int) -> Vector3:
    """Where a thing among look-alikes ends: from moment to moment, all of them together move as little as possible."""
    moments = [
        [one for one in later if one.from_ns == stamp_ns] for stamp_ns in sorted({o.from_ns for o in later})
    ]
    whole = [[one.position_m for one in moment] for moment in moments if len(moment) == num_things]
    if not whole:
        return start.position_m
    places = whole[0]
    mine = min(range(num_things), key=lambda i: distance_m(places[i], start.position_m))
    for after in whole[1:]:
        order = min(
            permutations(range(num_things)),
            key=lambda p: sum(distance_m(a, after[i]) for a, i in zip(places, p, strict=True)),
        )
        places = [after[i] for i in order]
    return places[mine]


def _follow_cup(view: View, past: Recalled) -> list[KeyPose]:
    cups, ball, seen = view.of("cup"), past.of("ball"), past.of("cup")
    if not ball or not seen:
        return press(base(past.any_of(cups)), CUP_TOP_M)
    place = ball[-1].position_m
    start = nearest([one for one in seen if one.from_ns <= ball[-1].to_ns] or seen, place)
    if start.thing:
        place = [one for one in seen if one.thing == start.thing][-1].position_m
    else:
        place = _tracked(start, [one for one in seen if one.from_ns > ball[-1].to_ns], len(cups))
    return press(base(nearest(cups, place)), CUP_TOP_M)


def _lift_or_press(view: View, past: Recalled) -> list[KeyPose]:
    """Called again after each lift: without a count it goes on with the probability that serves best."""
    lifts = past.memory.deeds("place")
    goes_on = past.rng.random() < 0.75 if lifts is None else len(lifts) < 3
    if not goes_on:
        return press_button(view)
    x, y, z = block_base(view.one("block"))
    grasp: Vector3 = (x, y, z + 0.0225)
    up: Vector3 = (x, y, z + 0.16)
    return [
        KeyPose(position_m=grasp, close=True),
        KeyPose(position_m=up, close=True),
        KeyPose(position_m=grasp),
    ]


SKILLS: dict[str, Skill] = {
    "PutBlockBack": Skill(cue=_move_to_middle, choose=_put_back),
    "RearrangeBlock": Skill(cue=_clear_pad, choose=_fill_empty_pad),
    "ReopenDrawer": Skill(cue=_shut_drawer, choose=_reopen),
    "RememberColor3": Skill(choose=_touch_color),
    "RememberColor5": Skill(choose=_touch_color),
    "RememberColor9": Skill(choose=_touch_color),
    "ShellGameSwap": Skill(choose=_follow_cup),
    "CountBlinks": Skill(choose=_press_count),
    "ChainOfColors3": Skill(choose=_touch_chain),
    "ChainOfColors5": Skill(choose=_touch_chain),
    "SeqPushButtons": Skill(choose=_press_in_order),
    "LiftNTimes": Skill(choose=_lift_or_press),
    "TakeItBack": Skill(cue=_to_tray, choose=_take_back),
    "HiddenInDrawer": Skill(choose=_open_where_the_ball_went),
    "PlaceAfterButton": Skill(cue=press_button, choose=_to_lit_pad),
}
