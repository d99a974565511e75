"""A synthetic room whose things a test sets, seen by a camera that the test points; frames become percepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from embodied_mem.geometry import Box, look_at
from embodied_mem.messages import Percept
from embodied_mem.perception import Perception
from embodied_mem.testing.synthetic_room import SyntheticRoom, Thing

MUG_SIZE_M = (0.09, 0.09, 0.11)
TABLE_TOP_M = 0.72


class Stage:
    """The room's table, shelf and sofa, with things that a test puts there."""

    def __init__(self, *, num_objects: int = 0) -> None:
        self.room = SyntheticRoom(seed=0, width_px=240, height_px=180)
        for name in ("red mug", "blue mug", "bottle", "bowl", "book")[num_objects:]:
            self.room.remove(name)
        self._perception = Perception()

    def put(self, name: str, x: float, y: float, *, bottom_m: float = TABLE_TOP_M, color: str = "red", label: str = "mug",
            size_m: Sequence[float] = MUG_SIZE_M) -> None:  # fmt: skip
        half = np.array(size_m) / 2
        center = np.array([x, y, bottom_m + half[2]])
        box = Box(min_m=tuple((center - half).tolist()), max_m=tuple((center + half).tolist()))
        self.room.things[name] = Thing(label=label, color=color, box=box)

    def look(self, eye: Sequence[float], target: Sequence[float], *, after_s: float = 0.5) -> Percept:
        self.room.clock.advance(after_s)
        return self._perception.perceive(
            self.room.look(look_at(np.array(eye, dtype=float), np.array(target, dtype=float)))
        )

    def circle(self, num: int = 20, *, target: Sequence[float] = (2.5, 2.0, 0.75), radius_m: float = 1.5,
               period_s: float = 0.5) -> list[Percept]:  # fmt: skip
        views = []
        for angle in np.linspace(0, 2 * np.pi, num, endpoint=False):
            offset = np.array([radius_m * np.cos(angle), min(radius_m, 1.4) * np.sin(angle), 0.7])
            views.append(self.look(np.array(target) + offset, target, after_s=period_s))
        return views

    def center(self, name: str) -> np.ndarray:
        return self.room.things[name].box.center

    @property
    def now_ns(self) -> int:
        return self.room.clock.now_ns


def received_at(percept: Percept, received_ns: int) -> Percept:
    return replace(percept, frame=replace(percept.frame, received_ns=received_ns))
