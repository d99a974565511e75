"""Memory Maze's object recall: where every coloured object is, seen from the agent, at every step of a recorded walk.

A trajectory (.npz) has `targets_vec` (steps, objects, 2), the vector from the agent to each object in maze cells. The published figure
is the mean squared error of all its numbers. Quirk that `compat` keeps: steps at which no object was seen yet count, and an error of
ten cells weighs a hundred times one of one cell; strict is the mean distance in cells over what was seen already, and the share
that is right to half a cell.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from embodied_mem.benchmarks.evaluators.modes import Mode
from embodied_mem.errors import InvalidMessage

RIGHT_CELLS = 0.5
Vectors = Float[np.ndarray, "t n 2"]


def read_objects(path: str | Path) -> Vectors:
    """The true vectors of a recorded trajectory.

    Raises:
        InvalidMessage: the file has no `targets_vec`.
    """
    with np.load(path, allow_pickle=False) as arrays:
        if "targets_vec" not in arrays.files:
            raise InvalidMessage(
                f"{path} has {arrays.files} and no targets_vec; record with an -ExtraObs env, or take the offline dataset."
            )
        return np.asarray(arrays["targets_vec"], dtype=np.float64)


def evaluate(
    predicted: Vectors,
    truth: Vectors,
    mode: Mode = "strict",
    *,
    was_seen: Bool[np.ndarray, "t n"] | None = None,
    from_step: int = 0,
) -> dict[str, float]:
    """`mse` (compat); or `error_cells` and `right`. was_seen: which objects the agent had seen by each step (strict only;
    all, unless given). from_step: earlier steps, in which a walk only begins, are left out.

    Raises:
        InvalidMessage: the shapes differ, or nothing is left to score.
    """
    if predicted.shape != truth.shape:
        raise InvalidMessage(
            f"predicted vectors are {predicted.shape}, true ones {truth.shape}; they must be alike."
        )
    offset = (predicted - truth)[from_step:]
    counts = (
        np.ones(offset.shape[:2], dtype=bool)
        if was_seen is None or mode == "compat"
        else was_seen[from_step:]
    )
    if not counts.any():
        raise InvalidMessage(f"no object at any of {len(truth)} steps from {from_step} on; nothing to score.")
    if mode == "compat":
        return {"mse": float(np.mean(offset**2))}
    distance = np.linalg.norm(offset, axis=2)[counts]
    return {"error_cells": float(distance.mean()), "right": float(np.mean(distance <= RIGHT_CELLS))}
