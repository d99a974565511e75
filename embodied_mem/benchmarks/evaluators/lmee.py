"""LMEE-Bench, navigation to many goals with questions about what was seen (eval_lmee_bench.py, logger_lmeebench.py, nav.py).

Answers by choice (accuracy) or open (a judge's mark 1 to 5 as 0 to 100); success and SPL of goals; and, step by step, which
frontier was chosen, what was done, what was answered, and whether memory was asked. Quirks that `compat` keeps: the first
letter that stands alone is the choice ("A mug" chooses A, "I think B" chooses I), and two answers without a letter agree;
a path whose length is 0 or no number counts as the shortest one; steps that asked no memory lose 40 to 50 %, the others gain 20 %.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from embodied_mem.benchmarks.evaluators import findingdory
from embodied_mem.benchmarks.evaluators.modes import Mode, mean
from embodied_mem.benchmarks.evaluators.openeqa import Judge
from embodied_mem.errors import InvalidMessage

LEAST_M = 1e-6
WEIGHTS = {"action": 0.4, "frontier": 0.4, "answer": 0.1, "format": 0.1}
ACTION_OF_FRONTIER = {"0": "turn_left", "1": "move_forward", "2": "turn_right"}
INCONSISTENT = 0.5
WITHOUT_MEMORY = {"action": 0.6, "frontier": 0.6, "answer": 0.5, "format": 0.5}
WITH_MEMORY = 1.2
PROGRESS = "Task Progress"


def choice_of(answer: str | None, mode: Mode = "strict") -> str | None:
    """The letter that an answer chooses; None for none. Strict: the only capital letter that stands alone, articles apart."""
    if answer is None:
        return None
    if mode == "compat":
        found = re.search(r"\b([A-Z])\b", answer.strip().upper())
        return found.group(1) if found else None
    letter = re.fullmatch(r"\W*([A-Za-z])(?:\W*|\s*[.):,].*)", answer, re.DOTALL)
    if letter:
        return letter.group(1).upper()
    named = set(re.findall(r"\b([A-Z])\b(?!['’])", re.sub(r"\bA(?= [a-z])", "", answer))) - {"I"}
    return named.pop() if len(named) == 1 else None


def score_answer(item: Mapping[str, Any], judge: Judge, mode: Mode = "strict") -> float:
    """0 to 1 for a choice, 0 to 100 for an open answer, as the file has them (`answer_type` and `pred_answer`)."""
    said = item.get("pred_answer", "None" if mode == "compat" else None)
    if item["answer_type"] == "choice":
        mine, right = choice_of(said, mode), choice_of(item["answer"], mode)
        return float(mine == right and (mode == "compat" or mine is not None))
    if said is None:
        return 0.0
    mark = judge(item["question"], item["open_answer"], said, ())
    return 25.0 * ((mark if 1 <= mark <= 5 else 1) - 1)


def evaluate_answers(
    items: Sequence[Mapping[str, Any]], judge: Judge, mode: Mode = "strict"
) -> dict[str, float]:
    """`accuracy` (0..100) and `open_score` (0..100), over all, by category and by difficulty."""
    scores: dict[str, list[float]] = {}
    for item in items:
        is_choice = item["answer_type"] == "choice"
        figure, value = ("accuracy", 100.0) if is_choice else ("open_score", 1.0)
        value *= score_answer(item, judge, mode)
        for group in ("all", item["category"], difficulty_of(item)):
            scores.setdefault(f"{group}/{figure}", []).append(value)
    if not scores:
        raise InvalidMessage("no answer to score; the file is a list of answered questions.")
    return {name: mean(values) for name, values in scores.items()}


def difficulty_of(item: Mapping[str, Any]) -> str:
    """As the item says, else as its image's path does."""
    path = str(item.get("image_path", "")).lower()
    named = (level for level in ("easy", "medium", "hard") if level in path)
    return str(item.get("difficulty") or next(named, "unknown"))


def spl(is_success: bool, shortest_m: float, taken_m: float, mode: Mode = "strict") -> float:
    """Success weighted by path length of one goal.

    Raises:
        InvalidMessage: strict, for lengths that are negative or no number.
    """
    if mode == "strict":
        if not (math.isfinite(shortest_m) and math.isfinite(taken_m)):
            raise InvalidMessage(f"path lengths are {shortest_m} and {taken_m} m; they must be finite.")
        return findingdory.spl(is_success, shortest_m, taken_m)
    if not math.isfinite(taken_m) or taken_m <= LEAST_M:
        taken_m = shortest_m
    if not math.isfinite(shortest_m) or shortest_m <= LEAST_M:
        shortest_m = 1.0
    return float(is_success) * shortest_m / max(shortest_m, taken_m, LEAST_M)


def evaluate_goals(goals: Sequence[Mapping[str, Any]], mode: Mode = "strict") -> dict[str, float]:
    """`success` and `spl` (0..100) over all and by difficulty, of goals (`success shortest_m taken_m difficulty`)."""
    scores: dict[str, list[float]] = {}
    for goal in goals:
        value = spl(bool(goal["success"]), float(goal["shortest_m"]), float(goal["taken_m"]), mode)
        for group in ("all", difficulty_of(goal)):
            scores.setdefault(f"{group}/success", []).append(100.0 * bool(goal["success"]))
            scores.setdefault(f"{group}/spl", []).append(100.0 * value)
    if not scores:
        raise InvalidMessage("no goal to score.")
    return {name: mean(values) for name, values in scores.items()}


def score_step(
    reply: str,
    *,
    action: str,
    frontier: int | str,
    category: str,
    answer: str | None,
    asked_memory: bool,
    mode: Mode = "strict",
) -> dict[str, float]:
    """What one reply (`ACTION:`, `FRONTIER:`, `ANSWER:` lines) is worth against the truth, part by part and `overall`.

    Strict: each part is right or not, whether or not memory was asked, which `asked_memory` tells apart.
    """
    said = {name: _last(name.upper(), reply) for name in ("action", "frontier", "answer")}
    parts = {
        "action": float(said["action"] is not None and said["action"] == action.strip()),
        "frontier": float(said["frontier"] is not None and said["frontier"] == str(frontier)),
        "answer": _answer_score(said["answer"], answer, category),
        "format": sum(value is not None for value in said.values()) / 3.0,
    }
    consistency = _consistency(said["action"], said["frontier"])
    if mode == "compat":
        gains = dict.fromkeys(parts, WITH_MEMORY) if asked_memory else WITHOUT_MEMORY
        parts = {name: value * gains[name] for name, value in parts.items()}
    moves = consistency * sum(WEIGHTS[name] * parts[name] for name in ("action", "frontier"))
    total = moves + sum(WEIGHTS[name] * parts[name] for name in ("answer", "format"))
    return {
        "overall": max(0.0, min(1.0, total)), **parts, "consistency": consistency, "asked_memory": float(asked_memory),
    }  # fmt: skip


def _last(name: str, reply: str) -> str | None:
    pattern = r"FRONTIER:\s*(\d+)" if name == "FRONTIER" else rf"{name}:\s*(.*?)(?=\n|$)"
    found = re.findall(pattern, reply)
    return found[-1].strip() if found else None


def _consistency(action: str | None, frontier: str | None) -> float:
    expected = ACTION_OF_FRONTIER.get(frontier or "")
    return INCONSISTENT if action is not None and expected not in (None, action) else 1.0


def _answer_score(said: str | None, truth: str | None, category: str) -> float:
    if category == PROGRESS:
        mine, right = _listed(said), _listed(truth)
        both = len(mine & right)
        return 2.0 * both / (len(mine) + len(right)) if both else 0.0
    if said is None or truth is None:
        return 0.0
    return float(said.upper() == truth.strip().upper())


def _listed(text: str | None) -> set[str]:
    return {one.strip() for one in (text or "").split(",") if one.strip()}
