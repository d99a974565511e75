"""Who acts: skills that ask a memory, the privileged expert (an upper bound), random actions (a lower one)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float32

from embodied_mem.benchmarks.suite.protocol import TaskMemory
from embodied_mem.benchmarks.suite.seeing import sightings_of
from embodied_mem.benchmarks.suite.skills import SKILLS, Recalled, View
from embodied_mem.envs.mujoco.tabletop.expert import REST, ScriptedExpert, key_pose_action
from embodied_mem.envs.mujoco.tabletop.task import KeyPose
from embodied_mem.messages import Frame

Action = Float32[np.ndarray, "4"]


class Policy(Protocol):
    """One robot's policy for one episode; what it may know of the past is in `memory`."""

    def act(self, frame: Frame, memory: TaskMemory) -> Action:
        """The action for what is seen now; the memory has seen it, too."""


class SkillPolicy:
    """Does what a task's skill says. Its only own state is its plan and whether the cloth was already there."""

    def __init__(self, task: str, rng: np.random.Generator) -> None:
        self._skill, self._rng = SKILLS[task], rng
        self._plan: list[KeyPose] = []
        self._gate_ns: int | None = None
        self._is_started, self._has_gate = False, task != "LiftNTimes"
        self._was_covered = False

    def act(self, frame: Frame, memory: TaskMemory) -> Action:
        view = View(seen=tuple(sightings_of(frame)))
        is_covered = any(one.label == "cover" for one in view.seen)
        if is_covered:
            self._gate_ns = frame.stamp_ns if self._gate_ns is None else self._gate_ns
            self._plan = []
        elif self._was_covered or not self._has_gate:
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

    def __init__(self, env: Any) -> None:
        self._expert = ScriptedExpert(env.episode)

    def act(self, frame: Frame, memory: TaskMemory) -> Action:
        return self._expert.act()


class RandomPolicy:
    """Anything at all."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def act(self, frame: Frame, memory: TaskMemory) -> Action:
        return self._rng.uniform(-1.0, 1.0, 4).astype(np.float32)


MakePolicy = Callable[[Any, str, np.random.Generator], Policy]
"""From the env (reset to the episode), the task's name and random numbers of the policy's own."""

POLICIES: dict[str, MakePolicy] = {
    "skills": lambda env, task, rng: SkillPolicy(task, rng),
    "expert": lambda env, task, rng: ExpertPolicy(env),
    "random": lambda env, task, rng: RandomPolicy(rng),
}
