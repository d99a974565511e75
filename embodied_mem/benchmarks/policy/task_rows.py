"""What the trainings and evaluations of a plan over memory tasks come to, in rows with goals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embodied_mem.benchmarks.policy.experiments import Scores, wilson
from embodied_mem.benchmarks.policy.task_experiments import Experiments
from embodied_mem.benchmarks.results import Goal, Row, measured

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
SIGNIFICANT = 0.05


def task_rows(experiments: Experiments) -> list[Row]:
    """All that the plan asks for; what has not been run yet is run."""
    return [
        *_over_tasks(experiments),
        *(row for task in experiments.plan.tasks for row in _of_task(experiments, task)),
    ]


def _over_tasks(experiments: Experiments) -> list[Row]:
    """The rows that have goals."""
    plan, of_tasks = experiments.plan, experiments.of_tasks
    plain, early = (
        of_tasks("merge", experiments.plain),
        of_tasks("merge", experiments.early(plan.computes[0])),
    )
    shares = [_share(runs) for runs in plain]
    followed = [one.swapped for runs in of_tasks("merge", experiments.swapped) for one in runs]
    blind = of_tasks("none", experiments.blind)
    found = {
        "tasks.success.mean": float(np.mean(shares)),
        "tasks.success.worst": min(shares),
        "tasks.without_memory.above_chance": num_significant([above_chance(runs) for runs in blind]),
        _of_enough(blind, "tasks.without_memory.committed"): min(_num_committed(runs) for runs in blind),
        "tasks.swapped.followed": _mean_known(followed),
        "tasks.early_exit.loss": float(np.mean(shares) - np.mean([_share(runs) for runs in early])),
        "tasks.early_exit.compute": _compute([one for runs in early for one in runs]),
        **_delay_losses(experiments),
    }
    return [measured(GOALS, _known(name), value) for name, value in found.items()]


def _of_enough(runs_of_tasks: Sequence[Sequence[Scores]], name: str) -> str:
    """The row's name; without a goal where fewer episodes are run than it asks for."""
    fewest = min(sum(one.episodes for one in runs) for runs in runs_of_tasks)
    return name if fewest >= GOALS[name].value else name.replace(".", "/")


def _delay_losses(experiments: Experiments) -> dict[str, float]:
    """What the longest delay costs, on average and at worst; the fewest episodes are run there."""
    delays = experiments.plan.delays
    if len(delays) < 2:
        return {}
    first, last = (
        np.array([_share(runs) for runs in experiments.of_tasks("merge", experiments.late(delay))])
        for delay in (delays[0], delays[-1])
    )
    lost, name = first - last, f"tasks.delay_{delays[-1]}"
    return {f"{name}.loss": float(lost.mean()), f"{name}.worst_loss": float(lost.max())}


def _of_task(experiments: Experiments, task: str) -> list[Row]:
    """A task's rows."""
    plan = experiments.plan
    runs = experiments.of_seeds(task, "merge", experiments.plain)
    blind = experiments.of_seeds(task, "none", experiments.blind)
    return [
        measured(GOALS, f"{task}/success", _share(runs), interval=_interval(runs), baseline=runs[0].chance),
        measured(GOALS, f"{task}/without_memory_of_committed", _committed_share(blind), baseline=blind[0].chance),
        measured(GOALS, f"{task}/without_memory_committed", _num_committed(blind)),
        measured(
            GOALS, f"{task}/swapped", _mean_known([one.swapped for one in experiments.of_seeds(task, "merge", experiments.swapped)])
        ),
        *(row for compute in plan.computes for row in _early_exit_rows(experiments, task, compute)),
        *(
            measured(GOALS, f"{task}/delay_{delay}", _share(experiments.of_seeds(task, "merge", experiments.late(delay))))
            for delay in plan.delays
        ),
        *(
            measured(GOALS, f"{task}/failed_{name}", sum(one.failures.get(name, 0) for one in runs))
            for name in ("recall", "motor", "no_commit")
        ),
        *(
            measured(GOALS, f"{task}/{other}", _share([experiments.scores(task, other, plan.seeds[0], experiments.plain)]))
            for other in plan.others
        ),
    ]  # fmt: skip


def _early_exit_rows(experiments: Experiments, task: str, compute: float) -> list[Row]:
    """Success of decisions that leave early, and the compute that they took."""
    early = experiments.early(compute)
    runs = [experiments.scores(task, "merge", seed, early) for seed in experiments.seeds_of(compute)]
    name = f"{task}/early_exit_{compute:g}"
    return [measured(GOALS, name, _share(runs)), measured(GOALS, f"{name}_compute", _compute(runs))]


def above_chance(runs: Sequence[Scores]) -> float:
    """The one-sided binomial probability of so many right among the committed episodes by chance."""
    from scipy.stats import binomtest

    successes, committed = sum(one.successes for one in runs), sum(one.committed for one in runs)
    if committed == 0:
        return 1.0
    return float(binomtest(successes, committed, runs[0].chance, alternative="greater").pvalue)


def num_significant(p_values: Sequence[float], level: float = SIGNIFICANT) -> int:
    """How many hypotheses fall, by Holm's step-down procedure."""
    number = 0
    for rank, p in enumerate(sorted(p_values)):
        if p > level / (len(p_values) - rank):
            break
        number += 1
    return number


def _known(name: str) -> str:
    """As rows are named: with dots where there is a goal."""
    return name if name in GOALS else name.replace(".", "/")


def _share(runs: Sequence[Scores]) -> float:
    return sum(one.successes for one in runs) / sum(one.episodes for one in runs)


def _committed_share(runs: Sequence[Scores]) -> float:
    return sum(one.successes for one in runs) / max(1, sum(one.committed for one in runs))


def _num_committed(runs: Sequence[Scores]) -> int:
    return sum(one.committed for one in runs)


def _compute(runs: Sequence[Scores]) -> float:
    return float(np.mean([one.compute for one in runs]))


def _mean_known(shares: Sequence[float | None]) -> float:
    """The mean of those that are known; NaN where none is."""
    known = [one for one in shares if one is not None and np.isfinite(one)]
    return float(np.mean(known)) if known else float("nan")


def _interval(runs: Sequence[Scores]) -> tuple[float, float]:
    return wilson(sum(one.successes for one in runs), sum(one.episodes for one in runs))
