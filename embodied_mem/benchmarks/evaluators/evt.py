"""EVT-Bench, embodied tracking of a person: success, tracking and collision rate (analyze_results.py).

Tracking rate: steps that followed, over all episodes, of all steps; an episode that ended early counts with the steps that it should
have had. Quirks that `compat` keeps: a success of NaN counts as one, a collision that is no number as none, and a missing
key as not there; no episode raises ZeroDivisionError.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from embodied_mem.benchmarks.evaluators.modes import Mode
from embodied_mem.errors import InvalidMessage

KEYS = ("success", "following_step", "total_step", "collision")


def evaluate(
    episodes: Sequence[Mapping[str, Any]],
    full_steps: Sequence[int | None] | None = None,
    mode: Mode = "strict",
) -> dict[str, float]:
    """`success_rate`, `tracking_rate`, `collision_rate` of episodes (`success following_step total_step collision`).

    full_steps: how many steps each episode has when nobody fails, None where unknown.

    Raises:
        InvalidMessage: strict, when there is no episode, or one lacks a key or has a value that is no number.
    """
    if mode == "strict":
        _check(episodes)
    planned = [None] * len(episodes) if full_steps is None else full_steps
    following, total, collisions = 0.0, 0.0, 0.0
    for episode, steps in zip(episodes, planned, strict=True):
        following += _finite(episode, "following_step")
        taken = _finite(episode, "total_step")
        # As published: an episode whose own steps are no number adds none, whatever was planned.
        total += max(taken, steps or 0.0) if _is_finite(episode, "total_step") else 0.0
        collisions += _finite(episode, "collision")
    return {
        "success_rate": sum(bool(episode.get("success")) for episode in episodes) / len(episodes),
        "tracking_rate": following / total,
        "collision_rate": collisions / len(episodes),
    }


def _is_finite(episode: Mapping[str, Any], key: str) -> bool:
    return key in episode and math.isfinite(episode[key])


def _finite(episode: Mapping[str, Any], key: str) -> float:
    return float(episode[key]) if _is_finite(episode, key) else 0.0


def _check(episodes: Sequence[Mapping[str, Any]]) -> None:
    if not episodes:
        raise InvalidMessage("no episode to score; name a folder of result files.")
    for number, episode in enumerate(episodes):
        wrong = [key for key in KEYS if not _is_finite(episode, key)]
        if wrong:
            raise InvalidMessage(f"episode {number} has no finite {wrong}; it needs {KEYS}.")
    if sum(episode["total_step"] for episode in episodes) <= 0:
        raise InvalidMessage("the episodes have no steps at all; total_step must be above 0 somewhere.")
