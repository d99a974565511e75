"""An episode in one process: a policy acts in an environment, and a memory gets what the robot sees and does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from embodied_mem.benchmarks.run_configs import EpisodeConfig
    from embodied_mem.robot_memory import RobotMemory

OnStep = Callable[[int, str], None]


@dataclass(frozen=True, kw_only=True)
class Episode:
    """What an episode took. Path: the robot's camera positions (n, 3) in world, metres, one for each frame observed."""

    num_steps: int
    num_frames: int
    wall_s: float
    observe_ms: float
    path_world: np.ndarray = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        return {
            "steps": self.num_steps, "frames": self.num_frames, "wall_s": round(self.wall_s, 2),
            "observe_ms": round(self.observe_ms, 2), "step_ms": round(1e3 * self.wall_s / max(1, self.num_steps), 2),
        }  # fmt: skip


def run_episode(config: EpisodeConfig, memory: RobotMemory, *, log_path: Path, on_step: OnStep) -> Episode:
    """Run one episode; the simulator writes its own log to `log_path`, which nothing here reads.

    `on_step` is told the number of steps so far and the policy's phase.
    """
    import gymnasium

    import embodied_mem.envs  # noqa: F401 (registers the environments)
    from embodied_mem.envs.mujoco.tour import TourPolicy

    env = gymnasium.make(
        config.env.id, disable_env_checker=True, log_path=log_path, **asdict(config.env.options)
    )
    try:
        observation, info = env.reset(seed=config.seed)
        home: Any = env.unwrapped
        policy = TourPolicy(
            home.plan,
            may_return=lambda: bool(home.script_is_over),
            control_hz=home.config.control_hz,
            explores_only=config.policy.name == "explore",
        )
        return _run(env, policy, (observation, info), config, memory, on_step)
    finally:
        env.close()


def _run(
    env: Any, policy: Any, first: tuple[Any, Any], config: EpisodeConfig, memory: RobotMemory, on_step: OnStep
) -> Episode:
    from embodied_mem.envs.frames import to_events, to_frame

    observation, info = first
    names = env.unwrapped.category_names
    start_s, observe_s = time.perf_counter(), 0.0
    path_world: list[np.ndarray] = []
    for step in range(config.max_steps):
        for event in to_events(info):
            memory.record(event)
        if step % config.observe_every == 0:
            before_s = time.perf_counter()
            frame = to_frame(observation, info, names)
            memory.observe(frame)
            observe_s += time.perf_counter() - before_s
            path_world.append(frame.T_world_camera[:3, 3])
        if policy.done:
            break
        on_step(step, policy.phase)
        observation, _, terminated, truncated, info = env.step(policy.act(observation, info))
        if terminated or truncated:
            break
    return Episode(
        num_steps=step + 1,
        num_frames=len(path_world),
        wall_s=time.perf_counter() - start_s,
        observe_ms=1e3 * observe_s / len(path_world),
        path_world=np.array(path_world),
    )
