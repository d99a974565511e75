"""Further places: in which drawer it was put, which pad lit up, and where on the table, to the centimetre."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..props import COLOURS, Colour, Vector3, ball, block, button, cabinet, drawer, pad
from ..task import BUTTON_AT, Choice, Hidden, KeyPose, Layout, Task, TaskFacts, carry, jittered, near, press
from ..world import Deed, TableWorld
from .places import NUM_DRAWERS, drawer_places, on_pad, opened, placed_on, pull_poses

LIT: Colour = (1.0, 0.85, 0.10)


class HiddenInDrawer(Task):
    """A ball lies in one of three open drawers, then all are shut; open the one that has it."""

    SHOWN_STEPS = 3

    def __init__(self) -> None:
        self.names = tuple(f"drawer{i}" for i in range(NUM_DRAWERS))
        self.facts = TaskFacts(
            name="HiddenInDrawer", num_choices=NUM_DRAWERS, chance=1 / NUM_DRAWERS, cue_steps=self.SHOWN_STEPS + 1,
            choice_steps=7, is_timed=True, instruction="Open the drawer that the ball is in.",
            props=(
                cabinet("cabinet", NUM_DRAWERS), *(drawer(name) for name in self.names), ball("ball", COLOURS["red"]),
            ),
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> Layout:
        return Layout(places=drawer_places(rng))

    def show(self, table: TableWorld, layout: Layout, hidden: Hidden, step: int) -> None:
        self.lay_out(table, layout)
        if step >= self.SHOWN_STEPS:
            table.hide("ball")
            return
        for name in self.names:
            table.set_openness(name, 1.0)
        x, y, z = table.position(self.names[hidden.index])
        table.put("ball", (x - 0.03, y, z + 0.006))

    def chosen(self, layout: Layout, deeds: Sequence[Deed]) -> Choice | None:
        return opened(deeds)

    def choice_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        return pull_poses(layout.places[self.names[hidden.index]])


class PlaceAfterButton(Task):
    """Pressing the button lights one of four pads for a moment; put the block on that pad. Who never presses sees nothing."""

    PADS: tuple[Vector3, ...] = (
        (0.20, 0.18, 0.0),
        (0.20, -0.18, 0.0),
        (-0.04, 0.18, 0.0),
        (-0.04, -0.18, 0.0),
    )
    START: Vector3 = (0.08, 0.0, 0.0)

    def __init__(self) -> None:
        self.names = tuple(f"pad{i}" for i in range(len(self.PADS)))
        self.facts = TaskFacts(
            name="PlaceAfterButton", num_choices=4, chance=0.25, cue_steps=6, choice_steps=6, is_timed=False,
            linger_steps=1, instruction="Press the button, then put the block on the pad that lit up.",
            props=(
                *(pad(name) for name in self.names), block("block", COLOURS["red"]), button("button", COLOURS["blue"]),
            ),
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> Layout:
        places = {name: jittered(place, rng) for name, place in zip(self.names, self.PADS, strict=True)}
        return Layout(
            places={**places, "block": jittered(self.START, rng), "button": jittered(BUTTON_AT, rng)}
        )

    def show(self, table: TableWorld, layout: Layout, hidden: Hidden, step: int) -> None:
        self.lay_out(table, layout)

    def notice(self, table: TableWorld, layout: Layout, hidden: Hidden, deeds: Sequence[Deed]) -> None:
        if any(deed.kind == "press" and deed.prop == "button" for deed in deeds):
            table.paint(self.names[hidden.index], LIT)

    def chosen(self, layout: Layout, deeds: Sequence[Deed]) -> Choice | None:
        return placed_on(layout, deeds, self.names)

    def cue_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        return press(layout.places["button"])

    def choice_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        return carry(layout.places["block"], on_pad(layout.places[self.names[hidden.index]]))


class TakeItBack(Task):
    """A block stands anywhere on the far half; bring it to the tray, press the button, take it back to within 4 cm."""

    LOW: tuple[float, float] = (0.0, -0.24)
    HIGH: tuple[float, float] = (0.28, 0.24)
    RADIUS_M = 0.04
    TRAY: Vector3 = (-0.12, 0.0, 0.0)

    def __init__(self) -> None:
        area_m2 = (self.HIGH[0] - self.LOW[0]) * (self.HIGH[1] - self.LOW[1])
        self.facts = TaskFacts(
            name="TakeItBack", num_choices=0, chance=math.pi * self.RADIUS_M**2 / area_m2, cue_steps=8, choice_steps=6,
            is_timed=False, keeps_scene=True,
            instruction="Bring the block to the tray, press the button, then take the block back to where it was.",
            chance_because="the place is uniform over an area A; any one place has at most pi r^2 of it within r",
            props=(pad("tray", (0.3, 0.3, 0.32)), block("block", COLOURS["red"]), button("button", COLOURS["blue"])),
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> Layout:
        tray = jittered(self.TRAY, rng)
        return Layout(
            places={"tray": tray, "block": on_pad(tray), "button": jittered((-0.24, 0.0, 0.0), rng)}
        )

    def show(self, table: TableWorld, layout: Layout, hidden: Hidden, step: int) -> None:
        self.lay_out(table, layout)
        table.put("block", self.first_place(hidden))

    def is_ready(self, table: TableWorld, layout: Layout) -> bool:
        return table.holding is None and near(table.position("block"), layout.places["tray"], 0.06)

    def chosen(self, layout: Layout, deeds: Sequence[Deed]) -> Choice | None:
        for deed in deeds:
            if deed.kind == "place" and not near(deed.position_m, layout.places["tray"], 0.06):
                return Choice(place_m=deed.position_m)
        return None

    def is_right(self, choice: Choice, layout: Layout, hidden: Hidden) -> bool:
        return near(choice.place_m, self.first_place(hidden), self.RADIUS_M)

    def cue_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        return [*carry(self.first_place(hidden), layout.places["block"]), *press(layout.places["button"])]

    def choice_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        return carry(layout.places["block"], self.first_place(hidden))

    def first_place(self, hidden: Hidden) -> Vector3:
        """Where the block stood: uniform over the area."""
        u, v = hidden.fraction
        return (
            self.LOW[0] + u * (self.HIGH[0] - self.LOW[0]),
            self.LOW[1] + v * (self.HIGH[1] - self.LOW[1]),
            0.0,
        )
