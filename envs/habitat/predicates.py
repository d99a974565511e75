"""FindingDory's goal predicates, with the thresholds of its published task (arXiv 2506.15635, its PDDL domain file).

A robot is at a thing when it is near enough, looks its way, and has it in view: geodesic distance, the angle between
its heading and the direction to the goal on the floor, and the share of the image that the goal covers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Int

GoalKind = Literal["object", "receptacle", "position"]


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Largest distance in metres and angle in radians, least share of the image (0: not asked for)."""

    distance_m: float
    angle_rad: float
    coverage: float


THRESHOLDS: dict[GoalKind, Thresholds] = {
    "object": Thresholds(distance_m=2.0, angle_rad=0.785, coverage=0.001),
    # Receptacles are large: the angle is to their middle, the distance to the nearest of their viewpoints.
    "receptacle": Thresholds(distance_m=0.1, angle_rad=1.57, coverage=0.001),
    "position": Thresholds(distance_m=1.0, angle_rad=0.785, coverage=0.0),
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a predicate holds, and what it measured."""

    holds: bool
    distance_m: float
    angle_rad: float
    coverage: float

    def failures(self, limits: Thresholds) -> tuple[str, ...]:
        """Which of "too far", "looks elsewhere", "not in view" apply."""
        named = (
            ("too far", self.distance_m > limits.distance_m),
            ("looks elsewhere", abs(self.angle_rad) > limits.angle_rad),
            ("not in view", self.coverage < limits.coverage),
        )
        return tuple(name for name, applies in named if applies)


def coverage(segmentation: Int[np.ndarray, "h w"], instance: int) -> float:
    """The share of the image that shows `instance`, 0..1."""
    return float(np.count_nonzero(segmentation == instance) / segmentation.size)


def angle_to(
    position_world_m: tuple[float, float], yaw_rad: float, goal_world_m: tuple[float, float]
) -> float:
    """By how much a robot must turn to face the goal, 0..pi; pi/2 for a goal right at its feet, as upstream has it."""
    dx, dy = goal_world_m[0] - position_world_m[0], goal_world_m[1] - position_world_m[1]
    if dx == dy == 0.0:
        return math.pi / 2
    return abs(math.remainder(math.atan2(dy, dx) - yaw_rad, 2 * math.pi))


def robot_at(kind: GoalKind, *, distance_m: float, angle_rad: float, seen_share: float = 1.0) -> Verdict:
    """Whether the robot is at an object, a receptacle or a position, from what was measured."""
    verdict = Verdict(
        holds=False, distance_m=float(distance_m), angle_rad=float(angle_rad), coverage=float(seen_share)
    )
    return replace(verdict, holds=not verdict.failures(THRESHOLDS[kind]))


def robot_in_room(room_ids_here: tuple[str, ...], room_id: str) -> bool:
    """Whether any of the regions at the robot's position is the one that is asked for."""
    return room_id in room_ids_here
