"""Every option of the household world, with its default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..options import CheckedOptions, from_options
from .floor_plan import MAX_ROOMS, MIN_ROOMS

INSTANCE_IDS = ("shuffled", "constant")
SCRIPT_NAMES = ("demo", "patrol")


@dataclass(frozen=True, kw_only=True)
class DepthNoise:
    """A structured-light depth camera's faults: noise that grows with the square of depth, ragged rims.

    sigma = `floor_m` + `growth` * depth^2; a share `rim_dropout` of the pixels at depth jumps, and a share
    `dropout` of all pixels, return nothing. All zero: a perfect camera.
    """

    floor_m: float = 0.0
    growth: float = 0.0
    rim_dropout: float = 0.0
    dropout: float = 0.0

    @property
    def is_off(self) -> bool:
        return self.floor_m == self.growth == self.rim_dropout == self.dropout == 0.0


REALISTIC_NOISE = DepthNoise(floor_m=0.001, growth=0.0019, rim_dropout=0.5, dropout=0.002)


@dataclass(frozen=True, kw_only=True)
class HouseholdConfig(CheckedOptions):
    """Options that do not depend on the seed.

    image_size: (height, width) in pixels. depth_range_m: nearer and farther pixels read 0. script: one of
    SCRIPT_NAMES or None, what the person does. instance_ids: "shuffled" draws segmentation ids anew at every frame,
    "constant" keeps them through an episode. truth_in_info: puts the simulator's truth into `info["truth"]`.
    max_steps: the episode is truncated after so many steps (0: never).
    """

    image_size: tuple[int, int] = (240, 320)
    fovy_deg: float = 58.0
    control_hz: float = 10.0
    depth_range_m: tuple[float, float] = (0.2, 10.0)
    depth_noise: DepthNoise = field(default_factory=DepthNoise)
    instance_ids: str = "shuffled"
    truth_in_info: bool = False
    script: str | None = None
    instruction: str = "Look around the home and remember where everything is."
    num_rooms: int = 5
    max_steps: int = 0
    epoch_ns: int = 1_000_000_000
    max_speed_m_s: float = 1.0
    max_turn_rad_s: float = 1.8
    max_head_rad_s: float = 2.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_size", tuple(int(n) for n in self.image_size))
        object.__setattr__(self, "depth_range_m", tuple(float(d) for d in self.depth_range_m))
        if not isinstance(self.depth_noise, DepthNoise):
            object.__setattr__(self, "depth_noise", DepthNoise(**self.depth_noise))
        self._require(
            "script", self.script is None or self.script in SCRIPT_NAMES, f"one of {SCRIPT_NAMES} or None"
        )
        self._require("instance_ids", self.instance_ids in INSTANCE_IDS, f"one of {INSTANCE_IDS}")
        self._require("num_rooms", MIN_ROOMS <= self.num_rooms <= MAX_ROOMS, f"{MIN_ROOMS} to {MAX_ROOMS}")
        self._require(
            "image_size", all(16 <= n <= 4096 for n in self.image_size), "(height, width), 16 to 4096 each"
        )
        self._require("fovy_deg", 10.0 <= self.fovy_deg <= 120.0, "10 to 120 degrees")
        self._require("control_hz", 0.0 < self.control_hz <= 200.0, "above 0 and up to 200")
        self._require("max_steps", self.max_steps >= 0, "0 (no limit) or more")
        self._require("epoch_ns", self.epoch_ns > 0, "a positive time in nanoseconds")

    @property
    def step_ns(self) -> int:
        return round(1e9 / self.control_hz)


def make_config(options: dict[str, Any]) -> HouseholdConfig:
    """A config from keyword options."""
    return from_options(HouseholdConfig, options, "household")
