"""`embodied-mem replay`: recorded RGB-D into a memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embodied_mem.cli import output

if TYPE_CHECKING:
    from embodied_mem.benchmarks.run_configs import ReplayConfig

EPILOG = """\b
Examples:
  embodied-mem replay recordings/kitchen.mcap
  embodied-mem replay datasets/7scenes/chess/seq-01 out=outputs/chess
  embodied-mem replay recordings/kitchen memory.occupancy.cell_m=0.05
"""


@click.command("replay", epilog=EPILOG)
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@output.overrides_argument
@output.show_config_option
@output.json_option
def command(path: Path, overrides: tuple[str, ...], show_config: bool, as_json: bool) -> None:
    """Feed the recording at PATH (rosbag2 MCAP or sqlite3, 7-Scenes or TUM RGB-D folder) to a memory."""
    from embodied_mem.benchmarks.run_configs import ReplayConfig
    from embodied_mem.cli import compose

    config = compose.load(ReplayConfig, "replay", overrides)
    if show_config:
        output.show_config(config)
        return
    result = _run(path, config)
    output.print_result(result, as_json, lambda: _show(result))


def _run(path: Path, config: ReplayConfig) -> dict[str, Any]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from embodied_mem.replay.session import replay, write_replay_report
    from embodied_mem.robot_memory import RobotMemory

    out = Path(config.out)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with RobotMemory.open(out / "memory", config.memory) as memory:
        memory.reset()  # the memory of this recording alone, whatever an earlier replay left there
        with Progress(*columns, console=output.console()) as bar:
            task = bar.add_task("replay", total=None)
            report = replay(path, memory, lambda done, total: bar.update(task, completed=done, total=total))
        memory.save()
        page = write_replay_report(out / "report.html", memory, report)
        return {
            "recording": report.recording,
            "frames": report.num_frames,
            "skipped": dict(report.skipped),
            "examples": report.examples,
            "gaussians": len(memory.map_snapshot()),
            "entities": len(memory.entities()),
            "memory": str(out / "memory"),
            "report": str(page),
        }


def _show(result: dict[str, Any]) -> None:
    console = output.console(stderr=False)
    console.print(result["recording"])
    console.print(
        f"{result['frames']} frames observed, {sum(result['skipped'].values())} left out; "
        f"{result['gaussians']} Gaussians, {result['entities']} things"
    )
    for cause, example in result["examples"].items():
        console.print(f"  left out, {cause} ({result['skipped'][cause]}): {example}")
    console.print(f"memory: {result['memory']}\nreport: {result['report']}")
