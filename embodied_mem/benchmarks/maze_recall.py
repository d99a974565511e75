"""`embodied-mem bench maze`: Memory Maze's object recall, live. A robot wanders through mazes and sees coloured balls; after
every step each memory says where every ball is, seen from the robot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from embodied_mem.benchmarks.evaluators import memory_maze
from embodied_mem.benchmarks.results import BenchmarkResult, Row
from embodied_mem.benchmarks.suite.play_out import make_memory
from embodied_mem.benchmarks.suite.protocol import TaskMemory
from embodied_mem.benchmarks.suite.seeing import MIN_PIXELS
from embodied_mem.benchmarks.suite.settings import parse_settings
from embodied_mem.benchmarks.words import read_pair
from embodied_mem.envs.memory_maze import FORWARD, LEFT, RIGHT, STEP_NS, MemoryMazeEnv
from embodied_mem.envs.sources import FrameSource
from embodied_mem.messages import Frame

WORDS = ("memory", "seeds")
DEFAULTS = ("memory=none,frame_stack,last_seen,append_only,ours", "seeds=0:3")
NUM_STEPS, QUICK_STEPS = 1000, 200
"""A 9x9 maze ends after a thousand."""
CLEAR_M, TURN_CHANCE, LONGEST_TURN = 1.3, 0.08, 6
UNITS = {"error_cells": "cells", "right": "of objects", "mse": "cells^2"}


@dataclass(frozen=True, kw_only=True)
class Recall:
    """What a memory said and what was true at each step (cells, seen from the agent), and what had been seen by then."""

    predicted: Float64[np.ndarray, "t n 2"]
    truth: Float64[np.ndarray, "t n 2"]
    was_seen: Bool[np.ndarray, "t n"]

    @property
    def is_scored(self) -> bool:
        """Whether any ball was seen: of a walk that saw none there is nothing to recall."""
        return bool(self.was_seen.any())

    def scores(self) -> dict[str, float]:
        """Of what was seen: the mean error and the share right to half a cell; and the published squared error of all."""
        strict = memory_maze.evaluate(self.predicted, self.truth, was_seen=self.was_seen)
        return {**strict, **memory_maze.evaluate(self.predicted, self.truth, "compat")}


class Wanderer:
    """Goes ahead while the way is clear, turns where it is not, and now and then for no reason."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng, self._num_turns, self._side = rng, 0, LEFT

    def act(self, frame: Frame) -> int:
        height, width = frame.depth_m.shape
        ahead = frame.depth_m[height // 3 : height // 2, width // 3 : -(width // 3)]
        is_blocked = bool((ahead[ahead > 0.0] < CLEAR_M).any())
        if self._num_turns == 0 and (is_blocked or self._rng.random() < TURN_CHANCE):
            self._num_turns = int(self._rng.integers(1, LONGEST_TURN + 1))
            self._side = LEFT if self._rng.random() < 0.5 else RIGHT
        if self._num_turns:
            self._num_turns -= 1
            return self._side
        return FORWARD


def recall_objects(
    env: Any, memories: Mapping[str, TaskMemory], *, seed: int, num_steps: int
) -> dict[str, Recall]:
    """One walk, watched by all the memories. `env` is a `MemoryMazeEnv`. What a memory does not know it puts where the agent is."""
    layout = env.layout()
    assert layout.label_of is not None, "a maze's balls have labels"
    labels = [layout.label_of[number] for number in sorted(layout.label_of)]
    source, walk = FrameSource(env, layout, period_ns=STEP_NS), Wanderer(np.random.default_rng(seed))
    frame, seen, truth, was_seen = source.reset(seed=seed), np.zeros(len(labels), dtype=bool), [], []
    said: dict[str, list[Float64[np.ndarray, "n 2"]]] = {name: [] for name in memories}
    for memory in memories.values():
        memory.reset()
    for _ in range(num_steps):
        frame, _, terminated, truncated, _ = source.step(walk.act(frame))
        assert frame.segmentation is not None, "the layout names ids"
        counts = np.bincount(frame.segmentation.ravel(), minlength=len(labels) + 1)[1:]
        seen |= counts >= MIN_PIXELS
        truth.append(source.observation["targets_vec"])
        was_seen.append(seen.copy())
        for name, memory in memories.items():
            memory.observe(frame)
            said[name].append(np.stack([_vector(env, memory, label) for label in labels]))
        if terminated or truncated:
            break
    return {
        name: Recall(predicted=np.stack(one), truth=np.stack(truth), was_seen=np.stack(was_seen))
        for name, one in said.items()
    }


def _vector(env: Any, memory: TaskMemory, label: str) -> Float64[np.ndarray, "2"]:
    found = memory.sightings(label)
    return np.asarray(env.from_agent(found[-1].position_m)) if found else np.zeros(2)


def run(words: Sequence[str], *, quick: bool, progress: Callable[[str], None]) -> BenchmarkResult:
    """`memory=...` and `seeds=...`; a walk of a thousand steps through a 9x9 maze for each seed, 200 when quick.

    Raises:
        UnknownConfigKey: other words.
        MissingExtra: memory-maze is not installed.
    """
    for word in words:
        read_pair(word, "maze", WORDS)
    settings = parse_settings([*DEFAULTS, *words])
    walks: list[dict[str, Recall]] = []
    num_steps = QUICK_STEPS if quick else NUM_STEPS
    env = MemoryMazeEnv()
    try:
        for seed in settings.seeds:
            progress(f"maze {seed}")
            memories = {name: make_memory(name) for name in settings.memory}
            walks.append(recall_objects(env, memories, seed=seed, num_steps=num_steps))
    finally:
        env.close()
    rows = rows_of(walks, settings.memory)
    config = {"memory": list(settings.memory), "size": "9x9", "quick": quick, "num_steps": num_steps}
    return BenchmarkResult(name="maze", rows=tuple(rows), config=config, seeds=settings.seeds)


def rows_of(walks: Sequence[Mapping[str, Recall]], memories: Sequence[str]) -> list[Row]:
    """The mean of every figure over the walks on which a ball was seen, and how many those are not."""
    scored = [walk for walk in walks if all(recall.is_scored for recall in walk.values())]
    rows = [Row(metric="maze.walks_without_a_ball", value=float(len(walks) - len(scored)), unit="walks")]
    for name in memories:
        scores = [walk[name].scores() for walk in scored]
        rows += [
            Row(metric=f"maze.{name}/{key}", value=float(np.mean([one[key] for one in scores])), unit=unit)
            for key, unit in UNITS.items()
            if scores
        ]
    return rows
