"""Who acts: skills that ask a memory, the privileged expert (an upper bound), random actions (a lower one), a trained
checkpoint with banks of its own, or a policy of somebody else's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from gymnasium.spaces import Discrete
from jaxtyping import Float32

from embodied_mem.benchmarks.suite.home_skills import make_home_policy
from embodied_mem.benchmarks.suite.protocol import TaskMemory
from embodied_mem.benchmarks.suite.seeing import sightings_of
from embodied_mem.benchmarks.suite.skills import SKILLS, Recalled, View
from embodied_mem.envs.mujoco.mobile import HOME_TASK_NAMES
from embodied_mem.envs.mujoco.tabletop.expert import REST, ScriptedExpert, key_pose_action
from embodied_mem.envs.mujoco.tabletop.task import KeyPose
from embodied_mem.errors import ConfigError, did_you_mean
from embodied_mem.messages import Frame

if TYPE_CHECKING:
    from embodied_mem.policy.memory_policy import MemoryPolicy

Proprio = Float32[np.ndarray, "p"]
Action = Float32[np.ndarray, "4"] | int
"""Four numbers on the table, one in a home."""


class Policy(Protocol):
    """One robot's policy for one episode; what it may know of the past is in `memory`."""

    def act(self, frame: Frame, memory: TaskMemory, proprio: Proprio) -> Action:
        """The action for what is seen and felt now; the memory has seen it, too."""


class SkillPolicy:
    """Does what a task's skill says. Its only own state is its plan and whether the cloth was already there."""

    def __init__(self, task: str, rng: np.random.Generator) -> None:
        self._skill, self._rng = SKILLS[task], rng
        self._plan: list[KeyPose] = []
        self._gate_ns: int | None = None
        self._is_started, self._has_cue = False, task != "LiftNTimes"
        self._was_covered = False

    def act(self, frame: Frame, memory: TaskMemory, proprio: Proprio) -> Action:
        view = View(seen=tuple(sightings_of(frame)))
        is_covered = any(one.label == "cover" for one in view.seen)
        if is_covered:
            self._gate_ns = frame.stamp_ns if self._gate_ns is None else self._gate_ns
            self._plan = []
        elif self._was_covered or not self._has_cue:
            if self._was_covered or not self._plan:
                before_ns = frame.stamp_ns if self._gate_ns is None else self._gate_ns
                self._plan = self._skill.choose(
                    view, Recalled(memory=memory, before_ns=before_ns, rng=self._rng)
                )
        elif not self._is_started:
            self._plan = self._skill.cue(view)
        self._is_started, self._was_covered = True, is_covered
        return key_pose_action(self._plan.pop(0) if self._plan else REST)


class ExpertPolicy:
    """The scripted expert, which knows what was hidden."""

    def __init__(self, env: Any, task: str) -> None:
        self._act: Callable[[], Action] = (
            env.expert_action if task in HOME_TASK_NAMES else ScriptedExpert(env.episode).act
        )

    def act(self, frame: Frame, memory: TaskMemory, proprio: Proprio) -> Action:
        return self._act()


class RandomPolicy:
    """Anything at all."""

    def __init__(self, env: Any, rng: np.random.Generator) -> None:
        self._rng, self._actions = rng, env.action_space

    def act(self, frame: Frame, memory: TaskMemory, proprio: Proprio) -> Action:
        if isinstance(self._actions, Discrete):
            return int(self._rng.integers(self._actions.n))
        return self._rng.uniform(-1.0, 1.0, 4).astype(np.float32)


class CheckpointPolicy:
    """A checkpoint of `embodied-mem train`, for the task that it was trained on; its banks are its memory."""

    def __init__(
        self, policy: MemoryPolicy, rng: np.random.Generator, *, action_space: Any, instruction: str
    ) -> None:
        self._policy, self._action_space, self._instruction = policy, action_space, instruction
        policy.reset()
        # Its noise goes by the number of its decision: begun anew, an episode is a function of its seed.
        policy.memory.decisions.fill_(int(rng.integers(2**31)))

    def act(self, frame: Frame, memory: TaskMemory, proprio: Proprio) -> Action:
        from embodied_mem.benchmarks.policy.closed_loop import as_env_action
        from embodied_mem.policy.seam import Observation

        assert frame.rgb is not None, "a frame for the suite carries rgb"
        observation = Observation(
            stamp_ns=np.array([frame.stamp_ns]), images={self._policy.config.camera: frame.rgb[None]},
            proprio=proprio[None],
        )  # fmt: skip
        chunk = self._policy.act(observation, instruction=self._instruction)
        return as_env_action(self._action_space, chunk.actions[0, 0])


MakePolicy = Callable[[Any, str, np.random.Generator], Policy]
"""From the env (reset to the episode), the task's name and random numbers of the policy's own."""


def _skilled(env: Any, task: str, rng: np.random.Generator) -> Policy:
    return make_home_policy(env, task, rng) if task in HOME_TASK_NAMES else SkillPolicy(task, rng)


POLICIES: dict[str, MakePolicy] = {
    "skills": _skilled,
    "expert": lambda env, task, rng: ExpertPolicy(env, task),
    "random": lambda env, task, rng: RandomPolicy(env, rng),
}
CHECKPOINT = ".pt"


def asks_memory(name: str) -> bool:
    """Whether a policy's memory is the suite's: skills, and policies of others."""
    return name == "skills" or ":" in name


def check_policy(name: str) -> None:
    """Refuse a policy that there is not.

    Raises:
        ConfigError: with what there is.
    """
    if name.endswith(CHECKPOINT):
        if not Path(name).is_file():
            raise ConfigError(f"no checkpoint at {name!r}; train one with `embodied-mem train`.")
    elif ":" not in name and name not in POLICIES:
        raise ConfigError(
            f"no policy {name!r}; there are {sorted(POLICIES)}, checkpoints (*.pt) and module:attribute."
            f"{did_you_mean(name, POLICIES)}"
        )


def can_act_on(name: str, task: str) -> bool:
    """Whether a policy is for a task: a checkpoint is for the one that it was trained on."""
    if not name.endswith(CHECKPOINT):
        return True
    from embodied_mem.policy.checkpoints import about

    return about(Path(name)).get("task") == task


def make_policy(name: str, env: Any, task: str, rng: np.random.Generator, *, instruction: str = "") -> Policy:
    """A policy for one episode: by name, from a checkpoint, or by a maker of somebody else's (`module:attribute`)."""
    if name.endswith(CHECKPOINT):
        return CheckpointPolicy(
            _checkpoint(name), rng, action_space=env.action_space, instruction=instruction
        )
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            make: MakePolicy = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"policy {name!r} cannot be loaded: {error}. Write module:attribute."
            ) from error
        return make(env, task, rng)
    return POLICIES[name](env, task, rng)


@functools.lru_cache(maxsize=1)
def _checkpoint(path: str) -> MemoryPolicy:
    from embodied_mem.policy.checkpoints import load_policy

    return load_policy(Path(path), num_slots=1)
