"""In which order: a chain of colours to touch again, buttons to press again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np

from ..props import COLOURS, WHITE, Colour, Vector3, block, button
from ..task import (
    Choice,
    Hidden,
    KeyPose,
    Layout,
    Task,
    TaskFacts,
    jittered,
    press,
    pressed_names,
)
from ..world import Deed, TableWorld
from .colours import BLOCK_M, in_rows

LIT: Colour = (1.0, 0.95, 0.35)
SEQUENCE_CHANCE = "n! equally likely orders, nothing after the gate depends on which"


def order_of(index: int, length: int) -> tuple[int, ...]:
    """The order that a hidden index stands for."""
    return list(permutations(range(length)))[index]


def order_chosen(names: Sequence[str], deeds: Sequence[Deed]) -> Choice | None:
    """A commit is the touch of the last one: the order in which all were touched first."""
    touched = [names.index(name) for name in pressed_names(deeds)]
    if len(touched) < len(names):
        return None
    return Choice(index=list(permutations(range(len(names)))).index(tuple(touched)))


class ChainOfColors(Task):
    """Blocks of n colours are shown one after another; touch all of them in the same order."""

    STEPS_EACH = 2

    def __init__(self, length: int) -> None:
        self.colours = list(COLOURS.values())[:length]
        self.names = tuple(f"block{i}" for i in range(length))
        self.facts = TaskFacts(
            name=f"ChainOfColors{length}", num_choices=math.factorial(length), chance=1 / math.factorial(length),
            cue_steps=self.STEPS_EACH * length, choice_steps=2 * length + 4, is_timed=True,
            instruction="Touch the blocks in the order in which their colours were shown.",
            chance_because=SEQUENCE_CHANCE,
            props=tuple(
                block(name, colour, graspable=False) for name, colour in zip(self.names, self.colours, strict=True)
            ),
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> Layout:
        return in_rows(self.names, rng)

    def show(self, table: TableWorld, layout: Layout, hidden: Hidden, step: int) -> None:
        turn, is_pause = divmod(step, self.STEPS_EACH)
        table.hide(*self.names)
        if not is_pause:
            table.put(self.names[order_of(hidden.index, len(self.names))[turn]], layout.places["shown"])

    def react(self, table: TableWorld, layout: Layout, deeds: Sequence[Deed]) -> None:
        for name in pressed_names(deeds):
            table.paint(name, WHITE)

    def chosen(self, layout: Layout, deeds: Sequence[Deed]) -> Choice | None:
        return order_chosen(self.names, deeds)

    def choice_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        order = order_of(hidden.index, len(self.names))
        return [pose for i in order for pose in press(layout.places[self.names[i]], BLOCK_M)]


class SeqPushButtons(Task):
    """Three buttons light up one after another; press them in the same order."""

    NUM_BUTTONS, STEPS_EACH = 3, 2
    KNOB: Colour = COLOURS["blue"]

    def __init__(self) -> None:
        self.names = tuple(f"button{i}" for i in range(self.NUM_BUTTONS))
        self.facts = TaskFacts(
            name="SeqPushButtons", num_choices=6, chance=1 / 6, cue_steps=self.STEPS_EACH * self.NUM_BUTTONS + 1,
            choice_steps=10, is_timed=True, instruction="Press the buttons in the order in which they lit up.",
            chance_because=SEQUENCE_CHANCE, props=tuple(button(name, self.KNOB) for name in self.names),
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> Layout:
        places: list[Vector3] = [(0.10, 0.18, 0.0), (0.0, 0.0, 0.0), (0.10, -0.18, 0.0)]
        return Layout(
            places={name: jittered(place, rng, 0.02) for name, place in zip(self.names, places, strict=True)}
        )

    def show(self, table: TableWorld, layout: Layout, hidden: Hidden, step: int) -> None:
        self.lay_out(table, layout)
        turn, is_pause = divmod(step - 1, self.STEPS_EACH)
        lit = order_of(hidden.index, self.NUM_BUTTONS)[turn] if step >= 1 and not is_pause else -1
        for i, name in enumerate(self.names):
            table.paint(name, LIT if i == lit else self.KNOB)

    def react(self, table: TableWorld, layout: Layout, deeds: Sequence[Deed]) -> None:
        for name in pressed_names(deeds):
            table.paint(name, LIT)

    def chosen(self, layout: Layout, deeds: Sequence[Deed]) -> Choice | None:
        return order_chosen(self.names, deeds)

    def choice_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        return [
            pose
            for i in order_of(hidden.index, self.NUM_BUTTONS)
            for pose in press(layout.places[self.names[i]])
        ]
