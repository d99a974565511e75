"""Scores of evaluations in a file, one line each: a run that was killed goes on, and a finished one can be shown again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from embodied_mem.benchmarks.policy.experiments import Scores
from embodied_mem.benchmarks.results import commit
from embodied_mem.errors import StoreError


class ScoreBook:
    """Scores by the name of their training and of their evaluation. Lines are only ever added; of two for the same, the later one holds.

    Each line says at which commit it was measured. Several processes can add to the same file.

    Raises:
        StoreError: the file has a line that is no score.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._scores = dict(_read(path)) if path.exists() else {}

    def find(self, training: str, evaluation: str) -> Scores | None:
        """None where it has not been measured."""
        return self._scores.get((training, evaluation))

    def add(self, training: str, evaluation: str, scores: Scores) -> None:
        """Keep them, in the file at once."""
        self._scores[training, evaluation] = scores
        line = {"training": training, "evaluation": evaluation, "commit": commit(), "scores": asdict(scores)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")  # in one write, so that nobody else's comes between


def _read(path: Path) -> list[tuple[tuple[str, str], Scores]]:
    found = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            line = json.loads(text)
            found.append(((str(line["training"]), str(line["evaluation"])), Scores(**line["scores"])))
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{path}, line {number} is no score ({error}); remove the line, and it is measured again."
            ) from error
    return found
