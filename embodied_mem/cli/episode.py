"""`embodied-mem episode`: a policy moves through a simulated environment, and the memory watches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embodied_mem.cli import output

if TYPE_CHECKING:
    from embodied_mem.benchmarks.run_configs import EpisodeConfig

EPILOG = """\b
Examples:
  embodied-mem episode env=household policy=explore seed=3
  embodied-mem episode policy=tour env.script=demo out=outputs/tour
  embodied-mem episode env=household_noisy memory=fine memory.world.autosave_s=0
  embodied-mem episode -m seed=0,1,2 memory=default,coarse
  embodied-mem episode --show-config
"""


@click.command("episode", epilog=EPILOG)
@output.overrides_argument
@output.multirun_option
@output.show_config_option
@output.json_option
def command(overrides: tuple[str, ...], multirun: bool, show_config: bool, as_json: bool) -> None:
    """Run one episode and save its memory under `out`.

    The groups env, policy and memory choose files of configs/; every option of theirs can be overridden by its
    dotted name.
    """
    from embodied_mem.benchmarks.run_configs import EpisodeConfig
    from embodied_mem.cli import compose

    configs = compose.load_runs(EpisodeConfig, "episode", overrides, multirun=multirun)
    if show_config:
        for config in configs:
            output.show_config(config)
        return
    results = [_run(config) for config in configs]
    output.print_result(results if multirun else results[0], as_json, lambda: _show(results))


def _run(config: EpisodeConfig) -> dict[str, Any]:
    from embodied_mem.benchmarks.episode import run_episode
    from embodied_mem.cli.inspect import summary
    from embodied_mem.robot_memory import RobotMemory

    folder = fresh_folder(Path(config.out))
    console = output.console()
    with RobotMemory.open(folder / "memory", config.memory) as memory, console.status("starting") as status:
        episode = run_episode(
            config,
            memory,
            log_path=folder / "simulator.jsonl",
            on_step=lambda step, phase: status.update(f"{phase}, step {step}"),
        )
        memory.save()
        return {"seed": config.seed, "memory": str(folder / "memory"), **episode.as_json(), **summary(memory)}


def fresh_folder(out: Path) -> Path:
    """The folder `out`, with what an earlier run of ours left in it removed."""
    import shutil

    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / "memory", ignore_errors=True)
    for name in ("simulator.jsonl", "result.json", "report.html"):
        (out / name).unlink(missing_ok=True)
    return out


def _show(results: list[dict[str, Any]]) -> None:
    columns = [f">{name}" for name in results[0]]
    rows = [
        [f"{value:.4g}" if isinstance(value, float) else str(value) for value in result.values()]
        for result in results
    ]
    output.console(stderr=False).print(output.table("episodes", columns, rows))
