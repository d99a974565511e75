"""Every option of the mobile tasks, with its default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...options import from_options
from ..mjcf import ROBOT_CAMERAS
from ..task_options import TaskOptions

NUM_PLACES = 5


@dataclass(frozen=True, kw_only=True)
class MobileConfig(TaskOptions):
    """The options of every memory task. A robot in a home looks through its head, and to its sides and back if asked to.

    step_ns: how long an action takes.
    """

    camera_choices: ClassVar[tuple[str, ...]] = ROBOT_CAMERAS
    image_size: tuple[int, int] = (128, 160)
    cameras: tuple[str, ...] = ("head",)
    step_ns: int = 10_000_000_000

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require("step_ns", self.step_ns > 0, "a positive time in nanoseconds")


def make_config(options: dict[str, Any]) -> MobileConfig:
    """A config from keyword options."""
    return from_options(MobileConfig, options, "mobile")
