"""Every option of a Habitat environment, with its default."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..options import CheckedOptions, from_options

SENSORS = ("rgb", "depth", "segmentation")
ACTION_MODES = ("velocity", "discrete")
INSTANCE_IDS = ("constant", "shuffled")


@dataclass(frozen=True, kw_only=True)
class HabitatConfig(CheckedOptions):
    """Options that do not depend on the seed. Lengths in metres, angles in degrees.

    scene: the name of a scene of `scene_dataset`, or the path of a GLB. scene_dataset: a *.scene_dataset_config.json.
    episodes: a JSON or JSON.GZ in habitat-lab's layout; each reset takes the next episode, with its scene and start.
    sensors: which of SENSORS are rendered (depth always is). action_mode: "velocity" takes the actions of
    `EmbodiedMem/Household-v0`, "discrete" one of Habitat's own (see `ACTIONS`). instance_ids: "shuffled" draws
    segmentation ids anew at every frame. python: an interpreter that has habitat_sim; the simulator then runs there,
    in a process of its own; empty runs it in this one. start_height_m: starts are only drawn from floors between
    these heights in world z. gpu_device_id: -1 renders without CUDA.
    """

    scene: str = ""
    scene_dataset: str = ""
    episodes: str = ""
    image_size: tuple[int, int] = (240, 320)
    hfov_deg: float = 79.0
    camera_height_m: float = 1.31
    camera_tilt_deg: float = 0.0
    depth_range_m: tuple[float, float] = (0.1, 10.0)
    sensors: tuple[str, ...] = SENSORS
    action_mode: str = "velocity"
    forward_m: float = 0.25
    turn_deg: float = 10.0
    tilt_deg: float = 15.0
    allow_sliding: bool = True
    agent_height_m: float = 1.41
    agent_radius_m: float = 0.17
    start_height_m: tuple[float, float] = (-100.0, 100.0)
    min_island_radius_m: float = 1.0
    instance_ids: str = "constant"
    control_hz: float = 10.0
    max_speed_m_s: float = 1.0
    max_turn_rad_s: float = 1.8
    max_head_rad_s: float = 2.5
    max_steps: int = 0
    epoch_ns: int = 1_000_000_000
    instruction: str = "Look around the home and remember where everything is."
    gpu_device_id: int = -1
    python: str = ""
    timeout_s: float = 120.0

    def __post_init__(self) -> None:
        for name in ("image_size", "sensors", "depth_range_m", "start_height_m"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self._require(
            "scene",
            bool(self.scene or self.episodes),
            "the name or path of a scene, unless episodes are given",
        )
        self._require("sensors", set(self.sensors) <= set(SENSORS), f"some of {SENSORS}")
        self._require("action_mode", self.action_mode in ACTION_MODES, f"one of {ACTION_MODES}")
        self._require("instance_ids", self.instance_ids in INSTANCE_IDS, f"one of {INSTANCE_IDS}")
        sides = self.image_size
        self._require(
            "image_size",
            len(sides) == 2 and all(16 <= n <= 4096 for n in sides),
            "(height, width), 16 to 4096 each",
        )
        self._require("hfov_deg", 10 <= self.hfov_deg <= 150, "10 to 150")
        low, high = self.depth_range_m
        self._require("depth_range_m", 0 <= low < high, "(nearest, farthest) with 0 <= nearest < farthest")
        self._require("start_height_m", self.start_height_m[0] < self.start_height_m[1], "(lowest, highest)")
        for name in ("forward_m", "turn_deg", "tilt_deg", "control_hz", "agent_height_m", "agent_radius_m", "timeout_s"):  # fmt: skip
            self._require(name, getattr(self, name) > 0, "above 0")
        for name in ("scene_dataset", "episodes", "python"):
            path = getattr(self, name)
            self._require(name, not path or Path(path).exists(), "a file that exists")

    @property
    def step_ns(self) -> int:
        return round(1e9 / self.control_hz)

    def for_simulator(self, scene: str, scene_dataset: str) -> dict[str, Any]:
        """What the simulator's side needs to know: plain values only, as they may cross to another process."""
        return {**asdict(self), "scene": scene, "scene_dataset": scene_dataset}


def make_config(options: dict[str, Any]) -> HabitatConfig:
    """A config from keyword options."""
    return from_options(HabitatConfig, options, "Habitat")
