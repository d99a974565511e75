"""What `bench world` measures beside household days: beliefs, absence, changes, and a large world. A part is one function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from embodied_mem.benchmarks.results import BenchmarkResult, Goal, Row, measured
from embodied_mem.benchmarks.world.absence import MISSES, measure_absence, measure_changes
from embodied_mem.benchmarks.world.calibration import Bin
from embodied_mem.benchmarks.world.degrade import HEADLINE, PERFECT
from embodied_mem.benchmarks.world.foresight import METHODS, measure_foresight
from embodied_mem.benchmarks.world.scale import measure_scale
from embodied_mem.benchmarks.world.shifted_labels import measure_shifted_labels

Progress = Callable[[str], None]

PART_GOALS = {
    "priors.log_loss.gain_on_last_seen": Goal(op=">=", value=0.0),
    "priors.log_loss.gain_on_uniform": Goal(op=">=", value=0.0),
    "priors.brier.gain_on_last_seen": Goal(op=">=", value=0.0),
    "priors.brier.gain_on_uniform": Goal(op=">=", value=0.0),
    "absence.gone_below_0.2": Goal(op=">=", value=1.0),
    "absence.there_above_0.8": Goal(op=">=", value=1.0),
    "absence.shift_by_hidden_looks": Goal(op="<=", value=0.0),
    "labels.gain": Goal(op=">=", value=0.05),
    "scale.where.cpu_ms": Goal(op="<=", value=2.0),
    "scale.hybrid.p95_cpu_ms": Goal(op="<=", value=15.0),
    "scale.changes.cpu_ms": Goal(op="<=", value=10.0),
    "scale.observations_per_s": Goal(op=">=", value=1000.0),
}
QUICK_WEEKS, WEEKS = (range(700, 702), 6), (range(700, 708), 14)
"""Homes that somebody lives in, and how many patrols, six hours apart, a robot makes; nothing was tuned on them."""
QUICK_ROOMS, ROOMS = range(100, 104), range(100, 110)
"""Rooms of boxes in which something is taken away or moved."""
QUICK_SCALE, SCALE = (400, 1, 50), (10_000, 2, 300)
"""Things, rounds through the hall (six looks at each thing), questions of each kind."""


def part_rows(*, quick: bool, progress: Progress) -> Iterator[list[Row]]:
    """Rows of one part after the other."""
    rooms = QUICK_ROOMS if quick else ROOMS
    yield prior_rows(*(QUICK_WEEKS if quick else WEEKS), progress)
    yield absence_rows(rooms, progress)
    yield change_rows(rooms, progress)
    yield label_rows()
    yield scale_rows(*(QUICK_SCALE if quick else SCALE), progress)


def part_sizes(*, quick: bool) -> dict[str, Any]:
    """How much each part measures, for the report."""
    seeds, num_patrols = QUICK_WEEKS if quick else WEEKS
    return {
        "weeks": [list(seeds), num_patrols], "rooms": list(QUICK_ROOMS if quick else ROOMS),
        "scale": QUICK_SCALE if quick else SCALE,
    }  # fmt: skip


def run_scale(*, quick: bool, progress: Progress) -> BenchmarkResult:
    """Only the rows about a large world: `embodied-mem bench world-scale`."""
    size = QUICK_SCALE if quick else SCALE
    rows = scale_rows(*size, progress)
    return BenchmarkResult(name="world-scale", rows=tuple(rows), config={"quick": quick, "scale": size})


def prior_rows(seeds: Sequence[int], num_patrols: int, progress: Progress) -> list[Row]:
    """Beliefs about where unseen things are: ours beside last-seen and uniform."""
    found = measure_foresight(seeds, num_patrols, progress)
    rows: list[Row] = []
    for name in ("last_seen", "uniform"):
        ours, theirs = found.log_loss("ours"), found.log_loss(name)
        rows.append(_row(f"priors.log_loss.gain_on_{name}", theirs - ours, "nats", baseline=theirs))
        ours, theirs = float(np.mean(found.brier["ours"])), float(np.mean(found.brier[name]))
        rows.append(_row(f"priors.brier.gain_on_{name}", theirs - ours, baseline=theirs))
    for method in METHODS:
        rows += [
            _row(f"priors/calibration_error/{method}", found.calibration_error(method)),
            _row(f"priors/looks_for_moved/{method}", float(np.mean(found.moved_ranks[method]))),
            *_calibration_rows(f"priors/was_there/{method}", found.calibration(method)),
        ]
    for method, ranks in found.unseen_ranks.items():
        rows.append(_row(f"priors/looks_for_never_seen/{method}", float(np.mean(ranks))))
    for method, looks in found.naming_looks.items():
        rows.append(_row(f"priors/looks_to_name_room/{method}", float(np.mean(looks))))
    rows.append(_row("priors/questions", len(found.truth["ours"])))
    return rows


def absence_rows(seeds: Sequence[int], progress: Progress) -> list[Row]:
    """Presence after two clear looks with one detection in ten missed, and after looks at what hides."""
    score = measure_absence(seeds, progress)
    gone, there = np.array(score.gone), np.array(score.there)
    return [
        _row("absence.gone_below_0.2", float((gone < 0.2).mean()) if len(gone) else float("nan")),
        _row("absence.there_above_0.8", float((there > 0.8).mean()) if len(there) else float("nan")),
        _row("absence.shift_by_hidden_looks", max(score.hidden_shift, default=float("nan"))),
        _row("absence/calibration_error", score.calibration_error()),
        _row("absence/gone", len(gone)),
        _row("absence/there", len(there)),
        _row("absence/hidden_looks", len(score.hidden_shift)),
        *_calibration_rows("absence/was_there", score.calibration()),
    ]


def change_rows(seeds: Sequence[int], progress: Progress) -> list[Row]:
    """Precision and recall of what was moved and taken away between two visits."""
    rows: list[Row] = []
    for condition in (PERFECT, MISSES, HEADLINE):
        score = measure_changes(seeds, condition, progress)
        name = condition.name.replace(" ", "_").replace("%", "percent")
        rows += [
            _row(f"changes/{name}/precision", score.num_both / max(1, score.num_reported)),
            _row(f"changes/{name}/recall", score.num_both / max(1, score.num_true)),
        ]
    rows.append(_row("changes/true", score.num_true))
    return rows


def label_rows() -> list[Row]:
    """Right labels on shifted vectors, of the detector alone and with a memory of this home."""
    before, after = np.mean(
        [measure_shifted_labels(seed, shift=1.6, noise=1.2) for seed in range(10, 20)], axis=0
    )
    return [
        _row("labels.gain", float(after - before), baseline=float(before)),
        _row("labels/after", float(after)),
    ]


def scale_rows(num_entities: int, looks: int, num_asked: int, progress: Progress) -> list[Row]:
    """What questions and intake cost in a large world."""
    costs = measure_scale(num_entities, looks, num_asked, progress)

    def row(metric: str, name: str, at: float) -> Row:
        times = costs.questions_ms[name]
        low, high = np.percentile(times, (5, 95))
        value = float(np.percentile(times, at))
        return _row(metric, value, "ms", interval=(float(low), float(high)))

    return [
        row("scale.where.cpu_ms", "where", 50),
        row("scale.hybrid.p95_cpu_ms", "hybrid", 95),
        row("scale.changes.cpu_ms", "changes", 50),
        row("scale/words.p95_cpu_ms", "words", 95),
        row("scale/count.cpu_ms", "count", 50),
        _row("scale.observations_per_s", costs.observations_per_s, "1/s"),
        _row("scale/entities", costs.num_entities),
        _row("scale/observations", costs.num_observations),
    ]


def _calibration_rows(name: str, bins: Sequence[Bin]) -> list[Row]:
    """The share that was so of what was believed to about the same degree; the mean belief as the baseline."""
    return [
        _row(f"{name}/belief={one.middle:g}", one.share, f"of {one.number}", baseline=one.belief)
        for one in bins
    ]


def _row(metric: str, value: float, unit: str = "", **more: Any) -> Row:
    return measured(PART_GOALS, metric, value, unit, **more)
