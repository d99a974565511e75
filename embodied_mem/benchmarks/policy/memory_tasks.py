"""`embodied-mem bench policy-tasks`: our policy trained and run on memory tasks, with each memory and without.

Everything is made here by the same functions as `embodied-mem train` and `embodied-mem eval`: demonstrations, checkpoints (under
outputs/bench/policy-tasks, gone on with when they exist) and closed-loop episodes on seeds that no demonstration has. Scores are kept in a
file; docs/results/policy-tasks.jsonl has those that the documentation tells of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

from embodied_mem.benchmarks.policy.score_book import ScoreBook
from embodied_mem.benchmarks.policy.task_experiments import Experiments, Plan, recipe
from embodied_mem.benchmarks.policy.task_page import task_sections
from embodied_mem.benchmarks.policy.task_rows import task_rows
from embodied_mem.benchmarks.results import BenchmarkResult
from embodied_mem.errors import ConfigError, UnknownConfigKey, did_you_mean

FOLDER = Path("outputs/bench/policy-tasks")
WORDS = ("task", "seeds", "scores", "measure")
FULL = Plan(
    tasks={
        "RearrangeBlock": recipe(300, 400, 250), "PutBlockBack": recipe(300, 400, 500), "ReopenDrawer": recipe(300, 400, 500),
        "RememberColor3": recipe(300, 400, 500), "RememberColor5": recipe(1000, 500, 800), "RememberColor9": recipe(1000, 500, 1200),
        "ShellGameSwap": recipe(1000, 1000, 300), "CountBlinks": recipe(1000, 500, 800),
        "FetchSeenObject": recipe(1000, 600, 300, naming=2000),
    },
    seeds=(0, 1, 2), others=("segment", "select", "fifo", "recent", "stack", "gated", "chunks", "neural"), episodes=200, blind_episodes=500,
    computes=(0.6, 0.45, 0.8), delays=(1, 32, 512), delay_episodes=40,
)  # fmt: skip
QUICK = Plan(
    tasks={"RearrangeBlock": recipe(300, 400, 200)}, seeds=(0,), others=(), episodes=40, blind_episodes=40,
    computes=(0.6,), delays=(64,), delay_episodes=40,
)  # fmt: skip


class Chosen(NamedTuple):
    """What of a plan is run, where its scores are kept, and whether what is missing there is measured."""

    plan: Plan
    scores: Path
    measure: bool = True


def run(words: Sequence[str], *, quick: bool, progress: Callable[[str], None]) -> BenchmarkResult:
    """Every row for every task; `quick` takes one task, a short training and a short delay.

    Of `words`, `task=A,B` and `seeds=0,1` take a part of the plan; `scores=FILE` is the book of scores to go on with, and
    `measure=false` shows what it has.
    """
    folder = FOLDER / ("quick" if quick else "full")
    plan, path, measure = chosen(words, Chosen(QUICK if quick else FULL, folder / "scores.jsonl"))
    experiments = Experiments(plan, folder, ScoreBook(path), progress, measures=measure)
    experiments.run_all()
    rows = task_rows(experiments)
    config = {
        "quick": quick, "scores": str(path), **{name: value for name, value in asdict(plan).items() if name != "seeds"},
        "trainings": experiments.trainings,
    }  # fmt: skip
    return BenchmarkResult(
        name="policy-tasks",
        rows=tuple(rows),
        config=config,
        seeds=plan.seeds,
        sections=task_sections(experiments),
    )


def chosen(words: Sequence[str], usual: Chosen) -> Chosen:
    """What `key=value` words say, and else what is usual.

    Raises:
        UnknownConfigKey: a key that there is not, with the nearest one.
        ConfigError: a task or seed that the plan has not, or measure= something else than true or false.
    """
    plan, scores, measure = usual
    for word in words:
        key, _, text = word.partition("=")
        match key:
            case "task":
                tasks = {name: plan.tasks[name] for name in _known("task", text.split(","), list(plan.tasks))}
                plan = replace(plan, tasks=tasks)
            case "seeds":
                plan = _of_seeds(plan, _known("seed", text.split(","), list(map(str, plan.seeds))))
            case "scores":
                scores = Path(text)
            case "measure":
                (value,) = _known("value of measure", [text], ["true", "false"])
                measure = value == "true"
            case _:
                raise UnknownConfigKey(
                    f"bench policy-tasks does not take {word!r}; it takes {', '.join(f'{key}=...' for key in WORDS)}."
                    f"{did_you_mean(key, WORDS)}"
                )
    return Chosen(plan, scores, measure)


def _of_seeds(plan: Plan, names: Sequence[str]) -> Plan:
    """What is asked of the first seed alone is not asked of another one."""
    seeds = tuple(seed for seed in plan.seeds if str(seed) in names)
    if plan.seeds[0] in seeds:
        return replace(plan, seeds=seeds)
    return replace(plan, seeds=seeds, others=(), computes=plan.computes[:1])


def _known(key: str, names: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no {key} {name!r}; there are {known}.{did_you_mean(name, known)}")
    return names
