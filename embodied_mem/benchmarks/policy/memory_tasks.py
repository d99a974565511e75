"""`embodied-mem bench policy-tasks`: our policy trained and run on memory tasks, with each memory and without.

Everything is made here by the same functions as `embodied-mem train` and `embodied-mem eval`: demonstrations, checkpoints (under
outputs/bench/policy-tasks, gone on with when they exist) and closed-loop episodes on seeds that no demonstration has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from embodied_mem.benchmarks.policy.experiments import Scores, run_evaluation, run_training, wilson
from embodied_mem.benchmarks.policy.run_configs import EvalConfig, TrainConfig
from embodied_mem.benchmarks.results import BenchmarkResult, Goal, Row, measured
from embodied_mem.policy.checkpoints import CHECKPOINT_VERSION
from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import BankKind
from embodied_mem.policy.training import Progress, TrainingConfig

GOALS = {
    "tasks.success.mean": Goal(op=">=", value=0.90),
    "tasks.success.worst": Goal(op=">=", value=0.75),
    "tasks.without_memory.above_chance": Goal(op="<=", value=0.0),
    "tasks.swapped.followed": Goal(op=">=", value=0.90),
    "tasks.delay_512.loss": Goal(op="<=", value=0.03),
    "tasks.early_exit.loss": Goal(op="<=", value=0.01),
    "tasks.early_exit.compute": Goal(op="<=", value=0.60),
}
FOLDER = Path("outputs/bench/policy-tasks")
SIGNIFICANT = 0.05
TOLD_EVERY = 100
"""Steps of an optimiser."""
COMPUTE = 0.6
"""What part of the expert's blocks decisions may run on average."""


CAPACITY = 16
MEMORIES: dict[str, tuple[BankKind, int]] = {
    **{bank: (bank, CAPACITY) for bank in ("merge", "segment", "select", "fifo", "recent", "gated", "none")},
    "stack": ("fifo", 3),
}
"""Every memory's bank and capacity; a stack of four pictures is the present one and the last three."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is run: tasks with their optimiser's steps, training seeds, other memories beside `merge` and `none`, episodes a run, and
    how many demonstrations and how large an expert there are.
    """

    tasks: dict[str, int]
    seeds: tuple[int, ...]
    others: tuple[str, ...]
    episodes: int
    delay: int
    demos: int = 300
    lessons: int = TrainingConfig.lessons
    expert: FlowExpertConfig = field(default_factory=FlowExpertConfig)


FULL = Plan(
    tasks={
        "RearrangeBlock": 600, "PutBlockBack": 800, "ReopenDrawer": 800, "RememberColor3": 600, "RememberColor5": 1000,
        "RememberColor9": 1500, "ShellGameSwap": 2500, "CountBlinks": 2500,
    },
    seeds=(0, 1, 2), others=("segment", "select", "fifo", "recent", "stack", "gated"), episodes=200, delay=512,
    demos=1000, lessons=1000,
)  # fmt: skip
QUICK = Plan(tasks={"RearrangeBlock": 200}, seeds=(0,), others=(), episodes=40, delay=64)


def run(*, quick: bool, progress: Callable[[str], None]) -> BenchmarkResult:
    """The rows of the table above for every task; `quick` takes one task, a short training and a short delay."""
    plan = QUICK if quick else FULL
    rows = task_rows(plan, FOLDER / ("quick" if quick else "full"), progress)
    config = {
        "quick": quick,
        "tasks": dict(plan.tasks),
        "episodes": plan.episodes,
        "delay": plan.delay,
        "demos": plan.demos,
    }
    return BenchmarkResult(name="policy-tasks", rows=tuple(rows), config=config, seeds=plan.seeds)


def task_rows(plan: Plan, folder: Path, progress: Callable[[str], None]) -> list[Row]:
    """Train and run everything that the plan says."""
    rows: list[Row] = []
    with_memory: list[float] = []
    losses: list[float] = []
    followed: list[float] = []
    p_values: list[float] = []
    early_losses: list[float] = []
    computes: list[float] = []
    for task in plan.tasks:
        runs = _runs(plan, task, "merge", folder, progress)
        success = _share(runs)
        late = _runs(plan, task, "merge", folder, progress, delay=plan.delay)
        swapped = _runs(plan, task, "merge", folder, progress, swap=True)
        alone = _runs(plan, task, "none", folder, progress)
        with_memory.append(success)
        early = _runs(plan, task, "merge", folder, progress, compute=COMPUTE)
        losses.append(success - _share(late))
        early_losses.append(success - _share(early))
        computes += [one.compute for one in early]
        followed += [one.swapped for one in swapped if one.swapped is not None and np.isfinite(one.swapped)]
        p_values.append(above_chance(alone))
        rows += [
            measured(GOALS, f"{task}/success", success, interval=_interval(runs), baseline=runs[0].chance),
            measured(
                GOALS,
                f"{task}/without_memory_of_committed",
                _committed_share(alone),
                baseline=alone[0].chance,
            ),
            measured(GOALS, f"{task}/delay_{plan.delay}", _share(late)),
            *(
                measured(GOALS, f"{task}/failed_{name}", sum(one.failures.get(name, 0) for one in runs))
                for name in ("recall", "motor", "no_commit")
            ),
            *(
                measured(GOALS, f"{task}/{other}", _share(_runs(plan, task, other, folder, progress)))
                for other in plan.others
            ),
        ]
    delay_row = "tasks.delay_512.loss" if plan.delay == 512 else f"tasks/delay_{plan.delay}_loss"
    return [
        measured(GOALS, "tasks.success.mean", float(np.mean(with_memory))),
        measured(GOALS, "tasks.success.worst", min(with_memory)),
        measured(GOALS, "tasks.without_memory.above_chance", num_significant(p_values), "tasks"),
        measured(GOALS, "tasks.swapped.followed", float(np.mean(followed)) if followed else float("nan")),
        measured(GOALS, delay_row, float(np.mean(losses))),
        measured(GOALS, "tasks.early_exit.loss", float(np.mean(early_losses))),
        measured(GOALS, "tasks.early_exit.compute", float(np.mean(computes))),
        *rows,
    ]


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


def _runs(
    plan: Plan,
    task: str,
    memory: str,
    folder: Path,
    progress: Callable[[str], None],
    *,
    delay: int = 2,
    swap: bool = False,
    compute: float = 1.0,
) -> list[Scores]:
    found = []
    bank, capacity = MEMORIES[memory]
    for seed in plan.seeds:
        steps = plan.tasks[task]
        name = f"{task}-{memory}-{plan.demos}-{plan.lessons}-{steps}-v{CHECKPOINT_VERSION}-{seed}"
        out = folder / name
        progress(f"{task}, {memory}, seed {seed}")
        config = TrainConfig(
            task=task,
            bank=bank,
            capacity=capacity,
            seed=seed,
            training=TrainingConfig(lessons=plan.lessons, steps=steps),
            out=str(out),
            demos=plan.demos,
            expert=plan.expert,
        )
        checkpoint = out / "checkpoint.pt"
        if not (out / "curve.json").exists():
            for old in out.glob("episodes-*.json"):  # of a policy that is no more
                old.unlink()
            checkpoint = run_training(
                config, on_step=partial(_tell, progress, f"{task}, {memory}, seed {seed}")
            )
        evaluation = EvalConfig(checkpoint=str(checkpoint), episodes=plan.episodes)
        evaluation = replace(evaluation, delay=delay, swap=swap, compute=compute)
        found.append(_scored(evaluation, out))
        share = found[-1].successes / found[-1].episodes
        progress(f"{task}, {memory}, seed {seed}, {_name(evaluation)}: {share:.3f}")
    return found


def _scored(evaluation: EvalConfig, folder: Path) -> Scores:
    """An evaluation's scores; they lie beside the checkpoint, so that a run that was killed does not begin anew."""
    path = folder / f"{_name(evaluation)}.json"
    if path.exists():
        return Scores(**json.loads(path.read_text()))
    found = run_evaluation(evaluation)
    partial_path = path.with_suffix(".partial")
    partial_path.write_text(json.dumps(asdict(found)) + "\n")
    partial_path.replace(path)
    return found


def _name(evaluation: EvalConfig) -> str:
    swapped = "-swapped" if evaluation.swap else ""
    early = f"-compute-{evaluation.compute}" if evaluation.compute < 1.0 else ""
    return f"episodes-{evaluation.episodes}-delay-{evaluation.delay}{swapped}{early}"


def _tell(progress: Callable[[str], None], what: str, at: Progress) -> None:
    """Now and then: where there is no terminal, each time is a line."""
    if at.step % TOLD_EVERY == 0 or at.step == at.num_steps:
        progress(f"{what}: step {at.step} of {at.num_steps}")


def _share(runs: Sequence[Scores]) -> float:
    return sum(one.successes for one in runs) / sum(one.episodes for one in runs)


def _committed_share(runs: Sequence[Scores]) -> float:
    return sum(one.successes for one in runs) / max(1, sum(one.committed for one in runs))


def _interval(runs: Sequence[Scores]) -> tuple[float, float]:
    return wilson(sum(one.successes for one in runs), sum(one.episodes for one in runs))
