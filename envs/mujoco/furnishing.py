"""Puts furniture into rooms: along the walls, clear of doors, with floor in front of every piece."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import designs
from .furniture import FlatTop, FurnitureModel
from .joinery import METAL
from .parts import Colour, Rectangle, turn_quarters
from .plan import DOOR_WIDTH_M, Doorway, Furniture, Receptacle, Room, Surface

ROOM_ATTEMPTS = 60
PIECE_ATTEMPTS = 60
WALL_GAP_M = 0.01
PIECE_GAP_M = 0.06
SOFA_TO_TABLE_M = 0.38

WOODS: tuple[Colour, ...] = (designs.WOOD, (0.72, 0.58, 0.40), (0.50, 0.33, 0.20), (0.78, 0.70, 0.58))
PAINTS: tuple[Colour, ...] = (designs.WHITE, (0.62, 0.70, 0.66), (0.70, 0.64, 0.60), (0.55, 0.62, 0.72))
FABRICS: tuple[Colour, ...] = ((0.30, 0.38, 0.50), (0.50, 0.32, 0.30), (0.36, 0.44, 0.34), (0.55, 0.52, 0.47))


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One piece a kind of room has, and the colours it may come in."""

    design: Callable[[], FurnitureModel]
    colours: tuple[Colour, ...]
    with_chairs: int = 0
    with_coffee_table: bool = False


def _shelf() -> FurnitureModel:
    return designs.shelf(0.90, "shelf")


def _towel_shelf() -> FurnitureModel:
    return designs.shelf(0.60, "towel_shelf")


def _counter() -> FurnitureModel:
    return designs.counter(1.80)


FURNISHINGS: dict[str, tuple[Wanted, ...]] = {
    "kitchen": (
        Wanted(design=_counter, colours=PAINTS),
        Wanted(design=designs.kitchen_table, colours=WOODS, with_chairs=2),
        Wanted(design=designs.fridge, colours=(designs.WHITE, METAL)),
        Wanted(design=_shelf, colours=WOODS),
    ),
    "living room": (
        Wanted(design=designs.sofa, colours=FABRICS, with_coffee_table=True),
        Wanted(design=designs.tv_stand, colours=WOODS),
        Wanted(design=_shelf, colours=WOODS),
    ),
    "bedroom": (
        Wanted(design=designs.bed, colours=FABRICS),
        Wanted(design=designs.wardrobe, colours=WOODS),
        Wanted(design=designs.dresser, colours=WOODS),
        Wanted(design=designs.nightstand, colours=WOODS),
    ),
    "office": (
        Wanted(design=designs.desk, colours=WOODS),
        Wanted(design=_shelf, colours=WOODS),
        Wanted(design=designs.side_table, colours=WOODS),
        Wanted(design=designs.chair, colours=FABRICS),
    ),
    "dining room": (
        Wanted(design=designs.kitchen_table, colours=WOODS, with_chairs=2),
        Wanted(design=designs.dresser, colours=WOODS),
        Wanted(design=_shelf, colours=WOODS),
    ),
    "guest room": (
        Wanted(design=designs.bed, colours=FABRICS),
        Wanted(design=designs.nightstand, colours=PAINTS),
        Wanted(design=designs.side_table, colours=WOODS),
    ),
    "study": (
        Wanted(design=designs.desk, colours=PAINTS),
        Wanted(design=_shelf, colours=PAINTS),
        Wanted(design=designs.side_table, colours=WOODS),
    ),
    "bathroom": (
        Wanted(design=designs.washstand, colours=PAINTS),
        Wanted(design=_towel_shelf, colours=WOODS),
    ),
    "hallway": (Wanted(design=designs.console_table, colours=WOODS),),
}


def furnish(rng: np.random.Generator, room: Room, doorways: tuple[Doorway, ...]) -> list[Furniture] | None:
    """All pieces that this kind of room has, or None when they did not fit in any of the attempts."""
    kept_free = [zone for door in doorways if room.name in door.rooms for zone in _door_zones(door, room)]
    for _ in range(ROOM_ATTEMPTS):
        placed = _furnish_once(rng, room, kept_free)
        if placed is not None:
            return placed
    return None


def _door_zones(door: Doorway, room: Room) -> list[Rectangle]:
    """Floor that must stay free: in front of the doorway, and where the open leaf lies."""
    x, y = door.centre_m
    sign = 1.0 if room.name == door.rooms[1] else -1.0
    dx, dy = door.through[0] * sign, door.through[1] * sign
    reach = DOOR_WIDTH_M + 0.12
    if dx == 0.0:
        zone = Rectangle(
            x0=x - reach / 2, x1=x + reach / 2, y0=min(y, y + dy * reach), y1=max(y, y + dy * reach)
        )
    else:
        zone = Rectangle(
            x0=min(x, x + dx * reach), x1=max(x, x + dx * reach), y0=y - reach / 2, y1=y + reach / 2
        )
    zones = [zone]
    if room.name == door.rooms[1]:
        zones.append(door.leaf(1.0).grown(0.06))
    return zones


def _furnish_once(rng: np.random.Generator, room: Room, kept_free: list[Rectangle]) -> list[Furniture] | None:
    placed: list[Furniture] = []
    fronts: list[Rectangle] = []
    for wanted in FURNISHINGS[room.kind]:
        group = _place_group(rng, room, wanted, placed, fronts, kept_free)
        if group is None:
            return None
        placed += group
        fronts.append(_front_zone(group[0], group[-1] if wanted.with_coffee_table else group[0]))
    return placed


def _place_group(
    rng: np.random.Generator,
    room: Room,
    wanted: Wanted,
    placed: list[Furniture],
    fronts: list[Rectangle],
    kept_free: list[Rectangle],
) -> list[Furniture] | None:
    model = wanted.design()
    colour = wanted.colours[int(rng.integers(len(wanted.colours)))]
    blocked = kept_free + fronts + [piece.footprint().grown(PIECE_GAP_M) for piece in placed]
    for _ in range(PIECE_ATTEMPTS):
        piece = _against_a_wall(rng, room, model, colour, spare=0.46 if wanted.with_chairs else 0.0)
        if piece is None:
            continue
        group = [piece, *_companions(rng, piece, wanted, room, placed)]
        zone = _front_zone(piece, group[-1] if wanted.with_coffee_table else piece)
        solid = [p.footprint() for p in group]
        fits = room.bounds.covers(zone) and all(room.bounds.covers(r) for r in solid)
        if not fits or any(r.overlaps(b) for r in solid for b in blocked):
            continue
        if not any(zone.overlaps(p.footprint()) for p in placed):
            return group
    return None


def _name(category: str, room: Room, placed: list[Furniture]) -> str:
    taken = sum(1 for p in placed if p.model.category == category)
    suffix = f" {taken + 1}" if taken else ""
    return f"{room.name} {category}{suffix}"


def _against_a_wall(
    rng: np.random.Generator, room: Room, model: FurnitureModel, colour: Colour, *, spare: float
) -> Furniture | None:
    """A piece with its back to a random wall; `spare` metres stay free on both of its sides."""
    quarters = int(rng.integers(4))
    width, depth = model.size_m[0] + 2 * spare, model.size_m[1]
    b, back = room.bounds, depth / 2 + WALL_GAP_M
    low, high = (b.x0, b.x1) if quarters % 2 == 0 else (b.y0, b.y1)
    if high - low < width + 0.04:
        return None
    along = float(rng.uniform(low + width / 2 + 0.02, high - width / 2 - 0.02))
    position = ((along, b.y1 - back), (b.x0 + back, along), (along, b.y0 + back), (b.x1 - back, along))[
        quarters
    ]
    name = _name(model.category, room, [])
    return Furniture(
        name=name, model=model, room=room.name, position_m=position, quarters=quarters, colour=colour
    )


def _companions(
    rng: np.random.Generator, piece: Furniture, wanted: Wanted, room: Room, placed: list[Furniture]
) -> list[Furniture]:
    """The chairs of a table, the coffee table of a sofa."""
    if wanted.with_coffee_table:
        table = designs.coffee_table()
        shift = -(piece.model.size_m[1] / 2 + SOFA_TO_TABLE_M + table.size_m[1] / 2)
        x, y, _ = piece.point_world((0.0, shift, 0.0))
        colour = WOODS[int(rng.integers(len(WOODS)))]
        name = _name(table.category, room, placed)
        return [
            Furniture(
                name=name,
                model=table,
                room=room.name,
                position_m=(x, y),
                quarters=piece.quarters,
                colour=colour,
            )
        ]
    chairs: list[Furniture] = []
    for index in range(wanted.with_chairs):
        side = -1.0 if index == 0 else 1.0
        model = designs.chair()
        x, y, _ = piece.point_world((side * (piece.model.size_m[0] / 2 + 0.23), 0.0, 0.0))
        quarters = (piece.quarters + (1 if index == 0 else 3)) % 4
        name = _name(model.category, room, placed + chairs)
        chairs.append(
            Furniture(
                name=name,
                model=model,
                room=room.name,
                position_m=(x, y),
                quarters=quarters,
                colour=piece.colour,
            )
        )
    return chairs


def _front_zone(first: Furniture, last: Furniture) -> Rectangle:
    """Floor in front of `last` (the piece itself, or the coffee table before the sofa) where a robot stands."""
    width, depth = last.model.size_m[:2]
    clear = first.model.clear_front_m
    return last.footprint((width, clear), (0.0, -(depth + clear) / 2))


def receptacles_of(piece: Furniture) -> list[Receptacle]:
    """What the piece offers to put things on and in."""
    found: list[Receptacle] = []
    if piece.model.tops:
        found.append(_receptacle(piece, piece.name, piece.model.tops))
    for part in piece.model.moving:
        if part.inside is not None:
            name = f"{piece.name} {part.name.replace('_', ' ')}"
            found.append(_receptacle(piece, name, (part.inside,), drawer=name, travel_m=part.travel))
    return found


def _receptacle(
    piece: Furniture,
    name: str,
    tops: tuple[FlatTop, ...],
    *,
    drawer: str | None = None,
    travel_m: float = 0.0,
) -> Receptacle:
    surfaces = []
    for top in tops:
        x, y = turn_quarters(top.size_m[0], top.size_m[1], piece.quarters)
        surfaces.append(
            Surface(
                centre_world=piece.point_world(top.centre_m),
                size_m=(abs(x), abs(y)),
                clearance_m=top.clearance_m,
            )
        )
    return Receptacle(
        name=name,
        category="drawer" if drawer is not None else piece.model.category,
        tag="drawer" if drawer is not None else piece.model.tag,
        furniture=piece.name,
        room=piece.room,
        surfaces=tuple(surfaces),
        front=piece.front,
        open_front=piece.model.open_front,
        drawer=drawer,
        travel_m=travel_m,
    )
