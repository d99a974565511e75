"""Where a robot stands to see every receptacle from at least two sides, with as few stops as it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from .navigation import FreeSpace, are_blocked
from .parts import distance_to_nearest, rectangle_array, wrap_angle
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
    seen: dict[tuple[float, float], dict[tuple[str, str], float]] = {(x, y): {} for x, y in cells.tolist()}
    for target in targets:
        for point, side, value in _standing_well(cells, target, blockers):
            seen[point][(target.name, side)] = value
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


def _standing_cells(plan: HomePlan, space: FreeSpace, room: str) -> Float64[np.ndarray, "n 2"]:
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


def _standing_well(
    cells: Float64[np.ndarray, "n 2"], target: Receptacle, blockers: Float64[np.ndarray, "b 4"]
) -> list[tuple[tuple[float, float], str, float]]:
    """Where a receptacle is seen well from: the point, the side that is seen, and how well (about 1)."""
    angles = np.array([_angle(point, target) for point in cells.tolist()])
    gaps = distance_to_nearest(cells, rectangle_array(s.bounds for s in target.surfaces))
    widest = SHELF_WIDEST_RAD if target.open_front else WIDEST_RAD
    turned = np.abs(angles)
    near = np.flatnonzero(
        (turned > NARROWEST_RAD) & (turned < widest) & (gaps > NEAREST_M) & (gaps < FARTHEST_M)
    )
    for end in _ends(target):
        near = near[~are_blocked(cells[near], np.array([end]), blockers)]
    return [
        ((x, y), "left" if angle > 0 else "right", 1.0 - 0.25 * abs(gap - 0.9))
        for (x, y), angle, gap in zip(
            cells[near].tolist(), angles[near].tolist(), gaps[near].tolist(), strict=True
        )
    ]


def _angle(point: tuple[float, float], target: Receptacle) -> float:
    """How far from straight ahead of a receptacle a point lies."""
    x, y, _ = target.centre_world
    return wrap_angle(math.atan2(point[1] - y, point[0] - x) - math.atan2(target.front[1], target.front[0]))


def _ends(target: Receptacle) -> list[tuple[float, float]]:
    """The centre and both lateral ends of a receptacle, a little in front of its middle line."""
    x, y, _ = target.centre_world
    tangent = (-target.front[1], target.front[0])
    axis = 0 if tangent[0] != 0.0 else 1
    half = max(s.size_m[axis] for s in target.surfaces) / 2 - 0.08
    return [(x + k * half * tangent[0], y + k * half * tangent[1]) for k in (-1.0, 0.0, 1.0)]
