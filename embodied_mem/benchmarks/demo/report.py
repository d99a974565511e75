"""The demo's result.json and report.html."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embodied_mem.benchmarks.demo.asking import GradedQuestion, demo_rows
from embodied_mem.benchmarks.demo.asking import max_error_m as largest_error_m
from embodied_mem.benchmarks.demo.outcome import Outcome
from embodied_mem.benchmarks.page import write_page
from embodied_mem.benchmarks.results import BenchmarkResult, write_json
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.viz.maps import top_down_map
from embodied_mem.viz.report import Picture, Section, Table
from embodied_mem.viz.views import overview

FURNITURE_M = 0.6
"""What is larger shows as map and needs no label."""


@dataclass(frozen=True, kw_only=True)
class DemoReport:
    """A finished demo, and where its files are."""

    graded: tuple[GradedQuestion, ...]
    result: BenchmarkResult
    seed: int
    json_path: Path
    html_path: Path

    @property
    def is_all_right(self) -> bool:
        return bool(self.graded) and all(one.verdict.is_right for one in self.graded)

    @property
    def max_error_m(self) -> float:
        return largest_error_m(self.graded)


def write_demo(outcome: Outcome, folder: Path, *, config: Mapping[str, Any], seed: int) -> DemoReport:
    """Write result.json and report.html into `folder`."""
    rows = demo_rows(outcome.graded, outcome.wall_s, outcome.figures)
    questions = [one.as_json() for one in outcome.graded]
    result = BenchmarkResult(
        name="demo", rows=rows, config=config, seeds=[seed], extra={"questions": questions},
        sections=_sections(outcome),
    )  # fmt: skip
    return DemoReport(
        graded=outcome.graded,
        result=result,
        seed=seed,
        json_path=write_json(result, folder / "result.json"),
        html_path=write_page(result, folder / "report.html"),
    )


def _sections(outcome: Outcome) -> list[Section]:
    # From the saved memory, as anybody could draw it afterwards.
    with RobotMemory.open(outcome.memory_path) as memory:
        changes = memory.changes().value or ()
        snapshot, entities = memory.map_snapshot(), memory.entities()
        things = [entity for entity in entities if max(entity.placement.box.size) < FURNITURE_M]
        plan = top_down_map(snapshot, things, path_world=outcome.path_world, moves=changes)
        view = overview(snapshot)
        moves = [
            (change.kind, f"{change.entity_id} {change.label}", _place(change.before), _place(change.after),
             f"{change.after_ns / 1e9:.1f} to {change.before_ns / 1e9:.1f}")
            for change in changes
        ]  # fmt: skip
    asked = [
        (one.question.text, one.verdict.said, one.verdict.truth, one.verdict.error_m, one.took_ms,
         one.verdict.is_right)
        for one in outcome.graded
    ]  # fmt: skip
    return [
        Table(
            title="Questions and answers", rows=asked,
            columns=("question", "answer", "truth", "error (m)", "ms", "right"),
        ),
        Picture(
            title="The home, as remembered", image=plan,
            caption="The map from above, things, the robot's path, and what moved or went.",
        ),
        Picture(title="", image=view, caption="The map's Gaussians, ceilings left out."),
        Table(title="What changed", columns=("kind", "thing", "from", "to", "between (s)"), rows=moves),
    ]  # fmt: skip


def _place(placement: Any) -> str:
    return "" if placement is None else "({:.2f}, {:.2f}, {:.2f})".format(*placement.position_world_m)
