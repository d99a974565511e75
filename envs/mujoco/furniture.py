"""Pieces of furniture: their solids, the surfaces that hold things, and the drawers and doors that open.

Every piece is drawn in its own frame: x to the right along the wall, y from the front (negative) to the back
(positive, against the wall), z up from the floor, origin on the floor in the middle of its footprint.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .parts import Colour, Part, Vector3, box, cylinder, ellipsoid

WOOD: Colour = (0.60, 0.43, 0.27)
DARK_WOOD: Colour = (0.36, 0.24, 0.15)
WHITE: Colour = (0.88, 0.88, 0.86)
STONE: Colour = (0.36, 0.37, 0.40)
METAL: Colour = (0.68, 0.69, 0.72)
BLACK: Colour = (0.06, 0.06, 0.07)
CERAMIC: Colour = (0.97, 0.97, 0.98)
BOARD_M = 0.02


@dataclass(frozen=True, kw_only=True)
class FlatTop:
    """A flat place to put things on: centre and extents in the piece's frame, free height above it."""

    centre_m: Vector3
    size_m: tuple[float, float]
    clearance_m: float = 0.9


@dataclass(frozen=True, kw_only=True)
class MovingPart:
    """A drawer (slides by -y) or a door (swings about a vertical hinge), drawn closed.

    `travel` is metres for a drawer, radians for a door.
    """

    name: str
    kind: str
    parts: tuple[Part, ...]
    travel: float
    hinge_m: Vector3 = (0.0, 0.0, 0.0)
    inside: FlatTop | None = None


@dataclass(frozen=True, kw_only=True)
class FurnitureModel:
    """One design of furniture. `open_front` means a robot looks at it from the front only."""

    category: str
    size_m: Vector3
    parts: tuple[Part, ...]
    tag: str = ""
    tops: tuple[FlatTop, ...] = ()
    moving: tuple[MovingPart, ...] = field(default=())
    open_front: bool = False
    clear_front_m: float = 0.7


def _carcass(width: float, depth: float, low: float, high: float, *, dividers: int = 0) -> tuple[Part, ...]:
    """Sides, back, bottom and top of a case that drawers slide into, between heights `low` and `high`."""
    height, middle = high - low, (high + low) / 2
    side = (width - BOARD_M) / 2
    parts = [
        box((BOARD_M, depth, height), (-side, 0, middle)),
        box((BOARD_M, depth, height), (side, 0, middle)),
        box((width - 2 * BOARD_M, BOARD_M, height), (0, (depth - BOARD_M) / 2, middle), shade=0.9),
        box((width - 2 * BOARD_M, depth - BOARD_M, BOARD_M), (0, -BOARD_M / 2, low + BOARD_M / 2), shade=0.9),
    ]
    for index in range(dividers):
        x = -side + (index + 1) * 2 * side / (dividers + 1)
        parts.append(
            box((BOARD_M, depth - BOARD_M, height - BOARD_M), (x, -BOARD_M / 2, middle + BOARD_M / 2))
        )
    return tuple(parts)


def _drawer(
    name: str, *, x: float, low: float, width: float, depth: float, height: float, front_y: float
) -> MovingPart:
    """A drawer whose front plate is flush with the case's front at `front_y`; drawn closed."""
    board, inner_depth = 0.015, depth - 0.06
    middle_y = front_y + board + inner_depth / 2
    z = low + height / 2
    wall = height * 0.55
    wall_z = low + 0.005 + wall / 2
    parts = (
        box((width + 0.008, board, height + 0.016), (x, front_y + board / 2, z + 0.003), shade=1.08),
        box((0.10, 0.02, 0.02), (x, front_y - 0.01, z + height * 0.25), colour=METAL),
        box((width - 0.03, inner_depth, board), (x, middle_y, low + 0.005 + board / 2), shade=0.85),
        box((board, inner_depth, wall), (x - (width - 0.03) / 2 + board / 2, middle_y, wall_z), shade=0.85),
        box((board, inner_depth, wall), (x + (width - 0.03) / 2 - board / 2, middle_y, wall_z), shade=0.85),
        box((width - 0.06, board, wall), (x, front_y + inner_depth, wall_z), shade=0.85),
    )
    travel = depth * 0.7
    inside = FlatTop(
        centre_m=(x, front_y + board + travel * 0.45, low + 0.005 + board),
        size_m=(width - 0.08, travel * 0.75),
        clearance_m=height - 0.04,
    )
    return MovingPart(name=name, kind="drawer", parts=parts, travel=travel, inside=inside)


def _legs(width: float, depth: float, height: float, thickness: float = 0.05) -> tuple[Part, ...]:
    x, y = (width - thickness) / 2, (depth - thickness) / 2
    return tuple(
        box((thickness, thickness, height), (sx * x, sy * y, height / 2), shade=0.8)
        for sx in (-1, 1)
        for sy in (-1, 1)
    )


def _table(category: str, tag: str, width: float, depth: float, height: float) -> FurnitureModel:
    parts = (*_legs(width, depth, height - 0.035), box((width, depth, 0.035), (0, 0, height - 0.0175)))
    top = FlatTop(centre_m=(0, 0, height), size_m=(width - 0.06, depth - 0.06))
    return FurnitureModel(category=category, size_m=(width, depth, height), parts=parts, tag=tag, tops=(top,))


def counter(width: float) -> FurnitureModel:
    """A kitchen counter: worktop, one bank of two drawers on the left, a hob and a tap."""
    depth, height = 0.60, 0.90
    bank = 0.60
    bank_x = -width / 2 + bank / 2
    rest = width - bank
    case = tuple(
        Part(
            shape=p.shape,
            size_m=p.size_m,
            offset_m=(p.offset_m[0] + bank_x, p.offset_m[1], p.offset_m[2]),
            shade=p.shade,
        )
        for p in _carcass(bank, depth, 0.08, height - 0.04)
    )
    parts = (
        *case,
        box((rest, depth - 0.02, height - 0.12), (bank / 2, 0.01, 0.08 + (height - 0.12) / 2)),
        box(
            (rest / 2 - 0.02, 0.015, height - 0.18),
            (bank / 2 - rest / 4, -depth / 2 + 0.0075, 0.47),
            shade=1.08,
        ),
        box(
            (rest / 2 - 0.02, 0.015, height - 0.18),
            (bank / 2 + rest / 4, -depth / 2 + 0.0075, 0.47),
            shade=1.08,
        ),
        box((width, depth - 0.06, 0.08), (0, 0.03, 0.04), colour=BLACK),
        box((width, depth, 0.04), (0, 0, height - 0.02), colour=STONE),
    )
    drawers = tuple(
        _drawer(
            f"drawer_{i + 1}",
            x=bank_x,
            low=low,
            width=bank - 0.05,
            depth=depth - 0.04,
            height=0.22,
            front_y=-depth / 2,
        )
        for i, low in enumerate((0.63, 0.39))
    )
    top = FlatTop(centre_m=(0, -0.02, height), size_m=(width - 0.08, depth - 0.12))
    return FurnitureModel(
        category="counter",
        size_m=(width, depth, height),
        parts=parts,
        tag="counter",
        tops=(top,),
        moving=drawers,
        clear_front_m=0.9,
    )


def shelf(width: float, tag: str, category: str = "shelf") -> FurnitureModel:
    """An open shelf with three boards that a camera at 1.2 m sees onto from the front."""
    depth, height = 0.32, 1.10
    boards = (0.30, 0.70, height)
    parts = [
        box((BOARD_M, depth, height), (-(width - BOARD_M) / 2, 0, height / 2)),
        box((BOARD_M, depth, height), ((width - BOARD_M) / 2, 0, height / 2)),
        box((width - 2 * BOARD_M, 0.012, height), (0, (depth - 0.012) / 2, height / 2), shade=0.85),
    ]
    parts += [
        box((width - 2 * BOARD_M, depth - 0.012, BOARD_M), (0, -0.006, z - BOARD_M / 2)) for z in boards
    ]
    tops = tuple(
        FlatTop(
            centre_m=(0, -0.015, z),
            size_m=(width - 0.08, depth - 0.06),
            clearance_m=0.9 if z == height else 0.33,
        )
        for z in boards
    )
    return FurnitureModel(
        category=category,
        size_m=(width, depth, height),
        parts=tuple(parts),
        tag=tag,
        tops=tops,
        open_front=True,
        clear_front_m=0.9,
    )


def chest(
    category: str, tag: str, width: float, depth: float, height: float, rows: int, low: float = 0.08
) -> FurnitureModel:
    """A case of drawers with a top: nightstand, dresser, washstand."""
    top_m = 0.025
    space = (height - top_m - low - BOARD_M) / rows
    parts = [
        *_carcass(width, depth, low, height - top_m),
        box((width, depth, top_m), (0, 0, height - top_m / 2), shade=1.05),
        *_legs(width, depth, low),
    ]
    drawers = tuple(
        _drawer(
            f"drawer_{rows - row}",
            x=0,
            low=low + BOARD_M + row * space + 0.003,
            width=width - 2 * BOARD_M - 0.006,
            depth=depth - 0.03,
            height=space - 0.006,
            front_y=-depth / 2,
        )
        for row in range(rows)
    )
    top = FlatTop(centre_m=(0, 0, height), size_m=(width - 0.04, depth - 0.05))
    return FurnitureModel(
        category=category,
        size_m=(width, depth, height),
        parts=tuple(parts),
        tag=tag,
        tops=(top,),
        moving=drawers,
        clear_front_m=0.8,
    )


def washstand() -> FurnitureModel:
    base = chest("washstand", "washstand", 1.10, 0.48, 0.84, rows=2)
    basin = (
        ellipsoid((0.42, 0.32, 0.10), (0.28, 0.0, 0.86), colour=CERAMIC),
        cylinder(0.03, 0.16, (0.28, 0.19, 0.92), colour=METAL),
    )
    top = FlatTop(centre_m=(-0.24, 0, 0.84), size_m=(0.56, 0.42))
    return FurnitureModel(
        category=base.category,
        size_m=(1.10, 0.48, 1.0),
        parts=base.parts + basin,
        tag=base.tag,
        tops=(top,),
        moving=base.moving,
        clear_front_m=0.8,
    )


def sofa() -> FurnitureModel:
    width, depth = 1.80, 0.85
    parts = (
        box((width, depth, 0.28), (0, 0, 0.18)),
        box((width - 0.36, depth - 0.22, 0.10), (0, -0.11, 0.37), shade=1.12),
        box((width, 0.22, 0.42), (0, (depth - 0.22) / 2, 0.53)),
        box((0.18, depth - 0.22, 0.26), (-(width - 0.18) / 2, -0.11, 0.45), shade=0.92),
        box((0.18, depth - 0.22, 0.26), ((width - 0.18) / 2, -0.11, 0.45), shade=0.92),
    )
    top = FlatTop(centre_m=(0, -0.11, 0.42), size_m=(width - 0.40, depth - 0.28))
    return FurnitureModel(category="sofa", size_m=(width, depth, 0.74), parts=parts, tag="sofa", tops=(top,))


def bed() -> FurnitureModel:
    width, length = 1.40, 2.00
    parts = (
        box((width, length, 0.22), (0, 0, 0.17), colour=DARK_WOOD),
        box((width - 0.06, length - 0.10, 0.20), (0, -0.03, 0.38), shade=1.0),
        box((width, 0.05, 0.85), (0, (length - 0.05) / 2, 0.425), colour=DARK_WOOD),
    )
    top = FlatTop(centre_m=(0, -0.03, 0.48), size_m=(width - 0.16, length - 0.30))
    return FurnitureModel(category="bed", size_m=(width, length, 0.85), parts=parts, tag="bed", tops=(top,))


def tv_stand() -> FurnitureModel:
    width, depth, height = 1.50, 0.42, 0.50
    parts = (
        box((width, depth, height - 0.06), (0, 0, 0.06 + (height - 0.06) / 2)),
        box((width - 0.1, depth - 0.06, 0.06), (0, 0, 0.03), colour=BLACK),
        box((0.95, 0.04, 0.55), (0, 0.14, height + 0.325), colour=BLACK),
        box((0.91, 0.004, 0.51), (0, 0.118, height + 0.325), colour=(0.12, 0.14, 0.20)),
        box((0.30, 0.12, 0.05), (0, 0.14, height + 0.025), colour=BLACK),
    )
    top = FlatTop(centre_m=(0, -0.07, height), size_m=(width - 0.06, 0.20))
    return FurnitureModel(
        category="tv stand", size_m=(width, depth, 1.10), parts=parts, tag="tv_stand", tops=(top,)
    )


def desk() -> FurnitureModel:
    """A desk with one flat drawer under the top."""
    width, depth, height = 1.30, 0.66, 0.75
    leg = box((0.04, depth, height - 0.03), (-(width - 0.04) / 2, 0, (height - 0.03) / 2), shade=0.8)
    bank_width = 0.50
    bank_x = width / 2 - bank_width / 2
    case = tuple(
        Part(
            shape=p.shape,
            size_m=p.size_m,
            offset_m=(p.offset_m[0] + bank_x, p.offset_m[1], p.offset_m[2]),
            shade=p.shade,
        )
        for p in _carcass(bank_width, depth, 0.05, height - 0.03)
    )
    parts = (leg, *case, box((width, depth, 0.03), (0, 0, height - 0.015), shade=1.05))
    drawers = tuple(
        _drawer(
            f"drawer_{i + 1}",
            x=bank_x,
            low=low,
            width=bank_width - 0.05,
            depth=depth - 0.04,
            height=0.20,
            front_y=-depth / 2,
        )
        for i, low in enumerate((0.50, 0.28))
    )
    top = FlatTop(centre_m=(0, -0.01, height), size_m=(width - 0.06, depth - 0.08))
    return FurnitureModel(
        category="desk",
        size_m=(width, depth, height),
        parts=parts,
        tag="desk",
        tops=(top,),
        moving=drawers,
        clear_front_m=0.9,
    )


def fridge() -> FurnitureModel:
    """A refrigerator whose door swings; nothing is kept on it."""
    width, depth, height = 0.68, 0.66, 1.75
    door = (
        box((width, 0.05, height - 0.06), (0, -depth / 2 + 0.025, height / 2 + 0.03), shade=1.04),
        box((0.03, 0.03, 0.5), (width / 2 - 0.08, -depth / 2 - 0.015, 1.1), colour=METAL),
    )
    parts = (box((width, depth - 0.055, height), (0, 0.0275, height / 2)),)
    moving = MovingPart(
        name="door", kind="door", parts=door, travel=-1.45, hinge_m=(-width / 2, -depth / 2 + 0.05, 0.0)
    )
    return FurnitureModel(
        category="fridge", size_m=(width, depth, height), parts=parts, moving=(moving,), clear_front_m=0.8
    )


def wardrobe() -> FurnitureModel:
    width, depth, height = 1.0, 0.58, 1.95
    parts = (
        box((width, depth - 0.02, height), (0, 0.01, height / 2)),
        box((width / 2 - 0.01, 0.02, height - 0.1), (-width / 4, -depth / 2 + 0.01, height / 2), shade=1.08),
        box((width / 2 - 0.01, 0.02, height - 0.1), (width / 4, -depth / 2 + 0.01, height / 2), shade=1.08),
    )
    return FurnitureModel(category="wardrobe", size_m=(width, depth, height), parts=parts)


def chair() -> FurnitureModel:
    parts = (
        *_legs(0.40, 0.40, 0.43, 0.035),
        box((0.42, 0.42, 0.04), (0, 0, 0.45)),
        box((0.40, 0.035, 0.42), (0, 0.19, 0.68)),
    )
    return FurnitureModel(category="chair", size_m=(0.42, 0.42, 0.89), parts=parts, clear_front_m=0.3)


def nightstand() -> FurnitureModel:
    return chest("nightstand", "nightstand", 0.50, 0.42, 0.58, rows=2)


def dresser() -> FurnitureModel:
    return chest("dresser", "dresser", 1.00, 0.46, 0.86, rows=3)


def kitchen_table() -> FurnitureModel:
    return _table("table", "table", 1.20, 0.75, 0.74)


def coffee_table() -> FurnitureModel:
    return _table("coffee table", "coffee_table", 1.00, 0.55, 0.42)


def side_table() -> FurnitureModel:
    return _table("side table", "console", 0.60, 0.50, 0.60)


def console_table() -> FurnitureModel:
    return _table("console table", "console", 0.90, 0.28, 0.78)
