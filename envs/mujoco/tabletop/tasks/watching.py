"""What happened while the robot watched: which cup went where, how often a lamp blinked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..props import COLOURS, DARK, GREY, Colour, Vector3, ball, button, cup, lamp
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

CUP_M = 0.08
LIT: Colour = (1.0, 0.95, 0.35)


class ShellGameSwap(Task):
    """A ball goes under one of three cups, the cups change places before the robot's eyes; touch the one with the ball."""

    NUM_CUPS, NUM_SWAPS = 3, 3
    SHOWN_STEPS, SWAP_STEPS = 3, 3
    SWING_M = 0.08

    def __init__(self) -> None:
        self.names = tuple(f"cup{i}" for i in range(self.NUM_CUPS))
        self.facts = TaskFacts(
            name="ShellGameSwap", num_choices=3, chance=1 / 3, choice_steps=5, is_timed=True,
            cue_steps=self.SHOWN_STEPS + self.NUM_SWAPS * self.SWAP_STEPS + 1,
            instruction="Touch the cup that has the ball under it.",
            props=(*(cup(name) for name in self.names), ball("ball", COLOURS["red"])),
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> Layout:
        places = {f"slot{i}": jittered((0.08, 0.16 * (i - 1), 0.0), rng, 0.008) for i in range(self.NUM_CUPS)}
        pairs = ((0, 1), (1, 2), (0, 2))
        plan = tuple(pairs[int(rng.integers(3))] for _ in range(self.NUM_SWAPS))
        return Layout(places=places, plan=plan)

    def show(self, table: TableWorld, layout: Layout, hidden: Hidden, step: int) -> None:
        slots = list(range(self.NUM_CUPS))  # slots[cup] = where that cup stands
        if step < self.SHOWN_STEPS - 1:
            for i, name in enumerate(self.names):
                x, y, z = layout.places[f"slot{i}"]
                table.put(name, (x, y, z + 0.12 if i == hidden.index else z))
            table.put("ball", layout.places[f"slot{hidden.index}"])
            return
        table.hide("ball")
        done, part = divmod(step - (self.SHOWN_STEPS - 1), self.SWAP_STEPS)
        for a, b in layout.plan[:done]:
            slots = [b if s == a else a if s == b else s for s in slots]
        for i, name in enumerate(self.names):
            table.put(name, layout.places[f"slot{slots[i]}"])
        if done < len(layout.plan) and part > 0:
            self._swing(table, layout, slots, layout.plan[done], part / self.SWAP_STEPS)

    def lay_out(self, table: TableWorld, layout: Layout) -> None:
        for i, name in enumerate(self.names):
            table.put(name, layout.places[f"slot{i}"])

    def chosen(self, layout: Layout, deeds: Sequence[Deed]) -> Choice | None:
        return first_pressed(self.names, deeds)

    def is_right(self, choice: Choice, layout: Layout, hidden: Hidden) -> bool:
        return choice.index == self.final_slot(layout, hidden)

    def choice_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        return press(layout.places[f"slot{self.final_slot(layout, hidden)}"], CUP_M)

    @staticmethod
    def final_slot(layout: Layout, hidden: Hidden) -> int:
        """Where the cup with the ball is when all swaps are done: a bijection of where it was."""
        slot = hidden.index
        for a, b in layout.plan:
            slot = b if slot == a else a if slot == b else slot
        return slot

    def _swing(
        self, table: TableWorld, layout: Layout, slots: list[int], pair: tuple[int, int], share: float
    ) -> None:
        """Two cups on their way past each other."""
        for a, b, side in ((*pair, 1.0), (pair[1], pair[0], -1.0)):
            (ax, ay, _), (bx, by, _) = layout.places[f"slot{a}"], layout.places[f"slot{b}"]
            swing = side * self.SWING_M * float(np.sin(np.pi * share))
            table.put(
                self.names[slots.index(a)], (ax + share * (bx - ax) + swing, ay + share * (by - ay), 0.0)
            )


class CountBlinks(Task):
    """A lamp blinks one to five times within a fixed time; press the button with as many marks."""

    MOST = 5

    def __init__(self) -> None:
        self.names = tuple(f"button{i}" for i in range(self.MOST))
        self.facts = TaskFacts(
            name="CountBlinks", num_choices=self.MOST, chance=1 / self.MOST, cue_steps=2 * self.MOST + 2, choice_steps=5,
            is_timed=True, instruction="Press the button that has as many marks as the lamp blinked times.",
            props=(
                lamp("lamp"), *(button(name, COLOURS["blue"], num_marks=i + 1) for i, name in enumerate(self.names)),
            ),
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> Layout:
        order = rng.permutation(self.MOST)
        places: dict[str, Vector3] = {
            self.names[int(i)]: jittered((0.02, 0.13 * (slot - 2), 0.0), rng, 0.008)
            for slot, i in enumerate(order)
        }
        beats = tuple(int(i) for i in rng.permutation(self.MOST))
        return Layout(places={**places, "lamp": jittered((0.16, 0.0, 0.0), rng)}, order=beats)

    def show(self, table: TableWorld, layout: Layout, hidden: Hidden, step: int) -> None:
        beat, is_second_half = divmod(step - 1, 2)
        is_lit = step >= 1 and not is_second_half and beat in layout.order[: hidden.index + 1]
        table.put("lamp", layout.places["lamp"])
        table.paint("lamp", LIT if is_lit else DARK)

    def lay_out(self, table: TableWorld, layout: Layout) -> None:
        super().lay_out(table, layout)
        table.paint("lamp", GREY)

    def chosen(self, layout: Layout, deeds: Sequence[Deed]) -> Choice | None:
        return first_pressed(self.names, deeds)

    def choice_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        return press(layout.places[self.names[hidden.index]])
