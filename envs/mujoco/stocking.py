"""Fills a furnished home with everyday objects: on the tops, on the boards and in some of the drawers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from .catalog import COLOURS, KIND_BY_NAME, KINDS, ObjectKind
from .parts import Colour, Rectangle, Vector3
from .plan import HomePlan, Receptacle, Surface

NUM_OBJECTS = 46
NUM_IN_DRAWERS = 5
NUM_TWIN_PAIRS = 3
TWIN_KINDS = ("mug", "bottle", "book", "can", "candle", "ball", "bowl")
TWINS_APART_M = 0.45
GAP_M = 0.05
STANDING_GAP_M = 0.0005
TRIES_PER_OBJECT = 40
DEEP_SURFACE_M = 0.45


@dataclass(frozen=True, kw_only=True)
class MovableObject:
    """One thing as the home starts with it. `position_world` is the centre of its bounding box."""

    id: str
    kind: ObjectKind
    colour_name: str
    colour: Colour
    position_world: Vector3
    yaw_rad: float
    receptacle: str
    twin: str | None = None

    @property
    def size_m(self) -> Vector3:
        return self.kind.size_m


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A free place on a receptacle: bounding box centre and yaw of what would stand there."""

    receptacle: str
    position_world: Vector3
    yaw_rad: float


def footprint(size_m: Vector3, x: float, y: float, yaw_rad: float) -> Rectangle:
    """The floor-plan bounding rectangle of a box of that size turned by `yaw_rad`."""
    c, s = abs(math.cos(yaw_rad)), abs(math.sin(yaw_rad))
    return Rectangle.around(x, y, size_m[0] * c + size_m[1] * s, size_m[0] * s + size_m[1] * c)


@dataclass(kw_only=True)
class Standing:
    """What already stands on a surface: footprint and height above it."""

    bounds: Rectangle
    height_m: float


@dataclass
class Stocker:
    """Places objects one by one, remembering what is taken."""

    plan: HomePlan
    rng: np.random.Generator
    placed: list[MovableObject] = field(default_factory=list)

    def stock(self) -> tuple[MovableObject, ...]:
        self._place_mugs()
        self._place_twins()
        self._fill_drawers()
        self._fill_tops()
        return tuple(self.placed)

    def _place_mugs(self) -> None:
        """Three mugs of different colours in different rooms, one of which a script may carry elsewhere."""
        mug = KIND_BY_NAME["mug"]
        suited = [r for r in self.plan.open_receptacles if r.tag in mug.suits]
        order = [suited[int(i)] for i in self.rng.permutation(len(suited))]
        rooms: set[str] = set()
        for receptacle in order:
            if receptacle.room not in rooms and len(rooms) < 3 and self._add(mug, receptacle):
                rooms.add(receptacle.room)

    def _place_twins(self) -> None:
        chosen = [str(name) for name in self.rng.permutation(TWIN_KINDS)]
        pairs = 0
        for name in chosen:
            kind = KIND_BY_NAME[name]
            suited = [r for r in self.plan.open_receptacles if r.tag in kind.suits]
            if pairs == NUM_TWIN_PAIRS or not suited or not self._add(kind, self._pick(suited)):
                continue
            first = self.placed[-1]
            for receptacle in (suited[int(i)] for i in self.rng.permutation(len(suited))):
                if self._add(kind, receptacle, twin_of=first):
                    self.placed[-2] = replace(first, twin=self.placed[-1].id)
                    pairs += 1
                    break

    def _fill_drawers(self) -> None:
        drawers = [r for r in self.plan.receptacles if r.drawer is not None and r.name.endswith("drawer 1")]
        small = [k for k in KINDS if k.fits_in_a_drawer]
        filled = 0
        for receptacle in (drawers[int(i)] for i in self.rng.permutation(len(drawers))):
            fitting = [k for k in small if k.size_m[2] < receptacle.surfaces[0].clearance_m]
            if filled < NUM_IN_DRAWERS and fitting and self._add(self._least_used(fitting), receptacle):
                filled += 1

    def _fill_tops(self) -> None:
        tops = list(self.plan.open_receptacles)
        misses = 0
        while len(self.placed) < NUM_OBJECTS and misses < 200:
            receptacle = min(tops, key=lambda r: self._crowding(r) + float(self.rng.uniform(0.0, 0.6)))
            fitting = [k for k in KINDS if receptacle.tag in k.suits]
            if not fitting or not self._add(self._least_used(fitting), receptacle):
                misses += 1

    def _crowding(self, receptacle: Receptacle) -> float:
        length = sum(max(s.size_m) for s in receptacle.surfaces)
        return (0.5 + sum(1 for o in self.placed if o.receptacle == receptacle.name)) / length

    def _pick(self, receptacles: list[Receptacle]) -> Receptacle:
        return receptacles[int(self.rng.integers(len(receptacles)))]

    def _least_used(self, kinds: list[ObjectKind]) -> ObjectKind:
        used = {k.name: sum(1 for o in self.placed if o.kind.name == k.name) for k in kinds}
        return min(kinds, key=lambda k: used[k.name] + float(self.rng.uniform(0.0, 1.5)))

    def _add(self, kind: ObjectKind, receptacle: Receptacle, twin_of: MovableObject | None = None) -> bool:
        look = self._look(kind, twin_of)
        spot = find_spot(self.rng, kind.size_m, receptacle, self.placed)
        if look is None or spot is None:
            return False
        if twin_of is not None and math.dist(spot.position_world, twin_of.position_world) < TWINS_APART_M:
            return False
        count = sum(1 for o in self.placed if o.kind.name == kind.name)
        self.placed.append(
            MovableObject(
                id=f"{kind.name.replace(' ', '_')}_{count + 1}",
                kind=kind,
                colour_name=look[0],
                colour=look[1],
                position_world=spot.position_world,
                yaw_rad=spot.yaw_rad,
                receptacle=receptacle.name,
                twin=None if twin_of is None else twin_of.id,
            )
        )
        return True

    def _look(self, kind: ObjectKind, twin_of: MovableObject | None) -> tuple[str, Colour] | None:
        """The twin's colour, or one that no other thing of this kind has; None when all are taken."""
        if twin_of is not None:
            return twin_of.colour_name, twin_of.colour
        taken = {o.colour_name for o in self.placed if o.kind.name == kind.name}
        free = [name for name in kind.colours if name not in taken]
        if not free:
            return None
        name = free[int(self.rng.integers(len(free)))]
        r, g, b = (float(np.clip(c + self.rng.uniform(-0.05, 0.05), 0.03, 1.0)) for c in COLOURS[name])
        return name, (r, g, b)


def find_spot(
    rng: np.random.Generator, size_m: Vector3, receptacle: Receptacle, others: list[MovableObject]
) -> Spot | None:
    """A free, well visible place for a box of `size_m` on the receptacle, or None after some tries."""
    on_it = [o for o in others if o.receptacle == receptacle.name]
    facing = math.atan2(receptacle.front[1], receptacle.front[0]) + math.pi / 2
    spread = 0.25 if receptacle.open_front or receptacle.drawer is not None else 0.6
    for _ in range(TRIES_PER_OBJECT):
        surface = receptacle.surfaces[int(rng.integers(len(receptacle.surfaces)))]
        yaw = facing + float(rng.uniform(-spread, spread))
        x = surface.centre_world[0] + float(rng.uniform(-0.5, 0.5)) * surface.size_m[0]
        y = surface.centre_world[1] + float(rng.uniform(-0.5, 0.5)) * surface.size_m[1]
        bounds = footprint(size_m, x, y, yaw)
        if size_m[2] > surface.clearance_m or not surface.bounds.covers(bounds):
            continue
        if _stands_free(bounds, size_m[2], receptacle, surface, on_it):
            z = surface.centre_world[2] + size_m[2] / 2 + STANDING_GAP_M
            return Spot(receptacle=receptacle.name, position_world=(x, y, z), yaw_rad=yaw)
    return None


def _stands_free(
    bounds: Rectangle, height_m: float, receptacle: Receptacle, surface: Surface, on_it: list[MovableObject]
) -> bool:
    for other in on_it:
        low = other.position_world[2] - other.size_m[2] / 2
        if abs(low - surface.centre_world[2]) > 0.05:
            continue
        standing = Standing(
            bounds=footprint(other.size_m, *other.position_world[:2], other.yaw_rad), height_m=other.size_m[2]
        )
        if bounds.grown(GAP_M).overlaps(standing.bounds):
            return False
        if _hides(bounds, height_m, standing, receptacle.front, surface):
            return False
    return True


def _hides(
    bounds: Rectangle, height_m: float, standing: Standing, front: tuple[float, float], surface: Surface
) -> bool:
    """Whether one of the two would stand before the other, seen from the front, and hide much of it."""
    depth_axis = 0 if front[0] != 0.0 else 1
    spans = (
        (bounds.y0, bounds.y1, standing.bounds.y0, standing.bounds.y1)
        if depth_axis == 0
        else (bounds.x0, bounds.x1, standing.bounds.x0, standing.bounds.x1)
    )
    side_by_side = spans[0] >= spans[3] or spans[2] >= spans[1]
    if side_by_side:
        return False
    if surface.size_m[depth_axis] < DEEP_SURFACE_M:
        return True
    sign = front[depth_axis]
    is_before = sign * (bounds.centre[depth_axis] - standing.bounds.centre[depth_axis]) > 0.0
    near, far = (height_m, standing.height_m) if is_before else (standing.height_m, height_m)
    return near > 0.12 and far < near + 0.08
