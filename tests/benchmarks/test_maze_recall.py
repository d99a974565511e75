"""What is asked of a memory in a maze, and how it is scored; the maze here is one ball on a wall."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embodied_mem.benchmarks.maze_recall import Wanderer, recall_objects, rows_of, run
from embodied_mem.benchmarks.suite.memories import AppendOnly, FrameStack, NoMemory
from embodied_mem.envs.memory_maze import FORWARD, LEFT, RIGHT
from embodied_mem.envs.sources import FrameSource, ObservationLayout
from embodied_mem.errors import UnknownConfigKey

PX, SHOWN_STEPS = 16, 3


class OneBall:
    """A ball three metres ahead of a robot that stays where it is, shown in the first few pictures; another is never seen."""

    def reset(self, *, seed: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        self._step = 0
        return self._seen(), {}

    def step(self, action: int) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        self._step += 1
        return self._seen(), 0.0, False, False, {}

    def layout(self) -> ObservationLayout:
        return ObservationLayout(
            rgb="rgb", depth="depth", pose="pose", intrinsics="K", ids="ids", label_of={1: "red ball", 2: "blue ball"}
        )  # fmt: skip

    def from_agent(self, position_world_m: tuple[float, float, float]) -> np.ndarray:
        return np.array(position_world_m[:2]) / 2.0

    def _seen(self) -> dict[str, Any]:
        ids = np.zeros((PX, PX), dtype=np.int32)
        ids[6:10, 6:10] = int(self._step <= SHOWN_STEPS)
        pose = np.eye(4)
        pose[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]  # looks along x
        middle = (PX - 1) / 2
        return {
            "rgb": np.full((PX, PX, 3), 120, np.uint8), "depth": np.full((PX, PX), 3.0, np.float32), "ids": ids, "pose": pose,
            "K": np.array([[8.0, 0.0, middle], [0.0, 8.0, middle], [0.0, 0.0, 1.0]]),
            "targets_vec": np.array([[1.5, 0.0], [4.0, 4.0]]),
        }  # fmt: skip


def test_a_list_recalls_the_ball_a_stack_of_frames_forgets_it_and_what_nobody_saw_is_not_asked() -> None:
    memories = {"list": AppendOnly(), "stack": FrameStack(), "none": NoMemory()}
    found = recall_objects(OneBall(), memories, seed=0, num_steps=10)
    scores = {name: recall.scores() for name, recall in found.items()}
    assert scores["list"]["right"] == 1.0
    assert scores["list"]["error_cells"] < 0.01
    assert scores["none"] == pytest.approx({"error_cells": 1.5, "right": 0.0, "mse": (1.5**2 + 2 * 16) / 4})
    assert scores["stack"]["right"] == pytest.approx(0.6)  # shown for three steps, kept for three more
    assert found["list"].was_seen.all(axis=0).tolist() == [True, False]


def test_a_walk_on_which_no_ball_was_seen_is_counted_and_not_scored() -> None:
    class NoBall(OneBall):
        def _seen(self) -> dict[str, Any]:
            seen = super()._seen()
            return {**seen, "ids": np.zeros_like(seen["ids"])}

    blind, seeing = (
        recall_objects(env, {"list": AppendOnly()}, seed=0, num_steps=4) for env in (NoBall(), OneBall())
    )
    rows = {row.metric: row.value for row in rows_of([blind, seeing], ["list"])}
    alone = {row.metric: row.value for row in rows_of([seeing], ["list"])}
    assert rows == {**alone, "maze.walks_without_a_ball": 1.0}
    assert [(row.metric, row.value) for row in rows_of([blind], ["list"])] == [
        ("maze.walks_without_a_ball", 1.0)
    ]


def test_a_wanderer_goes_ahead_where_it_can_and_turns_before_a_wall() -> None:
    source = FrameSource(OneBall(), OneBall().layout())
    clear, walk = source.reset(), Wanderer(np.random.default_rng(0))
    actions = [walk.act(clear) for _ in range(200)]
    assert actions.count(FORWARD) > 100
    assert {LEFT, RIGHT} < set(actions)
    near = type(clear)(
        stamp_ns=1, camera=clear.camera, T_world_camera=clear.T_world_camera, depth_m=clear.depth_m / 4
    )
    assert FORWARD not in [walk.act(near) for _ in range(20)]


def test_words_that_it_does_not_take_are_refused() -> None:
    with pytest.raises(UnknownConfigKey, match="Did you mean 'memory'"):
        run(["memori=ours"], quick=True, progress=lambda doing: None)
