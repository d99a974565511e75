"""Episodes that an expert shows, recorded as demonstrations, at the table or in a home."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from embodied_mem.benchmarks.policy.workplaces import DEMO_DELAYS, Seen
from embodied_mem.policy.training_set import Demonstration, Thing

NOWHERE = np.full(2, np.nan, dtype=np.float32)


class Shown(NamedTuple):
    """What the expert does at a moment, and what the teacher knows of it.

    `action` is as the environment takes it, `numbers` as a policy learns it; `place` and `things` as in `Demonstration`.
    """

    action: Any
    numbers: Float32[np.ndarray, "a"]
    phase: str
    place: Float32[np.ndarray, "2"] = NOWHERE
    things: tuple[Thing, ...] = ()


@contextmanager
def envs_in_turn(make_env: Callable[..., Any]) -> Iterator[list[Any]]:
    """An environment for each of `DEMO_DELAYS`, in their order; the same one for the same delay."""
    with ExitStack() as stack:
        with_delay = {
            delay: stack.enter_context(closing(make_env(delay=delay))) for delay in set(DEMO_DELAYS)
        }
        yield [with_delay[delay] for delay in DEMO_DELAYS]


def recorded(env: Any, seen: Seen, show: Callable[[Any], Shown], *, hidden: int) -> Demonstration | None:
    """The episode that has just begun, as `show` does it by each observation; None where it fails."""
    (observation, info), is_over = seen, False
    start_ns = int(info["stamp_ns"])
    observations, seconds, steps = [], [], []
    while not is_over:
        shown = show(observation)
        observations.append(observation)
        seconds.append((int(info["stamp_ns"]) - start_ns) / 1e9)
        steps.append(shown)
        observation, _, terminated, truncated, info = env.step(shown.action)
        is_over = terminated or truncated
    if not info["success"]:
        return None
    return Demonstration(
        images=np.stack([one["rgb"] for one in observations]),
        proprio=np.stack([one["proprio"] for one in observations]),
        actions=np.stack([one.numbers for one in steps]).astype(np.float32),
        seconds=np.array(seconds),
        is_acting=np.array([one.phase != "gate" for one in steps]),
        num_before=sum(one.phase == "cue" for one in steps),
        hidden=hidden,
        places=np.stack([one.place for one in steps]),
        instruction=observation["instruction"],
        things=tuple(one.things for one in steps),
    )
