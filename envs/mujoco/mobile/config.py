"""Every option of the mobile tasks, with its default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...options import CheckedOptions, from_options

NUM_PLACES = 5


@dataclass(frozen=True, kw_only=True)
class MobileConfig(CheckedOptions):
    """Options that do not depend on the seed.

    image_size: (height, width) in pixels. delay: steps for which the gate stays shut. interference: distracting scenes
    shown behind the gate. noise: 0 perfect depth, 1 a cheap depth camera's. instance_ids: "shuffled" draws
    segmentation ids anew at every frame. truth_in_info: adds the hidden variable and the phase to `info["truth"]`.
    """

    image_size: tuple[int, int] = (128, 160)
    delay: int = 2
    interference: int = 0
    noise: float = 0.0
    instance_ids: str = "shuffled"
    truth_in_info: bool = False
    epoch_ns: int = 1_000_000_000
    step_ns: int = 10_000_000_000

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_size", tuple(int(n) for n in self.image_size))
        self._require(
            "image_size", all(16 <= n <= 4096 for n in self.image_size), "(height, width), 16 to 4096 each"
        )
        self._require("delay", 1 <= self.delay <= 10_000, "1 to 10000 steps")
        self._require("interference", 0 <= self.interference <= 10_000, "0 to 10000 scenes")
        self._require("noise", 0.0 <= self.noise <= 10.0, "0 (perfect) to 10")
        self._require(
            "instance_ids", self.instance_ids in ("shuffled", "constant"), "'shuffled' or 'constant'"
        )
        self._require("epoch_ns", self.epoch_ns > 0, "a positive time in nanoseconds")
        self._require("step_ns", self.step_ns > 0, "a positive time in nanoseconds")


def make_config(options: dict[str, Any]) -> MobileConfig:
    """A config from keyword options."""
    return from_options(MobileConfig, options, "mobile")
