"""What stands on the table: named bodies made of a few primitive solids. Metres; the table's top is z = 0."""

from __future__ import annotations

from dataclasses import dataclass

Vector3 = tuple[float, float, float]
Colour = tuple[float, float, float]

COLOURS: dict[str, Colour] = {
    "red": (0.85, 0.10, 0.10),
    "green": (0.10, 0.65, 0.15),
    "blue": (0.12, 0.25, 0.90),
    "yellow": (0.95, 0.85, 0.10),
    "purple": (0.50, 0.12, 0.65),
    "orange": (1.00, 0.50, 0.05),
    "cyan": (0.10, 0.80, 0.85),
    "pink": (1.00, 0.55, 0.75),
    "brown": (0.40, 0.22, 0.10),
}
GREY: Colour = (0.55, 0.55, 0.57)
WHITE: Colour = (0.93, 0.93, 0.93)
DARK: Colour = (0.12, 0.12, 0.13)

CATEGORIES = (
    "void", "table", "robot", "block", "pad", "button", "lamp", "cup", "ball", "cabinet", "drawer", "cover", "mark",
)  # fmt: skip
ID_DIVISOR = 1000


@dataclass(frozen=True, kw_only=True)
class Solid:
    """A box (full sizes), a cylinder (diameter, height) or a sphere (diameter), placed in its prop's frame."""

    shape: str
    size_m: tuple[float, ...]
    offset_m: Vector3 = (0.0, 0.0, 0.0)
    colour: Colour | None = None
    """None: the prop's own, which may be repainted."""


@dataclass(frozen=True, kw_only=True)
class Prop:
    """One thing that a task uses. Its position is that of its underside's centre.

    grasp_m: where fingers take hold, relative to its position; None: it cannot be held. press_radius_m: how near, over
    the table, a fingertip must come down on it to press it; 0: it cannot be pressed. slide_m: how far it can be pulled
    towards the robot (a drawer) from where it was put; 0: it is free.
    """

    name: str
    category: str
    solids: tuple[Solid, ...]
    colour: Colour = GREY
    height_m: float = 0.04
    grasp_m: Vector3 | None = None
    press_radius_m: float = 0.0
    slide_m: float = 0.0


def block(name: str, colour: Colour, *, graspable: bool = True, size_m: float = 0.045) -> Prop:
    """A cube; one that cannot be grasped can be pressed."""
    solid = Solid(shape="box", size_m=(size_m,) * 3, offset_m=(0.0, 0.0, size_m / 2))
    return Prop(
        name=name, category="block", solids=(solid,), colour=colour, height_m=size_m,
        grasp_m=(0.0, 0.0, size_m / 2) if graspable else None,
        press_radius_m=0.0 if graspable else 0.035,
    )  # fmt: skip


def pad(name: str, colour: Colour = WHITE) -> Prop:
    """A flat square that marks a place."""
    solid = Solid(shape="box", size_m=(0.09, 0.09, 0.004), offset_m=(0.0, 0.0, 0.002))
    return Prop(name=name, category="pad", solids=(solid,), colour=colour, height_m=0.004)


def button(name: str, colour: Colour, *, num_marks: int = 0) -> Prop:
    """A round button on a plate, with marks in a row before it that number it."""
    plate = Solid(shape="box", size_m=(0.07, 0.07, 0.008), offset_m=(0.0, 0.0, 0.004), colour=DARK)
    knob = Solid(shape="cylinder", size_m=(0.046, 0.022), offset_m=(0.0, 0.0, 0.018))
    marks = tuple(
        Solid(
            shape="box", size_m=(0.03, 0.014, 0.004), colour=WHITE,
            offset_m=(-0.064, 0.024 * (i - (num_marks - 1) / 2), 0.002),
        )
        for i in range(num_marks)
    )  # fmt: skip
    return Prop(
        name=name,
        category="button",
        solids=(plate, knob, *marks),
        colour=colour,
        height_m=0.03,
        press_radius_m=0.035,
    )


def lamp(name: str) -> Prop:
    """A bulb on a foot; it is lit by painting it."""
    foot = Solid(shape="cylinder", size_m=(0.05, 0.05), offset_m=(0.0, 0.0, 0.025), colour=DARK)
    bulb = Solid(shape="sphere", size_m=(0.08,), offset_m=(0.0, 0.0, 0.08))
    return Prop(name=name, category="lamp", solids=(foot, bulb), colour=DARK, height_m=0.12)


def cup(name: str) -> Prop:
    """A cup that stands upside down."""
    body = Solid(shape="cylinder", size_m=(0.075, 0.08), offset_m=(0.0, 0.0, 0.04))
    rim = Solid(shape="cylinder", size_m=(0.085, 0.012), offset_m=(0.0, 0.0, 0.006), colour=WHITE)
    return Prop(
        name=name, category="cup", solids=(body, rim), colour=GREY, height_m=0.08, press_radius_m=0.045
    )


def ball(name: str, colour: Colour) -> Prop:
    """A ball that fits under a cup."""
    solid = Solid(shape="sphere", size_m=(0.05,), offset_m=(0.0, 0.0, 0.025))
    return Prop(name=name, category="ball", solids=(solid,), colour=colour, height_m=0.05)


DRAWER_WIDTH_M, DRAWER_DEPTH_M, DRAWER_HEIGHT_M, DRAWER_TRAVEL_M = 0.13, 0.16, 0.08, 0.12


def drawer(name: str) -> Prop:
    """An open-topped drawer with a knob at its front; it is pulled towards the robot (along -x)."""
    w, d, h = DRAWER_WIDTH_M - 0.01, DRAWER_DEPTH_M, DRAWER_HEIGHT_M - 0.02
    walls = (
        Solid(shape="box", size_m=(0.012, w, h), offset_m=(-d / 2, 0.0, h / 2)),
        Solid(shape="box", size_m=(0.008, w, h), offset_m=(d / 2, 0.0, h / 2)),
        Solid(shape="box", size_m=(d, 0.008, h), offset_m=(0.0, w / 2, h / 2)),
        Solid(shape="box", size_m=(d, 0.008, h), offset_m=(0.0, -w / 2, h / 2)),
        Solid(shape="box", size_m=(d, w, 0.006), offset_m=(0.0, 0.0, 0.003)),
        Solid(shape="box", size_m=(0.03, 0.03, 0.02), offset_m=(-d / 2 - 0.018, 0.0, h * 0.6), colour=DARK),
    )
    return Prop(
        name=name, category="drawer", solids=walls, colour=(0.80, 0.62, 0.40), height_m=h,
        grasp_m=(-d / 2 - 0.018, 0.0, h * 0.6), slide_m=DRAWER_TRAVEL_M,
    )  # fmt: skip


def cabinet(name: str, num_drawers: int) -> Prop:
    """The box around drawers that stand side by side."""
    width, depth, height = DRAWER_WIDTH_M * num_drawers, DRAWER_DEPTH_M, DRAWER_HEIGHT_M
    colour: Colour = (0.50, 0.34, 0.20)
    top = Solid(shape="box", size_m=(depth, width + 0.02, 0.01), offset_m=(0.0, 0.0, height), colour=colour)
    back = Solid(
        shape="box", size_m=(0.01, width, height), offset_m=(depth / 2 + 0.01, 0.0, height / 2), colour=colour
    )
    sides = tuple(
        Solid(
            shape="box", size_m=(depth, 0.008, height), colour=colour,
            offset_m=(0.0, DRAWER_WIDTH_M * (i - num_drawers / 2), height / 2),
        )
        for i in range(num_drawers + 1)
    )  # fmt: skip
    return Prop(name=name, category="cabinet", solids=(top, back, *sides), height_m=height)


def cover(name: str, colour: Colour) -> Prop:
    """A cloth over the table: what the camera sees while the gate is shut."""
    solid = Solid(shape="box", size_m=(0.9, 0.9, 0.002), offset_m=(0.0, 0.0, 0.001))
    return Prop(name=name, category="cover", solids=(solid,), colour=colour, height_m=0.002)
