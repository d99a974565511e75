"""The options that every memory task has, at the table and in a home, and the images that they ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces

from ..options import CheckedOptions
from .config import INSTANCE_IDS

OBS_MODES = ("rgb", "depth", "segmentation")


@dataclass(frozen=True, kw_only=True)
class TaskOptions(CheckedOptions):
    """What does not depend on the seed. `camera_choices` are the cameras that there are.

    image_size: (height, width) in pixels. cameras: the first gives the keys rgb, depth, ...; others rgb_<camera>, ...
    obs_modes: which images there are. delay: steps for which the gate stays shut. interference: distracting scenes shown
    behind the gate. noise: 0 perfect images, 1 a cheap camera's. instance_ids: "shuffled" draws segmentation ids anew at
    every frame. truth_in_info: adds the hidden variable and the phase to `info["truth"]`.
    """

    camera_choices: ClassVar[tuple[str, ...]] = ()
    image_size: tuple[int, int]
    cameras: tuple[str, ...]
    obs_modes: tuple[str, ...] = OBS_MODES
    delay: int = 2
    interference: int = 0
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
        for name, choices in (("cameras", self.camera_choices), ("obs_modes", OBS_MODES)):
            self._require(
                name, _is_choice(getattr(self, name), choices), f"one or more of {choices}, each once"
            )
        self._require("delay", 1 <= self.delay <= 10_000, "1 to 10000 steps")
        self._require("interference", 0 <= self.interference <= 10_000, "0 to 10000 scenes")
        self._require("noise", 0.0 <= self.noise <= 10.0, "0 (perfect) to 10")
        self._require("instance_ids", self.instance_ids in INSTANCE_IDS, f"one of {INSTANCE_IDS}")
        self._require("epoch_ns", self.epoch_ns > 0, "a positive time in nanoseconds")


def _is_choice(chosen: tuple[str, ...], allowed: tuple[str, ...]) -> bool:
    return bool(chosen) and len(set(chosen)) == len(chosen) and set(chosen) <= set(allowed)


def seen_by_all(options: TaskOptions, see: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """What every camera sees, by the observation's keys: the first camera's are bare, others end in its name."""
    return {
        f"{key}_{camera}" if number else key: value
        for number, camera in enumerate(options.cameras)
        for key, value in see(camera).items()
    }


def image_spaces(options: TaskOptions, *, farthest_m: float, num_ids: int) -> dict[str, spaces.Space[Any]]:
    """The spaces of what `seen_by_all` gives: the images asked for, intrinsics and the pose of each camera."""
    size = options.image_size
    images: dict[str, spaces.Space[Any]] = {
        "rgb": spaces.Box(0, 255, (*size, 3), np.uint8),
        "depth": spaces.Box(0.0, farthest_m, size, np.float32),
        "segmentation": spaces.Box(0, num_ids, size, np.int32),
    }
    each = {key: images[key] for key in options.obs_modes}
    each["intrinsics"] = spaces.Box(-np.inf, np.inf, (3, 3), np.float64)
    each["T_world_camera"] = spaces.Box(-np.inf, np.inf, (4, 4), np.float64)
    return seen_by_all(options, lambda camera: each)
