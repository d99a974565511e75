"""Scores of evaluations in a file, one line each: a run that was killed goes on, and a finished one can be shown again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from embodied_mem.benchmarks.policy.experiments import Scores
from embodied_mem.benchmarks.results import commit
from embodied_mem.errors import StoreError


class ScoreBook:
    """Scores by the name of their training and of their evaluation. Lines are only ever added; of two for the same, the later one holds.

    Each line says at which commit it was measured: the one at which the process began. Several processes can add to the same file.

    Raises:
        StoreError: it is a folder, or the file has a line that is no score.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._commit = commit()  # now: the file may be a tracked one, and adding to it makes the tree dirty
        self._lines = _read(path)

    def __len__(self) -> int:
        return len(self._lines)

    def find(self, training: str, evaluation: str) -> Scores | None:
        """None where it has not been measured."""
        line = self._lines.get((training, evaluation))
        return None if line is None else line.scores

    def commits(self) -> list[str]:
        """At which commits all of it was measured."""
        return sorted({line.commit for line in self._lines.values() if line.commit is not None})

    def add(self, training: str, evaluation: str, scores: Scores) -> None:
        """Keep them, in the file at once."""
        self._lines[training, evaluation] = _Line(scores, self._commit)
        line = {
            "training": training, "evaluation": evaluation, "commit": self._commit, "scores": asdict(scores),
        }  # fmt: skip
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")  # in one write, so that nobody else's comes between


class _Line(NamedTuple):
    scores: Scores
    commit: str | None


def _read(path: Path) -> dict[tuple[str, str], _Line]:
    if not path.exists():
        return {}
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} is no book of scores ({error}); name another file.") from error
    found = {}
    for number, text in enumerate(texts, start=1):
        try:
            line = json.loads(text)
            key = str(line["training"]), str(line["evaluation"])
            found[key] = _Line(Scores(**line["scores"]), line["commit"])
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{path}, line {number} is no score ({error}); remove the line, and it is measured again."
            ) from error
    return found
