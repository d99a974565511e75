"""Our policy on the tabletop memory tasks: demonstrations by the scripted expert, how episodes begin and end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float32

from embodied_mem.benchmarks.policy.expert_episodes import NOWHERE, Shown, envs_in_turn, recorded
from embodied_mem.benchmarks.policy.workplaces import Seen
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
    found = []
    with envs_in_turn(partial(make_env, task)) as envs:
        for number, seed in enumerate(seeds):
            found.append(_demonstration(task, envs[number % len(envs)], seed))
            on_episode(number + 1)
    return [one for one in found if one is not None]


def _demonstration(task: str, env: Any, seed: int) -> Demonstration | None:
    """An episode by the expert; None where it fails."""
    from embodied_mem.envs.mujoco.tabletop.expert import ScriptedExpert

    seen = env.reset(seed=seed)
    episode = env.unwrapped.episode
    expert = ScriptedExpert(episode)

    def show(observation: Any) -> Shown:
        action = expert.act()
        return Shown(action, action, episode.phase, _place(task, episode, observation, action))

    return recorded(env, seen, show, hidden=episode.hidden.index)


def _place(task: str, episode: Any, observation: Any, action: np.ndarray) -> Float32[np.ndarray, "2"]:
    """Where in the picture the expert acts, or what it watches stands: column and row as parts of the picture (NaN: nowhere)."""
    from embodied_mem.envs.mujoco.tabletop.expert import REST, key_pose_action
    from embodied_mem.envs.mujoco.tabletop.world import HIGH_M, LOW_M

    at = LOW_M + (np.asarray(action[:3], dtype=np.float64) + 1.0) / 2.0 * (HIGH_M - LOW_M)
    if np.array_equal(action, key_pose_action(REST)):
        if task not in WATCHED or episode.phase != "cue":
            return NOWHERE
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
