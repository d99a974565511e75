"""Draws the walls of a home: a hallway, rooms on both of its sides, a bathroom at its end."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .parts import Colour, Rectangle
from .plan import DOOR_WIDTH_M, OUTSIDE, WALL_M, Doorway, Room, Wall

HALL_WIDTH_M = 1.35
BATHROOM_DEPTH_M = 2.6
DOOR_FROM_CORNER_M = 0.12
ROOM_ORDER = ("kitchen", "living room", "bedroom", "office", "dining room", "guest room", "study")
MAX_ROOMS = len(ROOM_ORDER) + 1
MIN_ROOMS = 4

FLOORS: dict[str, Colour] = {
    "kitchen": (0.74, 0.71, 0.64),
    "living room": (0.63, 0.50, 0.36),
    "bedroom": (0.58, 0.56, 0.60),
    "office": (0.50, 0.56, 0.55),
    "dining room": (0.66, 0.52, 0.42),
    "guest room": (0.55, 0.52, 0.47),
    "study": (0.52, 0.48, 0.55),
    "bathroom": (0.68, 0.76, 0.78),
    "hallway": (0.60, 0.55, 0.48),
}


@dataclass(frozen=True, kw_only=True)
class Shell:
    """An unfurnished home."""

    rooms: tuple[Room, ...]
    doorways: tuple[Doorway, ...]
    walls: tuple[Wall, ...]


def draw_shell(rng: np.random.Generator, num_rooms: int) -> Shell:
    """Rooms, doorways and walls for `num_rooms` furnished rooms (the bathroom is one of them; the hallway is extra)."""
    names = [str(name) for name in rng.permutation(ROOM_ORDER[: num_rooms - 1])]
    num_south = len(names) // 2
    south, north = names[:num_south], names[num_south:]
    length = max(len(south), len(north)) * float(rng.uniform(3.9, 4.2))
    south_depth, north_depth = (float(rng.uniform(3.5, 3.9)) for _ in range(2))
    hall_y0, hall_y1 = south_depth + WALL_M, south_depth + WALL_M + HALL_WIDTH_M
    rooms = [_room("hallway", Rectangle(x0=0.0, y0=hall_y0, x1=length, y1=hall_y1))]
    doorways = [_entrance(hall_y0, hall_y1)]
    for row, y0, y1 in ((south, 0.0, south_depth), (north, hall_y1 + WALL_M, hall_y1 + WALL_M + north_depth)):
        for name, (x0, x1) in zip(row, _cuts(rng, length, len(row)), strict=True):
            bounds = Rectangle(x0=x0, y0=y0, x1=x1, y1=y1)
            rooms.append(_room(name, bounds))
            doorways.append(_side_door(rng, name, bounds, is_north=y0 > 0.0))
    width = float(rng.uniform(2.4, 2.7))
    bathroom = Rectangle(
        x0=length + WALL_M, y0=hall_y0, x1=length + WALL_M + width, y1=hall_y0 + BATHROOM_DEPTH_M
    )
    rooms.append(_room("bathroom", bathroom))
    doorways.append(_end_door(bathroom))
    walls = tuple(
        Wall(bounds=piece, room=room.name) for room in rooms for piece in _walls_around(room.bounds, doorways)
    )
    return Shell(rooms=tuple(rooms), doorways=tuple(doorways), walls=walls)


def _room(name: str, bounds: Rectangle) -> Room:
    return Room(name=name, kind=name, bounds=bounds, floor_colour=FLOORS[name])


def _cuts(rng: np.random.Generator, length: float, num: int) -> list[tuple[float, float]]:
    """`num` side-by-side intervals with walls between them, covering [0, length]."""
    inner = (length - (num - 1) * WALL_M) / num
    shifts = [0.0, *(float(rng.uniform(-0.2, 0.2)) for _ in range(num - 1)), 0.0]
    edges = [k * (inner + WALL_M) + shifts[k] for k in range(num + 1)]
    return [(edges[k], edges[k + 1] - WALL_M) for k in range(num)]


def _side_door(rng: np.random.Generator, name: str, bounds: Rectangle, *, is_north: bool) -> Doorway:
    """A door in the hall's wall near one corner of the room; open, its leaf lies along the room's side wall."""
    wall_y = bounds.y0 - WALL_M / 2 if is_north else bounds.y1 + WALL_M / 2
    inwards = 1.0 if is_north else -1.0
    at_west = bool(rng.integers(2))
    hinge_x = bounds.x0 + DOOR_FROM_CORNER_M if at_west else bounds.x1 - DOOR_FROM_CORNER_M
    along = 1.0 if at_west else -1.0
    closed = 0.0 if at_west else math.pi
    opened = closed + math.pi / 2 * inwards * along
    return Doorway(
        name=f"{name} door",
        rooms=("hallway", name),
        centre_m=(hinge_x + along * DOOR_WIDTH_M / 2, wall_y),
        through=(0.0, inwards),
        hinge_m=(hinge_x, wall_y),
        closed_yaw_rad=closed,
        open_yaw_rad=opened,
    )


def _end_door(bathroom: Rectangle) -> Doorway:
    hinge = (bathroom.x0 - WALL_M / 2, bathroom.y0 + DOOR_FROM_CORNER_M)
    return Doorway(
        name="bathroom door",
        rooms=("hallway", "bathroom"),
        centre_m=(hinge[0], hinge[1] + DOOR_WIDTH_M / 2),
        through=(1.0, 0.0),
        hinge_m=hinge,
        closed_yaw_rad=math.pi / 2,
        open_yaw_rad=0.0,
    )


def _entrance(hall_y0: float, hall_y1: float) -> Doorway:
    middle = (hall_y0 + hall_y1) / 2
    return Doorway(
        name="front door",
        rooms=(OUTSIDE, "hallway"),
        centre_m=(-WALL_M / 2, middle),
        through=(1.0, 0.0),
        hinge_m=(-WALL_M / 2, middle - DOOR_WIDTH_M / 2),
        closed_yaw_rad=math.pi / 2,
        open_yaw_rad=math.pi,
    )


def _walls_around(bounds: Rectangle, doorways: list[Doorway]) -> list[Rectangle]:
    """The room's own half of its four walls, cut where a doorway passes through them."""
    g = bounds.grown(WALL_M / 2)
    sides = (
        Rectangle(x0=g.x0, y0=g.y0, x1=g.x1, y1=bounds.y0),
        Rectangle(x0=g.x0, y0=bounds.y1, x1=g.x1, y1=g.y1),
        Rectangle(x0=g.x0, y0=bounds.y0, x1=bounds.x0, y1=bounds.y1),
        Rectangle(x0=bounds.x1, y0=bounds.y0, x1=g.x1, y1=bounds.y1),
    )
    pieces: list[Rectangle] = []
    for side in sides:
        pieces += _cut(side, doorways)
    return pieces


def _cut(wall: Rectangle, doorways: list[Doorway]) -> list[Rectangle]:
    pieces = [wall]
    for door in doorways:
        pieces = [part for piece in pieces for part in _cut_one(piece, door)]
    return pieces


def _cut_one(wall: Rectangle, door: Doorway) -> list[Rectangle]:
    x, y = door.centre_m
    if not wall.grown(0.01).contains(x, y):
        return [wall]
    half = DOOR_WIDTH_M / 2
    if door.through[0] == 0.0:
        parts = [
            Rectangle(x0=wall.x0, y0=wall.y0, x1=x - half, y1=wall.y1),
            Rectangle(x0=x + half, y0=wall.y0, x1=wall.x1, y1=wall.y1),
        ]
    else:
        parts = [
            Rectangle(x0=wall.x0, y0=wall.y0, x1=wall.x1, y1=y - half),
            Rectangle(x0=wall.x0, y0=y + half, x1=wall.x1, y1=wall.y1),
        ]
    return [p for p in parts if p.size_m[0] > 1e-6 and p.size_m[1] > 1e-6]
