"""What a memory implements to be scored: five methods over frames, the robot's own actions and sightings.

docs/tasks.md shows a whole one in thirty lines, which a test runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from embodied_mem.messages import Event, Frame

Vector3 = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """Something of a label and colour (its name, such as "red") that was at a place during an interval.

    position_m: the middle of what was seen, in world. `thing` tells what is the same thing over time, for memories that
    know; empty otherwise.
    """

    label: str
    color: str
    position_m: Vector3
    from_ns: int
    to_ns: int
    thing: str = ""
    size_m: Vector3 = (0.0, 0.0, 0.0)
    white_width_m: float = 0.0
    """How far across its white parts reach (along y), such as the marks that number a button."""


@runtime_checkable
class TaskMemory(Protocol):
    """One robot's memory of one episode."""

    def reset(self) -> None:
        """A new episode begins: forget."""

    def observe(self, frame: Frame) -> None:
        """Take in what the robot sees now."""

    def record(self, event: Event) -> None:
        """Take in what the robot just did."""

    def sightings(self, label: str) -> list[Sighting]:
        """What is remembered of things of a label, oldest first; empty when nothing is."""

    def deeds(self, kind: str) -> list[Event] | None:
        """What the robot did of a kind (press, pick, place, open, search), oldest first; None when deeds are not kept."""


MakeMemory = Callable[[], TaskMemory]
