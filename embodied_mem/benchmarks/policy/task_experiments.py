"""Trainings and closed-loop evaluations of a plan over memory tasks, each done once and read from a book of scores after that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from embodied_mem.benchmarks.policy.experiments import Scores, Teacher, run_evaluation, run_training
from embodied_mem.benchmarks.policy.run_configs import EvalConfig, TrainConfig
from embodied_mem.benchmarks.policy.score_book import ScoreBook
from embodied_mem.benchmarks.policy.workplaces import DEMO_DELAYS
from embodied_mem.config import options
from embodied_mem.policy.checkpoints import CHECKPOINT_VERSION
from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import BankKind
from embodied_mem.policy.training import Progress, TrainingConfig

TOLD_EVERY = 100
"""Steps of an optimiser."""
CAPACITY = 16
MEMORIES: dict[str, tuple[BankKind, int]] = {
    **{
        bank: (bank, CAPACITY)
        for bank in ("merge", "segment", "select", "fifo", "recent", "gated", "chunks", "neural", "none")
    },
    "stack": ("fifo", 3),
}
"""Every memory's bank and capacity; a stack of four pictures is the present one and the last three."""
WITHOUT_LESSONS = ("gated", "chunks", "neural", "none")
"""They keep no entries to think over, and practise for as many steps more."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a task is learned: how many demonstrations, and the training."""

    demos: int
    training: TrainingConfig


def recipe(demos: int, lessons: int, steps: int, naming: int = TrainingConfig.naming) -> Recipe:
    """A recipe with everything else as it is by default."""
    return Recipe(demos=demos, training=TrainingConfig(naming=naming, lessons=lessons, steps=steps))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is run: tasks with their recipes; training seeds; and other memories beside `merge` and `none`, trained from the first seed alone.

    Attributes:
        episodes: a run; `blind_episodes` without memory, which come to a choice less often, `delay_episodes` where they are long.
        computes: what part of the expert's blocks decisions may run on average; all but the first of the first seed alone.
        delays: between cue and choice, in steps; the shortest first.
        expert: how large it is.
    """

    tasks: dict[str, Recipe]
    seeds: tuple[int, ...]
    others: tuple[str, ...]
    episodes: int
    blind_episodes: int
    computes: tuple[float, ...]
    delays: tuple[int, ...]
    delay_episodes: int
    expert: FlowExpertConfig = field(default_factory=FlowExpertConfig)


class Experiments:
    """The plan's trainings and evaluations. What was scored before is read from `book`, so that a run that was killed goes on.

    Checkpoints lie below `folder`; `trainings` are the commands that make those it has asked for. Where it `measures` nothing, it has what the
    book has and runs nothing.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        book: ScoreBook,
        progress: Callable[[str], None],
        *,
        measures: bool = True,
    ) -> None:
        self.plan, self.folder, self.book, self.progress, self.measures = (
            plan,
            folder,
            book,
            progress,
            measures,
        )
        self.trainings: dict[str, str] = {}
        self._teacher = Teacher()

    def run_all(self) -> None:
        """Everything of the plan, what tells most first; what learns from the same demonstrations, one after the other."""
        plan = self.plan
        for seed in plan.seeds:
            for task in plan.tasks:
                for evaluation in self.of_memory(seed):
                    self.scores(task, "merge", seed, evaluation)
                self.scores(task, "none", seed, self.blind(seed))
        for task in plan.tasks:
            for other in plan.others:
                self.scores(task, other, plan.seeds[0], self.plain)

    def of_memory(self, seed: int) -> list[EvalConfig]:
        """All that a policy with our memory is asked."""
        computes = [compute for compute in self.plan.computes if seed in self.seeds_of(compute)]
        return [self.plain, self.swapped, *map(self.early, computes), *map(self.late, self.plan.delays)]

    @property
    def plain(self) -> EvalConfig:
        """Episodes as they are."""
        return EvalConfig(episodes=self.plan.episodes)

    def blind(self, seed: int) -> EvalConfig:
        """As many episodes as it takes to tell what a policy without memory chooses. Each training seed has its own: pooled,
        the same episodes again would count as new ones.
        """
        return EvalConfig(episodes=self.plan.blind_episodes, seed=seed)

    @property
    def swapped(self) -> EvalConfig:
        """Two episodes' memories exchanged before the choice."""
        return replace(self.plain, swap=True)

    def early(self, compute: float) -> EvalConfig:
        """Leaving the expert early, for that part of its compute."""
        return replace(self.plain, compute=compute)

    def late(self, delay: int) -> EvalConfig:
        """`delay` steps between cue and choice."""
        return EvalConfig(episodes=self.plan.delay_episodes, delay=delay)

    def seeds_of(self, compute: float) -> tuple[int, ...]:
        """Which training seeds leave early for that part of the compute."""
        return self.plan.seeds if compute == self.plan.computes[0] else self.plan.seeds[:1]

    def of_seeds(self, task: str, memory: str, evaluation: EvalConfig) -> list[Scores]:
        """The scores of every training seed, as far as they are known."""
        found = (self.scores(task, memory, seed, evaluation) for seed in self.plan.seeds)
        return [one for one in found if one is not None]

    def of_blind(self, task: str) -> list[Scores]:
        """The scores without memory, as far as they are known."""
        found = (self.scores(task, "none", seed, self.blind(seed)) for seed in self.plan.seeds)
        return [one for one in found if one is not None]

    def of_first(self, task: str, memory: str) -> list[Scores]:
        """The scores of the first training seed, which alone is trained with other memories."""
        found = self.scores(task, memory, self.plan.seeds[0], self.plain)
        return [] if found is None else [found]

    def of_compute(self, task: str, compute: float) -> list[Scores]:
        """The scores of every training seed that leaves early for that part of the compute."""
        found = (self.scores(task, "merge", seed, self.early(compute)) for seed in self.seeds_of(compute))
        return [one for one in found if one is not None]

    def of_both(
        self, task: str, memory: str, first: EvalConfig, second: EvalConfig
    ) -> list[tuple[Scores, Scores]]:
        """The scores of two evaluations, of every training seed of which both are known."""
        found = (
            (self.scores(task, memory, seed, first), self.scores(task, memory, seed, second))
            for seed in self.plan.seeds
        )
        return [(one, other) for one, other in found if one is not None and other is not None]

    def scores(self, task: str, memory: str, seed: int, evaluation: EvalConfig) -> Scores | None:
        """One evaluation of one training, which is trained where there is no checkpoint; neither where the scores are known.

        None where they are not known, and nothing is measured.
        """
        config = self.training(task, memory, seed)
        out, what = Path(config.out), f"{task}, {memory}, seed {seed}"
        self.trainings[what] = command(config)
        known = self.book.find(out.name, _name(evaluation))
        if known is not None or not self.measures:
            return known
        if not (out / "curve.json").exists():
            self.progress(f"{what}: {self.trainings[what]}")
            run_training(config, teacher=self._teacher, on_step=partial(_tell, self.progress, what))
        found = run_evaluation(replace(evaluation, checkpoint=str(out / "checkpoint.pt")))
        self.book.add(out.name, _name(evaluation), found)
        self.progress(f"{what}, {_name(evaluation)}: {_told(found)}")
        return found

    def training(self, task: str, memory: str, seed: int) -> TrainConfig:
        """How a task's policy with that memory is trained."""
        (bank, capacity), learned = MEMORIES[memory], self.plan.tasks[task]
        training = learned.training
        if bank in WITHOUT_LESSONS:
            training = replace(training, lessons=0, steps=training.lessons + training.steps)
        config = TrainConfig(
            task=task, bank=bank, capacity=capacity, seed=seed, training=training, demos=learned.demos, expert=self.plan.expert,
        )  # fmt: skip
        return replace(config, out=str(self.folder / f"{task}-{memory}-{seed}-{_digest(config)}"))


def command(config: TrainConfig) -> str:
    """The command that makes the same checkpoint."""
    usual = {one.name: one.default for one in options(TrainConfig)}
    changed = [f"{one.name}={one.default}" for one in options(config) if one.default != usual[one.name]]
    return " ".join(["embodied-mem train", *changed])


def _digest(config: TrainConfig) -> str:
    """Short, and another one when anything differs that a training comes from."""
    options = json.dumps([asdict(config), DEMO_DELAYS, CHECKPOINT_VERSION], sort_keys=True)
    return hashlib.sha256(options.encode()).hexdigest()[:8]


def _name(evaluation: EvalConfig) -> str:
    swapped = "-swapped" if evaluation.swap else ""
    early = f"-compute-{evaluation.compute}" if evaluation.compute < 1.0 else ""
    seed = f"-seed-{evaluation.seed}" if evaluation.seed else ""
    return f"episodes-{evaluation.episodes}-delay-{evaluation.delay}{seed}{swapped}{early}"


def _told(found: Scores) -> str:
    """An evaluation in a line."""
    told = f"{found.successes / found.episodes:.3f}"
    if found.swapped is not None:
        told += f", swapped {found.swapped:.3f}"
    return told + (f", compute {found.compute:.3f}" if found.compute < 1.0 else "")


def _tell(progress: Callable[[str], None], what: str, at: Progress) -> None:
    """Now and then: where there is no terminal, each time is a line."""
    if at.step % TOLD_EVERY == 0 or at.step == at.num_steps:
        progress(f"{what}, {at.what}: step {at.step} of {at.num_steps}")
