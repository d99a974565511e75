"""`embodied-mem bench demos`: record the expert's demonstrations, and say how many a minute that gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from embodied_mem.benchmarks.results import BenchmarkResult, Goal, Row, measured
from embodied_mem.benchmarks.suite.demos import RecordingReport, record_demos
from embodied_mem.benchmarks.suite.settings import parse_settings
from embodied_mem.envs.mujoco.tabletop import TASK_NAMES
from embodied_mem.errors import ConfigError

GOALS = {"demos.slowest_task.per_minute": Goal(op=">=", value=150.0)}
NUM_CORES = 2
QUICK_DEMOS = 20
OPTIONS = {"image_size": (128, 128), "cameras": ("front", "top")}


def run(words: Sequence[str], *, quick: bool, progress: Callable[[str], None]) -> BenchmarkResult:
    """Records `task=...` (all on the table by default) for `seeds=...` below `out=...`; without out they are only counted.

    Per minute of two cores, from CPU time: two cameras of 128x128, PNG in Parquet.

    Raises:
        ConfigError: a task in a home.
    """
    chosen = [] if any(word.startswith("task=") for word in words) else [f"task={','.join(TASK_NAMES)}"]
    settings = parse_settings([*chosen, *words])
    in_a_home = [task for task in settings.task if task not in TASK_NAMES]
    if in_a_home:
        raise ConfigError(
            f"demos are recorded of tasks on the table, not of {in_a_home}; there are {TASK_NAMES}."
        )
    seeds = settings.seeds[:QUICK_DEMOS] if quick else settings.seeds
    is_kept = any(word.startswith("out=") for word in words)
    reports: dict[str, RecordingReport] = {}
    with TemporaryDirectory(prefix="demos-") as scratch:
        for task in settings.task:
            progress(task)
            folder = (settings.out if is_kept else Path(scratch)) / task
            reports[task] = record_demos(task, seeds, folder, **OPTIONS)
    rates = {task: NUM_CORES * report.demos_per_minute_per_core for task, report in reports.items()}
    rows = [
        measured(GOALS, "demos.slowest_task.per_minute", min(rates.values()), "demos/min"),
        *(
            Row(metric=f"demos/{task}.per_minute", value=rate, unit="demos/min")
            for task, rate in rates.items()
        ),
        *(Row(metric=f"demos/{task}.failed", value=len(one.failed_seeds)) for task, one in reports.items()),
    ]
    config = {"task": list(settings.task), "cameras": list(OPTIONS["cameras"]), "num_cores": NUM_CORES}
    return BenchmarkResult(name="demos", rows=tuple(rows), config=config, seeds=seeds)
