"""What the tasks in a home have in common: the hidden variable, the robot's camera, how an observation looks."""

from __future__ import annotations

import string
from abc import ABC, abstractmethod
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import UInt8

from embodied_mem.errors import ConfigError

from ..categories import CATEGORY_NAMES, ID_DIVISOR
from ..config import REALISTIC_NOISE, HouseholdConfig
from ..sensing import HeadCamera, scaled
from ..tabletop.episode import Streams
from ..task_options import image_spaces, seen_by_all
from ..world import HouseholdWorld
from .config import MobileConfig

Observation = dict[str, Any]
DEPTH_M = HouseholdConfig().depth_range_m[1]
FOVY_DEG = HouseholdConfig().fovy_deg


class HomeTaskEnv(gymnasium.Env[Observation, int], ABC):
    """A memory task in a home that a seed makes. A subclass moves the robot and says what is right."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 2}  # noqa: RUF012 (gymnasium's own convention)

    def __init__(self, config: MobileConfig, *, render_mode: str | None, longest_instruction: int) -> None:
        self.config = config
        self.render_mode = render_mode
        self.category_names = CATEGORY_NAMES
        self.observation_space = _observation_space(config, longest_instruction)
        self.phase, self.hidden = "over", 0
        self._clock = self._since = 0
        self._camera: HeadCamera | None = None
        self._home_seed: tuple[int, ...] | None = None

    def render(self) -> UInt8[np.ndarray, "h w 3"] | None:
        """What the robot's first camera sees."""
        if self.render_mode != "rgb_array" or self._camera is None:
            return None
        return self._camera.picture(self.config.cameras[0])

    def close(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        self._home_seed = None

    @property
    def stamp_ns(self) -> int:
        """The stamp of the present observation."""
        return self.config.epoch_ns + self._clock * self.config.step_ns

    @abstractmethod
    def _observe(self) -> Observation:
        """What the robot senses now."""

    def _camera_in(self, world: HouseholdWorld) -> HeadCamera:
        """The head's camera in a world, by the options. Make and use it in one thread."""
        config = HouseholdConfig(
            image_size=self.config.image_size, instance_ids=self.config.instance_ids,
            depth_noise=scaled(REALISTIC_NOISE, self.config.noise),
        )  # fmt: skip
        rng = np.random.default_rng(0)
        return HeadCamera(world, config, rng, rng)

    @abstractmethod
    def _make_home(self, seed: tuple[int, ...]) -> HeadCamera:
        """Make the home of a seed, and the camera in it."""

    def _begin(self, num_values: int, options: dict[str, Any] | None) -> None:
        """Draw the hidden variable (or take it from the options), and make the home unless it is the last one's."""
        self._streams = Streams.of(int(self.np_random.integers(2**62)))
        self.hidden = int(self._streams.hidden.integers(num_values))
        if options and "hidden" in options:
            if not 0 <= int(options["hidden"]) < num_values:
                raise ConfigError(f"hidden is {options['hidden']!r}; it is 0 to {num_values - 1}.")
            self.hidden = int(options["hidden"])
        seed = tuple(int(n) for n in self._streams.nuisance.integers(2**31, size=2))
        if seed != self._home_seed:
            self.close()
            self._camera = self._make_home(seed)
            self._home_seed = seed
        self.phase, self._since, self._clock = "cue", 0, 0

    def _tick(self) -> None:
        assert self.phase != "over", "the episode is over; reset the environment"
        self._clock += 1
        self._since += 1

    def _reseed(self, seed: np.random.SeedSequence) -> None:
        assert self._camera is not None
        ids, noise = seed.spawn(2)
        self._camera.reseed(np.random.default_rng(ids), np.random.default_rng(noise))

    def _seen(self, world: HouseholdWorld, proprio: tuple[float, ...], instruction: str) -> Observation:
        """The observation of the robot as it stands in `world` now."""
        assert self._camera is not None
        world.refresh()
        camera, modes = self._camera, self.config.obs_modes
        return {
            **seen_by_all(self.config, lambda name: camera.see(name, modes)),
            "proprio": np.array(proprio, dtype=np.float32), "instruction": instruction,
        }  # fmt: skip


def _observation_space(config: MobileConfig, longest_instruction: int) -> spaces.Dict:
    return spaces.Dict(
        {
            **image_spaces(config, farthest_m=DEPTH_M, num_ids=len(CATEGORY_NAMES) * ID_DIVISOR),
            "proprio": spaces.Box(-np.inf, np.inf, (5,), np.float32),
            "instruction": spaces.Text(
                max_length=longest_instruction, min_length=0, charset=string.printable
            ),
        }
    )
