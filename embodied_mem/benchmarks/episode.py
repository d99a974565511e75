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

    from embodied_mem import envs
    from embodied_mem.envs.frames import to_events, to_frame

    del envs  # imported because it registers the environments
    env = gymnasium.make(config.env.id, log_path=log_path, **asdict(config.env.options))
    try:
        return _run(env, config, memory, on_step, to_frame, to_events)
    finally:
        env.close()
