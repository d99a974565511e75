"""Our policy on the memory tasks in a home: the expert's demonstrations, with what there is to be named in view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from embodied_mem.benchmarks.policy.expert_episodes import Shown, envs_in_turn, recorded
from embodied_mem.benchmarks.policy.workplaces import Seen
from embodied_mem.policy.naming import HEIGHT_PX, WIDTH_PX
from embodied_mem.policy.training_set import Demonstration, Thing

TASK_NAMES = ("FetchSeenObject", "MovedObject", "WhatChanged")
"""SearchNoRevisit is none of them: nothing is shown in it before the gate, and its expert goes straight to what it cannot have seen."""
CAMERA = "head"
IMAGE_PX = (HEIGHT_PX, WIDTH_PX)
LEAST_PX = 8
"""The teacher calls nothing visible that fills fewer pixels."""


def make_env(task: str, **options: Any) -> Any:
    """A task in a home with the robot's head camera and nothing else rendered."""
    import gymnasium

    import embodied_mem.envs  # noqa: F401  # registers the tasks

    chosen = {"image_size": IMAGE_PX, "cameras": (CAMERA,), "obs_modes": ("rgb",), **options}
    return gymnasium.make(f"EmbodiedMem/{task}-v0", disable_env_checker=True, **chosen)


def demonstrate(
    task: str, seeds: Sequence[int], on_episode: Callable[[int], None] = lambda _: None
) -> list[Demonstration]:
    """The expert's episodes, those that it solves. To make a home takes long, so each is used for as many episodes as there are values
    to hide, with one wait.
    """
    found = []
    with envs_in_turn(partial(make_env, task, obs_modes=("rgb", "segmentation"))) as envs:
        num_values = envs[0].unwrapped.task.facts.num_values
        for number in range(len(seeds)):
            home, hidden = divmod(number, num_values)
            found.append(_demonstration(envs[home % len(envs)], seeds[number - hidden], hidden))
            on_episode(number + 1)
    return [one for one in found if one is not None]


def begin(envs: Sequence[Any], seeds: Sequence[int], *, in_pairs: bool) -> list[Seen]:
    """Episodes in a home of each seed. In pairs they are in the first one's home with the same instruction, and differ in what is
    hidden: all values come first and second as often, in turn over pairs.
    """
    if not in_pairs:
        return [env.reset(seed=seed) for env, seed in zip(envs, seeds, strict=True)]
    seen = []
    for row, env in enumerate(envs):
        first, num_values = seeds[row - row % 2], env.unwrapped.task.facts.num_values
        pair = first // 2
        hidden = pair + (row % 2) * (1 + pair // num_values % (num_values - 1))
        seen.append(env.reset(seed=first, options={"hidden": hidden % num_values}))
    return seen


def is_choosing(env: Any) -> bool:
    """Whether the gate is open and the choice is to be made."""
    return bool(env.unwrapped.phase == "choice")


def choices(env: Any, last_action: Any) -> tuple[int, int]:
    """The right choice, and the one that was made."""
    from embodied_mem.envs.mujoco.mobile.config import NUM_PLACES

    return int(env.unwrapped.hidden), max(-1, int(last_action) - NUM_PLACES)


def _demonstration(env: Any, seed: int, hidden: int) -> Demonstration | None:
    """An episode by the expert; None where it fails."""
    seen, home = env.reset(seed=seed, options={"hidden": hidden}), env.unwrapped

    def show(observation: Any) -> Shown:
        action = home.expert_action()
        things = _things(observation["segmentation"], home.category_names)
        return Shown(action, _as_numbers(action, env.action_space.n), home.phase, things=things)

    return recorded(env, seen, show, hidden=hidden)


def _as_numbers(action: int, num_actions: int) -> Float32[np.ndarray, "a"]:
    """One of a few actions: 1 for it, -1 for all others."""
    return np.where(np.arange(num_actions) == action, 1.0, -1.0).astype(np.float32)


def _things(segmentation: Int32[np.ndarray, "h w"], category_names: Sequence[str]) -> tuple[Thing, ...]:
    """The movable things in view, with the middles of what is seen of them."""
    from embodied_mem.envs.mujoco.catalog import KIND_BY_NAME
    from embodied_mem.envs.mujoco.categories import ID_DIVISOR

    height, width = segmentation.shape
    found = []
    for instance in np.unique(segmentation):
        name = category_names[int(instance) // ID_DIVISOR]
        if name in KIND_BY_NAME:
            rows, columns = np.nonzero(segmentation == instance)
            if len(rows) >= LEAST_PX:
                found.append(
                    Thing(name, float(columns.mean() + 0.5) / width, float(rows.mean() + 0.5) / height)
                )
    return tuple(found)
