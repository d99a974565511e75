"""NaVQA, questions about a robot's long drive (ReMEmbR's eval.py): where, when, how long, and yes or no.

Errors in metres and minutes, means by type. Quirks that `compat` keeps: a type is looked for inside its name, place first;
but only exact types are in the means; a place that is one number stands for all its coordinates; an answer to yes or no that is neither counts as a wrong
one. Its running means divide by one more than the questions (`running`), as they are printed while it runs. Text answers are for
people to judge and are left out.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from embodied_mem.benchmarks.evaluators.modes import Mode, mean
from embodied_mem.errors import InvalidMessage

POSITION, BINARY, TIME, DURATION, TEXT = "position", "binary", "time", "duration", "text"
MEASURED = (POSITION, BINARY, TIME, DURATION)
NEAR_M, NEAR_MIN = 15.0, 2.0
"""Strict: a place or a time counts as right within these."""
FIGURES = {
    POSITION: "position_error_m",
    BINARY: "binary_accuracy",
    TIME: "time_error_min",
    DURATION: "duration_error_min",
}


def kind_of(question: Mapping[str, Any], mode: Mode = "strict") -> str:
    """What a question asks for.

    Raises:
        InvalidMessage: it is of no known type.
    """
    given = str(question["type"])
    for kind in (*MEASURED, TEXT):
        if given == kind or (mode == "compat" and kind in given):
            return kind
    raise InvalidMessage(f"a question is of type {given!r}; NaVQA has {(*MEASURED, TEXT)}.")


def error(question: Mapping[str, Any], answer: Mapping[str, Any], mode: Mode = "strict") -> float | None:
    """How far an answer is off: metres, minutes, or 1.0 for a right and 0.0 for a wrong yes or no. None for no answer.

    Raises:
        ValueError, SyntaxError: in compat, for what cannot be read as numbers.
    """
    kind, truths = kind_of(question, mode), question["answers"]
    if kind == BINARY:
        return _is_right(str(answer.get(BINARY, "")), str(truths[TEXT][1]), mode)
    if kind == TEXT:
        return None
    right = np.asarray(truths[kind], dtype=np.float64)
    if mode == "compat":
        return float(np.linalg.norm(right - _numbers(answer[kind])))
    try:
        mine = _numbers(answer.get(kind))
    except (ValueError, SyntaxError, TypeError):
        return None
    return (
        float(np.linalg.norm(right - mine)) if mine.shape == right.shape and np.isfinite(mine).all() else None
    )


def evaluate(
    questions: Sequence[Mapping[str, Any]],
    answers: Mapping[str, Mapping[str, Any]],
    mode: Mode = "strict",
    *,
    near_m: float = NEAR_M,
    near_min: float = NEAR_MIN,
) -> dict[str, float]:
    """Means by type, from answers by question id. Strict adds `correct`, the share of all questions answered within
    `near_m` and `near_min`; a question without an answer is wrong there, and is in no mean error.
    """
    errors: dict[str, list[float | None]] = {}
    for question in questions:
        kind = kind_of(question, mode)
        is_counted = kind != TEXT and (mode == "strict" or question["type"] == kind)
        if is_counted:
            answer = answers.get(str(question["id"]), {})
            errors.setdefault(kind, []).append(error(question, answer, mode) if answer else None)
    if not errors:
        raise InvalidMessage("no question with a place, a time, a duration or yes and no; check the file.")
    if mode == "compat":
        return _as_published(errors)
    found = {FIGURES[kind]: _mean(kind, values) for kind, values in errors.items() if _known(kind, values)}
    near = {POSITION: near_m, TIME: near_min, DURATION: near_min}
    right = [
        float(value is not None and (value == 1.0 if kind == BINARY else value <= near[kind]))
        for kind, values in errors.items()
        for value in values
    ]
    return {**found, "correct": mean(right)}


def _as_published(errors: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
    found = {}
    for kind, values in errors.items():
        total = sum(value for value in values if value is not None)
        found[FIGURES[kind]] = total / len(values)
        found[f"running {FIGURES[kind]}"] = total / (len(values) + 1)
    return found


def _known(kind: str, values: Sequence[float | None]) -> bool:
    return kind == BINARY or any(value is not None for value in values)


def _mean(kind: str, values: Sequence[float | None]) -> float:
    if kind == BINARY:
        return mean([value or 0.0 for value in values])
    return mean([value for value in values if value is not None])


def _is_right(said: str, truth: str, mode: Mode) -> float | None:
    said = said.lower() if mode == "compat" else said.strip().strip(".!").lower()
    truth = truth.lower() if mode == "compat" else truth.strip().lower()
    return float(said == truth) if said in ("yes", "no") else None


def _numbers(value: Any) -> np.ndarray:
    return np.asarray(ast.literal_eval(value) if isinstance(value, str) else value, dtype=np.float64)
