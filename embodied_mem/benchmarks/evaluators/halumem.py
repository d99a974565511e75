"""HaluMem's scores of memory operations (evaluation.py): extraction, update and answers, from records that a judge has marked.

Marks: 0 to 2 for a memory that should have been kept (`memory_integrity_score`) or was kept (`memory_accuracy_score`), a word for
updates and answers; None where the judge failed. `(all)` divides by all records, `(valid)` by those that were judged. Quirk that `compat` keeps: an
empty group raises ZeroDivisionError; strict leaves its figures out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from embodied_mem.benchmarks.evaluators.modes import Mode

Record = Mapping[str, Any]
UPDATES = ("Correct", "Hallucination", "Omission", "Other")
ANSWERS = ("Correct", "Hallucination", "Omission")
Figures = Iterator[tuple[str, float, float]]
"""Name, what to divide, by what."""


def evaluate(records: Mapping[str, Sequence[Record]], mode: Mode = "strict") -> dict[str, float]:
    """Every figure of `memory_integrity_records memory_accuracy_records memory_update_records question_answering_records`."""
    figures = [
        *_extraction(records.get("memory_integrity_records", ())),
        *_accuracy(records.get("memory_accuracy_records", ())),
        *_shares("update", records.get("memory_update_records", ()), "memory_update_type", UPDATES),
        *_shares("qa", records.get("question_answering_records", ()), "result_type", ANSWERS),
    ]
    return {name: part / whole for name, part, whole in figures if whole or mode == "compat"}


def _extraction(records: Sequence[Record]) -> Figures:
    wanted = [one for one in records if one["memory_source"] != "interference"]
    unwanted = [one for one in records if one["memory_source"] == "interference"]
    judged = [one for one in wanted if one["memory_integrity_score"] is not None]
    kept = sum(one["memory_integrity_score"] == 2 for one in judged)
    weighted = sum(0.5 * one["memory_integrity_score"] * one["importance"] for one in judged)
    yield "recall(all)", kept, len(wanted)
    yield "recall(valid)", kept, len(judged)
    yield "weighted_recall(all)", weighted, sum(one["importance"] for one in wanted)
    yield "weighted_recall(valid)", weighted, sum(one["importance"] for one in judged)
    judged_unwanted = [one for one in unwanted if one["memory_integrity_score"] is not None]
    resisted = sum(one["memory_integrity_score"] == 0 for one in judged_unwanted)
    yield "interference_accuracy(all)", resisted, len(unwanted)
    yield "interference_accuracy(valid)", resisted, len(judged_unwanted)


def _accuracy(records: Sequence[Record]) -> Figures:
    judged = [one for one in records if one["memory_accuracy_score"] is not None]
    target = [one for one in records if _is_target(one)]
    judged_target = [one for one in judged if _is_target(one)]
    on_target = sum(0.5 * one["memory_accuracy_score"] for one in judged_target)
    overall = sum(0.5 * one["memory_accuracy_score"] for one in judged)
    yield "target_accuracy(all)", on_target, len(target)
    yield "target_accuracy(valid)", on_target, len(judged_target)
    yield "weighted_accuracy(all)", overall, len(records)
    yield "weighted_accuracy(valid)", overall, len(judged)


def _is_target(record: Record) -> bool:
    return record["is_included_in_golden_memories"] in ("true", "True")


def _shares(name: str, records: Sequence[Record], key: str, words: Sequence[str]) -> Figures:
    judged = [one[key] for one in records if one[key] in words]
    for word in words:
        yield f"{word.lower()}_{name}_ratio(all)", judged.count(word), len(records)
        yield f"{word.lower()}_{name}_ratio(valid)", judged.count(word), len(judged)
