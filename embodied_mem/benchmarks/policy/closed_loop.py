"""Closed-loop episodes of our policy, at the table or in a home, and how they ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from jaxtyping import Float32

from embodied_mem.benchmarks.policy.workplaces import Seen, Workplace, workplace_of
from embodied_mem.policy.memory_policy import MemoryPolicy
from embodied_mem.policy.seam import Observation

DEMO_SEEDS, TEST_SEEDS = 1_000_000, 1_000_000_000
"""Where the seeds of demonstrations and of evaluation begin, so far apart that no episode is in both."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an episode ended. `failure` is recall (a wrong choice), motor (deeds, but no choice), no_commit, or ''.

    `right` is the choice that would have been right, `chosen` the one that was made (-1: none). `seed` is the one that was given; of a
    pair in a home the first one's was played twice.
    """

    seed: int
    success: bool
    failure: str
    right: int
    chosen: int
    num_steps: int


def evaluate(
    policy: MemoryPolicy,
    task: str,
    seeds: Sequence[int],
    *,
    delay: int = 2,
    num_blocks: int | None = None,
    swap: bool = False,
    on_episode: Callable[[int], None] = lambda _: None,
) -> list[Outcome]:
    """Closed-loop episodes, as many at once as the policy has slots.

    With `swap` the memories of neighbouring episodes are exchanged when both have come to the choice.
    """
    outcomes: list[Outcome] = []
    place = workplace_of(task)
    envs = [place.make_env(task, delay=delay) for _ in range(min(policy.num_slots, len(seeds)))]
    try:
        for first in range(0, len(seeds), len(envs)):
            part = seeds[first : first + len(envs)]
            together = _together(policy, place, envs[: len(part)], part, num_blocks=num_blocks, swap=swap)
            outcomes += list(together)
            on_episode(len(outcomes))
    finally:
        for env in envs:
            env.close()
    return outcomes


def as_env_action(action_space: Any, action: Float32[np.ndarray, "a"]) -> Float32[np.ndarray, "a"] | int:
    """What a policy's action is to an environment: where that takes one of a few, the one with the largest number."""
    if isinstance(action_space, Discrete):
        return int(action_space.start + action.argmax())
    clipped: Float32[np.ndarray, "a"] = np.clip(action, -1.0, 1.0)
    return clipped


def _together(
    policy: MemoryPolicy,
    place: Workplace,
    envs: Sequence[Any],
    seeds: Sequence[int],
    *,
    num_blocks: int | None,
    swap: bool,
) -> Iterator[Outcome]:
    policy.reset()
    seen = place.begin(envs, seeds, in_pairs=swap)
    running, num_steps = list(range(len(envs))), [0] * len(envs)
    last: list[Any] = [None] * len(envs)
    is_swapped: dict[int, bool] = {}
    while running:
        if swap:
            _exchange(policy, place, envs, is_swapped)
        acting = [row for row in running if not (swap and _waits(row, place, envs, is_swapped))]
        told = [seen[row][0]["instruction"] for row in acting]
        chunk = policy.act(_observation(policy, seen, acting), instruction=told, num_blocks=num_blocks)
        for row, actions in zip(acting, chunk.actions, strict=True):
            last[row] = as_env_action(envs[row].action_space, actions[0])
            observation, _, terminated, truncated, info = envs[row].step(last[row])
            seen[row] = (observation, info)
            num_steps[row] += 1
            if terminated or truncated:
                running.remove(row)
    for row, (env, seed) in enumerate(zip(envs, seeds, strict=True)):
        info = seen[row][1]
        right, chosen = place.choices(env, last[row])
        yield Outcome(
            seed=seed, success=bool(info["success"]), failure=str(info["failure"]), right=right, chosen=chosen,
            num_steps=num_steps[row],
        )  # fmt: skip


def _observation(policy: MemoryPolicy, seen: Sequence[Seen], rows: Sequence[int]) -> Observation:
    return Observation(
        stamp_ns=np.array([seen[row][1]["stamp_ns"] for row in rows], dtype=np.int64),
        images={policy.config.camera: np.stack([seen[row][0]["rgb"] for row in rows])},
        proprio=np.stack([seen[row][0]["proprio"] for row in rows]), slots=np.array(rows, dtype=np.int64),
    )  # fmt: skip


def _waits(row: int, place: Workplace, envs: Sequence[Any], is_swapped: dict[int, bool]) -> bool:
    """Whether an episode has come to its choice while its neighbour has not."""
    other = row ^ 1
    if other >= len(envs) or is_swapped.get(row // 2):
        return False
    return place.is_choosing(envs[row])


def _exchange(
    policy: MemoryPolicy, place: Workplace, envs: Sequence[Any], is_swapped: dict[int, bool]
) -> None:
    """Swap the memories of every pair that has come to the choice."""
    for pair in range(len(envs) // 2):
        rows = (2 * pair, 2 * pair + 1)
        if not is_swapped.get(pair) and all(place.is_choosing(envs[row]) for row in rows):
            policy.memory.exchange(*rows)
            is_swapped[pair] = True
