"""`embodied-mem bench suite`: every task with every memory, against proven chance."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from embodied_mem.benchmarks.results import BenchmarkResult
from embodied_mem.benchmarks.suite.failures import show_failures
from embodied_mem.benchmarks.suite.report import make_result
from embodied_mem.benchmarks.suite.running import run_cells
from embodied_mem.benchmarks.suite.settings import SuiteSettings, parse_settings

Progress = Callable[[str], None]
MOST_FAILURES = 8


def run(words: Sequence[str], *, quick: bool, progress: Progress) -> BenchmarkResult:
    """What `key=value` words say; episodes that the folder `out` already has are not run again."""
    return run_suite(parse_settings(words, quick=quick), progress)


def run_suite(settings: SuiteSettings, progress: Progress) -> BenchmarkResult:
    """Runs what is missing, plays some failures again, and makes the result."""
    clock = _TimeLeft(progress)
    done = run_cells(
        settings.cells(), settings.seeds, settings.out, processes=settings.processes, on_episode=clock.tell
    )
    progress("playing failures again")
    strips = show_failures(done, settings.out / "failures", at_most=MOST_FAILURES)
    return make_result(done, settings, strips)


class _TimeLeft:
    """Says how far a run is and how long it will take at the pace so far."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._began_s = progress, time.monotonic()
        self._at_begin: int | None = None

    def tell(self, num_done: int, total: int) -> None:
        if self._at_begin is None:
            self._at_begin = num_done
        new, elapsed_s = num_done - self._at_begin, time.monotonic() - self._began_s
        left = f", {elapsed_s / new * (total - num_done):.0f} s left" if new else ""
        self._progress(f"{num_done} of {total} episodes{left}")
