"""One episode of the suite: a policy acts on a task, a memory gets what the robot sees and does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from jaxtyping import UInt8

from embodied_mem.benchmarks.policy.workplaces import workplace_of
from embodied_mem.benchmarks.suite.memories import AppendOnly, FrameStack, LastSeen, NoMemory
from embodied_mem.benchmarks.suite.policies import CHECKPOINT, make_policy
from embodied_mem.benchmarks.suite.protocol import MakeMemory, TaskMemory
from embodied_mem.envs import task_id
from embodied_mem.envs.frames import to_events, to_frame
from embodied_mem.envs.mujoco.mobile import HOME_TASK_NAMES
from embodied_mem.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from embodied_mem.benchmarks.suite.robot_memories import Asked

OnPicture = Callable[[UInt8[np.ndarray, "h w 3"]], None]
IMAGE_PX = (128, 128)
POLICY_STREAM = 7_000_003


def _ours(asked: Asked) -> TaskMemory:
    from embodied_mem.benchmarks.suite.robot_memories import OurMemory

    return OurMemory(asked)


def _emem() -> TaskMemory:
    from embodied_mem.benchmarks.suite.robot_memories import EmemMemory

    return EmemMemory()


MEMORIES: dict[str, MakeMemory] = {
    "none": NoMemory,
    "frame_stack": FrameStack,
    "last_seen": LastSeen,
    "append_only": AppendOnly,
    "emem": _emem,
    "ours": partial(_ours, "shown"),
    "ours_history": partial(_ours, "history"),
    "ours_now": partial(_ours, "now"),
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One setting of the suite; `seed` makes it an episode."""

    task: str
    policy: str
    memory: str
    delay: int = 2
    interference: int = 0
    noise: float = 0.0
    strict: bool = True

    @property
    def options(self) -> dict[str, Any]:
        """The env's. A checkpoint sees pictures of the size that it was trained on."""
        image_px = workplace_of(self.task).IMAGE_PX if self.policy.endswith(CHECKPOINT) else IMAGE_PX
        rules = {} if self.task in HOME_TASK_NAMES else {"strict": self.strict}
        return {
            "delay": self.delay, "interference": self.interference, "noise": self.noise, "image_size": image_px,
            **rules,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one episode ended. failure: recall (a wrong choice), motor (none that counts), no_commit, or ''.

    tracking: where somebody was followed, EVT-Bench's record of it (`evaluators.evt`).
    """

    seed: int
    success: bool
    failure: str
    num_steps: int
    tracking: dict[str, float] | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def make_memory(name: str) -> TaskMemory:
    """A baseline by name, or any other as `module:attribute` (called without arguments).

    Raises:
        ConfigError: there is none of that name.
    """
    if ":" in name:
        from importlib import import_module

        module, _, attribute = name.partition(":")
        try:
            made = getattr(import_module(module), attribute)()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"memory {name!r} cannot be loaded: {error}. Write module:attribute."
            ) from error
        if not isinstance(made, TaskMemory):
            raise ConfigError(
                f"{name!r} gives a {type(made).__name__}, which is no TaskMemory; see docs/tasks.md."
            )
        return made
    if name not in MEMORIES:
        raise ConfigError(f"no memory {name!r}; there are {sorted(MEMORIES)}.{did_you_mean(name, MEMORIES)}")
    return MEMORIES[name]()


@contextmanager
def opened(cell: Cell) -> Iterator[Any]:
    """The env of a setting."""
    env = gymnasium.make(task_id(cell.task), disable_env_checker=True, **cell.options).unwrapped
    try:
        yield env
    finally:
        env.close()


def play_out(cell: Cell, seeds: tuple[int, ...], on_picture: OnPicture | None = None) -> Iterator[Outcome]:
    """The outcome of each seed in turn, in one environment. `on_picture` gets every view of the robot."""
    memory = make_memory(cell.memory)
    with opened(cell) as env:
        for seed in seeds:
            yield _one(env, cell, memory, seed, on_picture)


def _one(env: Any, cell: Cell, memory: TaskMemory, seed: int, on_picture: OnPicture | None) -> Outcome:
    observation, info = env.reset(seed=seed)
    memory.reset()
    rng = np.random.default_rng([POLICY_STREAM, seed])
    policy = make_policy(cell.policy, env, cell.task, rng, instruction=observation["instruction"])
    num_steps, is_over = 0, False
    while not is_over:
        frame = to_frame(observation, info, env.category_names)
        memory.observe(frame)
        if on_picture is not None:
            on_picture(observation["rgb"])
        observation, _, terminated, truncated, info = env.step(
            policy.act(frame, memory, observation["proprio"])
        )
        for event in to_events(info):
            memory.record(event)
        num_steps, is_over = num_steps + 1, terminated or truncated
    if on_picture is not None:
        on_picture(observation["rgb"])
    return Outcome(
        seed=seed, success=info["success"], failure=info["failure"], num_steps=num_steps, tracking=info.get("tracking")
    )  # fmt: skip
