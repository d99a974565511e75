"""`embodied-mem bench policy-tasks`: our policy trained and run on memory tasks, with each memory and without.

Everything is made here by the same functions as `embodied-mem train` and `embodied-mem eval`: demonstrations, checkpoints (under
outputs/bench/policy-tasks, gone on with when they exist) and closed-loop episodes on seeds that no demonstration has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from embodied_mem.benchmarks.policy.task_experiments import Experiments, Plan, recipe
from embodied_mem.benchmarks.policy.task_rows import task_rows
from embodied_mem.benchmarks.results import BenchmarkResult

FOLDER = Path("outputs/bench/policy-tasks")
FULL = Plan(
    tasks={
        "RearrangeBlock": recipe(300, 400, 250), "PutBlockBack": recipe(300, 400, 500), "ReopenDrawer": recipe(300, 400, 500),
        "RememberColor3": recipe(300, 400, 500), "RememberColor5": recipe(1000, 500, 800), "RememberColor9": recipe(1000, 500, 1200),
        "ShellGameSwap": recipe(1000, 1000, 300), "CountBlinks": recipe(1000, 500, 800),
        "FetchSeenObject": recipe(1000, 600, 300, naming=2000),
    },
    seeds=(0, 1, 2), others=("segment", "select", "fifo", "recent", "stack", "gated"), episodes=200, blind_episodes=500,
    computes=(0.6, 0.45, 0.8), delays=(1, 32, 512), delay_episodes=40,
)  # fmt: skip
QUICK = Plan(
    tasks={"RearrangeBlock": recipe(300, 400, 200)}, seeds=(0,), others=(), episodes=40, blind_episodes=40,
    computes=(0.6,), delays=(64,), delay_episodes=40,
)  # fmt: skip


def run(*, quick: bool, progress: Callable[[str], None]) -> BenchmarkResult:
    """Every row for every task; `quick` takes one task, a short training and a short delay."""
    plan = QUICK if quick else FULL
    experiments = Experiments(plan, FOLDER / ("quick" if quick else "full"), progress)
    experiments.run_all()
    rows = task_rows(experiments)
    config = {
        "quick": quick, **{name: value for name, value in asdict(plan).items() if name != "seeds"},
        "trainings": experiments.trainings,
    }  # fmt: skip
    return BenchmarkResult(name="policy-tasks", rows=tuple(rows), config=config, seeds=plan.seeds)
