"""FindingDory's offline form: lists of frame indices, one list for each goal (evaluate_llm_outputs.py).

The product over goals of the share of predicted frames that are right (relaxed), and equality (exact). Quirks that
`compat` keeps: a goal for which nothing was predicted is left out of the product, so that `[[]]` scores 1.0; a list
that follows other words is read from its last opening bracket, so that only flat lists survive; exact compares texts.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from embodied_mem.benchmarks.evaluators.modes import Mode, mean
from embodied_mem.errors import InvalidMessage

Frames = list[list[int]]


def parse_frames(text: str, mode: Mode = "strict") -> Any:
    """The lists that an answer names, `[]` when there are none. In compat whatever Python literal the text is."""
    if mode == "compat":
        return _parsed_as_published(text)
    found = re.search(r"\[.*\]", text, re.DOTALL)
    try:
        value = ast.literal_eval(found.group(0)) if found else []
    except (ValueError, SyntaxError):
        return []
    if isinstance(value, list) and value and all(isinstance(one, int) for one in value):
        value = [value]
    return value if _is_frames(value) else []


def relaxed_score(predicted: Frames, truth: Frames, mode: Mode = "strict") -> float:
    """Product over goals of the share of predicted frames that are right; 0 when the number of goals differs."""
    if len(predicted) != len(truth):
        return 0.0
    shares = []
    for mine, right in zip(predicted, truth, strict=True):
        if len(mine) and len(right):
            shares.append(sum(frame in right for frame in mine) / len(mine))
        elif mode == "strict":
            shares.append(float(len(mine) == len(right)))
    return float(math.prod(shares))


def exact_match(predicted: str, truth: str, mode: Mode = "strict") -> bool:
    """Whether the answers are equal: as texts (compat), or as a set of frames for each goal."""
    if mode == "compat":
        return predicted == truth
    mine, right = parse_frames(predicted), parse_frames(truth)
    return bool(right) and [set(goal) for goal in mine] == [set(goal) for goal in right]


def spl(is_success: bool, shortest_m: float, taken_m: float) -> float:
    """Success weighted by path length (Anderson et al. 2018): 1 for the shortest path, less for detours, 0 for failure."""
    if not is_success:
        return 0.0
    if shortest_m < 0.0 or taken_m < 0.0:
        raise InvalidMessage(f"path lengths are {shortest_m} and {taken_m} m; they must be 0 or more.")
    longest = max(shortest_m, taken_m)
    return 1.0 if longest == 0.0 else shortest_m / longest


def evaluate(results: Sequence[Mapping[str, str]], mode: Mode = "strict") -> dict[str, float]:
    """Exact and relaxed score of `individual_results` (`ground_truth` and `model_output` texts)."""
    relaxed = [_relaxed(one["model_output"], one["ground_truth"], mode) for one in results]
    exact = [float(exact_match(one["model_output"], one["ground_truth"], mode)) for one in results]
    return {"exact": mean(exact), "relaxed": mean(relaxed)}


def _relaxed(predicted_text: str, truth_text: str, mode: Mode) -> float:
    try:
        predicted, truth = parse_frames(predicted_text, mode), parse_frames(truth_text, mode)
        return relaxed_score(predicted, truth, mode) if predicted and truth else 0.0
    except (AttributeError, TypeError, ValueError):
        return 0.0  # no text, or a literal that is no list of lists, such as 5


def _parsed_as_published(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    begin, end = text.rfind("["), text.rfind("]")
    if begin == -1 or end == -1:
        return []
    try:
        value = ast.literal_eval(text[begin : end + 1])
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return []
    if isinstance(value, list) and value and isinstance(value[0], int):
        return [value]
    return value if isinstance(value, list) and value and isinstance(value[0], list) else []


def _is_frames(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(goal, list) and all(isinstance(frame, int) for frame in goal) for goal in value
    )
