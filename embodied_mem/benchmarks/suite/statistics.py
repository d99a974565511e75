"""Intervals and tests for shares of successes: Wilson's interval, paired comparison of the same seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z_95 = 1.959963984540054


def wilson(num_right: int, num_all: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval (95 %) of a share (Wilson 1927, eq. 8); (0, 1) when nothing was tried."""
    if num_all == 0:
        return 0.0, 1.0
    p, n = num_right / num_all, num_all
    middle = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1.0, 1.0))
    return (0.0 if num_right == 0 else max(0.0, low)), (1.0 if num_right == num_all else min(1.0, high))


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Two runs over the same seeds. `difference` is B's share minus A's with its 95 % interval; `p_value` is McNemar's
    exact two-sided test of their being equal.
    """

    num_pairs: int
    share_a: float
    share_b: float
    only_a: int
    only_b: int
    difference: float
    interval: tuple[float, float]
    p_value: float


def paired(a: Sequence[bool], b: Sequence[bool]) -> Paired:
    """Compare successes pair by pair.

    The interval is Agresti and Min's (2005): Wald's after half a pair was added to each of the four outcomes.
    """
    n = len(a)
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    shrunk = (only_b - only_a) / (n + 2)
    spread = (only_a + only_b + 1) - (only_b - only_a) ** 2 / (n + 2)
    half = Z_95 * math.sqrt(max(0.0, spread)) / (n + 2)
    return Paired(
        num_pairs=n, share_a=sum(a) / n, share_b=sum(b) / n, only_a=only_a, only_b=only_b,
        difference=(only_b - only_a) / n, interval=(max(-1.0, shrunk - half), min(1.0, shrunk + half)),
        p_value=mcnemar(only_a, only_b),
    )  # fmt: skip


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p-value that discordant pairs fall either way equally often."""
    n, k = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, i) for i in range(k + 1)) / 2.0**n
    return float(min(1.0, 2.0 * tail))
