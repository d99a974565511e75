"""What the page of memory tasks shows: success with memory and without, over delay and compute, and of other memories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from embodied_mem.benchmarks.policy.experiments import Scores
from embodied_mem.benchmarks.policy.run_configs import EvalConfig
from embodied_mem.benchmarks.policy.task_experiments import Experiments
from embodied_mem.benchmarks.policy.task_plan import Ask, Plan, command
from embodied_mem.benchmarks.policy.task_rows import (
    FAILURES,
    above_chance,
    committed_share,
    compute_of,
    mean_known,
    share,
)
from embodied_mem.viz.figures import drawn
from embodied_mem.viz.report import Picture, Section, Table, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ABOUT = (
    "Our policy acts from pixels on tasks whose cue is gone when the choice comes. It is trained on demonstrations by the "
    "recipe of each task, once for every training seed, and then runs closed-loop episodes of seeds that no demonstration "
    "has. Without memory is the same policy, trained alike with bank=none, judged on the episodes in which it chose. Swapped: two "
    "episodes' memories are exchanged before the choice, and the share that makes the other's choice is told."
)
WHOLE, ALONE, CHANCE = "#1f6f8b", "#c9a227", "#555555"


def task_sections(experiments: Experiments) -> list[Section]:
    """The sections, of what is known."""
    commits = experiments.book.commits()
    measured_at = f"\n\nScores were measured at {', '.join(commits)}." if commits else ""
    return [
        Text(title="What is measured", text=ABOUT + measured_at),
        *_success(experiments),
        *_curves(experiments),
        *_other_memories(experiments),
        _commands(experiments),
    ]


def _success(experiments: Experiments) -> list[Section]:
    """The bars and the table, where episodes with memory or without are known."""
    plan = experiments.plan
    is_known = any(
        experiments.of_seeds(task, memory, ask)
        for task in plan.tasks
        for memory, ask in (("merge", plan.plain), ("none", plan.blind))
    )
    picture = "Success with memory and without"
    caption = "Each dot is a training seed; the dashed line is chance."
    return (
        [Picture(title=picture, image=_bars(experiments), caption=caption), _table(experiments)]
        if is_known
        else []
    )


def _table(experiments: Experiments) -> Table:
    """How episodes went, task by task."""
    plan, rows = experiments.plan, []
    for task in plan.tasks:
        runs, swapped = (experiments.of_seeds(task, "merge", ask) for ask in (plan.plain, plan.swapped))
        blind = experiments.of_seeds(task, "none", plan.blind)
        if runs or blind:
            rows.append((
                task, f"{(runs or blind)[0].chance:.3g}", _each([share([one]) for one in runs]), _each([mean_known([one.swapped]) for one in swapped]),
                *((f"{committed_share(blind):.3f} of {sum(one.committed for one in blind)}", above_chance(blind)) if blind else ("", "")),
                *(sum(one.failures.get(kind, 0) for one in runs) if runs else None for kind in FAILURES),
            ))  # fmt: skip
    return Table(
        title="How episodes went", rows=rows,
        columns=("task", "chance", "success by seed", "swapped by seed", "without memory", "p", *FAILURES),
        note="Without memory: of the episodes with a choice. p: how probable so many right ones are by chance. recall: a wrong "
        "choice. motor: something was done, nothing that counts. no_commit: time ran out.",
    )  # fmt: skip


def _other_memories(experiments: Experiments) -> list[Section]:
    """Success with each way of remembering, by policies of the first training seed; on some tasks after the longest delay, too."""
    plan = experiments.plan
    memories = ("merge", *plan.others)
    asked: list[tuple[str, str, Ask]] = [(task, "", plan.plain) for task in plan.tasks]
    asked += [(task, f", {plan.delays[-1]} steps", plan.far) for task in plan.tasks if task in plan.far_tasks]
    rows = []
    for task, when, ask in asked:
        of = {memory: runs for memory in memories if (runs := experiments.of_first(task, memory, ask))}
        if of.keys() - {"merge"}:
            rows.append(
                (task + when, *(f"{share(of[memory]):.3f}" if memory in of else "" for memory in memories))
            )
    note = (
        "merge joins what is most alike (MemoryVLA), segment keeps means of equal parts of the time, select what the rest does "
        "not tell, fifo the newest, recent the newest and the very first (SAM 2); stack is four pictures, gated a gated transformer (GTrXL), chunks "
        "HCAM's, and neural a network that learns what it sees (Titans)."
    )
    return [Table(title="Other memories", columns=("task", *memories), rows=rows, note=note)] if rows else []


def _commands(experiments: Experiments) -> Table:
    """What makes the checkpoints of the first training seed again, with memory and without."""
    plan = experiments.plan
    rows = [
        (task, memory, command(plan.training(task, memory, plan.seeds[0])))
        for task in plan.tasks
        for memory in ("merge", "none")
    ]
    note = (
        "Another training seed is named by seed=, another memory by bank= (a stack: bank=fifo capacity=3), with the options of merge; gated, chunks "
        "and neural have those of none. The result's JSON has every command under config.trainings."
    )
    return Table(
        title="Commands that make the checkpoints",
        columns=("task", "memory", "command"),
        rows=rows,
        note=note,
    )


def _bars(experiments: Experiments) -> UInt8[np.ndarray, "h w 3"]:
    """Two bars a task, with a dot for every seed."""
    from matplotlib.figure import Figure

    plan, tasks = experiments.plan, list(experiments.plan.tasks)
    figure = Figure(figsize=(7.6, 1.1 + 0.5 * len(tasks)), dpi=110)
    axes = figure.add_subplot()
    for row, task in enumerate(tasks):
        runs = experiments.of_seeds(task, "merge", plan.plain)
        blind = experiments.of_seeds(task, "none", plan.blind)
        for offset, colour, shares in (
            (-0.19, WHOLE, [share([one]) for one in runs]),
            (0.19, ALONE, [committed_share([one]) for one in blind if one.committed]),
        ):
            if shares:
                axes.barh(row + offset, float(np.mean(shares)), height=0.34, color=colour, alpha=0.75)
                axes.plot(shares, np.full(len(shares), row + offset), "o", ms=3, color="black")
        if runs or blind:
            axes.plot([(runs or blind)[0].chance] * 2, [row - 0.4, row + 0.4], ls="--", color=CHANCE, lw=1.2)
    axes.set(yticks=range(len(tasks)), yticklabels=tasks, xlim=(0.0, 1.02), xlabel="success")
    axes.invert_yaxis()
    for name, colour in (("with memory", WHOLE), ("without, of episodes with a choice", ALONE)):
        axes.barh([0], [0], color=colour, alpha=0.75, label=name)
    axes.legend(
        fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.09 - 0.3 / len(tasks)), ncols=2, frameon=False
    )
    figure.tight_layout()
    return drawn(figure)


def _curves(experiments: Experiments) -> list[Section]:
    """Success over delay and over compute, where there is more than one point."""
    plan = experiments.plan
    late: list[Ask] = [plan.late(delay) for delay in plan.delays]
    early: list[Ask] = [*(plan.early(compute) for compute in sorted(plan.computes)), plan.plain]
    delays = {task: same_seeds(experiments, task, late) for task in plan.tasks}
    computes = {task: same_seeds(experiments, task, early) for task in plan.tasks}
    over_delay = {
        task: list(zip(map(float, plan.delays), of, strict=True)) for task, of in delays.items() if of
    }
    over_compute = {task: [(compute_of(runs), runs) for runs in of] for task, of in computes.items() if of}
    return [
        *_curve("delay", "steps between cue and choice", over_delay, is_log=True),
        *_curve("compute", "part of the expert's blocks that was run", over_compute, is_log=False),
    ]


def same_seeds(experiments: Experiments, task: str, asks: Sequence[Ask]) -> list[list[Scores]]:
    """What each of them gave, of the training seeds that have all of them: seeds differ more than points of a curve do."""
    seeds = tuple(
        seed
        for seed in experiments.plan.seeds
        if _is_asked(experiments.plan, seed, [ask(seed) for ask in asks])
    )
    found = [experiments.by_seed(task, "merge", ask, seeds) for ask in asks]
    common = set(seeds).intersection(*found)
    return [[of[seed] for seed in sorted(common)] for of in found] if common else []


def _is_asked(plan: Plan, seed: int, evaluations: Sequence[EvalConfig]) -> bool:
    asked = plan.of_memory(seed)
    return all(one in asked for one in evaluations)


def _curve(
    title: str, label: str, points: Mapping[str, Sequence[tuple[float, list[Scores]]]], *, is_log: bool
) -> list[Section]:
    from matplotlib.figure import Figure

    shown = {task: of for task, of in points.items() if len(of) > 1}
    if not shown:
        return []
    figure = Figure(figsize=(7.6, 3.6), dpi=110)
    axes: Axes = figure.add_subplot()
    for number, (task, of) in enumerate(shown.items()):
        axes.plot(
            [at for at, _ in of], [share(runs) for _, runs in of], marker="o", ms=4, lw=1.2, label=task,
            ls=("-", "--", ":")[number % 3],
        )  # fmt: skip
    if is_log:
        ticks = sorted({at for of in shown.values() for at, _ in of})
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [f"{at:g}" for at in ticks])
    else:
        axes.set_xlim(0.0, 1.02)
    axes.set(xlabel=label, ylabel="success", ylim=(-0.02, 1.04))
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    figure.tight_layout()
    caption = "Each task's points are of the same training seeds: those of which all are known."
    return [
        Picture(title=f"Success over {title}", image=drawn(figure), caption=caption),
        Table(columns=("task", "episodes a point", label), rows=_points_told(shown, is_log=is_log)),
    ]


def _points_told(
    shown: Mapping[str, Sequence[tuple[float, list[Scores]]]], *, is_log: bool
) -> list[tuple[str, int, str]]:
    """A curve's points in words."""
    at_told = "{:g}" if is_log else "{:.3f}"
    return [
        (
            task,
            sum(one.episodes for one in of[0][1]),
            ", ".join(f"{share(runs):.3f} at {at_told.format(at)}" for at, runs in of),
        )
        for task, of in shown.items()
    ]


def _each(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
