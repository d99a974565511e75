"""Whether a memory's goals are among those that the truth allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embodied_mem.benchmarks.world.chronicle import Chronicle, Item, distance_m
from embodied_mem.benchmarks.world.families import Mode

NEAR_M = 0.25
"""A thing is reached when the answer is within this of where it truly is."""
FURNITURE_MARGIN_M = 0.3


def is_right(given: Sequence[Item], true: Sequence[Item], mode: Mode, truth: Chronicle) -> bool:
    """'any': the first goal given is one of the true ones; 'set': all of them and no other; 'sequence': in order."""
    if mode == "any":
        return bool(given) and any(is_same(given[0], one, truth) for one in true)
    if len(given) != len(true):
        return False
    if mode == "sequence":
        return all(is_same(a, b, truth) for a, b in zip(given, true, strict=True))
    from scipy.optimize import linear_sum_assignment

    fits = np.array([[is_same(a, b, truth) for b in true] for a in given], dtype=float)
    rows, columns = linear_sum_assignment(fits, maximize=True)
    return bool(fits[rows, columns].all())


def is_same(given: Item, true: Item, truth: Chronicle) -> bool:
    """Whether going to `given` brings one to `true`."""
    if true.kind == "room":
        return truth.room_of(given.position_world_m) == true.label
    if true.kind == "furniture" and true.box is not None:
        point = np.array([given.position_world_m])
        return bool(true.box.contains(point, margin_m=FURNITURE_MARGIN_M)[0])
    return distance_m(given.position_world_m, true.position_world_m) <= NEAR_M
