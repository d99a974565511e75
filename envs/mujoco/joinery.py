"""What furniture is put together from: cases, drawers, banks of drawers, legs. Metres, in the frame of the piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .furniture import FlatTop, MovingPart
from .parts import Colour, Part, box

METAL: Colour = (0.68, 0.69, 0.72)
BOARD_M = 0.02


def carcass(width: float, depth: float, low: float, high: float, *, dividers: int = 0) -> tuple[Part, ...]:
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


def drawer(
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


def legs(width: float, depth: float, height: float, thickness: float = 0.05) -> tuple[Part, ...]:
    x, y = (width - thickness) / 2, (depth - thickness) / 2
    return tuple(
        box((thickness, thickness, height), (sx * x, sy * y, height / 2), shade=0.8)
        for sx in (-1, 1)
        for sy in (-1, 1)
    )


def drawer_bank(
    *,
    x: float,
    width: float,
    depth: float,
    case: tuple[float, float],
    drawer_height: float,
    lows: Sequence[float],
) -> tuple[tuple[Part, ...], tuple[MovingPart, ...]]:
    """A case between two heights, centred at `x`, and its drawers, whose undersides are at `lows`, the top one first."""
    low, high = case
    parts = tuple(
        replace(part, offset_m=(part.offset_m[0] + x, part.offset_m[1], part.offset_m[2]))
        for part in carcass(width, depth, low, high)
    )
    drawers = tuple(
        drawer(
            f"drawer_{index + 1}", x=x, low=at, width=width - 0.05, depth=depth - 0.04, height=drawer_height,
            front_y=-depth / 2,
        )
        for index, at in enumerate(lows)
    )  # fmt: skip
    return parts, drawers
