"""The suite's result: a row for each cell against its chance, failures by class, curves over delay and interference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import UInt8

from embodied_mem.benchmarks.evaluators import evt
from embodied_mem.benchmarks.results import BenchmarkResult, Row
from embodied_mem.benchmarks.suite.play_out import Cell, Outcome
from embodied_mem.benchmarks.suite.policies import asks_memory
from embodied_mem.benchmarks.suite.running import Done, as_records
from embodied_mem.benchmarks.suite.settings import SuiteSettings
from embodied_mem.benchmarks.suite.statistics import wilson
from embodied_mem.viz.figures import drawn
from embodied_mem.viz.report import Picture, Section, Table, Text

Outcomes = Mapping[int, Outcome]
FAILURES = ("recall", "motor", "no_commit")
CURVES = ("delay", "interference", "noise")
ABOUT = (
    "Each task hides a variable that only its cue shows. From the gate on, every observation is the same whatever was "
    "hidden (a test proves it to the byte), so that chance is the success of the best policy without memory. Intervals "
    "are Wilson's, 95 %. The skills see labels and ids that the simulator gives: what is scored here is memory, not "
    "perception or motor skill."
)


def chances(tasks: Sequence[str]) -> dict[str, float]:
    """The proven chance level of each task."""
    from embodied_mem.envs.mujoco.mobile import TRACK_PERSON
    from embodied_mem.envs.mujoco.mobile import tasks as in_a_home
    from embodied_mem.envs.mujoco.mobile.tracking import CHANCE
    from embodied_mem.envs.mujoco.tabletop.catalog import make_task

    home = {TRACK_PERSON: CHANCE, **{name: task().facts.chance for name, task in in_a_home.TASKS.items()}}
    return {task: home[task] if task in home else make_task(task).facts.chance for task in tasks}


def make_result(
    done: Done, settings: SuiteSettings, strips: Mapping[str, UInt8[np.ndarray, "h w 3"]]
) -> BenchmarkResult:
    """The whole result. `strips` are pictures of failed episodes by their caption."""
    chance = chances(sorted({cell.task for cell in done}))
    rows = [row_of(cell, outcomes, chance[cell.task]) for cell, outcomes in done.items()]
    rows += [row for cell, outcomes in done.items() for row in tracking_rows(cell, outcomes)]
    sections: list[Section] = [
        Text(title="What is measured", text=ABOUT),
        *_curves(done, chance),
        *_tables(done, chance),
        *_tracking(done),
        _failure_table(done),
        *(Picture(image=strip, caption=caption) for caption, strip in strips.items()),
    ]
    return BenchmarkResult(
        name="suite", rows=tuple(rows), config=_config(settings), seeds=settings.seeds,
        extra={"chance": chance, "failures": _failures(done), "episodes": as_records(done)}, sections=sections,
    )  # fmt: skip


def name_of(cell: Cell) -> str:
    """A dotted metric name: only what differs from the defaults is in it."""
    default = Cell(task=cell.task, policy=cell.policy, memory=cell.memory)
    more = [
        f"{key}={getattr(cell, key)}"
        for key in (*CURVES, "strict")
        if getattr(cell, key) != getattr(default, key)
    ]
    return "/".join([f"suite.{cell.task}.{cell.policy}.{cell.memory}", *more])


def row_of(cell: Cell, outcomes: Outcomes, chance: float) -> Row:
    """The share of successes, with chance as the baseline."""
    num_right = sum(outcome.success for outcome in outcomes.values())
    return Row(
        metric=name_of(cell), value=num_right / len(outcomes), unit="of episodes",
        interval=wilson(num_right, len(outcomes)), baseline=chance,
    )  # fmt: skip


def tracking_rates(outcomes: Outcomes) -> dict[str, float]:
    """EVT-Bench's three figures where somebody was followed; none elsewhere."""
    records = [outcome.tracking for outcome in outcomes.values() if outcome.tracking is not None]
    return evt.evaluate(records) if records else {}


def tracking_rows(cell: Cell, outcomes: Outcomes) -> list[Row]:
    """The two of them that are no share of successes."""
    rates, units = tracking_rates(outcomes), {"tracking_rate": "of steps", "collision_rate": "of episodes"}
    return [Row(metric=f"{name_of(cell)}/{key}", value=rates[key], unit=units[key]) for key in units if rates]


def _tracking(done: Done) -> list[Section]:
    rates = {cell: tracking_rates(outcomes) for cell, outcomes in done.items()}
    rows = [
        (name_of(cell).removeprefix("suite."), *(f"{share:.2f}" for share in one.values()))
        for cell, one in rates.items()
        if one
    ]
    columns = ("task, policy, memory", "success rate", "tracking rate", "collision rate")
    note = (
        "The share of steps at which the right person was followed; the share of episodes with a collision."
    )
    return [Table(title="Following a person", columns=columns, rows=rows, note=note)] if rows else []


def _config(settings: SuiteSettings) -> dict[str, Any]:
    plain = {
        key: list(value) if isinstance(value, tuple) else value for key, value in asdict(settings).items()
    }
    return {**plain, "out": str(settings.out)}


def _tables(done: Done, chance: Mapping[str, float]) -> list[Section]:
    """One table per setting of the curves: tasks down, memories across."""
    settings = sorted({(cell.delay, cell.interference, cell.noise) for cell in done})
    return [_table(done, chance, *one) for one in settings]


def _table(done: Done, chance: Mapping[str, float], delay: int, scenes: int, noise: float) -> Table:
    here = {c: o for c, o in done.items() if (c.delay, c.interference, c.noise) == (delay, scenes, noise)}
    columns = list(dict.fromkeys((cell.policy, cell.memory) for cell in here))
    tasks = list(dict.fromkeys(cell.task for cell in here))
    at = {(cell.task, cell.policy, cell.memory): outcomes for cell, outcomes in here.items()}
    rows = [
        (task, f"{chance[task]:.3g}", *(_cell(at.get((task, *column)), chance[task]) for column in columns))
        for task in tasks
    ]
    heads = [memory if asks_memory(policy) else policy for policy, memory in columns]
    return Table(
        title=f"Success with delay {delay}, {scenes} distracting scenes, noise {noise:g}",
        columns=("task", "chance", *heads), rows=rows, note="* above chance: its interval (below, among the figures) lies wholly above it.",
    )  # fmt: skip


def _cell(outcomes: Outcomes | None, chance: float) -> str:
    if not outcomes:
        return ""
    num_right = sum(outcome.success for outcome in outcomes.values())
    is_above = wilson(num_right, len(outcomes))[0] > chance
    return f"{num_right / len(outcomes):.2f}{'*' if is_above else ''}"


def _failures(done: Done) -> dict[str, dict[str, int]]:
    return {
        name_of(cell): {kind: sum(o.failure == kind for o in outcomes.values()) for kind in FAILURES}
        for cell, outcomes in done.items()
    }


def _failure_table(done: Done) -> Table:
    """How each memory's episodes ended, over all tasks and settings."""
    ends: dict[str, Counter[str]] = {}
    for cell, outcomes in done.items():
        name = cell.memory if asks_memory(cell.policy) else cell.policy
        ends.setdefault(name, Counter()).update(one.failure or "success" for one in outcomes.values())
    rows = [[name, *(str(count[kind]) for kind in ("success", *FAILURES))] for name, count in ends.items()]
    note = "recall: a wrong choice. motor: something was done, nothing that counts. no_commit: time ran out."
    return Table(title="How episodes ended", columns=("memory", "success", *FAILURES), rows=rows, note=note)


def _curves(done: Done, chance: Mapping[str, float]) -> list[Section]:
    found: list[Section] = []
    for axis in CURVES:
        if len({getattr(cell, axis) for cell in done}) > 1:
            found.append(
                Picture(
                    title=f"Success over {axis}", image=_curve(done, chance, axis),
                    caption="Mean over the tasks that have a gate; the dashed line is the mean of their chances.",
                )
            )  # fmt: skip
    return found


def _curve(done: Done, chance: Mapping[str, float], axis: str) -> UInt8[np.ndarray, "h w 3"]:
    from matplotlib.figure import Figure

    values: dict[str, set[float]] = {}
    for cell in done:
        values.setdefault(cell.task, set()).add(getattr(cell, axis))
    # A mean over different tasks at different points would be no curve.
    shown = {cell: outcomes for cell, outcomes in done.items() if len(values[cell.task]) > 1}
    figure = Figure(figsize=(7.0, 3.6), dpi=100)
    axes = figure.add_subplot()
    players = list(dict.fromkeys((cell.policy, cell.memory) for cell in shown))
    for number, (policy, memory) in enumerate(players):
        mine = {c: o for c, o in shown.items() if (c.policy, c.memory) == (policy, memory)}
        points: dict[float, list[float]] = {}
        for cell, outcomes in mine.items():
            points.setdefault(getattr(cell, axis), []).append(
                np.mean([o.success for o in outcomes.values()]).item()
            )
        xs = sorted(points)
        axes.plot(
            xs,
            [float(np.mean(points[x])) for x in xs],
            marker="o",
            lw=1.4 + 0.6 * (len(players) - 1 - number),  # thinner ones show on those that they cover
            label=memory if asks_memory(policy) else policy,
        )
    axes.axhline(
        float(np.mean([chance[task] for task in {cell.task for cell in shown}])), ls="--", color="gray", lw=1
    )
    ticks = sorted({value for cell in shown for value in values[cell.task]})
    axes.set(xlabel=axis, ylabel="success", ylim=(-0.02, 1.02), xticks=ticks)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    return drawn(figure)
