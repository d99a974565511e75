"""Things that are probably nothing: seen once or twice where something else stands that has been seen often.

A detector that names one view of a mug "clock" makes such a thing. It is kept, in case it is seen again, but no question
about the present names it.
"""

from __future__ import annotations

import numpy as np

from embodied_mem.layers.world.roster import Roster
from embodied_mem.layers.world.thing import CONFIRMED_VIEWS, Thing

MANY_TIMES = 4
"""The other thing must have been seen so many times as often."""
SHARED = 0.3
"""Of the smaller of both boxes, so much must be shared."""
WELL_KNOWN_VIEWS = 8
NOISY = 0.02
"""Share of wrong words from which a single view proves nothing."""
LARGEST_RATIO = 3.0
"""Things in or before much larger furniture are no doubles of it."""


def label_noise(roster: Roster) -> float:
    """How often views of well-known things go under another label than theirs: what this detector's word is worth."""
    votes = [thing.label_votes.values() for thing in roster if thing.num_views >= WELL_KNOWN_VIEWS]
    total = sum(map(sum, votes))
    return 1.0 - sum(map(max, votes)) / total if total else 0.0


def is_doubtful(thing: Thing, roster: Roster, noise: float) -> bool:
    """Whether a thing that was hardly seen stands where a well-known one of like size does, or was seen but once by a
    detector that often (`noise`) uses a wrong word.
    """
    if (
        noise >= NOISY
        and thing.num_views < CONFIRMED_VIEWS
        and (thing.num_views == 1 or len(thing.label_votes) > 1)
    ):
        return True
    return double_of(thing, roster) is not None


def double_of(thing: Thing, roster: Roster) -> Thing | None:
    """The well-known thing of like size that stands where a hardly seen one was seen; None when there is none."""
    if thing.num_views >= CONFIRMED_VIEWS:
        return None
    low, high = np.array(thing.box.min_m), np.array(thing.box.max_m)
    volume = max(float(np.prod(high - low)), 1e-9)
    near = roster.near(low.astype(np.float32)[None], high.astype(np.float32)[None], 0.0)
    for other in near:
        if other is thing or other.num_views < MANY_TIMES * thing.num_views or other.status != "here":
            continue
        if float(other.box.size.max()) > LARGEST_RATIO * float((high - low).max()) + 0.05:
            continue
        inner = np.minimum(high, other.box.max_m) - np.maximum(low, other.box.min_m)
        shared = float(np.clip(inner, 0.0, None).prod())
        if shared >= SHARED * min(volume, max(float(other.box.size.prod()), 1e-9)):
            return other
    return None
