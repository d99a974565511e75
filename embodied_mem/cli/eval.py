"""`embodied-mem eval`: a trained policy in closed loop, on episodes that it was not shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embodied_mem.cli import output

if TYPE_CHECKING:
    from embodied_mem.benchmarks.policy.run_configs import EvalConfig

EPILOG = """\b
Examples:
  embodied-mem eval checkpoint=outputs/train/checkpoint.pt
  embodied-mem eval checkpoint=outputs/train/checkpoint.pt delay=512 episodes=100
  embodied-mem eval checkpoint=outputs/train/checkpoint.pt swap=true --json
  embodied-mem eval -m delay=0,8,64,512
"""


@click.command("eval", epilog=EPILOG)
@output.overrides_argument
@output.multirun_option
@output.show_config_option
@output.json_option
def command(overrides: tuple[str, ...], multirun: bool, show_config: bool, as_json: bool) -> None:
    """Run episodes with a checkpoint, and say how many succeed and how the others fail: a wrong choice (recall), a hand
    that missed (motor), or no choice at all.
    """
    from embodied_mem.benchmarks.policy.run_configs import EvalConfig
    from embodied_mem.cli import compose

    configs = compose.load_runs(EvalConfig, "eval", overrides, multirun=multirun)
    if show_config:
        for config in configs:
            output.show_config(config)
        return
    results = [_run(config) for config in configs]
    output.print_result(results if multirun else results[0], as_json, lambda: _show(results))


def _run(config: EvalConfig) -> dict[str, Any]:
    import json
    from pathlib import Path

    from embodied_mem.benchmarks.policy.experiments import run_evaluation

    with output.console().status("evaluating") as status:
        found = run_evaluation(
            config,
            on_episode=lambda number: status.update(f"evaluating, {number} of {config.episodes} episodes"),
        )
    result = {**found.as_json(), "delay": config.delay, "checkpoint": config.checkpoint}
    folder = Path(config.out)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    return result


def _show(results: list[dict[str, Any]]) -> None:
    """A row for each figure, so that it can be read in a narrow terminal; a column for each run."""
    columns = [">value"] if len(results) == 1 else [f">run {number}" for number in range(len(results))]
    rows = [[name, *(_told(result[name]) for result in results)] for name in results[0]]
    output.console(stderr=False).print(output.table("episodes", ["figure", *columns], rows))


def _told(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
