"""`embodied-mem demo`: a household episode on real ROS 2 nodes, its answers checked against the simulator's truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from embodied_mem.cli import output

if TYPE_CHECKING:
    from embodied_mem.benchmarks.demo.report import DemoReport
    from embodied_mem.benchmarks.run_configs import EpisodeConfig

EPILOG = """\b
Examples:
  embodied-mem demo
  embodied-mem demo seed=7 --json
  embodied-mem demo --local seed=3
  embodied-mem demo --local -m seed=range(0,10)
\b
Writes result.json, report.html, memory/ and the logs of the processes under `out` (outputs/demo).
"""


@click.command("demo", epilog=EPILOG)
@output.overrides_argument
@click.option(
    "--local", is_flag=True, help="One process without ROS: the same episode, questions and grading."
)
@output.multirun_option
@output.show_config_option
@output.json_option
@click.pass_context
def command(
    ctx: click.Context,
    overrides: tuple[str, ...],
    local: bool,
    multirun: bool,
    show_config: bool,
    as_json: bool,
) -> None:
    """A robot explores a home and leaves; something is moved and something removed; it returns and is asked.

    Exits with 1 when an answer is wrong or a position is off by 10 cm or more.
    """
    from embodied_mem.benchmarks.run_configs import EpisodeConfig
    from embodied_mem.cli import compose

    configs = compose.load_runs(EpisodeConfig, "demo", overrides, multirun=multirun)
    if show_config:
        for config in configs:
            output.show_config(config)
        return
    reports = [_run(config, local=local, as_json=as_json) for config in configs]
    if as_json:
        results = [report.result.as_json() for report in reports]
        output.print_json(results if multirun else results[0])
    ctx.exit(0 if all(report.is_all_right for report in reports) else 1)


def _run(config: EpisodeConfig, *, local: bool, as_json: bool) -> DemoReport:
    from embodied_mem.benchmarks.demo.report import write_demo
    from embodied_mem.cli.compose import as_mapping
    from embodied_mem.cli.episode import fresh_folder

    folder = fresh_folder(Path(config.out))
    console = output.console()
    with console.status("starting") as status:
        if local:
            from embodied_mem.benchmarks.demo.local import run_demo
        else:
            from embodied_mem.benchmarks.demo.processes import run_demo
        outcome = run_demo(config, folder, on_progress=status.update)
        status.update("drawing the report")
        report = write_demo(outcome, folder, config=as_mapping(config), seed=config.seed)
    if not as_json:
        show(report)
    console.print(f"wrote {report.json_path} and {report.html_path}")
    return report


def show(report: DemoReport) -> None:
    """The table of questions, and the verdict, on stdout."""
    columns = ("question", "answer", "truth", ">error", ">ms", "")
    rows = [
        (
            one.question.text, one.verdict.said, one.verdict.truth,
            "" if one.verdict.error_m is None else f"{one.verdict.error_m * 100:.1f} cm",
            f"{one.took_ms:.1f}", "[green]right[/]" if one.verdict.is_right else "[bold red]WRONG[/]",
        )
        for one in report.graded
    ]  # fmt: skip
    console = output.console(stderr=False)
    console.print(output.table(f"demo, seed {report.seed}", columns, rows))
    right = sum(one.verdict.is_right for one in report.graded)
    console.print(
        f"{right} of {len(rows)} answers right, largest position error {report.max_error_m * 100:.1f} cm"
    )
