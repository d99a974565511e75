"""What the trainings and evaluations of a plan over memory tasks come to, in rows with goals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embodied_mem.benchmarks.policy.experiments import Scores
from embodied_mem.benchmarks.policy.task_experiments import Experiments
from embodied_mem.benchmarks.policy.task_plan import Ask
from embodied_mem.benchmarks.results import Goal, Row, measured
from embodied_mem.benchmarks.suite.statistics import wilson

GOALS = {
    "tasks.success.mean": Goal(op=">=", value=0.90),
    "tasks.success.worst": Goal(op=">=", value=0.75),
    "tasks.without_memory.above_chance": Goal(op="<=", value=0.0),
    "tasks.without_memory.committed": Goal(op=">=", value=600),
    "tasks.swapped.followed": Goal(op=">=", value=0.90),
    "tasks.delay_512.loss": Goal(op="<=", value=0.03),
    "tasks.early_exit.loss": Goal(op="<=", value=0.01),
    "tasks.early_exit.compute": Goal(op="<=", value=0.60),
}
COMMITTED = "tasks.without_memory.committed"
SIGNIFICANT = 0.05
FAILURES = ("recall", "motor", "no_commit")


def task_rows(experiments: Experiments) -> list[Row]:
    """All that the plan asks for; what has not been run yet is run. Where nothing is to be run, the rows of what is known.

    Rows over tasks have goals only where they are of every task and seed of the whole plan.
    """
    rows = [
        *_over_tasks(experiments),
        *(row for task in experiments.plan.tasks for row in _of_task(experiments, task)),
    ]
    return [row for row in rows if experiments.measures or not np.isnan(row.value)]


def _over_tasks(experiments: Experiments) -> list[Row]:
    """The rows that have goals."""
    plan = experiments.plan
    early, delays = plan.early(plan.computes[0]), plan.delays
    with_memory, left, swapped = (
        _of_tasks(experiments, "merge", ask) for ask in (plan.plain, early, plan.swapped)
    )
    blind = _of_tasks(experiments, "none", plan.blind)
    shares = [share(runs) for runs in with_memory.known]
    rows = [
        with_memory.row("tasks.success.mean", _mean(shares)),
        with_memory.row("tasks.success.worst", min(shares, default=np.nan)),
        blind.row("tasks.without_memory.above_chance", _num_above_chance(blind.known)),
        _committed_row(blind),
        swapped.row("tasks.swapped.followed", mean_known([one.swapped for one in swapped.pooled])),
        _loss_row(experiments, "tasks.early_exit.loss", plan.plain, early),
        left.row("tasks.early_exit.compute", compute_of(left.pooled)),
    ]
    if len(delays) > 1:
        name, asks = f"tasks.delay_{delays[-1]}", (plan.late(delays[0]), plan.late(delays[-1]))
        rows.append(_loss_row(experiments, f"{name}.loss", *asks))
        rows.append(
            measured(
                GOALS,
                f"{name}.worst_loss".replace(".", "/"),
                max(_losses(experiments, *asks), default=np.nan),
            )
        )
    return rows  # fmt: skip


@dataclass(frozen=True)
class _OfTasks:
    """The scores of every task's training seeds, and whether all are known."""

    of_tasks: list[list[Scores]]
    is_whole: bool

    @property
    def known(self) -> list[list[Scores]]:
        """Those of tasks that have some."""
        return [runs for runs in self.of_tasks if runs]

    @property
    def pooled(self) -> list[Scores]:
        return [one for runs in self.of_tasks for one in runs]

    def row(self, name: str, value: float) -> Row:
        """With its goal where all is known; with slashes in place of dots where not."""
        has_goal = self.is_whole and name in GOALS
        return measured(GOALS, name if has_goal else name.replace(".", "/"), value)


def _of_tasks(experiments: Experiments, memory: str, ask: Ask) -> _OfTasks:
    plan = experiments.plan
    found = [experiments.of_seeds(task, memory, ask) for task in plan.tasks]
    return _OfTasks(found, not plan.is_part and all(len(runs) == len(plan.seeds) for runs in found))


def _committed_row(blind: _OfTasks) -> Row:
    """The fewest episodes with a choice; there is a goal only where as many were played."""
    is_enough = all(sum(one.episodes for one in runs) >= GOALS[COMMITTED].value for runs in blind.of_tasks)
    fewest = min(map(_num_committed, blind.known), default=np.nan)
    return _OfTasks(blind.of_tasks, blind.is_whole and is_enough).row(COMMITTED, fewest)


def _loss_row(experiments: Experiments, name: str, first: Ask, second: Ask) -> Row:
    """What the second way of evaluating loses, on average over tasks."""
    both = (_of_tasks(experiments, "merge", ask) for ask in (first, second))
    is_whole = all(one.is_whole for one in both)
    return _OfTasks([], is_whole).row(name, _mean(_losses(experiments, first, second)))


def _losses(experiments: Experiments, first: Ask, second: Ask) -> list[float]:
    """What the second way of evaluating loses of each task's success, of the seeds that were evaluated in both."""
    losses = []
    for task in experiments.plan.tasks:
        a, b = (experiments.by_seed(task, "merge", ask) for ask in (first, second))
        seeds = a.keys() & b.keys()
        if seeds:
            losses.append(share([a[seed] for seed in seeds]) - share([b[seed] for seed in seeds]))
    return losses


def _of_task(experiments: Experiments, task: str) -> list[Row]:
    """A task's rows."""
    plan = experiments.plan
    runs = experiments.of_seeds(task, "merge", plan.plain)
    blind = experiments.of_seeds(task, "none", plan.blind)
    chance = (runs or blind)[0].chance if runs or blind else None
    swapped = experiments.of_seeds(task, "merge", plan.swapped)
    return [
        measured(GOALS, f"{task}/success", share(runs), interval=_interval(runs), baseline=chance),
        measured(GOALS, f"{task}/without_memory_of_committed", committed_share(blind), baseline=chance),
        measured(GOALS, f"{task}/without_memory_committed", _num_committed(blind) if blind else np.nan),
        measured(GOALS, f"{task}/swapped", mean_known([one.swapped for one in swapped])),
        *(row for compute in plan.computes for row in _early_exit_rows(experiments, task, compute)),
        *(
            measured(GOALS, f"{task}/delay_{delay}", share(experiments.of_seeds(task, "merge", plan.late(delay))))
            for delay in plan.delays
        ),
        *(
            measured(GOALS, f"{task}/failed_{name}", sum(one.failures.get(name, 0) for one in runs) if runs else np.nan)
            for name in FAILURES
        ),
        *(row for other in plan.others for row in _other_rows(experiments, task, other)),
    ]  # fmt: skip


def _other_rows(experiments: Experiments, task: str, other: str) -> list[Row]:
    """Success with another memory, and after the longest delay where that is asked."""
    plan = experiments.plan
    rows = [measured(GOALS, f"{task}/{other}", share(experiments.of_first(task, other, plan.plain)))]
    if task in plan.far_tasks:
        far = share(experiments.of_first(task, other, plan.far))
        rows.append(measured(GOALS, f"{task}/{other}_delay_{plan.delays[-1]}", far))
    return rows


def _early_exit_rows(experiments: Experiments, task: str, compute: float) -> list[Row]:
    """Success of decisions that leave early, and the compute that they took."""
    plan = experiments.plan
    runs = experiments.of_seeds(task, "merge", plan.early(compute), plan.seeds_of(compute))
    name = f"{task}/early_exit_{compute:g}"
    return [measured(GOALS, name, share(runs)), measured(GOALS, f"{name}_compute", compute_of(runs))]


def above_chance(runs: Sequence[Scores]) -> float:
    """The one-sided binomial probability of so many right among the committed episodes by chance."""
    from scipy.stats import binomtest

    successes, committed = sum(one.successes for one in runs), sum(one.committed for one in runs)
    if committed == 0:
        return 1.0
    return float(binomtest(successes, committed, runs[0].chance, alternative="greater").pvalue)


def _num_above_chance(of_tasks: Sequence[Sequence[Scores]]) -> float:
    """How many tasks are above chance, by Holm's procedure."""
    return num_significant([above_chance(runs) for runs in of_tasks]) if of_tasks else float("nan")


def num_significant(p_values: Sequence[float], level: float = SIGNIFICANT) -> int:
    """How many hypotheses fall, by Holm's step-down procedure."""
    number = 0
    for rank, p in enumerate(sorted(p_values)):
        if p > level / (len(p_values) - rank):
            break
        number += 1
    return number


def share(runs: Sequence[Scores]) -> float:
    episodes = sum(one.episodes for one in runs)
    return sum(one.successes for one in runs) / episodes if episodes else float("nan")


def committed_share(runs: Sequence[Scores]) -> float:
    """Of the episodes with a choice, those with the right one; NaN where there is none."""
    committed = _num_committed(runs)
    return sum(one.successes for one in runs) / committed if committed else float("nan")


def _num_committed(runs: Sequence[Scores]) -> int:
    return sum(one.committed for one in runs)


def compute_of(runs: Sequence[Scores]) -> float:
    return _mean([one.compute for one in runs])


def mean_known(shares: Sequence[float | None]) -> float:
    """The mean of those that are known; NaN where none is."""
    return _mean([one for one in shares if one is not None and np.isfinite(one)])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _interval(runs: Sequence[Scores]) -> tuple[float, float]:
    return wilson(sum(one.successes for one in runs), sum(one.episodes for one in runs))
