"""How long things of a kind stay where they are put, learned from what moved here: a cup moves sooner than a sofa.

Moves are taken for a Poisson process whose rate has a gamma prior; what was seen of a label (moves, and time at rest)
updates it. The chance to have stayed for t is then (b / (b + t))^a: heavier in the tail than any one half-life, because the
rate is not known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

HOUR_S = 3600.0
PRIOR_MOVES = 0.5
"""The prior weighs as much as having seen so many moves."""
PRIOR_HALF_LIVES_S = ((0.45, 24 * HOUR_S), (0.9, 14 * 24 * HOUR_S), (math.inf, 3 * 365 * 24 * HOUR_S))
"""Half-lives before anything was learned, for things up to a size (metres, longest edge)."""
MOST_LABEL_MOVES = 2.0
"""What is known of a label weighs at most so many moves against what is known of the thing itself."""


@dataclass(frozen=True, kw_only=True)
class Rest:
    """One stay of one thing: it was at rest for `seconds` as far as was seen, and has moved at the end or not."""

    entity_id: str
    label: str
    size_m: float
    seconds: float
    has_moved: bool


@dataclass(frozen=True, kw_only=True)
class Lasting:
    """A gamma belief about a rate of moves: `moves` seen in `seconds` of rest, the prior included."""

    moves: float
    seconds: float

    def stays(self, elapsed_s: float) -> float:
        """The chance that nothing has moved for so long."""
        return float((self.seconds / (self.seconds + max(0.0, elapsed_s))) ** self.moves)

    @property
    def half_life_s(self) -> float:
        """After this time the chance to have stayed is one half."""
        return float(self.seconds * (2.0 ** (1.0 / self.moves) - 1.0))

    def after(self, rests: Iterable[Rest]) -> Lasting:
        """The belief after some stays."""
        seen = list(rests)
        return Lasting(
            moves=self.moves + sum(rest.has_moved for rest in seen),
            seconds=self.seconds + sum(rest.seconds for rest in seen),
        )

    def weakened(self, most_moves: float) -> Lasting:
        """The same rate with the weight of at most so many moves."""
        share = min(1.0, most_moves / self.moves)
        return Lasting(moves=self.moves * share, seconds=self.seconds * share)


def prior_of(size_m: float) -> Lasting:
    """What to expect of a thing of that size (longest edge, metres) before it was watched."""
    half_life_s = next(value for limit_m, value in PRIOR_HALF_LIVES_S if size_m <= limit_m)
    return Lasting(moves=PRIOR_MOVES, seconds=half_life_s / (2.0 ** (1.0 / PRIOR_MOVES) - 1.0))


def of_label(rests: Iterable[Rest], label: str, size_m: float) -> Lasting:
    """The belief about things of a label."""
    return prior_of(size_m).after(rest for rest in rests if rest.label == label)


def of_thing(rests: Iterable[Rest], entity_id: str, label: str, size_m: float) -> Lasting:
    """The belief about one thing: what is known of its label, then what is known of itself."""
    seen = list(rests)
    others = prior_of(size_m).after(r for r in seen if r.label == label and r.entity_id != entity_id)
    return others.weakened(MOST_LABEL_MOVES).after(r for r in seen if r.entity_id == entity_id)
