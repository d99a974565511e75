"""`EmbodiedMem/<Task>-v0` in a home: look at places, a gate, then a choice; the first choice ends the episode.

Action: one number. 0 to 4: go to a place and look at it; 5 to 9: choose place (or answer) 0 to 4. During the cue and the gate
choices do nothing; the gate shuts after `cue_steps` actions whatever they were. SearchNoRevisit has no gate: 0 to 4 search a
place, and other actions do nothing.
"""

from __future__ import annotations

import string
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import UInt8

from embodied_mem.errors import ConfigError, did_you_mean

from ..categories import CATEGORY_NAMES, ID_DIVISOR
from ..config import HouseholdConfig
from ..sensing import HeadCamera
from ..tabletop.episode import Streams
from .config import NUM_PLACES, MobileConfig, make_config
from .stage import Stage, make_camera, make_stage
from .tasks import TASKS, MobileTask, SearchNoRevisit

Observation = dict[str, Any]
DEPTH_M = HouseholdConfig().depth_range_m[1]
FOVY_DEG = HouseholdConfig().fovy_deg


class MobileTaskEnv(gymnasium.Env[Observation, int]):
    """One mobile memory task. Options are those of `MobileConfig`, as keywords.

    `reset(options={"hidden": k})` sets the hidden variable and leaves all else as the seed has it.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 2}  # noqa: RUF012 (gymnasium's own convention)

    def __init__(self, task: str, *, render_mode: str | None = None, **options: Any) -> None:
        if task not in TASKS:
            raise ConfigError(
                f"no mobile task {task!r}; there are {sorted(TASKS)}.{did_you_mean(task, TASKS)}"
            )
        self.config: MobileConfig = make_config(options)
        self.task: MobileTask = TASKS[task]()
        self.render_mode = render_mode
        self.category_names = CATEGORY_NAMES
        self.observation_space = _observation_space(self.config)
        self.action_space = spaces.Discrete(2 * NUM_PLACES)
        self._stage: Stage | None = None
        self._camera: HeadCamera | None = None
        self._home_seed: tuple[int, ...] | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """A new episode; the same seed gives the same home and the same pictures, to the byte."""
        super().reset(seed=seed)
        self._streams = Streams.of(int(self.np_random.integers(2**62)))
        num_values = self.task.facts.num_values
        self.hidden = int(self._streams.hidden.integers(num_values))
        if options and "hidden" in options:
            if not 0 <= int(options["hidden"]) < num_values:
                raise ConfigError(f"hidden is {options['hidden']!r}; it is 0 to {num_values - 1}.")
            self.hidden = int(options["hidden"])
        self._prepare()
        self.phase, self._since, self._clock = "cue", 0, 0
        self._searched: set[int] = set()
        self._outcome: bool | None = None
        self.stage.clear()
        self._reseed(self._streams.cue_images)
        if self.task.facts.cue_steps == 0:
            self.phase = "choice"
        self.task.show(self.stage, self.hidden, 0)
        return self._observe(), self._info()

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One look or one choice. Reward 1.0 for a right choice (SearchNoRevisit: for finding it), else 0.0."""
        assert self.phase != "over", "the episode is over; reset the environment"
        self._clock += 1
        self._since += 1
        match self.phase:
            case "cue":
                self._advance_cue(int(action))
            case "gate":
                self._advance_gate()
            case _:
                self._advance_choice(int(action))
        is_late = self.phase == "over" and self._outcome is None
        terminated = self.phase == "over" and not is_late
        return self._observe(), float(bool(self._outcome)), terminated, is_late, self._info()

    def render(self) -> UInt8[np.ndarray, "h w 3"] | None:
        """What the robot sees."""
        if self.render_mode != "rgb_array" or self._camera is None:
            return None
        picture: UInt8[np.ndarray, "h w 3"] = self._observe()["rgb"]
        return picture

    def close(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        self._home_seed = None

    @property
    def stage(self) -> Stage:
        """The home and its places. Privileged."""
        assert self._stage is not None, "reset() makes the stage"
        return self._stage

    @property
    def stamp_ns(self) -> int:
        return self.config.epoch_ns + self._clock * self.config.step_ns

    def expert_action(self) -> int:
        """What the expert does now; it knows what was hidden."""
        looks = self.task.expert_looks()
        if self.phase == "cue":
            return looks[min(self._since, len(looks) - 1)]
        return self.hidden if isinstance(self.task, SearchNoRevisit) else NUM_PLACES + self.hidden

    def _advance_cue(self, action: int) -> None:
        if self._since >= self.task.facts.cue_steps:
            self.phase, self._since = "gate", 0
            self.stage.clear()
            self._reseed(self._streams.choice_images)
            return
        self.task.show(self.stage, self.hidden, self._since)
        if action < NUM_PLACES:
            self.stage.look_at(action)

    def _advance_gate(self) -> None:
        if self._since >= self.config.delay:
            self.phase, self._since = "choice", 0

    def _advance_choice(self, action: int) -> None:
        if isinstance(self.task, SearchNoRevisit):
            self._search(action)
        elif action >= NUM_PLACES:
            self._outcome = self.task.is_right(action - NUM_PLACES, self.hidden)
        else:
            self.stage.look_at(action)
        if self._outcome is not None or self._since >= self.task.facts.choice_steps:
            self.phase = "over"

    def _search(self, action: int) -> None:
        if action >= NUM_PLACES:
            return
        if action in self._searched or action == self.hidden:
            self._outcome = action == self.hidden and action not in self._searched
        self._searched.add(action)

    def _prepare(self) -> None:
        """The home of this seed; the last one again when the seed is the same."""
        seed = tuple(int(n) for n in self._streams.nuisance.integers(2**31, size=2))
        if seed != self._home_seed:
            self.close()
            self._stage = make_stage(seed, self.config.image_size, FOVY_DEG)
            self._camera = make_camera(self._stage, self.config.image_size, self.config.instance_ids)
            self._home_seed = seed

    def _reseed(self, seed: np.random.SeedSequence) -> None:
        assert self._camera is not None
        ids, noise = seed.spawn(2)
        self._camera.reseed(np.random.default_rng(ids), np.random.default_rng(noise))

    def _observe(self) -> Observation:
        assert self._camera is not None
        self.stage.world.refresh()
        rgb, depth, segmentation, _ = self._camera.shoot()
        r = self.stage.world.robot
        return {
            "rgb": rgb, "depth": depth, "segmentation": segmentation, "intrinsics": self._camera.intrinsics.copy(),
            "T_world_camera": self.stage.world.T_world_camera(),
            "proprio": np.array((r.x, r.y, r.yaw_rad, r.pan_rad, r.tilt_rad), dtype=np.float32),
            "instruction": self.task.instruction(self.stage),
        }  # fmt: skip

    def _info(self) -> dict[str, Any]:
        failure = ""
        if self.phase == "over" and not self._outcome:
            failure = "no_commit" if self._outcome is None else "recall"
        info: dict[str, Any] = {
            "stamp_ns": self.stamp_ns, "events": [], "success": bool(self._outcome), "failure": failure,
        }  # fmt: skip
        if self.config.truth_in_info:
            info["truth"] = {"hidden": self.hidden, "phase": self.phase}
        return info


def _observation_space(config: MobileConfig) -> spaces.Dict:
    size = config.image_size
    return spaces.Dict(
        {
            "rgb": spaces.Box(0, 255, (*size, 3), np.uint8),
            "depth": spaces.Box(0.0, DEPTH_M, size, np.float32),
            "segmentation": spaces.Box(0, len(CATEGORY_NAMES) * ID_DIVISOR, size, np.int32),
            "intrinsics": spaces.Box(-np.inf, np.inf, (3, 3), np.float64),
            "T_world_camera": spaces.Box(-np.inf, np.inf, (4, 4), np.float64),
            "proprio": spaces.Box(-np.inf, np.inf, (5,), np.float32),
            "instruction": spaces.Text(max_length=300, min_length=0, charset=string.printable),
        }
    )
