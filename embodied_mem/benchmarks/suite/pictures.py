"""A strip of pictures of every task, as docs/tasks.md shows them: `python -m embodied_mem.benchmarks.suite.pictures`.

The last picture, of the arm, needs the extra `panda`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from embodied_mem.envs import task_id
from embodied_mem.envs.mujoco.mobile import HOME_TASK_NAMES
from embodied_mem.envs.mujoco.tabletop import TASK_NAMES
from embodied_mem.envs.mujoco.tabletop.expert import ScriptedExpert

SEED, SIZE_PX = 3, (144, 160)
MOST_PICTURES = 6
FOLDER = Path("docs/pictures/tasks")


def strip_of(task: str, **options: Any) -> UInt8[np.ndarray, "h w 3"]:
    """Some views of the expert's episode, the first and the last among them. `options` are the env's."""
    views = list(_table_views(task, options) if task in TASK_NAMES else _mobile_views(task, options))
    chosen = np.unique(np.linspace(0, len(views) - 1, min(MOST_PICTURES, len(views))).round().astype(int))
    return np.concatenate([views[i] for i in chosen], axis=1)


def _table_views(task: str, options: dict[str, Any]) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    env = _make(task, options)
    observation, _ = env.reset(seed=SEED)
    expert = ScriptedExpert(env.episode)
    yield from _played(env, observation, expert.act)


def _mobile_views(task: str, options: dict[str, Any]) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    env = _make(task, options)
    observation, _ = env.reset(seed=SEED)
    yield from _played(env, observation, env.expert_action)


def _make(task: str, options: dict[str, Any]) -> Any:
    return gymnasium.make(task_id(task), image_size=SIZE_PX, obs_modes=("rgb",), **options).unwrapped


def _played(env: Any, observation: Any, act: Callable[[], Any]) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    yield observation["rgb"]
    is_over = False
    while not is_over:
        observation, _, terminated, truncated, _ = env.step(act())
        yield observation["rgb"]
        is_over = terminated or truncated
    env.close()


def in_few_colours(picture: UInt8[np.ndarray, "h w 3"]) -> Image.Image:
    """A picture with a palette. Median cut, Pillow's default, would merge the few pixels of a coloured block with the table."""
    return Image.fromarray(picture).quantize(96, method=Image.Quantize.MAXCOVERAGE)


def write_pictures(folder: Path) -> None:
    """One PNG a task, and one of the arm."""
    folder.mkdir(parents=True, exist_ok=True)
    for task in (*TASK_NAMES, *HOME_TASK_NAMES):
        in_few_colours(strip_of(task)).save(folder / f"{task}.png", optimize=True)
    with_arm = strip_of("PutBlockBack", robot="panda", cameras=("side",))
    in_few_colours(with_arm).save(folder / "panda.png", optimize=True)


if __name__ == "__main__":
    write_pictures(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
