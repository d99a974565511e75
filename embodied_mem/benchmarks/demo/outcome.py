"""What a finished demo run hands to its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from embodied_mem.benchmarks.demo.asking import GradedQuestion


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The graded questions of an episode, where its memory and log are, and what it took.

    `path_world` are the camera's positions (n, 3) in metres; `figures` go into the result without a goal.
    """

    graded: tuple[GradedQuestion, ...]
    memory_path: Path
    log_path: Path
    path_world: Float64[np.ndarray, "n 3"]
    wall_s: float
    figures: Mapping[str, float]
