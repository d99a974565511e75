"""Success of episodes as MIKASA-Robo and RoboMME report it: at any step, or at the last one."""

from __future__ import annotations

from collections.abc import Sequence

from embodied_mem.benchmarks.evaluators.modes import Mode
from embodied_mem.errors import InvalidMessage


def episode_success(is_success: Sequence[bool], mode: Mode = "strict") -> bool:
    """Whether an episode succeeded, from a flag for each step.

    Compat: at any step ("success once", as MIKASA-Robo and RoboMME report it). Strict: at the end, so that a success
    that was undone, or a lucky touch on the way, does not count.
    """
    if not is_success:
        raise InvalidMessage("an episode without steps has neither succeeded nor failed; leave it out.")
    return any(is_success) if mode == "compat" else bool(is_success[-1])


def success_rate(episodes: Sequence[Sequence[bool]], mode: Mode = "strict") -> float:
    """Share of episodes that succeeded."""
    if not episodes:
        raise InvalidMessage("no episode to score.")
    return sum(episode_success(one, mode) for one in episodes) / len(episodes)
