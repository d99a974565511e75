"""Reliability: how often what is believed to some degree is so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Stated = Sequence[tuple[float, bool]]
"""Beliefs, 0..1, each with whether what was believed is so."""


class Bin(NamedTuple):
    """Beliefs of about the same degree: the middle of the bin, their mean, the share of them that was so, and how many there
    are.
    """

    middle: float
    belief: float
    share: float
    number: int

    @property
    def error(self) -> float:
        """By how many of them the belief is off."""
        return abs(self.belief - self.share) * self.number


def reliability(stated: Stated, bins: int) -> list[Bin]:
    """The bins of equal width that hold something, by belief."""
    pairs = np.array(stated, dtype=float).reshape(-1, 2)
    which = np.minimum((pairs[:, 0] * bins).astype(int), bins - 1)
    held = [pairs[which == index] for index in range(bins)]
    return [
        Bin((index + 0.5) / bins, float(part[:, 0].mean()), float(part[:, 1].mean()), len(part))
        for index, part in enumerate(held)
        if len(part)
    ]
