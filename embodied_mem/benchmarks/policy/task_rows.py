"""What the trainings and evaluations of a plan over memory tasks come to, in rows with goals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embodied_mem.benchmarks.policy.experiments import Scores
from embodied_mem.benchmarks.policy.run_configs import EvalConfig
from embodied_mem.benchmarks.policy.task_experiments import Experiments
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
    """All that the plan asks for; what has not been run yet is run. Where nothing is to be run, the rows of what is known: those over
    tasks have goals only where they are whole.
    """
    rows = [
        *_over_tasks(experiments),
        *(row for task in experiments.plan.tasks for row in _of_task(experiments, task)),
    ]
    return [row for row in rows if experiments.measures or not np.isnan(row.value)]


def _over_tasks(experiments: Experiments) -> list[Row]:
    """The rows that have goals."""
    plain, early = experiments.plain, experiments.early(experiments.plan.computes[0])
    with_memory, left, swapped = (
        _of_tasks(experiments, evaluation) for evaluation in (plain, early, experiments.swapped)
    )
    blind = [experiments.of_blind(task) for task in experiments.plan.tasks]
    known_blind = [runs for runs in blind if runs]
    shares = [share(runs) for runs in with_memory if runs]
    found = {
        "tasks.success.mean": (_mean(shares), with_memory),
        "tasks.success.worst": (min(shares, default=np.nan), with_memory),
        "tasks.without_memory.above_chance": (_num_above_chance(known_blind), blind),
        COMMITTED: (min(map(_num_committed, known_blind), default=np.nan), blind),
        "tasks.swapped.followed": (mean_known([one.swapped for runs in swapped for one in runs]), swapped),
        "tasks.early_exit.loss": (_mean(_losses(experiments, plain, early)), left),
        "tasks.early_exit.compute": (compute_of([one for runs in left for one in runs]), left),
        **_delay_losses(experiments),
    }
    return [
        measured(GOALS, _named(experiments, name, of_tasks), value)
        for name, (value, of_tasks) in found.items()
    ]


def _named(experiments: Experiments, name: str, of_tasks: Sequence[Sequence[Scores]]) -> str:
    """As rows are named: with dots where there is a goal, which takes all tasks and seeds, and as many episodes as are to be committed."""
    is_whole = all(len(runs) == len(experiments.plan.seeds) for runs in of_tasks)
    fewest = min(sum(one.episodes for one in runs) for runs in of_tasks)
    is_enough = name != COMMITTED or fewest >= GOALS[name].value
    return name if name in GOALS and is_whole and is_enough else name.replace(".", "/")


def _of_tasks(experiments: Experiments, evaluation: EvalConfig) -> list[list[Scores]]:
    """The scores of every task's training seeds."""
    return [experiments.of_seeds(task, "merge", evaluation) for task in experiments.plan.tasks]


def _losses(experiments: Experiments, first: EvalConfig, second: EvalConfig) -> list[float]:
    """What the second way of evaluating loses of each task's success, by the same policies."""
    of_tasks = (experiments.of_both(task, "merge", first, second) for task in experiments.plan.tasks)
    return [share([a for a, _ in both]) - share([b for _, b in both]) for both in of_tasks if both]


def _delay_losses(experiments: Experiments) -> dict[str, tuple[float, list[list[Scores]]]]:
    """What the longest delay costs, on average and at worst; the fewest episodes are run there."""
    delays = experiments.plan.delays
    if len(delays) < 2:
        return {}
    first, longest = experiments.late(delays[0]), experiments.late(delays[-1])
    losses, of_tasks = _losses(experiments, first, longest), _of_tasks(experiments, longest)
    name = f"tasks.delay_{delays[-1]}"
    return {
        f"{name}.loss": (_mean(losses), of_tasks),
        f"{name}.worst_loss": (max(losses, default=np.nan), of_tasks),
    }


def _of_task(experiments: Experiments, task: str) -> list[Row]:
    """A task's rows."""
    plan = experiments.plan
    runs = experiments.of_seeds(task, "merge", experiments.plain)
    blind = experiments.of_blind(task)
    chance = (runs or blind)[0].chance if runs or blind else None
    swapped = experiments.of_seeds(task, "merge", experiments.swapped)
    return [
        measured(GOALS, f"{task}/success", share(runs), interval=_interval(runs), baseline=chance),
        measured(GOALS, f"{task}/without_memory_of_committed", committed_share(blind), baseline=chance),
        measured(GOALS, f"{task}/without_memory_committed", _num_committed(blind) if blind else np.nan),
        measured(GOALS, f"{task}/swapped", mean_known([one.swapped for one in swapped])),
        *(row for compute in plan.computes for row in _early_exit_rows(experiments, task, compute)),
        *(
            measured(GOALS, f"{task}/delay_{delay}", share(experiments.of_seeds(task, "merge", experiments.late(delay))))
            for delay in plan.delays
        ),
        *(
            measured(GOALS, f"{task}/failed_{name}", sum(one.failures.get(name, 0) for one in runs) if runs else np.nan)
            for name in FAILURES
        ),
        *(measured(GOALS, f"{task}/{other}", share(experiments.of_first(task, other))) for other in plan.others),
    ]  # fmt: skip


def _early_exit_rows(experiments: Experiments, task: str, compute: float) -> list[Row]:
    """Success of decisions that leave early, and the compute that they took."""
    runs = experiments.of_compute(task, compute)
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
    return sum(one.successes for one in runs) / max(1, _num_committed(runs)) if runs else float("nan")


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
