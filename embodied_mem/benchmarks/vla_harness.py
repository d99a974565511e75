"""The memory tasks and our policy in vla-eval, AI2's harness for vision-language-action models (`pip install vla-eval`).

In its configs name `embodied_mem.benchmarks.vla_harness:MemoryTasks` as the benchmark, so that any model server it knows can be
asked whether it remembers; or `...:MemoryPolicyServer` as the model server, so that a checkpoint of `embodied-mem train` acts on
what it knows. Numbers of episodes are seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embodied_mem.benchmarks.suite.skills import SKILLS
from embodied_mem.envs import task_id
from embodied_mem.errors import ConfigError, InvalidMessage, MissingExtra, did_you_mean
from embodied_mem.policy.seam import Observation

try:
    from vla_eval.benchmarks.base import StepBenchmark, StepResult
    from vla_eval.model_servers.predict import PredictModelServer
    from vla_eval.specs import GRIPPER_CLOSE_POS, IMAGE_RGB, LANGUAGE, DimSpec
except ImportError as error:
    raise MissingExtra("this needs the harness: pip install vla-eval") from error

POSITION = DimSpec("position", 3, "absolute_xyz_scaled", (-1.0, 1.0), None, "over the gripper's reach")
STATE = DimSpec("state", 5, "tip_xyz_opening_closed")
NUM_ACTIONS = 4


class MemoryTasks(StepBenchmark):
    """Tabletop memory tasks (all, or `tasks`): the gripper's key poses as actions, its cameras as images.

    Further options are the env's: delay, interference, cameras, image_size, strict, ...
    """

    render_backends = frozenset({"cpu", "gpu"})

    def __init__(self, tasks: Sequence[str] | None = None, **options: Any) -> None:
        super().__init__()
        self._names = tuple(tasks or SKILLS)
        for name in self._names:
            if name not in SKILLS:
                raise ConfigError(
                    f"no task {name!r}; there are {sorted(SKILLS)}.{did_you_mean(name, SKILLS)}"
                )
        self._options = {"obs_modes": ("rgb",), **options}
        self._env: Any = None
        self._name = ""

    @classmethod
    def configure_render(cls, mode: str) -> dict[str, str]:
        """Nothing to set: MUJOCO_GL chooses, and both EGL and OSMesa work on a CPU."""
        return {}

    def get_tasks(self) -> list[dict[str, Any]]:
        return [{"name": name} for name in self._names]

    def reset(self, task: dict[str, Any]) -> Any:
        """The episode whose seed is the harness's number of it."""
        import gymnasium

        if self._env is None or self._name != task["name"]:
            self.cleanup()
            self._name = task["name"]
            self._env = gymnasium.make(task_id(self._name), disable_env_checker=True, **self._options)
        observation, _ = self._env.reset(seed=int(task.get("episode_idx", 0)))
        return observation

    def step(self, action: dict[str, Any]) -> StepResult:
        given = np.asarray(action["actions"], dtype=np.float32).reshape(-1)
        if given.size != NUM_ACTIONS:
            raise InvalidMessage(
                f"an action has {given.size} numbers; it takes {NUM_ACTIONS}: x, y, z, grip."
            )
        observation, reward, terminated, truncated, info = self._env.step(given)
        return StepResult(obs=observation, reward=float(reward), done=terminated or truncated, info=info)

    def make_obs(self, raw_obs: Any, task: dict[str, Any]) -> dict[str, Any]:
        first, *more = self._env.unwrapped.config.cameras
        images = {first: raw_obs["rgb"], **{camera: raw_obs[f"rgb_{camera}"] for camera in more}}
        return {"images": images, "task_description": raw_obs["instruction"], "state": raw_obs["proprio"]}

    def get_step_result(self, step_result: StepResult) -> dict[str, Any]:
        """Success, and its failure's class."""
        info = step_result.info
        return {"success": bool(info.get("success", False)), "failure": info.get("failure", "")}

    def get_action_spec(self) -> dict[str, DimSpec]:
        return {"position": POSITION, "gripper": GRIPPER_CLOSE_POS}

    def get_observation_spec(self) -> dict[str, DimSpec]:
        return {"front": IMAGE_RGB, "language": LANGUAGE, "state": STATE}

    def render(self) -> np.ndarray | None:
        return None if self._env is None else self._env.unwrapped.render()

    def cleanup(self) -> None:
        if self._env is not None:
            self._env.close()
            self._env = None


class MemoryPolicyServer(PredictModelServer):
    """A checkpoint of `embodied-mem train` behind the harness, one session at a time; its banks forget between episodes."""

    def __init__(self, checkpoint: str) -> None:
        from embodied_mem.policy.checkpoints import load_policy

        super().__init__()
        self._policy = load_policy(Path(checkpoint), num_slots=1)

    async def on_episode_start(self, config: dict[str, Any], ctx: Any) -> None:
        self._policy.reset()
        await super().on_episode_start(config, ctx)

    def predict(self, obs: dict[str, Any], ctx: Any) -> dict[str, Any]:
        """The first action of the policy's chunk, seconds counted by its own steps."""
        config = self._policy.config
        images = obs["images"]
        if config.camera not in images:
            raise InvalidMessage(
                f"the policy looks at {config.camera!r}; the observation has {sorted(images)}."
            )
        stamp_ns = round((ctx.step + 1) * config.period_s * 1e9)
        observation = Observation(
            stamp_ns=np.array([stamp_ns]), images={config.camera: np.asarray(images[config.camera], dtype=np.uint8)[None]},
            proprio=np.asarray(obs["state"], dtype=np.float32)[None],
        )  # fmt: skip
        chunk = self._policy.act(observation, instruction=obs.get("task_description", ""))
        return {"actions": np.clip(chunk.actions[0, 0], -1.0, 1.0)}

    def get_action_spec(self) -> dict[str, DimSpec]:
        return {"position": POSITION, "gripper": GRIPPER_CLOSE_POS}

    def get_observation_spec(self) -> dict[str, DimSpec]:
        return {self._policy.config.camera: IMAGE_RGB, "state": STATE}
