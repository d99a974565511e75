"""One day in a household: the robot explores and runs errands, and several memories are told what it sees and does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from embodied_mem.benchmarks.world.baselines import Baseline
from embodied_mem.benchmarks.world.degrade import STRUCTURE, Condition, degraded
from embodied_mem.benchmarks.world.identity import IdentityLog
from embodied_mem.perception import Perception
from embodied_mem.robot_memory import RobotMemory

ON_ITS_WAY = 15
"""Steps after a pick, when the robot has looked at what it left and drives."""


@dataclass(frozen=True, kw_only=True)
class Day:
    """What is lived through: the home's and the errands' seed, how many errands, how many steps a second, and every
    how many steps the memories get a frame. Without `explores` it begins with the first errand.
    """

    seed: int
    num_errands: int = 6
    control_hz: float = 10.0
    observe_every: int = 1
    max_steps: int = 3500
    explores: bool = True


@dataclass(kw_only=True)
class Witnesses:
    """The memories that live through the day under one condition."""

    condition: Condition
    memory: RobotMemory
    baselines: dict[str, Baseline] = field(default_factory=dict)
    identity: IdentityLog | None = None


@dataclass(frozen=True, kw_only=True)
class DayReport:
    """How long the day was, and how much of it was handled."""

    num_steps: int
    num_frames: int
    num_errands: int


def live(
    day: Day,
    witnesses: Sequence[Witnesses],
    log_path: Path,
    progress: Callable[[str], None],
    *,
    between: Callable[[], None] = lambda: None,
) -> DayReport:
    """Run the day; the simulator's truth goes to `log_path`, which no memory reads. After each errand but the last, and
    `ON_ITS_WAY` steps after each pick, `between` is called.
    """
    import gymnasium

    import embodied_mem.envs  # noqa: F401 (registers the environments)
    from embodied_mem.envs.mujoco.errands import ErrandPolicy

    env: Any = gymnasium.make(
        "EmbodiedMem/Household-v0", disable_env_checker=True, log_path=log_path, control_hz=day.control_hz
    )
    try:
        observation, info = env.reset(seed=day.seed)
        policy = ErrandPolicy(
            env.unwrapped.plan, num_errands=day.num_errands, seed=day.seed, explores=day.explores,
            control_hz=day.control_hz,
        )  # fmt: skip
        names = env.unwrapped.category_names
        tellers = [_Teller(one, names, day.seed) for one in witnesses]
        num_frames = num_done = steps_carried = 0
        for step in range(day.max_steps):
            must_look = step % day.observe_every == 0 or bool(info["events"])
            for teller in tellers:
                teller.tell(observation, info, with_frame=must_look)
            num_frames += must_look
            action = policy.act(observation, info)
            if policy.done:
                break
            steps_carried = steps_carried + 1 if observation["proprio"][-1] else 0
            if steps_carried == ON_ITS_WAY or num_done < policy.num_done < day.num_errands:
                num_done = policy.num_done
                between()
            if step % 50 == 0:
                progress(f"day {day.seed}: {policy.phase}, step {step}, {policy.num_done} errands")
            observation, _, _, _, info = env.step(action)
    finally:
        env.close()
    return DayReport(num_steps=step + 1, num_frames=num_frames, num_errands=policy.num_done)


class _Teller:
    """Tells one condition's memories what happens."""

    def __init__(self, witnesses: Witnesses, names: Sequence[str], seed: int) -> None:
        self._witnesses = witnesses
        self._names = names
        self._wrong_labels = [name for name in names if name not in (*STRUCTURE, "void")]
        self._rng = np.random.default_rng([seed, sum(map(ord, witnesses.condition.name))])
        self._perception = Perception()

    def tell(self, observation: Any, info: Any, *, with_frame: bool) -> None:
        from embodied_mem.envs.frames import to_events, to_frame

        for event in to_events(info):
            self._witnesses.memory.record(event)
            for baseline in self._witnesses.baselines.values():
                baseline.record(event)
        if not with_frame:
            return
        frame = degraded(
            to_frame(observation, info, self._names), self._witnesses.condition, self._wrong_labels, self._rng
        )
        report = self._witnesses.memory.observe(frame)
        identity = self._witnesses.identity
        if identity is None and not self._witnesses.baselines:
            return
        percept = self._perception.perceive(frame)
        if identity is not None:
            identity.note(percept, report.world_delta, self._witnesses.memory)
        for baseline in self._witnesses.baselines.values():
            baseline.observe(percept)
