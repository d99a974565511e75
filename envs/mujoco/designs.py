"""The designs a home is furnished with, each in its own frame (see `furniture`)."""

from __future__ import annotations

from .furniture import FlatTop, FurnitureModel, MovingPart
from .joinery import BOARD_M, METAL, carcass, drawer, drawer_bank, legs
from .parts import Colour, box, cylinder, ellipsoid

WOOD: Colour = (0.60, 0.43, 0.27)
DARK_WOOD: Colour = (0.36, 0.24, 0.15)
WHITE: Colour = (0.88, 0.88, 0.86)
STONE: Colour = (0.36, 0.37, 0.40)
BLACK: Colour = (0.06, 0.06, 0.07)
CERAMIC: Colour = (0.97, 0.97, 0.98)


def _table(category: str, tag: str, width: float, depth: float, height: float) -> FurnitureModel:
    parts = (*legs(width, depth, height - 0.035), box((width, depth, 0.035), (0, 0, height - 0.0175)))
    top = FlatTop(centre_m=(0, 0, height), size_m=(width - 0.06, depth - 0.06))
    return FurnitureModel(category=category, size_m=(width, depth, height), parts=parts, tag=tag, tops=(top,))


def counter(width: float) -> FurnitureModel:
    """A kitchen counter: worktop, one bank of two drawers on the left, a hob and a tap."""
    depth, height = 0.60, 0.90
    bank = 0.60
    bank_x = -width / 2 + bank / 2
    rest = width - bank
    case, drawers = drawer_bank(
        x=bank_x, width=bank, depth=depth, case=(0.08, height - 0.04), drawer_height=0.22, lows=(0.63, 0.39)
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
        *carcass(width, depth, low, height - top_m),
        box((width, depth, top_m), (0, 0, height - top_m / 2), shade=1.05),
        *legs(width, depth, low),
    ]
    drawers = tuple(
        drawer(
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
    """A desk with a bank of two drawers on the right."""
    width, depth, height = 1.30, 0.66, 0.75
    leg = box((0.04, depth, height - 0.03), (-(width - 0.04) / 2, 0, (height - 0.03) / 2), shade=0.8)
    bank_width = 0.50
    bank_x = width / 2 - bank_width / 2
    case, drawers = drawer_bank(
        x=bank_x,
        width=bank_width,
        depth=depth,
        case=(0.05, height - 0.03),
        drawer_height=0.20,
        lows=(0.50, 0.28),
    )
    parts = (leg, *case, box((width, depth, 0.03), (0, 0, height - 0.015), shade=1.05))
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
        *legs(0.40, 0.40, 0.43, 0.035),
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
