"""How often the robot itself did something."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..props import COLOURS, button, pad
from ..props import block as cube
from ..task import BUTTON_AT, Choice, Hidden, KeyPose, Layout, Task, TaskFacts, jittered, press
from ..world import Deed, TableWorld
from .places import CENTRE, on_pad


class LiftNTimes(Task):
    """Lift the block three times, then press the button. After each lift the gate shuts, and block and arm return home
    behind it, so that nothing seen tells how many there were.

    A policy without memory lifts again with some probability p whenever it sees that view, and else presses: right with
    p^n (1 - p), at most n^n / (n + 1)^(n + 1).
    """

    NUM_LIFTS = 3

    def __init__(self) -> None:
        n = self.NUM_LIFTS
        self.facts = TaskFacts(
            name="LiftNTimes", num_choices=0, chance=n**n / (n + 1) ** (n + 1), cue_steps=0, choice_steps=4 * n + 8,
            is_timed=True, gate_after="place", instruction="Lift the block three times, then press the button.",
            chance_because="lifting again with probability p succeeds with p^n (1 - p), at most n^n / (n + 1)^(n + 1)",
            props=(pad("pad"), cube("block", COLOURS["red"]), button("button", COLOURS["blue"])),
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> Layout:
        place = jittered(CENTRE, rng, 0.04)
        return Layout(places={"pad": place, "block": on_pad(place), "button": jittered(BUTTON_AT, rng)})

    def show(self, table: TableWorld, layout: Layout, hidden: Hidden, step: int) -> None:
        self.lay_out(table, layout)

    def chosen(self, layout: Layout, deeds: Sequence[Deed]) -> Choice | None:
        if not any(deed.kind == "press" for deed in deeds):
            return None
        return Choice(index=sum(deed.kind == "lift" for deed in deeds))

    def is_right(self, choice: Choice, layout: Layout, hidden: Hidden) -> bool:
        return choice.index == self.NUM_LIFTS

    def choice_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        x, y, z = layout.places["block"]
        grasp, up = (x, y, z + 0.0225), (x, y, z + 0.16)
        lift = [
            KeyPose(position_m=grasp, close=True),
            KeyPose(position_m=up, close=True),
            KeyPose(position_m=grasp),
        ]
        return [*(lift * self.NUM_LIFTS), *press(layout.places["button"])]
