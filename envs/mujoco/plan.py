"""The floor plan of a home: rooms, doorways, furniture and the receptacles that hold things.

World frame: z up, metres. The south-west corner of the hallway's wall line is near the origin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .furniture import FurnitureModel
from .parts import Colour, Rectangle, Vector3, turn_quarters

WALL_M = 0.10
WALL_HEIGHT_M = 2.4
DOOR_WIDTH_M = 0.90
DOOR_HEIGHT_M = 2.05
OUTSIDE = "outside"


@dataclass(frozen=True, kw_only=True)
class Room:
    """A room; `bounds` is its free floor, inside the walls."""

    name: str
    kind: str
    bounds: Rectangle
    floor_colour: Colour


@dataclass(frozen=True, kw_only=True)
class Wall:
    """A piece of wall: the half of its thickness that belongs to `room`."""

    bounds: Rectangle
    room: str


@dataclass(frozen=True, kw_only=True)
class Doorway:
    """An opening between two rooms, with a door that swings into `rooms[1]`.

    `hinge_m` is the hinge on the floor; `closed_yaw_rad` and `open_yaw_rad` are the directions in which the
    leaf points from the hinge when closed and open.
    """

    name: str
    rooms: tuple[str, str]
    centre_m: tuple[float, float]
    through: tuple[float, float]
    hinge_m: tuple[float, float]
    closed_yaw_rad: float
    open_yaw_rad: float

    def leaf(self, opened: float) -> Rectangle:
        """The floor rectangle of the leaf, exact when closed (0) or open (1), its bounding box in between."""
        yaw = self.closed_yaw_rad + opened * (self.open_yaw_rad - self.closed_yaw_rad)
        x, y = self.hinge_m
        tip_x, tip_y = x + math.cos(yaw) * DOOR_WIDTH_M, y + math.sin(yaw) * DOOR_WIDTH_M
        flat = Rectangle(x0=min(x, tip_x), y0=min(y, tip_y), x1=max(x, tip_x), y1=max(y, tip_y))
        return flat.grown(0.02)


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A flat place in the world. `size_m` are extents along world x and y."""

    centre_world: Vector3
    size_m: tuple[float, float]
    clearance_m: float

    @property
    def bounds(self) -> Rectangle:
        return Rectangle.around(self.centre_world[0], self.centre_world[1], *self.size_m)


@dataclass(frozen=True, kw_only=True)
class Furniture:
    """A placed piece. `quarters` turns its own frame counter-clockwise by 90 degrees each."""

    name: str
    model: FurnitureModel
    room: str
    position_m: tuple[float, float]
    quarters: int
    colour: Colour

    def point_world(self, local: Vector3) -> Vector3:
        x, y = turn_quarters(local[0], local[1], self.quarters)
        return (self.position_m[0] + x, self.position_m[1] + y, local[2])

    def footprint(
        self, size_m: tuple[float, float] | None = None, shift_m: tuple[float, float] = (0.0, 0.0)
    ) -> Rectangle:
        width, depth = size_m if size_m is not None else self.model.size_m[:2]
        x, y, _ = self.point_world((shift_m[0], shift_m[1], 0.0))
        if self.quarters % 2:
            width, depth = depth, width
        return Rectangle.around(x, y, width, depth)

    @property
    def front(self) -> tuple[float, float]:
        """Unit vector from the piece into the room."""
        return turn_quarters(0.0, -1.0, self.quarters)

    @property
    def centre_world(self) -> Vector3:
        return (self.position_m[0], self.position_m[1], self.model.size_m[2] / 2.0)


@dataclass(frozen=True, kw_only=True)
class Receptacle:
    """Something that holds things: the tops of one piece of furniture, or the inside of one drawer.

    `drawer` names the joint of a drawer; its surface is given for the closed position and moves by
    `travel_m` along `front` when it is opened.
    """

    name: str
    category: str
    tag: str
    furniture: str
    room: str
    surfaces: tuple[Surface, ...]
    front: tuple[float, float]
    open_front: bool
    drawer: str | None = None
    travel_m: float = 0.0

    @property
    def centre_world(self) -> Vector3:
        n = len(self.surfaces)
        xs, ys, zs = zip(*(s.centre_world for s in self.surfaces), strict=True)
        return (sum(xs) / n, sum(ys) / n, sum(zs) / n)


@dataclass(frozen=True, kw_only=True)
class HomePlan:
    """All that stands still. Privileged: a robot's memory never sees it."""

    rooms: tuple[Room, ...]
    doorways: tuple[Doorway, ...]
    walls: tuple[Wall, ...]
    furniture: tuple[Furniture, ...]
    receptacles: tuple[Receptacle, ...]
    start: tuple[float, float, float]
    away: tuple[float, float, float]
    away_room: str
    entrance: tuple[float, float]

    def room(self, name: str) -> Room:
        return next(room for room in self.rooms if room.name == name)

    def receptacle(self, name: str) -> Receptacle:
        return next(receptacle for receptacle in self.receptacles if receptacle.name == name)

    def room_of(self, x: float, y: float) -> str:
        """The room whose floor holds the point; points in a doorway belong to the nearest room."""
        slack, nearest = 2.0 * WALL_M, OUTSIDE
        for room in self.rooms:
            if room.bounds.contains(x, y):
                return room.name
            dx = max(room.bounds.x0 - x, x - room.bounds.x1, 0.0)
            dy = max(room.bounds.y0 - y, y - room.bounds.y1, 0.0)
            if math.hypot(dx, dy) < slack:
                slack, nearest = math.hypot(dx, dy), room.name
        return nearest

    @property
    def open_receptacles(self) -> tuple[Receptacle, ...]:
        return tuple(r for r in self.receptacles if r.drawer is None)

    @property
    def bounds(self) -> Rectangle:
        return Rectangle(
            x0=min(w.bounds.x0 for w in self.walls),
            y0=min(w.bounds.y0 for w in self.walls),
            x1=max(w.bounds.x1 for w in self.walls),
            y1=max(w.bounds.y1 for w in self.walls),
        )

    def obstacles(self) -> tuple[Rectangle, ...]:
        """Walls, furniture with the floor that an opened top drawer takes, and open door leaves."""
        leaves = tuple(d.leaf(1.0) for d in self.doorways if OUTSIDE not in d.rooms)
        pieces = tuple(f.footprint() for f in self.furniture)
        drawers = tuple(self.drawer_sweep(r) for r in self.receptacles if r.drawer is not None)
        front_door = tuple(d.leaf(0.0) for d in self.doorways if OUTSIDE in d.rooms)
        return tuple(w.bounds for w in self.walls) + pieces + leaves + drawers + front_door

    def sight_blockers(self) -> tuple[Rectangle, ...]:
        """What hides a room from eyes at 1.2 m: walls, tall furniture, open door leaves."""
        leaves = tuple(d.leaf(1.0) for d in self.doorways if OUTSIDE not in d.rooms)
        tall = tuple(f.footprint() for f in self.furniture if f.model.size_m[2] > 1.25)
        return tuple(w.bounds for w in self.walls) + tall + leaves

    def drawer_sweep(self, drawer: Receptacle, opened: float = 1.0) -> Rectangle:
        """Floor under the part of a drawer that sticks out when it is opened by that fraction."""
        piece = next(f for f in self.furniture if f.name == drawer.furniture)
        along_x = drawer.front[0] != 0.0
        width = drawer.surfaces[0].size_m[1 if along_x else 0] + 0.08
        depth = drawer.travel_m * opened
        x, y, _ = drawer.surfaces[0].centre_world
        face = piece.footprint()
        if along_x:
            edge = face.x1 if drawer.front[0] > 0 else face.x0
            other = edge + drawer.front[0] * depth
            return Rectangle(x0=min(edge, other), x1=max(edge, other), y0=y - width / 2, y1=y + width / 2)
        edge = face.y1 if drawer.front[1] > 0 else face.y0
        other = edge + drawer.front[1] * depth
        return Rectangle(y0=min(edge, other), y1=max(edge, other), x0=x - width / 2, x1=x + width / 2)
