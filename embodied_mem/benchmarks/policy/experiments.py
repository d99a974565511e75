"""A training and an evaluation from their configs, with what they leave behind: checkpoint, curve, result."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from embodied_mem.benchmarks.policy.closed_loop import DEMO_SEEDS, TEST_SEEDS, Outcome, evaluate
from embodied_mem.benchmarks.policy.loss_curve import loss_curve
from embodied_mem.benchmarks.policy.run_configs import EvalConfig, TrainConfig
from embodied_mem.benchmarks.policy.workplaces import DEMO_DELAYS, workplace_of
from embodied_mem.benchmarks.suite.statistics import wilson
from embodied_mem.errors import ConfigError, InvalidMessage, StoreError
from embodied_mem.policy.checkpoints import about, load_policy, read_checkpoint, save_exits
from embodied_mem.policy.early_exit import least_compute, solve_thresholds
from embodied_mem.policy.memory_policy import MemoryPolicy, MemoryPolicyConfig
from embodied_mem.policy.naming import Naming
from embodied_mem.policy.naming_lessons import known_words, learn_naming
from embodied_mem.policy.training import Progress, Trainer, torch_device
from embodied_mem.policy.training_set import Demonstration, TrainingSet
from embodied_mem.viz.report import png_bytes

CALIBRATION_EPISODES, CALIBRATION_ROUNDS = 60, 4
SPARED = 0.015
"""Other episodes cost a little more or less than those that thresholds are solved on; so much of the compute is left for them."""
SEEDS_APART = 100_000
"""How far apart the episodes of two seeds lie."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Closed-loop episodes in numbers. `compute` is what part of the expert's blocks was run. `swapped` is how often a swapped memory's choice was made (None: not asked).

    `committed` counts episodes with a choice; a policy without memory is judged on those.
    """

    task: str
    chance: float
    episodes: int
    successes: int
    committed: int
    failures: dict[str, int]
    swapped: float | None
    compute: float = 1.0

    def as_json(self) -> dict[str, Any]:
        low, high = wilson(self.successes, self.episodes)
        return {
            "task": self.task, "success": self.successes / self.episodes, "low": low, "high": high,
            "chance": self.chance, "episodes": self.episodes, "committed": self.committed,
            "success_of_committed": self.successes / self.committed if self.committed else None, "swapped": self.swapped, "compute": self.compute,
            **{f"failed_{name}": self.failures.get(name, 0) for name in ("recall", "motor", "no_commit")},
        }  # fmt: skip


class Teacher:
    """Shows what trainings learn from. Of the last that it was asked for it keeps the episodes and the naming network, for trainings
    that take the same ones.
    """

    def __init__(self) -> None:
        self._shown: tuple[object, list[Demonstration]] | None = None
        self._named: tuple[object, Naming] | None = None

    def demonstrations(
        self, config: TrainConfig, on_demo: Callable[[int], None] = lambda _: None
    ) -> list[Demonstration]:
        """The expert's episodes for this training."""
        what = (config.task, config.seed, config.demos)
        if self._shown is None or self._shown[0] != what:
            self._shown = None  # they fill gigabytes: never two at once
            first = DEMO_SEEDS + config.seed * SEEDS_APART
            seeds = range(first, first + config.demos)
            self._shown = what, workplace_of(config.task).demonstrate(config.task, seeds, on_demo)
        return self._shown[1]

    def naming(self, config: TrainConfig, on_step: Callable[[Progress], None] = lambda _: None) -> Naming:
        """A network that names what is seen in this training's episodes, and was taught from them."""
        steps, device = config.training.naming, torch_device(config.device)
        what = (config.task, config.seed, config.demos, steps, device)
        if self._named is None or self._named[0] != what:
            shown = self.demonstrations(config)
            naming = learn_naming(
                shown, known_words(shown), steps=steps, seed=config.seed, device=device, on_step=on_step
            )
            self._named = what, naming
        return self._named[1]


def run_training(
    config: TrainConfig,
    *,
    teacher: Teacher | None = None,
    on_demo: Callable[[int], None] = lambda _: None,
    on_step: Callable[[Progress], None] = lambda _: None,
) -> Path:
    """Train as the config says; the checkpoint's path. Beside it lie `curve.json` with the loss at every step, and its picture.

    Trainings that differ in their memory alone take less time with the same `teacher`.
    """
    folder = Path(config.out)
    checkpoint = folder / "checkpoint.pt"
    goes_on = config.resume and checkpoint.exists()
    if goes_on:
        read_checkpoint(checkpoint)  # before the work, not after it
    teacher = teacher or Teacher()
    demonstrations = teacher.demonstrations(config, on_demo)
    policy = fitted(replace(config.policy, camera=workplace_of(config.task).CAMERA), demonstrations)
    naming = _naming(config, policy, teacher, checkpoint if goes_on else None, on_step)
    trainer = Trainer(
        policy, config.training, TrainingSet(demonstrations, policy, naming), seed=config.seed,
        about={"task": config.task, "demos": str(config.demos), "delays": str(DEMO_DELAYS)}, device=config.device,
    )  # fmt: skip
    if goes_on:
        trainer.resume(checkpoint)
    trainer.run(on_step=on_step, checkpoint=checkpoint)
    (folder / "curve.png").write_bytes(png_bytes(loss_curve(trainer.losses, trainer.num_lessons)))
    (folder / "curve.json").write_text(json.dumps({"loss": [round(one, 5) for one in trainer.losses]}) + "\n")
    return checkpoint


def fitted(config: MemoryPolicyConfig, demonstrations: Sequence[Demonstration]) -> MemoryPolicyConfig:
    """The options of a policy that can act as in these demonstrations, and knows the words for what is seen in them.

    Raises:
        InvalidMessage: there are none.
    """
    if not demonstrations:
        raise InvalidMessage("there are no demonstrations to learn from; record some first (demos=300).")
    first = demonstrations[0]
    return replace(
        config, proprio_width=first.proprio.shape[1], words=known_words(demonstrations),
        expert=replace(config.expert, action_width=first.actions.shape[1]),
    )  # fmt: skip


def _naming(
    config: TrainConfig,
    policy: MemoryPolicyConfig,
    teacher: Teacher,
    checkpoint: Path | None,
    on_step: Callable[[Progress], None],
) -> Naming | None:
    """What names the policy's words, if it knows any: that of the checkpoint to go on from, or one that is taught now."""
    if not policy.words:
        return None
    before = None if checkpoint is None else load_policy(checkpoint)
    if before is not None and before.config.words == policy.words:
        return before.naming
    return teacher.naming(config, on_step)


def run_evaluation(config: EvalConfig, *, on_episode: Callable[[int], None] = lambda _: None) -> Scores:
    """Evaluate as the config says.

    Raises:
        StoreError: there is no such checkpoint.
        ConfigError: it has no such exit, or exits are to be kept where none were asked for.
    """
    path = Path(config.checkpoint)
    if not path.is_file():
        raise StoreError(f"no checkpoint at {path}; train one with `embodied-mem train out={path.parent}`.")
    policy = load_policy(path, num_slots=config.at_once)
    exits = policy.config.expert.num_blocks
    if config.num_blocks is not None and not 1 <= config.num_blocks <= exits:
        raise ConfigError(
            f"num_blocks is {config.num_blocks}; this policy has exits after blocks 1 to {exits}."
        )
    task = about(path)["task"]
    if config.compute < 1.0:
        leave_early(policy, task, config.compute)
    if config.keep_exits:
        save_exits(path, config.compute, policy.thresholds)
    first = TEST_SEEDS + config.seed * SEEDS_APART
    outcomes = evaluate(
        policy, task, range(first, first + config.episodes), delay=config.delay, num_blocks=config.num_blocks,
        swap=config.swap, on_episode=on_episode,
    )  # fmt: skip
    found = scores(task, outcomes, at_once=config.at_once, is_swapped=config.swap)
    return replace(found, compute=policy.compute_share)


def leave_early(policy: MemoryPolicy, task: str, compute: float) -> None:
    """Give the policy thresholds for that part of its expert's compute, solved on episodes of demonstrations' seeds.

    Who leaves early comes to other decisions than who does not, so the thresholds are tried in closed loop, and solved for less while
    they cost more.
    """
    seeds = range(DEMO_SEEDS, DEMO_SEEDS + CALIBRATION_EPISODES)
    policy.differences = []
    evaluate(policy, task, seeds)
    differences, policy.differences = torch.cat(policy.differences), None
    flow_steps = policy.config.expert.flow_steps
    least, budget = least_compute(differences, flow_steps), compute - SPARED
    wanted = max(budget, min(compute, least))
    for _ in range(CALIBRATION_ROUNDS):
        policy.thresholds = solve_thresholds(differences, compute=wanted, flow_steps=flow_steps)
        policy.num_decisions = policy.num_blocks_run = 0
        evaluate(policy, task, seeds)
        above = policy.compute_share - budget
        if above <= 0 or wanted == least:
            break
        wanted = max(wanted - above, least)
    policy.num_decisions = policy.num_blocks_run = 0


def scores(task: str, outcomes: Sequence[Outcome], *, at_once: int, is_swapped: bool = False) -> Scores:
    """Outcomes in numbers."""
    env = workplace_of(task).make_env(task)
    chance = float(env.unwrapped.task.facts.chance)
    env.close()
    return Scores(
        task=task, chance=chance, episodes=len(outcomes), successes=sum(one.success for one in outcomes),
        committed=sum(one.chosen >= 0 for one in outcomes),
        failures=dict(Counter(one.failure for one in outcomes if one.failure)),
        swapped=followed(outcomes, at_once) if is_swapped else None,
    )  # fmt: skip


def followed(outcomes: Sequence[Outcome], at_once: int) -> float:
    """Of neighbouring episodes with different right choices, how often each made the choice of the other's memory."""
    follows: list[bool] = []
    for first in range(0, len(outcomes), at_once):
        part = outcomes[first : first + at_once]
        for a, b in zip(part[::2], part[1::2], strict=False):
            if a.right != b.right:
                follows += [a.chosen == b.right, b.chosen == a.right]
    return float(np.mean(follows)) if follows else float("nan")
