"""Our policy on the tabletop memory tasks: demonstrations by the scripted expert, how episodes begin and end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import Any

import numpy as np
from jaxtyping import Float32

from embodied_mem.benchmarks.policy.workplaces import DEMO_DELAYS, Seen
from embodied_mem.policy.training_set import Demonstration

CAMERA = "front"
IMAGE_PX = (128, 128)
WATCHED = {"ShellGameSwap": "cup{hidden}"}
"""What is to be watched while there is nothing to do: a prop's name, with the hidden variable in it."""


def make_env(task: str, **options: Any) -> Any:
    """A tabletop task with one small colour camera and nothing else rendered."""
    import gymnasium

    import embodied_mem.envs  # noqa: F401  # registers the tasks

    chosen = {
        "image_size": IMAGE_PX,
        "cameras": (CAMERA,),
        "obs_modes": ("rgb",),
        "delay": 2,
        **options,
    }
    return gymnasium.make(f"EmbodiedMem/{task}-v0", disable_env_checker=True, **chosen)


def demonstrate(
    task: str, seeds: Sequence[int], on_episode: Callable[[int], None] = lambda _: None
) -> list[Demonstration]:
    """The scripted expert's episodes, those that it solves."""
    with ExitStack() as stack:
        envs = [stack.enter_context(closing(make_env(task, delay=delay))) for delay in DEMO_DELAYS]
        found = []
        for number, seed in enumerate(seeds):
            found.append(_demonstration(task, envs[number % len(envs)], seed))
            on_episode(number + 1)
    return [one for one in found if one is not None]


def _demonstration(task: str, env: Any, seed: int) -> Demonstration | None:
    """An episode by the expert; None where it fails."""
    from embodied_mem.envs.mujoco.tabletop.expert import ScriptedExpert

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
    if not info["success"]:
        return None
    images, proprio, actions, times, is_acting, is_before, places = zip(*steps, strict=True)
    return Demonstration(
        images=np.stack(images), proprio=np.stack(proprio), actions=np.stack(actions).astype(np.float32),
        seconds=np.array(times), is_acting=np.array(is_acting), num_before=sum(is_before), hidden=episode.hidden.index,
        places=np.stack(places),
    )  # fmt: skip


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


def begin(envs: Sequence[Any], seeds: Sequence[int], *, in_pairs: bool) -> list[Seen]:
    """Episodes of these seeds. Neighbours are asked the same whatever the seeds are."""
    return [env.reset(seed=seed) for env, seed in zip(envs, seeds, strict=True)]


def is_choosing(env: Any) -> bool:
    """Whether the gate is open and the choice is to be made."""
    return bool(env.unwrapped.episode.phase == "choice")


def choices(env: Any, last_action: Any) -> tuple[int, int]:
    """The right choice, and the one that was made."""
    episode = env.unwrapped.episode
    return _right_choice(episode), -1 if episode.choice is None else episode.choice.index


def _right_choice(episode: Any) -> int:
    """-1 where there are no few choices, but a place or a number of deeds."""
    from embodied_mem.envs.mujoco.tabletop.task import Choice

    task, layout, hidden = episode.task, episode.layout, episode.hidden
    choices = range(task.facts.num_choices)
    return next((index for index in choices if task.is_right(Choice(index=index), layout, hidden)), -1)
