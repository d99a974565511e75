"""Where things were: put the block back, reopen the drawer, move the other block to the empty pad."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..props import COLOURS, Vector3, block, button, cabinet, drawer, pad
from ..task import (
    BUTTON_AT,
    Choice,
    Hidden,
    KeyPose,
    Layout,
    Task,
    TaskFacts,
    carry,
    jittered,
    near,
    press,
)
from ..world import Deed, TableWorld

ON_PAD_M = 0.055
PAD_TOP_M = 0.004
CENTRE: Vector3 = (0.06, 0.0, 0.0)
OPEN_ENOUGH = 0.5


def on_pad(place: Vector3) -> Vector3:
    """Where a block stands on a pad at `place`."""
    return (place[0], place[1], place[2] + PAD_TOP_M)


def placed_on(layout: Layout, deeds: Sequence[Deed], names: Sequence[str]) -> Choice | None:
    """A commit is the first of `names` (pads) on which a block is put down."""
    for deed in deeds:
        if deed.kind == "place":
            for index, name in enumerate(names):
                if near(deed.position_m, layout.places[name], ON_PAD_M):
                    return Choice(index=index)
    return None


class PutBlockBack(Task):
    """A block stands on one of four pads; move it to the middle, press the button, then put it back where it was."""

    PADS: tuple[Vector3, ...] = (
        (0.20, 0.18, 0.0),
        (0.20, -0.18, 0.0),
        (-0.06, 0.18, 0.0),
        (-0.06, -0.18, 0.0),
    )

    def __init__(self) -> None:
        self.names = tuple(f"pad{i}" for i in range(len(self.PADS)))
        self.facts = TaskFacts(
            name="PutBlockBack", num_choices=4, chance=0.25, cue_steps=8, choice_steps=6, is_timed=False, keeps_scene=True,
            instruction="Move the block to the middle, press the button, then put the block back on its first pad.",
            props=(
                *(pad(name) for name in self.names), block("block", COLOURS["red"]), button("button", COLOURS["blue"]),
            ),
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> Layout:
        places = {name: jittered(place, rng) for name, place in zip(self.names, self.PADS, strict=True)}
        return Layout(places={**places, "block": jittered(CENTRE, rng), "button": jittered(BUTTON_AT, rng)})

    def show(self, table: TableWorld, layout: Layout, hidden: Hidden, step: int) -> None:
        self.lay_out(table, layout)
        table.put("block", on_pad(layout.places[self.names[hidden.index]]))

    def is_ready(self, table: TableWorld, layout: Layout) -> bool:
        return table.holding is None and near(table.position("block"), layout.places["block"], 0.08)

    def chosen(self, layout: Layout, deeds: Sequence[Deed]) -> Choice | None:
        return placed_on(layout, deeds, self.names)

    def cue_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        start = on_pad(layout.places[self.names[hidden.index]])
        return [*carry(start, layout.places["block"]), *press(layout.places["button"])]

    def choice_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        return carry(layout.places["block"], on_pad(layout.places[self.names[hidden.index]]))


class RearrangeBlock(Task):
    """One block stands on one of two pads, another in the middle; after the button, put the middle one on the pad that
    was empty. Both pads are then empty, so that only memory tells which it was.
    """

    PADS: tuple[Vector3, ...] = ((0.12, 0.20, 0.0), (0.12, -0.20, 0.0))

    def __init__(self) -> None:
        self.names = ("pad0", "pad1")
        self.facts = TaskFacts(
            name="RearrangeBlock", num_choices=2, chance=0.5, cue_steps=8, choice_steps=6, is_timed=False, keeps_scene=True,
            instruction=(
                "Move the block on the pad to the back, press the button, then put the block in the middle on the pad "
                "that was empty at first."
            ),
            props=(
                *(pad(name) for name in self.names), block("block", COLOURS["red"]), block("other", COLOURS["green"]),
                button("button", COLOURS["blue"]),
            ),
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> Layout:
        places = {name: jittered(place, rng) for name, place in zip(self.names, self.PADS, strict=True)}
        middle, back = jittered((0.02, 0.0, 0.0), rng), jittered((0.24, 0.0, 0.0), rng)
        return Layout(places={**places, "block": middle, "other": back, "button": jittered(BUTTON_AT, rng)})

    def show(self, table: TableWorld, layout: Layout, hidden: Hidden, step: int) -> None:
        self.lay_out(table, layout)
        table.put("other", on_pad(layout.places[self.names[1 - hidden.index]]))

    def is_ready(self, table: TableWorld, layout: Layout) -> bool:
        return table.holding is None and near(table.position("other"), layout.places["other"], 0.08)

    def chosen(self, layout: Layout, deeds: Sequence[Deed]) -> Choice | None:
        return placed_on(layout, [deed for deed in deeds if deed.prop == "block"], self.names)

    def cue_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        start = on_pad(layout.places[self.names[1 - hidden.index]])
        return [*carry(start, layout.places["other"]), *press(layout.places["button"])]

    def choice_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        return carry(layout.places["block"], on_pad(layout.places[self.names[hidden.index]]))


NUM_DRAWERS = 3
CABINET_AT: Vector3 = (0.20, 0.0, 0.0)


def drawer_places(rng: np.random.Generator) -> dict[str, Vector3]:
    """A cabinet and its drawers, side by side."""
    x, y, _ = jittered(CABINET_AT, rng)
    names = {f"drawer{i}": (x, y + 0.13 * (i - (NUM_DRAWERS - 1) / 2), 0.008) for i in range(NUM_DRAWERS)}
    return {"cabinet": (x, y, 0.0), **names}


def handle(place: Vector3, openness: float) -> Vector3:
    """Where the knob of a drawer is that stands at `place` when shut."""
    grasp, slide = drawer("any").grasp_m, drawer("any").slide_m
    assert grasp is not None
    return (place[0] + grasp[0] - openness * slide, place[1], place[2] + grasp[2])


def opened(deeds: Sequence[Deed]) -> Choice | None:
    """A commit is the first drawer that is pulled open."""
    for deed in deeds:
        if deed.kind == "pull" and deed.openness >= OPEN_ENOUGH:
            return Choice(index=int(deed.prop.removeprefix("drawer")))
    return None


def pull_poses(place: Vector3) -> list[KeyPose]:
    """Open a shut drawer and let go."""
    end = handle(place, 1.0)
    return [
        KeyPose(position_m=handle(place, 0.0), close=True),
        KeyPose(position_m=end, close=True),
        KeyPose(position_m=end),
    ]


class ReopenDrawer(Task):
    """One of three drawers is open; shut it, press the button, then open the same one."""

    def __init__(self) -> None:
        self.names = tuple(f"drawer{i}" for i in range(NUM_DRAWERS))
        self.facts = TaskFacts(
            name="ReopenDrawer", num_choices=3, chance=1 / 3, cue_steps=9, choice_steps=7, is_timed=False, keeps_scene=True,
            instruction="Shut the open drawer, press the button, then open the same drawer again.",
            props=(
                cabinet("cabinet", NUM_DRAWERS), *(drawer(name) for name in self.names), button("button", COLOURS["blue"]),
            ),
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> Layout:
        return Layout(places={**drawer_places(rng), "button": jittered(BUTTON_AT, rng)})

    def show(self, table: TableWorld, layout: Layout, hidden: Hidden, step: int) -> None:
        self.lay_out(table, layout)
        table.set_openness(self.names[hidden.index], 1.0)

    def is_ready(self, table: TableWorld, layout: Layout) -> bool:
        return table.holding is None and all(table.openness(name) < 0.1 for name in self.names)

    def chosen(self, layout: Layout, deeds: Sequence[Deed]) -> Choice | None:
        return opened(deeds)

    def cue_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        place = layout.places[self.names[hidden.index]]
        shut = handle(place, 0.0)
        above: Vector3 = (shut[0] - 0.05, shut[1], 0.2)
        return [
            KeyPose(position_m=handle(place, 1.0), close=True),
            KeyPose(position_m=shut, close=True),
            KeyPose(position_m=shut),
            KeyPose(position_m=above),
            *press(layout.places["button"]),
        ]

    def choice_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        return pull_poses(layout.places[self.names[hidden.index]])
