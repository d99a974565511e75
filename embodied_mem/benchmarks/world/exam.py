"""Questions made from the truth of a day, put to a memory, and counted."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from embodied_mem.benchmarks.world.chronicle import CannotAnswer, Chronicle, Item, Undecided
from embodied_mem.benchmarks.world.families import Family, Params
from embodied_mem.benchmarks.world.grading import is_right
from embodied_mem.benchmarks.world.ost import OstType

OURS = "ours"
"""Who answers from our memory, in tallies."""
PER_FAMILY = 6
"""Most questions of one family that one day gives at its end, and of one OST type."""
Key = tuple[str, str]
"""Category and name of a family, group and name of an OST type."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of a family, with its right answer."""

    family: Family
    params: Params
    true: tuple[Item, ...]

    @property
    def key(self) -> Key:
        return self.family.category, self.family.name


@dataclass(frozen=True, kw_only=True)
class OstQuestion:
    """One question of an OST type, with its right answer."""

    kind: OstType
    params: Params
    true: Any

    @property
    def key(self) -> Key:
        return self.kind.group, self.kind.name


@dataclass
class Tally:
    """Right and asked by family and by category; `cannot` are families that a memory has no answer to by nature."""

    right: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    asked: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    cannot: set[Key] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def note(self, key: Key, *, is_right: bool, text: str = "") -> None:
        self.asked[key] += 1
        self.right[key] += is_right
        if not is_right and text:
            self.wrong.append(text)

    def add(self, other: Tally) -> None:
        for key, number in other.asked.items():
            self.asked[key] += number
            self.right[key] += other.right.get(key, 0)
        self.cannot |= other.cannot
        self.wrong += other.wrong

    def share(self, keys: Iterable[Key] | None = None) -> float:
        """Right answers among those asked, of some families (None: all); NaN when nothing was asked."""
        chosen = list(self.asked) if keys is None else [key for key in keys if key in self.asked]
        asked = sum(self.asked[key] for key in chosen)
        return sum(self.right[key] for key in chosen) / asked if asked else float("nan")

    def categories(self) -> dict[str, list[Key]]:
        found: dict[str, list[Key]] = defaultdict(list)
        for key in self.asked:
            found[key[0]].append(key)
        return dict(found)


def questions_of(
    truth: Chronicle, families: Sequence[Family], seed: int, most: int = PER_FAMILY
) -> list[Question]:
    """Up to `most` questions of each family that the truth of the day so far decides."""
    found: list[Question] = []
    num_errands = len(truth.errands())
    for index, family in enumerate(families):
        rng = np.random.default_rng([seed, index, num_errands])
        made: list[Question] = []
        try:
            for params in itertools.islice(family.vary(truth, rng), 4 * most):
                true = _answer(family, truth, params)
                if true:
                    made.append(Question(family=family, params=params, true=tuple(true)))
                if len(made) == most:
                    break
        except Undecided:
            pass
        found += made
    return found


def examine(memory: Chronicle, truth: Chronicle, questions: Sequence[Question]) -> Tally:
    """Put the questions to a memory."""
    tally = Tally()
    for question in questions:
        family, key = question.family, question.key
        try:
            given = family.ask(memory, question.params)
        except CannotAnswer:
            tally.cannot.add(key)
            given = []
        except Undecided:
            given = []
        right = is_right(given, question.true, family.mode, truth)
        wording = family.wording.format(**question.params)
        tally.note(
            key, is_right=right,
            text=f"{family.name}: {wording}: said {_goals(given)}, right is {_goals(question.true)}",
        )  # fmt: skip
    return tally


def ost_questions_of(
    truth: Chronicle, kinds: Sequence[OstType], seed: int, most: int = PER_FAMILY
) -> list[OstQuestion]:
    """Up to `most` questions of each type that the truth of the day so far decides."""
    found: list[OstQuestion] = []
    num_errands = len(truth.errands())
    for index, kind in enumerate(kinds):
        rng = np.random.default_rng([seed, 1000 + index, num_errands])
        made: list[OstQuestion] = []
        for params in itertools.islice(kind.vary(truth, rng), 12 * most):
            try:
                made.append(OstQuestion(kind=kind, params=params, true=kind.ask(truth, params)))
            except (Undecided, CannotAnswer):
                continue
            if len(made) == most:
                break
        found += made
    return found


def examine_ost(memory: Chronicle, questions: Sequence[OstQuestion]) -> Tally:
    """Put the questions of OST types to a memory."""
    tally = Tally()
    for question in questions:
        key = question.key
        try:
            given = question.kind.ask(memory, question.params)
        except CannotAnswer:
            tally.cannot.add(key)
            given = None
        except Undecided:
            given = None
        right = given is not None and question.kind.is_right(given, question.true)
        tally.note(
            key, is_right=right,
            text=f"{question.kind.name} {question.params}: said {given}, right is {question.true}",
        )  # fmt: skip
    return tally


def _answer(family: Family, truth: Chronicle, params: Params) -> list[Item]:
    """The goals; none where the truth does not decide, or one of them is in a hand."""
    try:
        found = family.ask(truth, params)
    except (Undecided, CannotAnswer):
        return []
    return found if all(item.is_at_rest for item in found) else []


def _goals(items: Sequence[Item]) -> str:
    return (
        "; ".join(
            f"{item.color} {item.label} ({', '.join(f'{c:.2f}' for c in item.position_world_m)})".strip()
            for item in items[:6]
        )
        or "nothing"
    )
