"""Memory Maze itself, where it is installed: its env keeps the contract and its truth agrees with the pictures."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from embodied_mem.envs.memory_maze import FORWARD, LEFT, MemoryMazeEnv
from embodied_mem.envs.sources import FrameSource
from embodied_mem.errors import ConfigError, MissingExtra

IS_INSTALLED = importlib.util.find_spec("memory_maze") is not None
needs_the_maze = pytest.mark.skipif(
    not IS_INSTALLED, reason="memory-maze is not installed; docs/tasks.md says how"
)


@pytest.fixture
def env() -> Iterator[MemoryMazeEnv]:
    env = MemoryMazeEnv(render_mode="rgb_array")
    yield env
    env.close()


@pytest.mark.skipif(IS_INSTALLED, reason="memory-maze is installed")
def test_without_the_maze_the_error_says_where_to_read_how_to_get_it() -> None:
    with pytest.raises(MissingExtra, match=r"docs/tasks\.md"):
        MemoryMazeEnv()


def test_a_size_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean '9x9'"):
        MemoryMazeEnv("9x8")


@needs_the_maze
def test_the_environment_keeps_gymnasiums_contract(env: MemoryMazeEnv) -> None:
    check_env(env)


@needs_the_maze
def test_a_seed_makes_one_maze(env: MemoryMazeEnv) -> None:
    first = [env.reset(seed=4)[0], *(env.step(action)[0] for action in (FORWARD, LEFT, FORWARD))]
    again = [env.reset(seed=4)[0], *(env.step(action)[0] for action in (FORWARD, LEFT, FORWARD))]
    for one, other in zip(first, again, strict=True):
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


@needs_the_maze
def test_balls_in_the_picture_lie_where_the_maze_says_that_they_are(env: MemoryMazeEnv) -> None:
    source, num_seen = FrameSource(env, env.layout()), 0
    frame = source.reset(seed=0)
    for step in range(30):
        for number in set(np.unique(frame.segmentation).tolist()) - {0}:
            v, u = np.nonzero((frame.segmentation == number) & (frame.depth_m > 0.0))
            z = frame.depth_m[v, u].astype(float)
            camera, T = frame.camera, frame.T_world_camera
            points = np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], axis=1)
            x, y, height = np.median(points @ T[:3, :3].T + T[:3, 3], axis=0).tolist()
            away = env.from_agent((x, y, height)) - source.observation["targets_vec"][number - 1]
            assert np.linalg.norm(away) < 0.35  # of a cell of two metres: a ball's radius is 0.3
            num_seen += 1
        frame = source.step(LEFT if step % 4 else FORWARD)[0]
    assert num_seen > 5
