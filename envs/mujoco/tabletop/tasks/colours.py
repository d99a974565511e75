"""What colour it was, and in which order: one block or a chain of them is shown, then all colours are offered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..props import COLOURS, Vector3, block
from ..task import (
    Choice,
    Hidden,
    KeyPose,
    Layout,
    Task,
    TaskFacts,
    first_pressed,
    jittered,
    press,
)
from ..world import Deed, TableWorld

BLOCK_M = 0.045
SHOWN_AT: Vector3 = (0.06, 0.0, 0.0)


def rows_of_places(count: int, rng: np.random.Generator) -> list[Vector3]:
    """Places in rows of three (nine) or in one row."""
    per_row = 3 if count == 9 else count
    spacing_m = 0.56 / 5
    return [
        jittered(
            (
                0.20 - 0.13 * (i // per_row) if count == 9 else 0.08,
                (i % per_row - (per_row - 1) / 2) * (spacing_m if per_row > 3 else 0.16),
                0.0,
            ),
            rng,
            0.008,
        )
        for i in range(count)
    ]


def in_rows(names: Sequence[str], rng: np.random.Generator) -> Layout:
    """Blocks in rows, in any order, and where one of them is shown."""
    places = rows_of_places(len(names), rng)
    order = rng.permutation(len(names))
    stands = {names[int(i)]: place for i, place in zip(order, places, strict=True)}
    return Layout(places={**stands, "shown": jittered(SHOWN_AT, rng)})


class RememberColor(Task):
    """A block of one of K colours is shown; touch the one of that colour among all."""

    SHOWN_STEPS = 3

    def __init__(self, num_colours: int) -> None:
        self.colours = list(COLOURS.values())[:num_colours]
        self.names = tuple(f"block{i}" for i in range(num_colours))
        self.facts = TaskFacts(
            name=f"RememberColor{num_colours}", num_choices=num_colours, chance=1 / num_colours,
            cue_steps=self.SHOWN_STEPS, choice_steps=5, is_timed=True,
            instruction="Touch the block of the colour that was shown first.",
            props=tuple(
                block(name, colour, graspable=False) for name, colour in zip(self.names, self.colours, strict=True)
            ),
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> Layout:
        return in_rows(self.names, rng)

    def show(self, table: TableWorld, layout: Layout, hidden: Hidden, step: int) -> None:
        table.put(self.names[hidden.index], layout.places["shown"])

    def chosen(self, layout: Layout, deeds: Sequence[Deed]) -> Choice | None:
        return first_pressed(self.names, deeds)

    def choice_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        return press(layout.places[self.names[hidden.index]], BLOCK_M)
