"""`embodied-mem bench score`: a file of predictions, scored as a published benchmark does it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from embodied_mem.benchmarks.evaluators import (
    evt,
    findingdory,
    halumem,
    lmee,
    memory_maze,
    navqa,
    openeqa,
    ost,
)
from embodied_mem.benchmarks.evaluators.modes import MODES, Mode
from embodied_mem.benchmarks.results import BenchmarkResult, Row
from embodied_mem.benchmarks.words import read_pair
from embodied_mem.errors import ConfigError, did_you_mean

KEYS = ("benchmark", "predictions", "truth", "mode")
Scorer = Callable[[Mapping[str, str], Mode], dict[str, float]]


def run(words: Sequence[str], *, quick: bool, progress: Callable[[str], None]) -> BenchmarkResult:
    """Scores what `benchmark=... predictions=... [truth=...] [mode=compat]` name.

    Raises:
        ConfigError: a word, a benchmark, a mode or a file that there is not.
    """
    given = _given(words, quick)
    name, mode = given.get("benchmark", ""), given.get("mode", "strict")
    if name not in SCORERS:
        raise ConfigError(f"no benchmark {name!r}; there are {sorted(SCORERS)}.{did_you_mean(name, SCORERS)}")
    if mode not in MODES:
        raise ConfigError(f"mode is {mode!r}; it is one of {MODES}.")
    progress(name)
    figures = SCORERS[name](given, mode)
    rows = [Row(metric=f"score.{name}.{mode}/{key}", value=value) for key, value in figures.items()]
    return BenchmarkResult(name="score", rows=tuple(rows), config=given)


def _given(words: Sequence[str], quick: bool) -> dict[str, str]:
    given = dict(read_pair(word, "score", KEYS) for word in words)
    if quick:
        raise ConfigError("bench score reads a whole file; leave --quick out.")
    return given


def _read(given: Mapping[str, str], key: str) -> Any:
    path = Path(given.get(key, ""))
    if not path.is_file():
        raise ConfigError(f"{key}={str(path)!r} is no file; name the JSON to be scored.")
    return json.loads(path.read_text(encoding="utf-8"))


def _findingdory(given: Mapping[str, str], mode: Mode) -> dict[str, float]:
    return findingdory.evaluate(_read(given, "predictions")["individual_results"], mode)


def _ost(given: Mapping[str, str], mode: Mode) -> dict[str, float]:
    samples = _read(given, "predictions")["user_message"]
    answered = [
        {**one, "pred": ost.answer_in(one["response"])} if one.get("response") else one for one in samples
    ]
    return ost.evaluate(answered, mode)


def _openeqa(given: Mapping[str, str], mode: Mode) -> dict[str, float]:
    if not Path(given.get("truth", "")).is_file():
        raise ConfigError("openeqa needs truth=open-eqa-v0.json beside predictions=...")
    answers = {one["question_id"]: one["answer"] for one in _read(given, "predictions")}
    return openeqa.evaluate(openeqa.read_questions(given["truth"]), answers, openeqa.exact_judge, mode)


def _evt(given: Mapping[str, str], mode: Mode) -> dict[str, float]:
    folder = Path(given.get("predictions", ""))
    files = sorted(path for path in folder.rglob("*.json") if "info" not in path.name)
    return evt.evaluate([json.loads(path.read_text(encoding="utf-8")) for path in files], mode=mode)


def _halumem(given: Mapping[str, str], mode: Mode) -> dict[str, float]:
    return halumem.evaluate(_read(given, "predictions"), mode)


def _navqa(given: Mapping[str, str], mode: Mode) -> dict[str, float]:
    answers = {
        str(one["id"]): one["response"]
        for one in _read(given, "predictions")["responses"]
        if one.get("response")
    }
    return navqa.evaluate(_read(given, "truth")["data"], answers, mode)


def _lmee(given: Mapping[str, str], mode: Mode) -> dict[str, float]:
    return lmee.evaluate_answers(_read(given, "predictions"), openeqa.exact_judge, mode)


def _memory_maze(given: Mapping[str, str], mode: Mode) -> dict[str, float]:
    paths = [given.get(key, "") for key in ("predictions", "truth")]
    for path in paths:
        if not Path(path).is_file():
            raise ConfigError(f"memory_maze needs predictions=*.npz and truth=*.npz; {path!r} is no file.")
    predicted, truth = (memory_maze.read_objects(path) for path in paths)
    return memory_maze.evaluate(predicted, truth, mode)


SCORERS: dict[str, Scorer] = {
    "evt": _evt,
    "findingdory": _findingdory,
    "halumem": _halumem,
    "lmee": _lmee,
    "memory_maze": _memory_maze,
    "navqa": _navqa,
    "openeqa": _openeqa,
    "ost": _ost,
}
"""openeqa and lmee are judged by equal words here; their functions take another judge."""
