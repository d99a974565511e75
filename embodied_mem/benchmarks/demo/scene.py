"""What was true in an episode, as far as questions need it."""

from __future__ import annotations

from dataclasses import dataclass

from embodied_mem.benchmarks.demo.grading import Position, TrueChange, TrueStay
from embodied_mem.geometry import Box

CLEARLY_SEEN_PX = 120
"""An object counts as seen in a phase when one frame of it showed at least this many of its pixels (of 320x240)."""


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """One movable thing: where it truly was, and how well the robot saw it before and after it was away.

    A last stay with an end means that it was taken out of the home.
    """

    object_id: str
    category: str
    color: str
    stays: tuple[TrueStay, ...]
    best_pixels_before: int
    best_pixels_after: int
    best_pixels_away: int = 0

    @property
    def is_gone(self) -> bool:
        return self.stays[-1].to_ns is not None

    @property
    def is_moved(self) -> bool:
        return len(self.stays) > 1

    @property
    def was_seen_before(self) -> bool:
        return self.best_pixels_before >= CLEARLY_SEEN_PX

    @property
    def was_seen_after(self) -> bool:
        return self.best_pixels_after >= CLEARLY_SEEN_PX

    @property
    def was_glimpsed_while_away(self) -> bool:
        """Whether the robot, where it hid, saw it being carried past: then it knew more than where it had been."""
        return self.best_pixels_away > 0

    @property
    def was_never_seen(self) -> bool:
        return self.best_pixels_before == 0 and self.best_pixels_after == 0

    def position_at(self, stamp_ns: int) -> Position | None:
        """Where it was then; None when it was not in the home."""
        for stay in self.stays:
            if stay.from_ns <= stamp_ns and (stay.to_ns is None or stamp_ns < stay.to_ns):
                return stay.position_world_m
        return None


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The episode: the robot looked until `left_ns`, things happened, and it came back after `returned_ns`.

    `rooms` are boxes from floor to ceiling; `opened` are the drawers and doors that the person opened or closed.
    """

    objects: tuple[SceneObject, ...]
    rooms: dict[str, Box]
    left_ns: int
    returned_ns: int
    end_ns: int
    opened: tuple[TrueChange, ...] = ()

    @property
    def untouched(self) -> tuple[SceneObject, ...]:
        return tuple(one for one in self.objects if not one.is_moved and not one.is_gone)

    def named(self, category: str, color: str | None = None) -> tuple[SceneObject, ...]:
        """Everything of a category, and of a colour when one is given."""
        return tuple(one for one in self.objects if one.category == category and color in (None, one.color))

    def room_of(self, position_world_m: Position) -> str | None:
        """The room that holds a position."""
        x, y, z = position_world_m
        for name, box in self.rooms.items():
            if all(low <= c <= high for low, c, high in zip(box.min_m, (x, y, z), box.max_m, strict=True)):
                return name
        return None
