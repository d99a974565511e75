"""A recording into a memory: its frames observed, the memory saved, and a report with pictures written."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from embodied_mem.errors import EmbodiedMemError
from embodied_mem.layers.occupancy import MapSnapshot
from embodied_mem.replay.opening import open_recording
from embodied_mem.replay.recording import Recording, Skipped
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.viz.maps import top_down_map
from embodied_mem.viz.report import Cell, KeyFigures, Picture, Section, Table, write_report
from embodied_mem.viz.views import overview

Progress = Callable[[int, int], None]
"""Called with how many frames are done, and how many there are."""


@dataclass(kw_only=True)
class ReplayReport:
    """What a replay did. `skipped` counts causes, `examples` holds one whole message for each of them."""

    recording: str
    num_frames: int = 0
    num_in_recording: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    observe_ms: list[float] = field(default_factory=list)
    path_world_m: list[tuple[float, float, float]] = field(default_factory=list)
    first_ns: int = 0
    last_ns: int = 0

    def skip(self, skipped: Skipped) -> None:
        """Count a frame that could not be used."""
        self.skipped[skipped.cause] += 1
        self.examples.setdefault(skipped.cause, f"{skipped.source}: {skipped.error}")


def replay(
    path: str | Path | Recording, memory: RobotMemory, progress: Progress = lambda done, total: None
) -> ReplayReport:
    """Feed every frame of the recording at `path` to `memory`. Frames that cannot be used are counted by cause.

    Raises:
        EmbodiedMemError: the recording as a whole cannot be read.
    """
    recording = path if isinstance(path, Recording) else open_recording(path)
    report = ReplayReport(recording=recording.description, num_in_recording=len(recording))
    for frame in recording.frames(report.skip):
        started_s = time.process_time()
        try:
            memory.observe(frame)
        except EmbodiedMemError as error:
            report.skip(Skipped(source=f"frame of {frame.stamp_ns} ns", error=error))
        else:
            report.observe_ms.append((time.process_time() - started_s) * 1e3)
            x, y, z = frame.T_world_camera[:3, 3].tolist()
            report.path_world_m.append((x, y, z))
            report.first_ns = report.first_ns or frame.stamp_ns
            report.last_ns = frame.stamp_ns
            report.num_frames += 1
        progress(report.num_frames + report.skipped.total(), report.num_in_recording)
    return report


def write_replay_report(path: str | Path, memory: RobotMemory, report: ReplayReport) -> Path:
    """The replay as one HTML page: figures, a plan, a 3D view, what was found and what was left out."""
    snapshot, entities = memory.map_snapshot(), memory.entities()
    moves = memory.changes().value or ()
    sections: list[Section] = [
        KeyFigures(figures=_figures(report, snapshot, len(entities))),
        Picture(
            title="From above",
            image=top_down_map(
                snapshot, entities, path_world=np.array(report.path_world_m).reshape(-1, 3),
                moves=[change for change in moves if change.kind == "move"],
            ),
            caption="Highest surface below head room in its own colour; the line is the camera's path.",
        ),
        Picture(title="In 3D", image=overview(snapshot), caption="The map's Gaussians, ceiling left out."),
    ]  # fmt: skip
    if entities:
        rows: list[list[Cell]] = [
            [
                e.entity_id,
                e.label,
                e.color,
                *(round(v, 2) for v in e.placement.position_world_m),
                e.num_views,
                e.is_present,
            ]
            for e in entities
        ]
        columns = ["id", "what", "colour", "x [m]", "y [m]", "z [m]", "views", "there"]
        sections.append(Table(title="Things", columns=columns, rows=rows))
    if report.skipped:
        left_out: list[list[Cell]] = [
            [cause, n, report.examples[cause]] for cause, n in report.skipped.most_common()
        ]
        sections.append(Table(title="Frames left out", columns=["cause", "frames", "example"], rows=left_out))
    return write_report(path, "Replay", sections, subtitle=report.recording)


def _figures(report: ReplayReport, snapshot: MapSnapshot, num_entities: int) -> list[tuple[str, str, str]]:
    seconds = (report.last_ns - report.first_ns) / 1e9
    cost = f"{np.median(report.observe_ms):.1f} ms" if report.observe_ms else "–"
    return [
        ("frames", f"{report.num_frames:,}", f"of {report.num_in_recording:,}, {seconds:.0f} s"),
        ("left out", f"{report.skipped.total():,}", ""),
        ("CPU a frame", cost, "median of observe()"),
        ("Gaussians", f"{len(snapshot):,}", f"cells of {snapshot.cell_m * 100:.0f} cm"),
        ("things", f"{num_entities:,}", ""),
    ]
