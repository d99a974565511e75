"""Trainings and closed-loop evaluations of a plan over memory tasks, each done once and read from a book of scores after that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from embodied_mem.benchmarks.policy.experiments import Scores, Teacher, run_evaluation, run_training
from embodied_mem.benchmarks.policy.run_configs import EvalConfig
from embodied_mem.benchmarks.policy.score_book import ScoreBook
from embodied_mem.benchmarks.policy.task_plan import Ask, Plan, command, evaluation_name
from embodied_mem.policy.training import Progress

TOLD_EVERY = 100
"""Steps of an optimiser."""


class Experiments:
    """The plan's trainings and evaluations. What was scored before is read from `book`, so that a run that was killed goes on.

    Checkpoints lie below `folder`; `trainings` are the commands that make those it has asked for. Where it `measures` nothing, it has what the
    book has and runs nothing.
    """

    def __init__(
        self, plan: Plan, folder: Path, book: ScoreBook, progress: Callable[[str], None], *, measures: bool = True
    ) -> None:  # fmt: skip
        self.plan, self.folder, self.book = plan, folder, book
        self.progress, self.measures = progress, measures
        self.trainings: dict[str, str] = {}
        self._teacher = Teacher()

    def run_all(self) -> None:
        """Everything of the plan."""
        for planned in self.plan.planned():
            self.scores(*planned)

    def by_seed(
        self, task: str, memory: str, ask: Ask, seeds: tuple[int, ...] | None = None
    ) -> dict[int, Scores]:
        """The scores of every training seed (or of these), as far as they are known."""
        found = {
            seed: self.scores(task, memory, seed, ask(seed))
            for seed in (self.plan.seeds if seeds is None else seeds)
        }
        return {seed: one for seed, one in found.items() if one is not None}

    def of_seeds(
        self, task: str, memory: str, ask: Ask, seeds: tuple[int, ...] | None = None
    ) -> list[Scores]:
        """The same without saying of which seeds they are."""
        return list(self.by_seed(task, memory, ask, seeds).values())

    def of_first(self, task: str, memory: str, ask: Ask) -> list[Scores]:
        """The scores of the first training seed, which alone is trained with other memories."""
        return self.of_seeds(task, memory, ask, self.plan.seeds[:1])

    def scores(self, task: str, memory: str, seed: int, evaluation: EvalConfig) -> Scores | None:
        """One evaluation of one training, which is trained where there is no checkpoint; neither where the scores are known.

        None where they are not known, and nothing is measured.
        """
        name, what = self.plan.training_name(task, memory, seed), f"{task}, {memory}, seed {seed}"
        config = replace(self.plan.training(task, memory, seed), out=str(self.folder / name))
        self.trainings[what] = command(config)
        asked = evaluation_name(evaluation)
        known = self.book.find(name, asked)
        if known is not None or not self.measures:
            return known
        if not (Path(config.out) / "curve.json").exists():
            self.progress(f"{what}: {self.trainings[what]}")
            run_training(config, teacher=self._teacher, on_step=partial(_tell, self.progress, what))
        found = run_evaluation(replace(evaluation, checkpoint=f"{config.out}/checkpoint.pt"))
        self.book.add(name, asked, found)
        self.progress(f"{what}, {asked}: {_told(found)}")
        return found


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
