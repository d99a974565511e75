"""`embodied-mem bench`: measure, write the result's JSON and page, compare with the goals."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from embodied_mem.cli import output

if TYPE_CHECKING:
    from embodied_mem.benchmarks.results import BenchmarkResult, Row

BENCHMARKS = {
    "occupancy": "embodied_mem.benchmarks.occupancy.run:run",
    "policy": "embodied_mem.benchmarks.policy.run:run",
    "spine": "embodied_mem.benchmarks.spine:run",
    "world": "embodied_mem.benchmarks.world.bench:run",
    "world-scale": "embodied_mem.benchmarks.world.parts:run_scale",
}
"""Each takes `quick` and a function that is told what is being measured, and returns a BenchmarkResult, or yields
several, each with more than the one before; NAME.partial.json holds the last of them until the run is complete.
"""
WITH_WORDS = {
    "compare": "embodied_mem.benchmarks.suite.compare:run",
    "demos": "embodied_mem.benchmarks.suite.demo_bench:run",
    "maze": "embodied_mem.benchmarks.maze_recall:run",
    "policy-tasks": "embodied_mem.benchmarks.policy.memory_tasks:run",
    "score": "embodied_mem.benchmarks.evaluators.score:run",
    "suite": "embodied_mem.benchmarks.suite.run:run",
}
"""These take the words after NAME, too."""

EPILOG = """\b
Examples:
  embodied-mem bench spine --quick
  embodied-mem bench spine --check --out outputs/bench
  embodied-mem bench spine --quick --json | jq '.rows[] | {metric, value, ok}'
  embodied-mem bench suite task=PutBlockBack,CountBlinks memory=none,ours delay=2,8 seeds=0:50
  embodied-mem bench suite policy=expert seeds=0:100 out=outputs/bench/experts
  embodied-mem bench suite memory=my_package.my_module:MyMemory
  embodied-mem bench compare outputs/bench/suite.json@last_seen outputs/bench/suite.json@ours
  embodied-mem bench score benchmark=ost predictions=answers.json mode=compat
  embodied-mem bench demos task=PutBlockBack seeds=0:200 out=outputs/demos/put_block_back
  embodied-mem bench policy-tasks scores=docs/results/policy-tasks.jsonl measure=false --markdown scores.md

\b
suite: every combination of task (a name, table or home), policy (skills, expert, random, a checkpoint.pt of
`embodied-mem train`, or module:attribute), memory (none, frame_stack, last_seen, append_only,
emem, ours, ours_history, ours_now or module:attribute), delay, interference, noise and seeds; strict=false for the published rules;
processes=2. Called again after a kill it goes on. compare: two results, each a file or file@memory.
maze: memory=... and seeds=...; object recall in Memory Maze, where memory-maze is installed.
policy-tasks: task=..., seeds=...; scores=FILE is gone on with: what it has is shown, the rest is measured (many hours)
unless measure=false.
"""


@click.command("bench", epilog=EPILOG)
@click.argument("name", type=click.Choice(sorted((*BENCHMARKS, *WITH_WORDS))))
@click.argument("words", nargs=-1, metavar="[KEY=VALUE | RESULT]...")
@click.option("--quick", is_flag=True, help="A faithful smaller run of under a minute.")
@click.option("--check", is_flag=True, help="Exit with 1 when a row misses its goal.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("outputs/bench"), show_default=True,
    help="The folder for NAME.json and NAME.html.",
)  # fmt: skip
@click.option(
    "--markdown", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write the page as Markdown, too, with its pictures beside it.",
)  # fmt: skip
@output.json_option
@click.pass_context
def command(
    ctx: click.Context, name: str, words: tuple[str, ...], quick: bool, check: bool, out: Path, markdown: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Run the benchmark NAME."""
    if words and name not in WITH_WORDS:
        raise click.UsageError(
            f"bench {name} takes no further words, but was given {' '.join(words)!r}.", ctx
        )
    from embodied_mem.benchmarks.page import write_markdown_page, write_page
    from embodied_mem.benchmarks.results import BenchmarkResult, write_json

    console, json_path, partial_path = output.console(), out / f"{name}.json", out / f"{name}.partial.json"
    with output.progress(console, f"bench {name}") as progress:
        run = partial(_runner(name), words) if name in WITH_WORDS else _runner(name)
        found = run(quick=quick, progress=progress)
        for result in [found] if isinstance(found, BenchmarkResult) else found:
            write_json(result, partial_path)  # what comes after may be killed
    partial_path.replace(json_path)
    written = [json_path, write_page(result, out / f"{name}.html")]
    if markdown is not None:
        written.append(write_markdown_page(result, markdown))
    output.print_result(result.as_json(), as_json, lambda: show_rows(result))
    console.print(f"wrote {', '.join(map(str, written))}")
    if check and result.misses:
        console.print(f"{len(result.misses)} of {len(result.rows)} rows miss their goal", style="red")
        ctx.exit(1)


def show_rows(result: BenchmarkResult) -> None:
    """The rows as a table on stdout."""
    columns = ("metric", ">value", "unit", ">goal", "")
    output.console(stderr=False).print(
        output.table(result.name, columns, [_cells(row) for row in result.rows])
    )


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    mark = {True: "[green]ok[/]", False: "[red]missed[/]", None: ""}[row.ok]
    return (row.metric, f"{row.value:.4g}", row.unit, str(row.goal or ""), mark)


def _runner(name: str) -> Callable[..., BenchmarkResult | Iterator[BenchmarkResult]]:
    module, _, function = {**BENCHMARKS, **WITH_WORDS}[name].partition(":")
    return cast("Callable[..., Any]", getattr(importlib.import_module(module), function))
