"""The demo in one process, without ROS: the same episode, questions and grading."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from embodied_mem.benchmarks.demo.asking import ask_all
from embodied_mem.benchmarks.demo.outcome import Outcome
from embodied_mem.benchmarks.demo.questions import demo_questions
from embodied_mem.benchmarks.demo.truth import scene_from_log
from embodied_mem.benchmarks.episode import run_episode

if TYPE_CHECKING:
    from embodied_mem.benchmarks.run_configs import EpisodeConfig


def run_demo(config: EpisodeConfig, folder: Path, on_progress: Callable[[str], None]) -> Outcome:
    """One episode into a memory under `folder`, then the questions."""
    from embodied_mem.robot_memory import RobotMemory

    start_s = time.perf_counter()
    log_path, memory_path = folder / "simulator.jsonl", folder / "memory"
    with RobotMemory.open(memory_path, config.memory) as memory:
        episode = run_episode(
            config,
            memory,
            log_path=log_path,
            on_step=lambda step, phase: on_progress(f"{phase}, step {step}"),
        )
        on_progress("asking")
        graded = ask_all(demo_questions(scene_from_log(log_path)), memory.recall)
        memory.save()
    return Outcome(
        graded=graded,
        memory_path=memory_path,
        log_path=log_path,
        path_world=episode.path_world,
        wall_s=time.perf_counter() - start_s,
        figures={"steps": episode.num_steps, "frames": episode.num_frames, "observe_ms": episode.observe_ms},
    )
