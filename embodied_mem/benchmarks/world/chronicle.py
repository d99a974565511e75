"""What a question about a household day may be put to: the truth, our memory, and the baselines, all through one face.

A family of questions is written once, over this face. What the truth gives is the right answer; what a memory gives is
its answer. A memory that cannot know a thing at all raises CannotAnswer, and the family is listed apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float64

from embodied_mem.geometry import Box

Point = tuple[float, float, float]


class CannotAnswer(Exception):
    """This memory keeps nothing from which the question could be answered."""


class Undecided(Exception):
    """The truth does not decide: a tie, or something that the robot never saw well."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something to go to: a thing, a piece of furniture, or a room. `key` is the chronicle's own name for it.

    What is in somebody's hand is not at rest: its position is where it last was, and it is no goal.
    """

    key: str
    label: str
    color: str = ""
    position_world_m: Point
    box: Box | None = None
    kind: str = "thing"
    is_at_rest: bool = True

    @property
    def size_m(self) -> float:
        """Its longest edge, metres."""
        if self.box is None:
            raise CannotAnswer
        return float(self.box.size.max())


@dataclass(frozen=True, kw_only=True)
class Errand:
    """A thing that the robot picked up at `pick_ns` and put down at `place_ns`, and from and to which furniture."""

    item: Item
    pick_ns: int
    place_ns: int
    from_world_m: Point
    to_world_m: Point
    source: Item | None
    target: Item | None


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where the robot's camera was, and the way it looked over the floor (a unit vector)."""

    position_world_m: Float64[np.ndarray, "3"]
    forward: Float64[np.ndarray, "2"]


@dataclass(frozen=True, kw_only=True)
class RoomStay:
    """The robot was in a room from `from_ns` to `to_ns`."""

    room: str
    from_ns: int
    to_ns: int


class Chronicle(Protocol):
    """A day as somebody tells it. Lists are in order of time where there is one."""

    is_truth: bool

    def named(self, label: str, color: str | None = None) -> list[Item]:
        """Things of a label (and colour) that are there now."""
        ...

    def things(self) -> list[Item]:
        """All movable things that are there now."""
        ...

    def labels(self) -> list[str]:
        """What kinds of movable things are there now."""
        return sorted({item.label for item in self.things()})

    def furniture(self, label: str | None = None) -> list[Item]:
        """What things stand on and in."""
        ...

    def errands(self) -> list[Errand]:
        """What the robot carried, in order."""
        ...

    def rooms(self) -> list[Item]:
        """Every room; its position is somewhere in it."""
        ...

    def room_of(self, position_world_m: Point) -> str:
        """The kind of room that holds a point."""
        ...

    def stays(self) -> list[RoomStay]:
        """The robot's way through the rooms."""
        ...

    def pose(self, at_ns: int) -> Pose:
        """Where the robot was."""
        ...

    def position_at(self, item: Item, at_ns: int) -> Point:
        """Where a thing was."""
        ...

    def first_seen_ns(self, label: str) -> int | None:
        """When something of a label was first in view; None when never."""
        ...

    def was_seen(self, label: str, by_ns: int) -> bool:
        """Whether something of a label had been in view by a moment."""
        first_ns = self.first_seen_ns(label)
        return first_ns is not None and first_ns <= by_ns


def extreme(
    chronicle: Chronicle, items: list[Item], scores: list[float], *, largest: bool, margin: float
) -> list[Item]:
    """The item with the largest (smallest) score; the truth must be ahead of the next by a share of `margin`."""
    if not items:
        raise Undecided
    order = np.argsort(scores)
    order = order[::-1] if largest else order
    best = int(order[0])
    if chronicle.is_truth and len(order) > 1:
        first, second = abs(scores[best]), abs(scores[int(order[1])])
        if abs(first - second) < margin * max(first, second, 1e-9):
            raise Undecided
    return [items[best]]


def distance_m(a: Point, b: Point) -> float:
    """Euclidean distance."""
    return float(np.linalg.norm(np.subtract(a, b)))
