"""What configs/*.yaml and overrides set: one dataclass for each command that runs something."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from embodied_mem.robot_memory import RobotMemoryConfig


@dataclass(frozen=True, kw_only=True)
class EnvChoice:
    """A registered environment and its options; in YAML and on the command line both are keys of `env`."""

    id: str
    options: Any


@dataclass(frozen=True, kw_only=True)
class PolicyChoice:
    """Who moves the robot: `explore` looks at every room once; `tour` then leaves, waits, and looks again."""

    name: Literal["explore", "tour"] = "tour"


@dataclass(frozen=True, kw_only=True)
class EpisodeConfig:
    """One episode. It ends with the policy, the environment, or after `max_steps`; every `observe_every`-th frame
    goes into the memory.
    """

    env: EnvChoice
    policy: PolicyChoice = field(default_factory=PolicyChoice)
    memory: RobotMemoryConfig = field(default_factory=RobotMemoryConfig)
    seed: int = 0
    max_steps: int = 4000
    observe_every: int = 1
    out: str = "outputs/episode"


@dataclass(frozen=True, kw_only=True)
class ReplayConfig:
    """One recording into a memory."""

    memory: RobotMemoryConfig = field(default_factory=RobotMemoryConfig)
    out: str = "outputs/replay"
