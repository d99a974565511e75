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
from embodied_mem.benchmarks.policy.task_experiments import Experiments
from embodied_mem.benchmarks.policy.task_page import task_sections
from embodied_mem.benchmarks.policy.task_plan import Plan, recipe
from embodied_mem.benchmarks.policy.task_rows import task_rows
from embodied_mem.benchmarks.results import BenchmarkResult
from embodied_mem.benchmarks.words import check_known, read_pair
from embodied_mem.errors import ConfigError, StoreError

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
    computes=(0.6, 0.45, 0.8), delays=(1, 32, 512), delay_episodes=40, far_tasks=("RearrangeBlock", "RememberColor3"),
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

    Raises:
        UnknownConfigKey, ConfigError: as for `chosen`; or a quick run is to go on with scores.
        StoreError: the book cannot be read, or nothing is measured and there is none.
    """
    folder = FOLDER / ("quick" if quick else "full")
    plan, path, measure = chosen(words, Chosen(QUICK if quick else FULL, folder / "scores.jsonl"))
    if quick and path.parent != folder:
        raise ConfigError(f"a --quick run keeps scores of its own; leave scores={path} out, or --quick.")
    book = ScoreBook(path)
    if not measure and not book:
        raise StoreError(f"there are no scores in {path}; name the file that has some, as scores=FILE.")
    experiments = Experiments(plan, folder, book, progress, measures=measure)
    experiments.run_all()
    rows = task_rows(experiments)
    config = {
        "quick": quick, "scores": str(path), "measure": measure, "measured_at": book.commits(),
        **{name: value for name, value in asdict(plan).items() if name != "seeds"},
        "trainings": experiments.trainings,
    }  # fmt: skip
    return BenchmarkResult(
        name="policy-tasks", rows=tuple(rows), config=config, seeds=plan.seeds, sections=task_sections(experiments)
    )  # fmt: skip


def chosen(words: Sequence[str], usual: Chosen) -> Chosen:
    """What `key=value` words say, and else what is usual.

    Raises:
        UnknownConfigKey: a key that there is not, with the nearest one.
        ConfigError: a key twice; a task or seed that the plan has not; no file; or measure= something else than true or false.
    """
    values = dict(read_pair(word, "policy-tasks", WORDS) for word in words)
    if len(values) < len(words):
        raise ConfigError(
            f"{' '.join(words)!r} has a key twice; lists are given as in task=CountBlinks,PutBlockBack."
        )
    plan, scores, measure = usual
    if "task" in values:
        names = values["task"].split(",")
        check_known("task", names, plan.tasks)
        tasks = {name: recipe for name, recipe in plan.tasks.items() if name in names}
        plan = replace(plan, tasks=tasks, is_part=len(tasks) < len(plan.tasks))
    if "seeds" in values:
        names = values["seeds"].split(",")
        check_known("seed", names, map(str, plan.seeds))
        plan = _of_seeds(plan, names)
    if "scores" in values:
        scores = Path(values["scores"])
        if not values["scores"] or scores.is_dir():
            raise ConfigError(
                f"scores={values['scores']} names no file; give one such as scores=scores.jsonl."
            )
    if "measure" in values:
        check_known("value of measure", [values["measure"]], ["true", "false"])
        measure = values["measure"] == "true"
    return Chosen(plan, scores, measure)


def _of_seeds(plan: Plan, names: Sequence[str]) -> Plan:
    """What is asked of the first seed alone is not asked of another one."""
    seeds = tuple(seed for seed in plan.seeds if str(seed) in names)
    part = replace(plan, seeds=seeds, is_part=plan.is_part or len(seeds) < len(plan.seeds))
    return part if plan.seeds[0] in seeds else replace(part, others=(), computes=plan.computes[:1])
