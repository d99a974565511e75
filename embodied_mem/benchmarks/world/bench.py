"""`embodied-mem bench world`: household days, sixty families of questions and fifteen OST types, ours and baselines."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from embodied_mem.benchmarks.results import BenchmarkResult, Goal, Row, measured
from embodied_mem.benchmarks.world.baselines import AppendOnly, Baseline, LastSeen
from embodied_mem.benchmarks.world.chronicle import Chronicle, distance_m
from embodied_mem.benchmarks.world.day import Day, DayReport, Witnesses, live
from embodied_mem.benchmarks.world.degrade import HEADLINE, PERFECT, Condition
from embodied_mem.benchmarks.world.exam import (
    BETWEEN_ERRANDS,
    Tally,
    examine,
    examine_ost,
    ost_questions_of,
    questions_of,
)
from embodied_mem.benchmarks.world.families import finding_dory
from embodied_mem.benchmarks.world.identity import IdentityLog
from embodied_mem.benchmarks.world.memory_chronicle import MemoryChronicle
from embodied_mem.benchmarks.world.ost import ost_types
from embodied_mem.benchmarks.world.parts import PART_GOALS, part_rows, part_sizes
from embodied_mem.benchmarks.world.true_chronicle import TrueChronicle
from embodied_mem.errors import MissingExtra
from embodied_mem.robot_memory import RobotMemory

Progress = Callable[[str], None]
OURS = "ours"

GOALS = {
    "perfect.dory": Goal(op=">=", value=1.0),
    "perfect.ost": Goal(op=">=", value=0.99),
    "perfect.where_after_move.max_m": Goal(op="<=", value=0.1),
    "headline.idf1": Goal(op=">=", value=0.95),
    "headline.all": Goal(op=">=", value=0.9),
    "headline.lead.last_seen": Goal(op=">=", value=0.25),
    "headline.lead.append_only": Goal(op=">=", value=0.25),
    "headline.lead.emem": Goal(op=">=", value=0.25),
    **PART_GOALS,
}
CURVES = (
    *(Condition(name=f"miss_rate={rate:g}", miss_rate=rate) for rate in (0.1, 0.2, 0.4)),
    *(Condition(name=f"label_noise={rate:g}", label_noise=rate) for rate in (0.1, 0.2, 0.3)),
    *(Condition(name=f"pose_m={size:g}", pose_m=size) for size in (0.01, 0.03, 0.1)),
    Condition(name="depth_m=0.005", depth_m=0.005),
)
"""One fault at a time; the first days only, since each costs a memory of its own."""
QUICK_DAYS = (Day(seed=3, num_errands=2, observe_every=3),)
DAYS = tuple(Day(seed=seed, num_errands=5 + seed % 4, observe_every=2) for seed in range(210, 216))
"""Homes and errands that nothing was tuned on; memories get five frames a second."""
NUM_CURVE_DAYS = 1


@dataclass
class Totals:
    """Tallies of all days, by condition and then by who answered."""

    dory: dict[str, dict[str, Tally]] = field(default_factory=dict)
    ost: dict[str, dict[str, Tally]] = field(default_factory=dict)
    where_errors_m: list[float] = field(default_factory=list)
    idf1: dict[str, list[float]] = field(default_factory=dict)
    reports: list[DayReport] = field(default_factory=list)

    def note(self, condition: str, who: str, dory: Tally, ost: Tally) -> None:
        self.dory.setdefault(condition, {}).setdefault(who, Tally()).add(dory)
        self.ost.setdefault(condition, {}).setdefault(who, Tally()).add(ost)


def run(*, quick: bool, progress: Progress) -> BenchmarkResult:
    """Every row of the table above; `quick` lives one short day of which the memory gets every third frame, without
    curves, and fills a smaller world.
    """
    days = QUICK_DAYS if quick else DAYS
    totals = Totals()
    for index, day in enumerate(days):
        conditions = [PERFECT, HEADLINE, *(CURVES if not quick and index < NUM_CURVE_DAYS else ())]
        _live_and_ask(day, conditions, totals, progress)
    rows = [*score_rows(totals), *part_rows(quick=quick, progress=progress)]
    config = {
        "quick": quick, "days": [asdict(day) for day in days], "headline": asdict(HEADLINE),
        "curve_days": 0 if quick else NUM_CURVE_DAYS, **part_sizes(quick=quick),
    }  # fmt: skip
    return BenchmarkResult(
        name="world", rows=tuple(rows), config=config, seeds=[day.seed for day in days], extra=_extra(totals)
    )


def _live_and_ask(day: Day, conditions: Sequence[Condition], totals: Totals, progress: Progress) -> None:
    with tempfile.TemporaryDirectory(prefix="world-") as folder:
        log_path = Path(folder) / "simulator.jsonl"
        witnesses = [
            Witnesses(
                condition=one,
                memory=RobotMemory.open(),
                baselines=_baselines(one),
                identity=IdentityLog() if one in (PERFECT, HEADLINE) else None,
            )
            for one in conditions
        ]
        try:
            totals.reports.append(
                live(day, witnesses, log_path, progress,
                     between=lambda: _ask_between(day, witnesses, TrueChronicle(log_path), totals))
            )  # fmt: skip
            progress(f"day {day.seed}: asking at the end of the day")
            _ask_at_end(day, witnesses, TrueChronicle(log_path), totals)
        finally:
            for one in witnesses:
                one.memory.close()


def _ask_between(day: Day, witnesses: Sequence[Witnesses], truth: TrueChronicle, totals: Totals) -> None:
    """A few questions of every family after an errand; under single faults only the end of the day is asked about."""
    questions = questions_of(truth, finding_dory(), day.seed, BETWEEN_ERRANDS)
    for one in witnesses:
        if one.condition in (PERFECT, HEADLINE):
            for who, chronicle in _who_answers(one).items():
                totals.note(one.condition.name, who, examine(chronicle, truth, questions), Tally())


def _ask_at_end(day: Day, witnesses: Sequence[Witnesses], truth: TrueChronicle, totals: Totals) -> None:
    """All families and types, and how well each memory told things apart and knows where they are."""
    dory = questions_of(truth, finding_dory(), day.seed)
    ost = ost_questions_of(truth, ost_types(), day.seed)
    for one in witnesses:
        name = one.condition.name
        for who, chronicle in _who_answers(one).items():
            totals.note(name, who, examine(chronicle, truth, dory), examine_ost(chronicle, ost))
        if one.identity is not None:
            totals.idf1.setdefault(name, []).append(one.identity.idf1(truth.household, one.memory))
        if one.condition.is_perfect:
            totals.where_errors_m += _where_errors_m(MemoryChronicle(one.memory), truth)


def _who_answers(one: Witnesses) -> dict[str, Chronicle]:
    return {OURS: MemoryChronicle(one.memory), **one.baselines}


def _baselines(condition: Condition) -> dict[str, Baseline]:
    if condition not in (PERFECT, HEADLINE):
        return {}
    found: dict[str, Baseline] = {"last_seen": LastSeen(), "append_only": AppendOnly()}
    try:
        from embodied_mem.benchmarks.world.emem_baseline import Emem

        found["emem"] = Emem()
    except MissingExtra:
        pass  # its row is left out, and the page's table of baselines names those that ran
    return found


def _where_errors_m(ours: MemoryChronicle, truth: TrueChronicle) -> list[float]:
    """How far each thing that the robot carried is from where it truly is now; 10 m when it is not known."""
    given = {errand.item.key: errand.item.position_world_m for errand in ours.errands()}
    errors: list[float] = []
    carried = {errand.item.key: errand.item for errand in truth.errands() if errand.item.is_at_rest}
    for item in carried.values():
        here = item.position_world_m
        errors.append(min((distance_m(here, one) for one in given.values()), default=10.0))
    return errors


def score_rows(totals: Totals) -> list[Row]:
    """Shares of right answers, and by how much ours lead each baseline on what it can answer at all."""
    perfect, headline = totals.dory["perfect"], totals.dory["headline"]
    rows = [
        measured(GOALS, "perfect.dory", perfect[OURS].share()),
        measured(GOALS, "perfect.ost", totals.ost["perfect"][OURS].share()),
        measured(
            GOALS, "perfect.where_after_move.max_m", max(totals.where_errors_m, default=float("nan")), "m"
        ),
        measured(GOALS, "headline.idf1", float(np.mean(totals.idf1["headline"]))),
        measured(GOALS, "perfect/idf1", float(np.mean(totals.idf1["perfect"]))),
        measured(GOALS, "headline.all", _pooled(totals, "headline", OURS)),
        measured(GOALS, "headline/dory", headline[OURS].share()),
        measured(GOALS, "headline/ost", totals.ost["headline"][OURS].share()),
    ]
    for who in headline:
        if who != OURS:
            ours, theirs = _on_what_it_can(totals, "headline", who)
            rows.append(measured(GOALS, f"headline.lead.{who}", ours - theirs, baseline=theirs))
            ours, theirs = _on_what_it_can(totals, "perfect", who)
            rows.append(measured(GOALS, f"perfect/lead/{who}", ours - theirs, baseline=theirs))
    for name, tallies in (("dory", totals.dory), ("ost", totals.ost)):
        for condition in ("perfect", "headline"):
            tally = tallies[condition][OURS]
            for category, keys in sorted(tally.categories().items()):
                label = f"{condition}/{name}/{category.replace(' ', '_')}"
                rows.append(measured(GOALS, label, tally.share(keys)))
    for condition in totals.dory:
        if condition not in ("perfect", "headline"):
            rows.append(measured(GOALS, f"curve/{condition}", _pooled(totals, condition, OURS)))
    asked = Counter(
        {key: n for t in (totals.dory, totals.ost) for key, n in t["perfect"][OURS].asked.items()}
    )
    rows += [
        measured(GOALS, "questions/asked", sum(asked.values())),
        measured(GOALS, "questions/families_of_75", len(asked)),
        measured(GOALS, "questions/fewest_per_family", min(asked.values(), default=0)),
        measured(GOALS, "days/frames", float(np.mean([report.num_frames for report in totals.reports]))),
        measured(GOALS, "days/errands", float(np.mean([report.num_errands for report in totals.reports]))),
    ]
    return rows


def _pooled(totals: Totals, condition: str, who: str) -> float:
    both = Tally()
    both.add(totals.dory[condition][who])
    both.add(totals.ost[condition][who])
    return both.share()


def _on_what_it_can(totals: Totals, condition: str, who: str) -> tuple[float, float]:
    """Our share and theirs over families that they can answer at least in part."""
    ours, theirs = Tally(), Tally()
    for table in (totals.dory, totals.ost):
        ours.add(table[condition][OURS])
        theirs.add(table[condition][who])
    keys = [key for key in theirs.asked if key not in theirs.cannot]
    return ours.share(keys), theirs.share(keys)


def _extra(totals: Totals) -> dict[str, Any]:
    """The whole table by family, what each cannot answer, and every wrong answer of ours."""
    families: dict[str, dict[str, dict[str, Any]]] = {}
    for table in (totals.dory, totals.ost):
        for condition, by_who in table.items():
            for who, tally in by_who.items():
                for (category, name), asked in tally.asked.items():
                    cell = families.setdefault(f"{category}: {name}", {}).setdefault(condition, {})
                    can = (category, name) not in tally.cannot
                    cell[who] = {"right": tally.right[category, name], "asked": asked, "can_answer": can}
    wrong = {
        condition: [*totals.dory[condition][OURS].wrong, *totals.ost[condition][OURS].wrong]
        for condition in ("perfect", "headline")
    }
    never = sorted({f.name for f in finding_dory()} - {key[1] for key in totals.dory["perfect"][OURS].asked})
    return {"families": families, "wrong_answers": wrong, "families_never_asked": never}
