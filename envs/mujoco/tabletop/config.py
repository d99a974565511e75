"""Every option of the tabletop tasks, with its default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...options import CheckedOptions, from_options

OBS_MODES = ("rgb", "depth", "segmentation")
CONTROLS = ("key_pose", "velocity")
INSTANCE_IDS = ("shuffled", "constant")
CAMERA_CHOICES = ("front", "top", "side")
ROBOTS = ("gripper", "panda")
VELOCITY_PATIENCE = 16
"""How many more steps an episode lasts when each step moves the gripper a little."""


@dataclass(frozen=True, kw_only=True)
class TabletopConfig(CheckedOptions):
    """Options that do not depend on the seed.

    image_size: (height, width) in pixels. cameras: the first gives the keys rgb, depth, ...; others rgb_<camera>, ...
    obs_modes: which images there are. control: "key_pose" (each action a place to go to) or "velocity" (each action a
    small motion). robot: "gripper" (without an arm) or "panda" (with one; extra `panda`). delay: steps for which the
    gate stays shut. interference: distracting scenes shown behind the gate. strict: the first commit ends the episode
    and the gate tidies up, so that chance is proven; False: the published rules of MemoryBench and MIKASA. noise: 0 perfect images, 1 a cheap RGB-D camera's. instance_ids: "shuffled" draws
    segmentation ids anew at every frame. truth_in_info: adds the hidden variable and the phase to `info["truth"]`.
    """

    image_size: tuple[int, int] = (128, 128)
    cameras: tuple[str, ...] = ("front",)
    obs_modes: tuple[str, ...] = OBS_MODES
    control: str = "key_pose"
    robot: str = "gripper"
    delay: int = 2
    interference: int = 0
    strict: bool = True
    noise: float = 0.0
    instance_ids: str = "shuffled"
    truth_in_info: bool = False
    epoch_ns: int = 1_000_000_000

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_size", tuple(int(n) for n in self.image_size))
        object.__setattr__(self, "cameras", tuple(self.cameras))
        object.__setattr__(self, "obs_modes", tuple(self.obs_modes))
        self._require(
            "image_size", all(16 <= n <= 4096 for n in self.image_size), "(height, width), 16 to 4096 each"
        )
        self._require(
            "cameras", _is_choice(self.cameras, CAMERA_CHOICES), f"one or more of {CAMERA_CHOICES}, each once"
        )
        self._require(
            "obs_modes", _is_choice(self.obs_modes, OBS_MODES), f"one or more of {OBS_MODES}, each once"
        )
        self._require("robot", self.robot in ROBOTS, f"one of {ROBOTS}")
        self._require("control", self.control in CONTROLS, f"one of {CONTROLS}")
        self._require("delay", 1 <= self.delay <= 10_000, "1 to 10000 steps")
        self._require("interference", 0 <= self.interference <= 10_000, "0 to 10000 scenes")
        self._require("noise", 0.0 <= self.noise <= 10.0, "0 (perfect) to 10")
        self._require("instance_ids", self.instance_ids in INSTANCE_IDS, f"one of {INSTANCE_IDS}")
        self._require("epoch_ns", self.epoch_ns > 0, "a positive time in nanoseconds")

    @property
    def step_ns(self) -> int:
        return 1_000_000_000 if self.control == "key_pose" else 100_000_000

    @property
    def patience(self) -> int:
        """Steps of this control for one key pose."""
        return 1 if self.control == "key_pose" else VELOCITY_PATIENCE


def _is_choice(chosen: tuple[str, ...], allowed: tuple[str, ...]) -> bool:
    return bool(chosen) and len(set(chosen)) == len(chosen) and set(chosen) <= set(allowed)


def make_config(options: dict[str, Any]) -> TabletopConfig:
    """A config from keyword options."""
    return from_options(TabletopConfig, options, "tabletop")
