"""Where a robot stands to see every receptacle from at least two sides, with as few stops as it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .navigation import FreeSpace, is_blocked
from .parts import distance_to_rectangles, rectangle_array, wrap_angle
from .plan import HomePlan, Receptacle

STEP_CELLS = 2
NEAREST_M, FARTHEST_M = 0.50, 1.75
WIDEST_RAD, NARROWEST_RAD = math.radians(62.0), math.radians(12.0)
SHELF_WIDEST_RAD = math.radians(50.0)


@dataclass(frozen=True, kw_only=True)
class ViewPoint:
    """A place to stop at, and the receptacles to look at from there (name, side)."""

    position_m: tuple[float, float]
    room: str
    looks_at: tuple[str, ...]


def find_viewpoints(
    plan: HomePlan, space: FreeSpace, room: str
) -> tuple[list[ViewPoint], set[tuple[str, str]]]:
    """View points for the open receptacles of one room, and the (receptacle, side) pairs nobody can see.

    Greedy set cover over a lattice of free, reachable floor cells; a pair is covered from where the whole
    receptacle is in line of sight, near enough and not too much from the side.
    """
    targets = [r for r in plan.open_receptacles if r.room == room]
    cells = _standing_cells(plan, space, room)
    blockers = rectangle_array(plan.sight_blockers())
    seen = {tuple(p): _covered(tuple(p), targets, blockers) for p in cells.tolist()}
    wanted = {(r.name, side) for r in targets for side in ("left", "right")}
    chosen: list[ViewPoint] = []
    while wanted:
        best = max(seen, key=lambda p: _worth(seen[p], wanted), default=None)
        if best is None or not (seen[best].keys() & wanted):
            break
        newly = seen[best].keys() & wanted
        wanted -= newly
        names = tuple(dict.fromkeys(name for name, _ in sorted(newly)))
        chosen.append(ViewPoint(position_m=(best[0], best[1]), room=room, looks_at=names))
    return chosen, wanted


def _standing_cells(plan: HomePlan, space: FreeSpace, room: str) -> np.ndarray:
    reachable = space.reachable_from(plan.start[0], plan.start[1])
    bounds = plan.room(room).bounds
    centres = space.cell_centres()
    inside = (
        (centres[..., 0] > bounds.x0)
        & (centres[..., 0] < bounds.x1)
        & (centres[..., 1] > bounds.y0)
        & (centres[..., 1] < bounds.y1)
    )
    lattice = np.zeros_like(inside)
    lattice[::STEP_CELLS, ::STEP_CELLS] = True
    return np.asarray(centres[reachable & inside & lattice])


def _worth(quality: dict[tuple[str, str], float], wanted: set[tuple[str, str]]) -> float:
    return sum(value for pair, value in quality.items() if pair in wanted)


def _covered(
    point: tuple[float, float], targets: list[Receptacle], blockers: np.ndarray
) -> dict[tuple[str, str], float]:
    """(receptacle, side) pairs seen well from the point, each with how well (about 1)."""
    found: dict[tuple[str, str], float] = {}
    for target in targets:
        x, y, _ = target.centre_world
        bearing = math.atan2(point[1] - y, point[0] - x) - math.atan2(target.front[1], target.front[0])
        angle = wrap_angle(bearing)
        widest = SHELF_WIDEST_RAD if target.open_front else WIDEST_RAD
        if not NARROWEST_RAD < abs(angle) < widest:
            continue
        gap = _gap_m(point, target)
        if not NEAREST_M < gap < FARTHEST_M:
            continue
        if any(is_blocked(point, end, blockers) for end in _ends(target)):
            continue
        found[(target.name, "left" if angle > 0 else "right")] = 1.0 - 0.25 * abs(gap - 0.9)
    return found


def _gap_m(point: tuple[float, float], target: Receptacle) -> float:
    rectangles = rectangle_array(s.bounds for s in target.surfaces)
    return float(distance_to_rectangles(np.array([point]), rectangles).min())


def _ends(target: Receptacle) -> list[tuple[float, float]]:
    """The centre and both lateral ends of a receptacle, a little in front of its middle line."""
    x, y, _ = target.centre_world
    tangent = (-target.front[1], target.front[0])
    axis = 0 if tangent[0] != 0.0 else 1
    half = max(s.size_m[axis] for s in target.surfaces) / 2 - 0.08
    return [(x + k * half * tangent[0], y + k * half * tangent[1]) for k in (-1.0, 0.0, 1.0)]
