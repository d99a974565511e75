"""Asks the questions one by one and grades what comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embodied_mem.benchmarks.demo.grading import Verdict
from embodied_mem.benchmarks.demo.questions import Question
from embodied_mem.benchmarks.results import Goal, Row, measured
from embodied_mem.messages import Answer, Query

GOALS = {
    "demo.answers.right": Goal(op=">=", value=1.0),
    "demo.questions": Goal(op=">=", value=12),
    "demo.position_error.max_m": Goal(op="<=", value=0.1),
    "demo.question.max_ms": Goal(op="<=", value=50.0),
    "demo.wall_s": Goal(op="<=", value=180.0),
}


@dataclass(frozen=True, kw_only=True)
class GradedQuestion:
    """A question, the answer's verdict, and how long the answer took."""

    question: Question
    verdict: Verdict
    took_ms: float

    def as_json(self) -> dict[str, Any]:
        return {
            "question": self.question.text, "kind": self.question.query.kind, "answer": self.verdict.said,
            "truth": self.verdict.truth, "error_m": self.verdict.error_m, "ms": round(self.took_ms, 3),
            "is_right": self.verdict.is_right,
        }  # fmt: skip


def ask_all(
    questions: Sequence[Question], recall: Callable[[Query], Answer[Any]]
) -> tuple[GradedQuestion, ...]:
    """Every question put to `recall`, graded."""
    graded = []
    for question in questions:
        start = time.perf_counter()
        answer = recall(question.query)
        took_ms = (time.perf_counter() - start) * 1e3
        graded.append(
            GradedQuestion(question=question, verdict=question.truth.grade(answer), took_ms=took_ms)
        )
    return tuple(graded)


def fraction_right(graded: Sequence[GradedQuestion]) -> float:
    """Right answers among all; 0 when nothing was asked."""
    return sum(one.verdict.is_right for one in graded) / len(graded) if graded else 0.0


def max_error_m(graded: Sequence[GradedQuestion]) -> float:
    """The largest position error among the answers that name positions; 0 when none does."""
    return max((one.verdict.error_m for one in graded if one.verdict.error_m is not None), default=0.0)


def demo_rows(
    graded: Sequence[GradedQuestion], wall_s: float, figures: Mapping[str, float]
) -> tuple[Row, ...]:
    """The demo's figures with their goals; `figures` are further ones, without a goal."""
    return (
        measured(GOALS, "demo.answers.right", fraction_right(graded)),
        measured(GOALS, "demo.questions", len(graded)),
        measured(GOALS, "demo.position_error.max_m", max_error_m(graded), "m"),
        measured(GOALS, "demo.question.max_ms", max((one.took_ms for one in graded), default=0.0), "ms"),
        measured(GOALS, "demo.wall_s", wall_s, "s"),
        *(measured(GOALS, f"demo/{name}", value) for name, value in figures.items()),
    )
