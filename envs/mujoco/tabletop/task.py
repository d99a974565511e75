"""What a memory task is: a hidden variable that only the cue shows, and a choice that depends on it.

The split is what makes the chance level provable: `lay_out`, `react` and `chosen`, which make everything that can be
observed from the gate on, are never given the hidden variable; only `show` (the cue) and `is_right` (the score) are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .props import Prop, Vector3
from .world import Deed, TableWorld


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """What must be remembered: uniform over a task's K values, or over the unit square (continuous tasks)."""

    index: int
    fraction: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What an episode looks like beside the hidden variable: places of props, an order, a plan of what moves."""

    places: dict[str, Vector3]
    order: tuple[int, ...] = ()
    plan: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What was committed to: an index, or a place on the table."""

    index: int = -1
    place_m: Vector3 = (0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class KeyPose:
    """Where the gripper goes, and whether it is closed there."""

    position_m: Vector3
    close: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskFacts:
    """What holds for every episode of a task.

    num_choices: K; 0 when the choice is not one of K. chance: the success of the best policy without memory;
    `chance_because` says why. cue_steps and choice_steps are counted in key poses. is_timed: the cue takes always
    `cue_steps`; otherwise it ends `linger_steps` after a press of the button, at the latest after that many. With no
    cue_steps there is no cue; the gate shuts after each deed of the kind `gate_after`, which counts. keeps_scene: what the robot did in the cue can stand at the choice, as the
    lenient rules have it.
    """

    name: str
    instruction: str
    num_choices: int
    chance: float
    cue_steps: int
    choice_steps: int
    is_timed: bool
    linger_steps: int = 0
    keeps_scene: bool = False
    gate_after: str = ""
    chance_because: str = "K equally likely values, nothing after the gate depends on which"
    props: tuple[Prop, ...] = field(repr=False)


class Task(ABC):
    """One memory task. Implementations hold no state: an episode's is in the table and in the deeds since the gate."""

    facts: TaskFacts

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Layout:
        """A layout from the nuisance stream."""

    @abstractmethod
    def show(self, table: TableWorld, layout: Layout, hidden: Hidden, step: int) -> None:
        """Set up (step 0) or animate (later steps) the cue."""

    def lay_out(self, table: TableWorld, layout: Layout) -> None:
        """Stand everything where the choice begins; by default, every prop that the layout has a place for. The table
        is empty and in its own colours.
        """
        for prop in self.facts.props:
            if prop.name in layout.places:
                table.put(prop.name, layout.places[prop.name])

    def react(self, table: TableWorld, layout: Layout, deeds: Sequence[Deed]) -> None:
        """Let props answer the deeds since the gate, such as a button that lights up. By default nothing does."""
        return

    def notice(self, table: TableWorld, layout: Layout, hidden: Hidden, deeds: Sequence[Deed]) -> None:
        """Let props answer deeds during the cue, which may show the hidden variable. By default nothing does."""
        return

    def is_ready(self, table: TableWorld, layout: Layout) -> bool:
        """Whether what has to be done before the button is done; only the published, lenient rules ask. Default: yes."""
        return True

    @abstractmethod
    def chosen(self, layout: Layout, deeds: Sequence[Deed]) -> Choice | None:
        """What the deeds since the gate commit to, if they do."""

    def is_right(self, choice: Choice, layout: Layout, hidden: Hidden) -> bool:
        """Whether that is what the cue asked for; by default, the hidden index."""
        return choice.index == hidden.index

    def cue_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        """What the expert does during the cue; by default, it watches."""
        return []

    @abstractmethod
    def choice_poses(self, layout: Layout, hidden: Hidden) -> list[KeyPose]:
        """What the expert does after the gate."""


BUTTON_AT: Vector3 = (-0.22, 0.0, 0.0)


def jittered(place: Vector3, rng: np.random.Generator, by_m: float = 0.012) -> Vector3:
    """A place moved a little over the table."""
    dx, dy = rng.uniform(-by_m, by_m, 2)
    return (place[0] + float(dx), place[1] + float(dy), place[2])


def press(place: Vector3, height_m: float = 0.03) -> list[KeyPose]:
    """Come down on something and go up again."""
    x, y, z = place
    up: Vector3 = (x, y, z + height_m + 0.12)
    return [KeyPose(position_m=(x, y, z + height_m)), KeyPose(position_m=up)]


def carry(start: Vector3, goal: Vector3, grasp_height_m: float = 0.0225) -> list[KeyPose]:
    """Take a block at `start` and stand it at `goal`."""
    (x, y, z), (gx, gy, gz) = start, goal
    return [
        KeyPose(position_m=(x, y, z + grasp_height_m), close=True),
        KeyPose(position_m=(gx, gy, gz + grasp_height_m), close=False),
        KeyPose(position_m=(gx, gy, gz + 0.15), close=False),
    ]


def near(a: Vector3, b: Vector3, radius_m: float) -> bool:
    """Whether two places are near each other over the table."""
    return bool(np.hypot(a[0] - b[0], a[1] - b[1]) <= radius_m)


def pressed_names(deeds: Sequence[Deed]) -> list[str]:
    """What was pressed, in order, each thing once."""
    return list(dict.fromkeys(deed.prop for deed in deeds if deed.kind == "press"))


def first_pressed(names: Sequence[str], deeds: Sequence[Deed]) -> Choice | None:
    """A commit is the first touch of one of `names`."""
    touched = pressed_names(deeds)
    return Choice(index=names.index(touched[0])) if touched else None
