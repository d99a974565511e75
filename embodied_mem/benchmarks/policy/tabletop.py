"""Our policy on the tabletop memory tasks: demonstrations by the scripted expert, and closed-loop episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from embodied_mem.policy.memory_policy import MemoryPolicy
from embodied_mem.policy.seam import Observation
from embodied_mem.policy.training_set import Demonstration

IMAGE_PX = 128
WATCHED = {"ShellGameSwap": "cup{hidden}"}
"""What is to be watched while there is nothing to do: a prop's name, with the hidden variable in it."""
DEMO_SEEDS, TEST_SEEDS = 1_000_000, 2_000_000
"""Where the seeds of demonstrations and of evaluation begin: no episode is in both."""


def make_env(task: str, **options: Any) -> Any:
    """A tabletop task with one small colour camera and nothing else rendered."""
    import gymnasium

    import embodied_mem.envs  # noqa: F401  # registers the tasks

    chosen = {
        "image_size": (IMAGE_PX, IMAGE_PX),
        "cameras": ("front",),
        "obs_modes": ("rgb",),
        "delay": 2,
        **options,
    }
    return gymnasium.make(f"EmbodiedMem/{task}-v0", disable_env_checker=True, **chosen)


def demonstrate(
    task: str, seeds: Sequence[int], on_episode: Callable[[int], None] = lambda _: None
) -> list[Demonstration]:
    """The scripted expert's episodes, those that it solves."""
    from embodied_mem.envs.mujoco.tabletop.expert import ScriptedExpert

    env, found = make_env(task), []
    for number, seed in enumerate(seeds):
        observation, info = env.reset(seed=seed)
        episode, expert = env.unwrapped.episode, ScriptedExpert(env.unwrapped.episode)
        steps: list[tuple[Any, ...]] = []
        is_over, start_ns = False, int(info["stamp_ns"])
        while not is_over:
            action, phase = expert.act(), episode.phase
            seconds = (int(info["stamp_ns"]) - start_ns) / 1e9
            steps.append(
                (
                    observation["rgb"], observation["proprio"], action, seconds, phase != "gate", phase == "cue",
                    _place(task, episode, observation, action),
                )
            )  # fmt: skip
            observation, _, terminated, truncated, info = env.step(action)
            is_over = terminated or truncated
        images, proprio, actions, times, is_acting, is_before, places = zip(*steps, strict=True)
        if info["success"]:
            found.append(
                Demonstration(
                    images=np.stack(images), proprio=np.stack(proprio), actions=np.stack(actions).astype(np.float32),
                    seconds=np.array(times), is_acting=np.array(is_acting), num_before=sum(is_before), hidden=episode.hidden.index,
                    places=np.stack(places),
                )
            )  # fmt: skip
        on_episode(number + 1)
    env.close()
    return found


def _place(task: str, episode: Any, observation: Any, action: np.ndarray) -> Float32[np.ndarray, "2"]:
    """Where in the picture the expert acts, or what it watches stands: column and row as parts of the picture (NaN: nowhere)."""
    from embodied_mem.envs.mujoco.tabletop.expert import REST, key_pose_action
    from embodied_mem.envs.mujoco.tabletop.world import HIGH_M, LOW_M

    at = LOW_M + (np.asarray(action[:3], dtype=np.float64) + 1.0) / 2.0 * (HIGH_M - LOW_M)
    if np.array_equal(action, key_pose_action(REST)):
        if task not in WATCHED or episode.phase != "cue":
            return np.full(2, np.nan, dtype=np.float32)
        at = np.array(episode.table.position(WATCHED[task].format(hidden=episode.hidden.index)))
    R, t = observation["T_world_camera"][:3, :3], observation["T_world_camera"][:3, 3]
    column, row, depth = observation["intrinsics"] @ (R.T @ (at - t))
    height, width = observation["rgb"].shape[:2]
    return np.array([(column / depth + 0.5) / width, (row / depth + 0.5) / height], dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an episode ended. `failure` is recall (a wrong choice), motor (deeds, but no choice), no_commit, or ''.

    `right` is the choice that would have been right, `chosen` the one that was made (-1: none).
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
    envs = [make_env(task, delay=delay) for _ in range(min(policy.num_slots, len(seeds)))]
    try:
        for first in range(0, len(seeds), len(envs)):
            part = seeds[first : first + len(envs)]
            outcomes += list(_together(policy, envs[: len(part)], part, num_blocks=num_blocks, swap=swap))
            on_episode(len(outcomes))
    finally:
        for env in envs:
            env.close()
    return outcomes


def _together(
    policy: MemoryPolicy, envs: Sequence[Any], seeds: Sequence[int], *, num_blocks: int | None, swap: bool
) -> Iterator[Outcome]:
    policy.reset()
    seen = [env.reset(seed=seed) for env, seed in zip(envs, seeds, strict=True)]
    running, num_steps = list(range(len(envs))), [0] * len(envs)
    waiting: dict[int, bool] = {}
    while running:
        if swap:
            _exchange(policy, envs, waiting)
        acting = [row for row in running if not (swap and _waits(row, envs, waiting))]
        chunk = policy.act(_observation(policy, seen, acting), num_blocks=num_blocks)
        for row, actions in zip(acting, chunk.actions, strict=True):
            observation, _, terminated, truncated, info = envs[row].step(np.clip(actions[0], -1.0, 1.0))
            seen[row] = (observation, info)
            num_steps[row] += 1
            if terminated or truncated:
                running.remove(row)
    for row, (env, seed) in enumerate(zip(envs, seeds, strict=True)):
        episode, info = env.unwrapped.episode, seen[row][1]
        yield Outcome(
            seed=seed, success=bool(info["success"]), failure=str(info["failure"]), right=_right_choice(episode),
            chosen=-1 if episode.choice is None else episode.choice.index, num_steps=num_steps[row],
        )  # fmt: skip


def _right_choice(episode: Any) -> int:
    """-1 where there are no few choices, but a place or a number of deeds."""
    from embodied_mem.envs.mujoco.tabletop.task import Choice

    task, layout, hidden = episode.task, episode.layout, episode.hidden
    choices = range(task.facts.num_choices)
    return next((index for index in choices if task.is_right(Choice(index=index), layout, hidden)), -1)


def _observation(policy: MemoryPolicy, seen: Sequence[Any], rows: Sequence[int]) -> Observation:
    return Observation(
        stamp_ns=np.array([seen[row][1]["stamp_ns"] for row in rows], dtype=np.int64),
        images={policy.config.camera: np.stack([seen[row][0]["rgb"] for row in rows])},
        proprio=np.stack([seen[row][0]["proprio"] for row in rows]), slots=np.array(rows, dtype=np.int64),
    )  # fmt: skip


def _waits(row: int, envs: Sequence[Any], is_swapped: dict[int, bool]) -> bool:
    """Whether an episode has come to its choice while its neighbour has not."""
    other = row ^ 1
    if other >= len(envs) or is_swapped.get(row // 2):
        return False
    return bool(envs[row].unwrapped.episode.phase == "choice")


def _exchange(policy: MemoryPolicy, envs: Sequence[Any], is_swapped: dict[int, bool]) -> None:
    """Swap the memories of every pair that has come to the choice."""
    for pair in range(len(envs) // 2):
        rows = (2 * pair, 2 * pair + 1)
        if not is_swapped.get(pair) and all(envs[row].unwrapped.episode.phase == "choice" for row in rows):
            policy.memory.exchange(*rows)
            is_swapped[pair] = True
