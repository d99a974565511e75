"""`EmbodiedMem/Habitat-v0`: any scene that Habitat can load, with the observations of our MuJoCo worlds."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import Float64, UInt8

from embodied_mem.errors import ConfigError, MissingExtra, UnknownEntity, did_you_mean

from .axes import camera_pose, heading_rad, intrinsics, to_habitat, to_world
from .config import HabitatConfig, make_config
from .episodes import Episode, read_episodes
from .remote import RemoteWorld
from .semantics import SemanticMap

Observation = dict[str, Any]
ACTIONS = ("stop", "move_forward", "turn_left", "turn_right", "look_up", "look_down")
LARGEST_ID = np.iinfo(np.int32).max


class World(Protocol):
    """What the env asks of a simulator: `simulator.HabitatWorld`, here or in another process."""

    def describe(self) -> Any: ...
    def reset(self, seed: int, start: Any = None) -> Any: ...
    def act(self, action: str) -> Any: ...
    def drive(self, speed: float, turn_rate: float, pan_rate: float, tilt_rate: float, dt: float) -> Any: ...
    def navigable_point(self, near: Any = None) -> Any: ...
    def path(self, goals: Any) -> Any: ...
    def next_action(self, goal: Any, radius: float) -> Any: ...
    def add_object(self, path: str, position: Any, quaternion: Any, semantic_id: int) -> int: ...
    def move_object(self, object_id: int, position: Any, quaternion: Any) -> None: ...
    def remove_object(self, object_id: int) -> None: ...
    def close(self) -> None: ...


class HabitatEnv(gymnasium.Env[Observation, Any]):
    """A robot with a head camera in a Habitat scene.

    Options are those of `HabitatConfig`, as keywords. Positions given and taken here are in our world axes (z up).
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (gymnasium's own convention)

    def __init__(self, *, render_mode: str | None = None, **options: Any) -> None:
        self.config: HabitatConfig = make_config(options)
        self.render_mode = render_mode
        self.episodes: tuple[Episode, ...] = (
            read_episodes(self.config.episodes) if self.config.episodes else ()
        )
        self.episode: Episode | None = None
        self.observation_space = _observation_space(self.config)
        self.action_space = _action_space(self.config)
        self.intrinsics = intrinsics(self.config.image_size, self.config.hfov_deg)
        self._next_episode = 0
        self._opened: tuple[str, str] = ("", "")
        self._world: World | None = None
        self._added: dict[int, int] = {}
        self._steps = 0
        self._seen: dict[str, Any] = {}
        self._rgb: UInt8[np.ndarray, "h w 3"] | None = None
        self.semantics = SemanticMap(())

    @property
    def category_names(self) -> tuple[str, ...]:
        """The present scene's categories; index 0 is "void"."""
        return self.semantics.category_names

    @property
    def stamp_ns(self) -> int:
        """The stamp of the present observation."""
        return self.config.epoch_ns + self._steps * self.config.step_ns

    # -- gymnasium ------------------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """The next episode (`options={"episode": id}` names one), or a start that the seed draws.

        Raises:
            UnknownEntity: no episode has that id.
        """
        super().reset(seed=seed)
        self.episode = self._chosen_episode((options or {}).get("episode"))
        world = self._open()
        self._added.clear()
        self._steps = 0
        self._ids_rng = np.random.default_rng(int(self.np_random.integers(2**62)))
        self.semantics = SemanticMap(world.describe()["instances"])
        start = None
        if self.episode is not None:
            start = {
                "position": list(self.episode.start_position),
                "quaternion": list(self.episode.start_quaternion),
            }
        self._seen = world.reset(int(self.np_random.integers(2**31 - 1)), start)
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Moves the robot, then takes a picture. "stop" ends an episode; there is no reward."""
        world = self._ready()
        self._steps += 1
        is_over = False
        if self.config.action_mode == "discrete":
            name = ACTIONS[int(action)]
            is_over = name == "stop"
            self._seen = world.act(name)
        else:
            speed, turn = (float(v) for v in action["base"])
            pan, tilt = (float(v) for v in action["head"])
            self._seen = world.drive(speed, turn, pan, tilt, 1.0 / self.config.control_hz)
        truncated = 0 < self.config.max_steps <= self._steps
        return self._observation(), 0.0, is_over, truncated, self._info()

    def render(self) -> UInt8[np.ndarray, "h w 3"] | None:
        """What the robot sees."""
        return self._rgb if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        if self._world is not None:
            self._world.close()
            self._world = None

    # -- ways -----------------------------------------------------------------------------------------------------

    def path_to(self, goals_world: Sequence[Sequence[float]]) -> tuple[Float64[np.ndarray, "n 3"], float]:
        """Corners and length of the shortest way to any of the goals; none and infinity where there is no way."""
        corners, length = self._ready().path([to_habitat(np.asarray(goal)).tolist() for goal in goals_world])
        return to_world(np.asarray(corners, dtype=np.float64).reshape(-1, 3)), float(length)

    def snap(self, point_world: Sequence[float]) -> Float64[np.ndarray, "3"] | None:
        """The nearest point of the floor that the robot can stand on; None where there is none."""
        found = self._ready().navigable_point(to_habitat(np.asarray(point_world)).tolist())
        return None if found is None else to_world(np.asarray(found))

    def random_point(self) -> Float64[np.ndarray, "3"] | None:
        """A random point of the floor, from the simulator's own seeded numbers."""
        found = self._ready().navigable_point()
        return None if found is None else to_world(np.asarray(found))

    def next_action(self, goal_world: Sequence[float], radius_m: float = 0.3) -> str | None:
        """What Habitat's greedy geodesic follower does next; None when it finds no way."""
        found = self._ready().next_action(to_habitat(np.asarray(goal_world)).tolist(), radius_m)
        return None if found is None else str(found)

    # -- things that come and go ----------------------------------------------------------------------------------

    def add_object(
        self, path: str, category: str, position_world: Sequence[float], yaw_rad: float = 0.0
    ) -> int:
        """Put the thing of a *.object_config.json into the scene; returns its number."""
        world = self._ready()
        semantic_id = self.semantics.next_free_id()
        number = world.add_object(str(path), *_placed(position_world, yaw_rad), semantic_id)
        self.semantics.add(semantic_id, category)
        self._added[number] = semantic_id
        return number

    def move_object(self, number: int, position_world: Sequence[float], yaw_rad: float = 0.0) -> None:
        """Put an added thing elsewhere."""
        self._check_added(number)
        self._ready().move_object(number, *_placed(position_world, yaw_rad))

    def remove_object(self, number: int) -> None:
        """Take an added thing out."""
        self._check_added(number)
        self._ready().remove_object(number)
        del self._added[number]

    def _check_added(self, number: int) -> None:
        if number not in self._added:
            raise UnknownEntity(
                f"no object {number} was added; there are {sorted(self._added)}. Use what add_object returned."
            )

    # -- inside ---------------------------------------------------------------------------------------------------

    def _chosen_episode(self, wanted: str | None) -> Episode | None:
        if not self.episodes:
            if wanted is not None:
                raise UnknownEntity(
                    f"episode {wanted!r} is asked for, but the env was made without episodes."
                )
            return None
        if wanted is None:
            index, self._next_episode = self._next_episode, (self._next_episode + 1) % len(self.episodes)
            return self.episodes[index]
        for episode in self.episodes:
            if episode.episode_id == str(wanted):
                return episode
        known = [episode.episode_id for episode in self.episodes]
        raise UnknownEntity(f"no episode has the id {wanted!r}.{did_you_mean(str(wanted), known)}")

    def _open(self) -> World:
        scene, dataset = self.config.scene, self.config.scene_dataset
        if self.episode is not None:
            scene = self.config.scene or self.episode.scene
            dataset = self.config.scene_dataset or self.episode.scene_dataset
        if self._world is not None and self._opened == (scene, dataset):
            return self._world
        self.close()
        settings = self.config.for_simulator(scene, dataset)
        self._world = (
            RemoteWorld(self.config.python, settings, timeout_s=self.config.timeout_s)
            if self.config.python
            else _world_here(settings)
        )
        self._opened = (scene, dataset)
        assert self._world is not None
        return self._world

    def _ready(self) -> World:
        if self._world is None or not self._seen:
            raise ConfigError("the env has no scene yet; call reset() first.")
        return self._world

    def _observation(self) -> Observation:
        seen, config = self._seen, self.config
        low, high = config.depth_range_m
        depth = np.asarray(seen["depth"], dtype=np.float32)
        depth = np.where(np.isfinite(depth) & (depth >= low) & (depth <= high), depth, np.float32(0))
        x, y, _ = to_world(np.asarray(seen["position"])).tolist()
        proprio = (x, y, heading_rad(seen["turn"]), 0.0, 0.0, seen["pan"], seen["tilt"], 0.0)
        observation: Observation = {
            "depth": depth,
            "intrinsics": self.intrinsics.copy(),
            "T_world_camera": camera_pose(seen["camera_position"], seen["camera_quaternion"]),
            "proprio": np.array(proprio, dtype=np.float32),
            "instruction": self._instruction(),
        }
        if "rgb" in config.sensors:
            self._rgb = observation["rgb"] = np.ascontiguousarray(seen["rgb"])
        if "segmentation" in config.sensors:
            rng = self._ids_rng if config.instance_ids == "shuffled" else None
            observation["segmentation"] = self.semantics.panoptic(np.asarray(seen["semantic"]), rng)
        return observation

    def _instruction(self) -> str:
        told = "" if self.episode is None else self.episode.instruction
        return told or self.config.instruction

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = {
            "stamp_ns": self.stamp_ns,
            "events": [],
            "collided": bool(self._seen["collided"]),
        }
        if self.episode is not None:
            info["episode_id"] = self.episode.episode_id
        return info


def _world_here(settings: dict[str, Any]) -> World:
    from .simulator import HabitatWorld

    try:
        world: World = HabitatWorld(settings)
    except ImportError as error:
        raise MissingExtra(
            "habitat_sim could not be imported; PyPI has no wheel of it. Install it with conda (`conda install "
            "habitat-sim headless -c conda-forge -c aihabitat`) or from source; where it needs another Python than "
            "this one, give the env that interpreter: python=/path/to/python."
        ) from error
    return world


def _placed(position_world: Sequence[float], yaw_rad: float) -> tuple[list[float], list[float]]:
    half = yaw_rad / 2
    return to_habitat(np.asarray(position_world)).tolist(), [
        0.0,
        float(np.sin(half)),
        0.0,
        float(np.cos(half)),
    ]


def _observation_space(config: HabitatConfig) -> spaces.Dict:
    size = config.image_size
    shown: dict[str, gymnasium.Space[Any]] = {
        "depth": spaces.Box(0.0, config.depth_range_m[1], size, np.float32),
        "intrinsics": spaces.Box(-np.inf, np.inf, (3, 3), np.float64),
        "T_world_camera": spaces.Box(-np.inf, np.inf, (4, 4), np.float64),
        "proprio": spaces.Box(-np.inf, np.inf, (8,), np.float32),
        "instruction": spaces.Text(max_length=1000, min_length=0, charset=string.printable),
    }
    if "rgb" in config.sensors:
        shown["rgb"] = spaces.Box(0, 255, (*size, 3), np.uint8)
    if "segmentation" in config.sensors:
        shown["segmentation"] = spaces.Box(0, LARGEST_ID, size, np.int32)
    return spaces.Dict(shown)


def _action_space(config: HabitatConfig) -> gymnasium.Space[Any]:
    if config.action_mode == "discrete":
        return spaces.Discrete(len(ACTIONS))
    base = np.array([config.max_speed_m_s, config.max_turn_rad_s], dtype=np.float32)
    head = np.array([config.max_head_rad_s] * 2, dtype=np.float32)
    return spaces.Dict(
        {
            "base": spaces.Box(-base, base, dtype=np.float32),
            "head": spaces.Box(-head, head, dtype=np.float32),
            "hand": spaces.Discrete(4),
        }
    )
