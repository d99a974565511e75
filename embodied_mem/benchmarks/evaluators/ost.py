"""OST-Bench (OST_evaluator.py): judgement, estimation, counting and temporal questions.

Estimation is 0.1 * #{c in .50, .55, ..., .95 : relative error < 1 - c}. Quirks that `compat` keeps: a judgement goes to the
option with the longest common subsequence, the first one on a tie, so that an empty answer picks the first option;
an estimation whose truth is 0 raises; a number word counts inside other words ("often" is ten, "none" is one).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from embodied_mem.benchmarks.evaluators.modes import Mode, mean
from embodied_mem.errors import InvalidMessage

NUMBER_WORDS = {
    word: number
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
}
THRESHOLDS = tuple(0.5 + 0.05 * i for i in range(10))


def judgement(predicted: Any, truth: str, options: Sequence[str], mode: Mode = "strict") -> float:
    """1.0 when the answer stands for the right option.

    Strict: the one option that is named in it, as whole words; an answer that names none or several is wrong.

    Raises:
        InvalidMessage: the truth is no option.
    """
    truth = truth.replace('"', "")
    if truth not in options:
        raise InvalidMessage(
            f"the true answer {truth!r} is none of the options {list(options)}; check the file."
        )
    said = str(predicted).strip().lower()
    if mode == "compat":
        lengths = [_common_subsequence(said, option.strip().lower()) for option in options]
        return float(options[lengths.index(max(lengths))] == truth)
    named = [option for option in options if _names(said, option)]
    longest = [o for o in named if not any(o != other and _names(other.lower(), o) for other in named)]
    return float(longest == [truth])


def estimation(predicted: Any, truth: Any, mode: Mode = "strict") -> float:
    """0 to 1 by relative error; 0.0 for what is no number. A truth of 0 (strict): 1.0 when met exactly.

    Raises:
        ZeroDivisionError: in compat, when the truth is 0.
    """
    try:
        mine, right = float(predicted), float(truth)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    if mode == "strict" and right == 0.0:
        return float(mine == 0.0)
    error = abs(right - mine) / abs(right)
    return 0.1 * sum(error < 1 - threshold for threshold in THRESHOLDS)


def enumeration(predicted: Any, truth: Any, mode: Mode = "strict") -> float:
    """1.0 when a count (or a turn of the dialogue) is right, in digits or words up to ten."""
    try:
        mine = _number_as_published(predicted) if mode == "compat" else _number(predicted)
        return float(mine == int(truth))
    except (TypeError, ValueError, OverflowError):
        return 0.0


def score(sample: Mapping[str, Any], mode: Mode = "strict") -> float | None:
    """The score of one sample (`type`, `pred`, `answer`, `option`); None for types that are not scored."""
    kind = sample["type"]
    if kind == "None" or "pred" not in sample:
        return None
    if "Estimation" in kind:
        return estimation(sample["pred"], sample["answer"], mode)
    if "Judgement" in kind:
        return judgement(sample["pred"], sample["answer"], sample["option"], mode)
    if "Counting" in kind or "Temporal-loc" in kind:
        return enumeration(sample["pred"], sample["answer"], mode)
    return None


def evaluate(samples: Sequence[Mapping[str, Any]], mode: Mode = "strict") -> dict[str, float]:
    """Mean score of each question type; strict counts a sample without an answer as wrong, compat leaves it out."""
    by_type: dict[str, list[float]] = {}
    for sample in samples:
        found = score(sample, mode)
        if found is None and mode == "strict" and "pred" not in sample and sample["type"] != "None":
            found = 0.0
        if found is not None:
            by_type.setdefault(sample["type"], []).append(found)
    if not by_type:
        raise InvalidMessage("no sample could be scored; each needs a type, a pred and an answer.")
    return {kind: mean(values) for kind, values in by_type.items()}


def answer_in(response: Any) -> str:
    """What stands behind `answer` in a response of the form {"answer": ..., "reason": ...}, else the response itself."""
    text = str(response[0] if isinstance(response, list) else response).replace("'", '"')
    if "reason" not in text or "answer" not in text:
        found = text
    elif '"answer":' in text:
        found = text.split('"answer":')[1].split('"reason"')[0].split("\n")[0].strip().strip(",").strip()
    elif "answer:" in text:
        found = text.split("answer:")[1].split("reason")[0].split("\n")[0].strip().strip(",").strip()
    else:
        found = ""
    return found.strip('"')


def _names(said: str, option: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(option.strip().lower())}(?!\w)", said) is not None


def _number(predicted: Any) -> float:
    if not isinstance(predicted, str):
        return float(predicted)
    for word, number in NUMBER_WORDS.items():
        if re.search(rf"\b{word}\b", predicted.lower()):
            return float(number)
    digits = re.findall(r"-?\d+(?:\.\d+)?", predicted)
    if len(digits) != 1:
        raise ValueError(f"{predicted!r} names {len(digits)} numbers")
    return float(digits[0])


def _number_as_published(predicted: Any) -> int:
    if isinstance(predicted, str):
        for word, number in NUMBER_WORDS.items():
            if word in predicted.lower():
                return number
    return int(predicted)


def _common_subsequence(a: str, b: str) -> int:
    row = [0] * (len(b) + 1)
    for x in a:
        before = row
        row = [0]
        for j, y in enumerate(b):
            row.append(before[j] + 1 if x == y else max(before[j + 1], row[j]))
    return row[-1]
