"""OpenEQA: open questions about a place, marked 1 to 5 by a judge and scaled to 0..100 (evaluate-predictions.py).

The judge is plugged in; LLM-Match is theirs (a language model), `exact_judge` is a plain one that only knows equal words. Name
the judge beside every figure: marks of different judges do not compare. Quirks that `compat` keeps: an answer is cut at its last
period wherever that stands ("3.5 m" becomes "3."); a question without an answer is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embodied_mem.benchmarks.evaluators.modes import Mode, mean
from embodied_mem.errors import InvalidMessage

Judge = Callable[[str, str, str, Sequence[str]], int]
"""From question, true answer, given answer and further true answers to a mark of 1 (wrong) to 5 (right)."""
SCALE = "LLM-Match: 100 * (mark - 1) / 4, marks clipped to 1..5"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question; `episode` names the recording that it is about."""

    question_id: str
    question: str
    answer: str
    category: str
    episode: str
    extra_answers: tuple[str, ...] = ()


def read_questions(path: str | Path) -> list[Question]:
    """The questions of `open-eqa-v0.json`."""
    return [
        Question(
            question_id=one["question_id"], question=one["question"], answer=one["answer"], category=one["category"],
            episode=one["episode_history"], extra_answers=tuple(one.get("extra_answers", ())),
        )
        for one in json.loads(Path(path).read_text(encoding="utf-8"))
    ]  # fmt: skip


def exact_judge(question: str, answer: str, given: str, extra_answers: Sequence[str]) -> int:
    """5 when the words are those of a true answer, apart from case, punctuation and articles; else 1."""
    return 5 if _plain(given) in {_plain(one) for one in (answer, *extra_answers)} else 1


def evaluate(
    questions: Sequence[Question], answers: Mapping[str, str | None], judge: Judge, mode: Mode = "strict"
) -> dict[str, float]:
    """Mean of 0..100 over all (`all`) and by category. Strict: a question without an answer scores 0.

    Raises:
        InvalidMessage: in compat, when the answers are not exactly to these questions.
    """
    known = {one.question_id for one in questions}
    if set(answers) - known or (mode == "compat" and set(answers) != known):
        raise InvalidMessage(
            f"{len(set(answers) - known)} answers are to no question and {len(known - set(answers))} questions have none; "
            "give one answer (or null) for each question_id."
        )
    scores: dict[str, list[float]] = {"all": []}
    for one in questions:
        value = 25.0 * (min(5, max(1, _mark(one, answers.get(one.question_id), judge, mode))) - 1)
        scores["all"].append(value)
        scores.setdefault(one.category, []).append(value)
    return {name: mean(values) for name, values in scores.items()}


def trimmed(answer: str, mode: Mode = "strict") -> str:
    """An answer without the unfinished sentence at its end."""
    if mode == "compat":
        end = answer.rfind(".")
        return answer[: end + 1] if 0 <= end < len(answer) - 1 else answer
    whole = re.match(r"(?s).*\.(?=\s)", answer)
    return whole.group(0) if whole and not answer.rstrip().endswith(".") else answer


def parse_mark(text: str, tag: str = "Your mark:") -> int:
    """The mark in a language model's reply: the whole of it, or what follows `tag` on its line.

    Raises:
        InvalidMessage: there is none.
    """
    if text.isdigit():
        return int(text)
    _, found, rest = text.partition(tag)
    try:
        return int(rest.split("\n")[0].strip()) if found else int("")
    except ValueError as error:
        raise InvalidMessage(
            f"no mark in {text!r}; a judge answers with a number, or with '{tag} 4'."
        ) from error


def _mark(question: Question, given: str | None, judge: Judge, mode: Mode) -> int:
    if given is None:
        return 0
    return judge(question.question, question.answer, trimmed(given, mode), question.extra_answers)


def _plain(text: str) -> str:
    words = re.sub(r"[^\w\s]", " ", text.lower()).split()
    return " ".join(word for word in words if word not in ("a", "an", "the"))
