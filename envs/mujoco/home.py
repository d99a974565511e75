"""Generates a whole home from random numbers: walls, furniture, objects, and where a robot starts and hides."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from embodied_mem.errors import ConfigError

from .floor_plan import MAX_ROOMS, MIN_ROOMS, Shell, draw_shell
from .furnishing import furnish, receptacles_of
from .navigation import FreeSpace, is_blocked
from .parts import rectangle_array
from .plan import OUTSIDE, Furniture, HomePlan, Room
from .stocking import MovableObject, Stocker
from .viewpoints import find_viewpoints

HOME_ATTEMPTS = 40
ROOM_ATTEMPTS = 12
ROUTE_CLEARANCE_M = 0.27
MIN_OBJECTS, MIN_KINDS, MIN_RECEPTACLES, MIN_TWIN_PAIRS = 40, 15, 12, 2


@dataclass(frozen=True, kw_only=True)
class Home:
    """A generated home with everything in its first place."""

    plan: HomePlan
    objects: tuple[MovableObject, ...]


def free_space(plan: HomePlan, clearance_m: float = ROUTE_CLEARANCE_M) -> FreeSpace:
    return FreeSpace(plan.bounds, plan.obstacles(), clearance_m)


def generate_home(rng: np.random.Generator, num_rooms: int) -> Home:
    """A furnished, stocked home whose every receptacle can be looked at from two sides.

    Layouts that do not meet this are thrown away and drawn again, from the same stream of numbers.
    """
    if not MIN_ROOMS <= num_rooms <= MAX_ROOMS:
        raise ConfigError(
            f"num_rooms is {num_rooms}; a generated home has {MIN_ROOMS} to {MAX_ROOMS} furnished rooms. "
            "Choose a number in that range."
        )
    for _ in range(HOME_ATTEMPTS):
        plan = _furnished(rng, draw_shell(rng, num_rooms))
        if plan is None or not _is_well_seen(plan, plan.rooms):
            continue
        objects = Stocker(plan, rng).stock()
        if _is_rich(plan, objects):
            return Home(plan=plan, objects=objects)
    raise ConfigError(
        f"no home with {num_rooms} rooms was found in {HOME_ATTEMPTS} attempts. Choose another seed or fewer rooms."
    )


def _furnished(rng: np.random.Generator, shell: Shell) -> HomePlan | None:
    furniture: list[Furniture] = []
    for room in shell.rooms:
        pieces = _well_seen_pieces(rng, shell, room)
        if pieces is None:
            return None
        furniture += pieces
    return _with_away_spot(_plan(shell, furniture))


def _well_seen_pieces(rng: np.random.Generator, shell: Shell, room: Room) -> list[Furniture] | None:
    """Furniture for one room that can be looked at from two sides, or None after some attempts."""
    for _ in range(ROOM_ATTEMPTS):
        pieces = furnish(rng, room, shell.doorways)
        if pieces is None:
            return None
        if _is_well_seen(_plan(shell, pieces), (room,)):
            return pieces
    return None


def _plan(shell: Shell, furniture: list[Furniture]) -> HomePlan:
    hall = shell.rooms[0].bounds
    middle = hall.centre[1]
    return HomePlan(
        rooms=shell.rooms,
        doorways=shell.doorways,
        walls=shell.walls,
        furniture=tuple(furniture),
        receptacles=tuple(r for piece in furniture for r in receptacles_of(piece)),
        start=(hall.x0 + 2.0, middle, float(np.pi)),
        away=(0.0, 0.0, 0.0),
        away_room="bathroom",
        entrance=(hall.x0 + 0.55, middle),
    )


def _with_away_spot(plan: HomePlan) -> HomePlan | None:
    """Chooses a spot in the bathroom from which the hallway (but for its last metre) is out of sight."""
    space = free_space(plan)
    reachable = space.reachable_from(plan.start[0], plan.start[1])
    room, hall = plan.room(plan.away_room).bounds, plan.rooms[0].bounds
    blockers = rectangle_array(plan.sight_blockers())
    centres = space.cell_centres()[reachable]
    inside = centres[[room.contains(x, y) for x, y in centres.tolist()]]
    spots = sorted(inside.tolist(), key=lambda p: -p[1])
    watched = [
        (x, y) for x in np.linspace(hall.x0 + 0.1, hall.x1 - 1.0, 9) for y in (hall.y0 + 0.1, hall.y1 - 0.1)
    ]
    for x, y in spots:
        if all(is_blocked((x, y), (float(a), float(b)), blockers) for a, b in watched):
            return replace(plan, away=(x, y, float(np.pi / 2)))
    return None


def _is_well_seen(plan: HomePlan, rooms: tuple[Room, ...]) -> bool:
    space = free_space(plan)
    return all(not find_viewpoints(plan, space, room.name)[1] for room in rooms)


def _is_rich(plan: HomePlan, objects: tuple[MovableObject, ...]) -> bool:
    pairs = sum(1 for o in objects if o.twin is not None) // 2
    return (
        len(objects) >= MIN_OBJECTS
        and len({o.kind.name for o in objects}) >= MIN_KINDS
        and len(plan.receptacles) >= MIN_RECEPTACLES
        and pairs >= MIN_TWIN_PAIRS
        and len(
            {plan.receptacle(o.receptacle).room for o in objects if o.kind.name == "mug" and o.twin is None}
        )
        > 1
        and all(plan.room_of(*o.position_world[:2]) != OUTSIDE for o in objects)
    )
