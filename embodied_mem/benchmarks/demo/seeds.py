"""The demo's answers over many homes, without ROS: what one lucky seed cannot show."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embodied_mem.benchmarks.demo.asking import GradedQuestion, fraction_right, max_error_m
from embodied_mem.benchmarks.demo.local import run_demo
from embodied_mem.benchmarks.results import Goal, Row, measured
from embodied_mem.benchmarks.run_configs import EnvChoice, EpisodeConfig, PolicyChoice
from embodied_mem.envs import HOUSEHOLD_ID
from embodied_mem.envs.mujoco.config import HouseholdConfig

Graded = dict[int, tuple[GradedQuestion, ...]]
"""The graded questions of each seed's home."""


def demo_config(seed: int, *, observe_every: int = 1, **options: Any) -> EpisodeConfig:
    """The demo's episode with environment options changed; configs/demo.yaml says the same for the command line."""
    env = EnvChoice(id=HOUSEHOLD_ID, options=HouseholdConfig(script="demo", **options))
    return EpisodeConfig(env=env, policy=PolicyChoice(name="tour"), seed=seed, observe_every=observe_every)


def graded_demo(config: EpisodeConfig) -> tuple[GradedQuestion, ...]:
    """The graded questions of one demo in a folder that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="embodied-mem-") as folder:
        return run_demo(dataclasses.replace(config, out=folder), Path(folder), lambda _: None).graded


@dataclass(frozen=True, kw_only=True)
class SeedRun:
    """The demo over some homes: how right its answers are, and every wrong one in full."""

    rows: tuple[Row, ...]
    wrong: tuple[dict[str, Any], ...]
    graded: Graded


def run_seeds(
    goals: dict[str, Goal],
    prefix: str,
    seeds: Sequence[int],
    progress: Callable[[str], None],
    *,
    observe_every: int = 1,
) -> SeedRun:
    """How many answers are right over `seeds`, and the largest position error among them."""
    by_seed = _graded_by_seed([demo_config(seed, observe_every=observe_every) for seed in seeds], progress)
    graded = _all_of(by_seed)
    rows = (
        measured(goals, f"{prefix}.answers.right", fraction_right(graded)),
        measured(goals, f"{prefix}.position_error.max_m", max_error_m(graded), "m"),
        measured(goals, f"{prefix}/questions", len(graded)),
    )
    wrong = tuple(
        {"seed": seed, **one.as_json()}
        for seed, of_seed in by_seed.items()
        for one in of_seed
        if not one.verdict.is_right
    )
    return SeedRun(rows=rows, wrong=wrong, graded=by_seed)


def identity_row(goals: dict[str, Goal], shuffled: Graded, progress: Callable[[str], None]) -> Row:
    """How much better the same homes are answered when the simulator keeps its instance ids than `shuffled`, where it
    draws them anew: nothing, if identity is the memory's.
    """
    constant = _graded_by_seed([demo_config(seed, instance_ids="constant") for seed in shuffled], progress)
    difference = fraction_right(_all_of(constant)) - fraction_right(_all_of(shuffled))
    return measured(goals, "ids.constant_minus_shuffled", difference)


def _graded_by_seed(configs: Sequence[EpisodeConfig], progress: Callable[[str], None]) -> Graded:
    """One demo for each config, as many at a time as there are cores, in processes of their own."""
    found: dict[int, tuple[GradedQuestion, ...]] = {}
    workers = min(len(configs), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(graded_demo, config): config.seed for config in configs}
        for done in as_completed(running):
            found[running[done]] = done.result()
            progress(f"demo: {len(found)} of {len(configs)} homes")
    return {config.seed: found[config.seed] for config in configs}


def _all_of(graded: Graded) -> list[GradedQuestion]:
    return [one for of_seed in graded.values() for one in of_seed]
