"""One day's exam: the day is lived, and what the truth of it decides is asked of every memory, again and again."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from embodied_mem.benchmarks.world.baselines import AppendOnly, Baseline, LastSeen
from embodied_mem.benchmarks.world.chronicle import Chronicle, distance_m
from embodied_mem.benchmarks.world.day import Day, DayReport, Witnesses, live
from embodied_mem.benchmarks.world.degrade import HEADLINE, PERFECT, Condition
from embodied_mem.benchmarks.world.exam import (
    OURS,
    PER_FAMILY,
    Key,
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
from embodied_mem.benchmarks.world.true_chronicle import TrueChronicle
from embodied_mem.errors import MissingExtra
from embodied_mem.robot_memory import RobotMemory

BETWEEN = 2
"""Most questions of one family or type while a day goes on: the same words have other answers by then."""
ENOUGH_BETWEEN = 12
"""A family that was asked so often on a day is left alone until its end."""


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


def live_and_ask(
    day: Day, conditions: Sequence[Condition], totals: Totals, progress: Callable[[str], None]
) -> None:
    """Live a day once, with memories under every condition, and put what they answer into `totals`."""
    witnesses = [_witnesses(one) for one in conditions]
    # Under single faults only the end of the day is asked about.
    throughout = [one for one in witnesses if one.condition in (PERFECT, HEADLINE)]
    asked: Counter[Key] = Counter()
    with tempfile.TemporaryDirectory(prefix="world-") as folder:
        log_path = Path(folder) / "simulator.jsonl"

        def ask_between() -> None:
            spent = {key for key, number in asked.items() if number >= ENOUGH_BETWEEN}
            asked.update(_ask(throughout, TrueChronicle(log_path), totals, day.seed, BETWEEN, spent))

        try:
            totals.reports.append(live(day, witnesses, log_path, progress, between=ask_between))
            progress(f"day {day.seed}: asking at the end of the day")
            truth = TrueChronicle(log_path)
            _ask(witnesses, truth, totals, day.seed, PER_FAMILY)
            _measure(witnesses, truth, totals)
        finally:
            for one in witnesses:
                one.memory.close()


def _witnesses(condition: Condition) -> Witnesses:
    is_asked_throughout = condition in (PERFECT, HEADLINE)
    return Witnesses(
        condition=condition,
        memory=RobotMemory.open(),
        baselines=_baselines() if is_asked_throughout else {},
        identity=IdentityLog() if is_asked_throughout else None,
    )


def _baselines() -> dict[str, Baseline]:
    found: dict[str, Baseline] = {"last_seen": LastSeen(), "append_only": AppendOnly()}
    try:
        from embodied_mem.benchmarks.world.emem_baseline import Emem

        found["emem"] = Emem()
    except MissingExtra:
        pass  # its row is left out, and the page's table of baselines names those that ran
    return found


def _ask(
    witnesses: Sequence[Witnesses],
    truth: TrueChronicle,
    totals: Totals,
    seed: int,
    most: int,
    spent: AbstractSet[Key] = frozenset(),
) -> Counter[Key]:
    """Up to `most` questions of each family and type that is not `spent`; how many of which there were."""
    families = [one for one in finding_dory() if (one.category, one.name) not in spent]
    kinds = [one for one in ost_types() if (one.group, one.name) not in spent]
    dory = questions_of(truth, families, seed, most)
    ost = ost_questions_of(truth, kinds, seed, most)
    for one in witnesses:
        by_who: dict[str, Chronicle] = {OURS: MemoryChronicle(one.memory), **one.baselines}
        for who, chronicle in by_who.items():
            tallies = examine(chronicle, truth, dory), examine_ost(chronicle, ost)
            totals.note(one.condition.name, who, *tallies)
    return Counter([*(question.key for question in dory), *(question.key for question in ost)])


def _measure(witnesses: Sequence[Witnesses], truth: TrueChronicle, totals: Totals) -> None:
    """How well each memory told things apart over the day, and knows where they are at its end."""
    for one in witnesses:
        if one.identity is not None:
            score = one.identity.idf1(truth.household, one.memory)
            totals.idf1.setdefault(one.condition.name, []).append(score)
        if one.condition.is_perfect:
            totals.where_errors_m += _where_errors_m(MemoryChronicle(one.memory), truth)


def _where_errors_m(ours: MemoryChronicle, truth: TrueChronicle) -> list[float]:
    """How far each thing that the robot carried is from where it truly is now; 10 m when it is not known."""
    given = {errand.item.key: errand.item.position_world_m for errand in ours.errands()}
    errors: list[float] = []
    carried = {errand.item.key: errand.item for errand in truth.errands() if errand.item.is_at_rest}
    for item in carried.values():
        here = item.position_world_m
        errors.append(min((distance_m(here, one) for one in given.values()), default=10.0))
    return errors
