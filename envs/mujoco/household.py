"""`EmbodiedMem/Household-v0`: a generated home that a robot drives through, looks at and handles.

The observation is what a robot has; the truth is in the simulator's log, and in `info` only when asked for.
"""

from __future__ import annotations

import string
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import UInt8

from .categories import CATEGORY_NAMES, ID_DIVISOR
from .config import HouseholdConfig, make_config
from .home import generate_home
from .journal import Deed, Journal, whereabouts
from .manipulation import use_hand
from .mjcf import write_mjcf
from .overview import OVERVIEW_SIZE_PX, Overview
from .person import Scene, walking_space
from .plan import HomePlan
from .script import SCRIPTS, HouseholdScript, no_script
from .sensing import HeadCamera
from .simulator_log import JsonLinesLog, NoLog, SimulatorLog
from .world import ROBOT, HouseholdWorld

Observation = dict[str, Any]


class HouseholdEnv(gymnasium.Env[Observation, dict[str, Any]]):
    """A home with at least four furnished rooms, forty objects and, if a script says so, a person.

    Options are those of `HouseholdConfig`, as keywords; `log_path` names the file for the simulator's truth.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (gymnasium's own convention)

    def __init__(
        self, *, render_mode: str | None = None, log_path: str | Path | None = None, **options: Any
    ) -> None:
        self.config: HouseholdConfig = make_config(options)
        self.render_mode = render_mode
        self.category_names = CATEGORY_NAMES
        self.observation_space = _observation_space(self.config)
        self.action_space = _action_space(self.config)
        self._log: SimulatorLog = NoLog() if log_path is None else JsonLinesLog(log_path)
        self._camera: HeadCamera | None = None
        self._overview: Overview | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """A new home; the same seed gives the same home and the same pictures, to the byte."""
        super().reset(seed=seed)
        del options
        home_rng, ids_rng, noise_rng, script_rng, self._hand_rng = _streams(self.np_random)
        self._free_views()
        home = generate_home(home_rng, self.config.num_rooms)
        height, width = (max(a, b) for a, b in zip(self.config.image_size, OVERVIEW_SIZE_PX, strict=True))
        written = write_mjcf(home, fovy_deg=self.config.fovy_deg, offscreen_px=(height, width))
        self.world = HouseholdWorld(home, written)
        self._camera = HeadCamera(self.world, self.config, ids_rng, noise_rng)
        self._script = self._make_script(script_rng)
        self._steps = 0
        dt_s = 1.0 / self.config.control_hz
        space = walking_space(self.world)
        self._scene = Scene(world=self.world, space=space, journal=Journal(), now_ns=self.stamp_ns, dt_s=dt_s)
        self._script.advance(self._scene)
        self.world.refresh()
        self._log.start(self.world, self.config, seed)
        return self._observe(), self._info([])

    def step(self, action: dict[str, Any]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Moves the robot for one control period, then the person, then takes a picture. There is no reward."""
        began_ns, dt_s = self.stamp_ns, 1.0 / self.config.control_hz
        self._steps += 1
        self._scene.now_ns = self.stamp_ns
        speed, turn = (float(v) for v in action["base"])
        pan, tilt = (float(v) for v in action["head"])
        limit = self.config.max_speed_m_s
        self.world.drive(
            float(np.clip(speed, -limit, limit)), self._clipped(turn, self.config.max_turn_rad_s), dt_s
        )
        self.world.turn_head(
            self._clipped(pan, self.config.max_head_rad_s),
            self._clipped(tilt, self.config.max_head_rad_s),
            dt_s,
        )
        deed = use_hand(self.world, int(action["hand"]), self._hand_rng, (began_ns, self.stamp_ns))
        if deed is not None:
            self._scene.journal.write(deed)
        self._script.advance(self._scene)
        self.world.refresh()
        deeds = self._scene.journal.take_out()
        for done in deeds:
            self._log.deed(done)
        observation = self._observe()
        truncated = 0 < self.config.max_steps <= self._steps
        return observation, 0.0, False, truncated, self._info(deeds)

    def render(self) -> UInt8[np.ndarray, "h w 3"] | None:
        """The home from above, without its ceiling."""
        if self.render_mode != "rgb_array":
            return None
        if self._overview is None:
            self._overview = Overview(self.world)
        return self._overview.picture()

    def close(self) -> None:
        self._free_views()
        self._log.close()

    @property
    def plan(self) -> HomePlan:
        """The floor plan. Privileged: for policies that know the home, and for checking, never for a memory."""
        return self.world.plan

    @property
    def script_is_over(self) -> bool:
        """Whether the person has done all they were going to do. Privileged."""
        return self._script.is_over

    @property
    def stamp_ns(self) -> int:
        """The simulator's clock: the stamp of the present observation."""
        return self.config.epoch_ns + self._steps * self.config.step_ns

    def _make_script(self, rng: np.random.Generator) -> HouseholdScript:
        write = no_script if self.config.script is None else SCRIPTS[self.config.script]
        return write(self.world, rng)

    def _observe(self) -> Observation:
        assert self._camera is not None
        rgb, depth, segmentation, pixels = self._camera.shoot()
        self._log.frame(self.world, self.stamp_ns, pixels)
        r = self.world.robot
        proprio = (
            r.x,
            r.y,
            r.yaw_rad,
            r.speed_m_s,
            r.turn_rad_s,
            r.pan_rad,
            r.tilt_rad,
            r.holding is not None,
        )
        return {
            "rgb": rgb,
            "depth": depth,
            "segmentation": segmentation,
            "intrinsics": self._camera.intrinsics.copy(),
            "T_world_camera": self.world.T_world_camera(),
            "proprio": np.array(proprio, dtype=np.float32),
            "instruction": self.config.instruction,
        }

    def _info(self, deeds: list[Deed]) -> dict[str, Any]:
        events = [_event(deed) for deed in deeds if deed.actor == ROBOT]
        info: dict[str, Any] = {"stamp_ns": self.stamp_ns, "events": events}
        if self.config.truth_in_info:
            info["truth"] = self._truth()
        return info

    def _truth(self) -> dict[str, Any]:
        person = self.world.person
        return {
            "objects": {
                name: {
                    "category": thing.kind.name,
                    "colour": thing.colour_name,
                    **asdict(whereabouts(self.world, name)),
                }
                for name, thing in self.world.things.items()
            },
            "opened": dict(self.world.opened),
            "robot_room": self.world.robot_room(),
            "person": (person.x, person.y, person.yaw_rad) if person.is_inside else None,
        }

    def _free_views(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        if self._overview is not None:
            self._overview.close()
            self._overview = None

    @staticmethod
    def _clipped(value: float, limit: float) -> float:
        return float(np.clip(value, -limit, limit))


def plan_of(seed: int, num_rooms: int = HouseholdConfig().num_rooms) -> HomePlan:
    """The floor plan that `reset(seed=seed)` makes, for a policy that runs in another process than the env."""
    rng, _ = gymnasium.utils.seeding.np_random(seed)
    return generate_home(_streams(rng)[0], num_rooms).plan


def _streams(rng: np.random.Generator) -> tuple[np.random.Generator, ...]:
    """Independent random numbers for the home, segmentation ids, depth noise, the script and the hand."""
    seeds = np.random.SeedSequence(int(rng.integers(2**62))).spawn(5)
    return tuple(np.random.default_rng(seed) for seed in seeds)


def _event(deed: Deed) -> dict[str, Any]:
    """What the robot knows of its own action: kind, category and place, no id."""
    place = deed.after if deed.kind == "place" else deed.before
    return {
        "kind": deed.kind,
        "category": deed.category,
        "position_world": None if place is None else place.centre_world,
        "yaw_rad": None if place is None else place.yaw_rad,
        "start_ns": deed.start_ns,
        "end_ns": deed.end_ns,
        "outcome": deed.outcome,
    }


def _observation_space(config: HouseholdConfig) -> spaces.Dict:
    size = config.image_size
    largest_id = len(CATEGORY_NAMES) * ID_DIVISOR
    return spaces.Dict(
        {
            "rgb": spaces.Box(0, 255, (*size, 3), np.uint8),
            "depth": spaces.Box(0.0, config.depth_range_m[1], size, np.float32),
            "segmentation": spaces.Box(0, largest_id, size, np.int32),
            "intrinsics": spaces.Box(-np.inf, np.inf, (3, 3), np.float64),
            "T_world_camera": spaces.Box(-np.inf, np.inf, (4, 4), np.float64),
            "proprio": spaces.Box(-np.inf, np.inf, (8,), np.float32),
            "instruction": spaces.Text(max_length=1000, min_length=0, charset=string.printable),
        }
    )


def _action_space(config: HouseholdConfig) -> spaces.Dict:
    base = np.array([config.max_speed_m_s, config.max_turn_rad_s], dtype=np.float32)
    head = np.array([config.max_head_rad_s] * 2, dtype=np.float32)
    return spaces.Dict(
        {
            "base": spaces.Box(-base, base, dtype=np.float32),
            "head": spaces.Box(-head, head, dtype=np.float32),
            "hand": spaces.Discrete(4),
        }
    )
