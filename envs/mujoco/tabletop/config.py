"""Every option of the tabletop tasks, with its default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...options import from_options
from ..task_options import TaskOptions

CONTROLS = ("key_pose", "velocity")
CAMERA_CHOICES = ("front", "top", "side")
ROBOTS = ("gripper", "panda")
VELOCITY_PATIENCE = 16
"""How many more steps an episode lasts when each step moves the gripper a little."""


@dataclass(frozen=True, kw_only=True)
class TabletopConfig(TaskOptions):
    """The options of every memory task, and:

    control: "key_pose" (each action a place to go to) or "velocity" (each action a small motion). robot: "gripper"
    (without an arm) or "panda" (with one; extra `panda`). strict: the first commit ends the episode and the gate tidies
    up, so that chance is proven; False: the published rules of MemoryBench and MIKASA.
    """

    camera_choices: ClassVar[tuple[str, ...]] = CAMERA_CHOICES
    image_size: tuple[int, int] = (128, 128)
    cameras: tuple[str, ...] = ("front",)
    control: str = "key_pose"
    robot: str = "gripper"
    strict: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require("control", self.control in CONTROLS, f"one of {CONTROLS}")
        self._require("robot", self.robot in ROBOTS, f"one of {ROBOTS}")

    @property
    def step_ns(self) -> int:
        return 1_000_000_000 if self.control == "key_pose" else 100_000_000

    @property
    def patience(self) -> int:
        """Steps of this control for one key pose."""
        return 1 if self.control == "key_pose" else VELOCITY_PATIENCE


def make_config(options: dict[str, Any]) -> TabletopConfig:
    """A config from keyword options."""
    return from_options(TabletopConfig, options, "tabletop")
