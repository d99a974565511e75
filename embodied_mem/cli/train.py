"""`embodied-mem train`: our policy on a memory task, from the scripted expert's demonstrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embodied_mem.cli import output

if TYPE_CHECKING:
    from embodied_mem.benchmarks.policy.run_configs import TrainConfig

EPILOG = """\b
Examples:
  embodied-mem train task=RearrangeBlock bank=merge
  embodied-mem train task=RememberColor3 bank=none out=outputs/train/none
  embodied-mem train bank=fifo capacity=3 out=outputs/train/stack
  embodied-mem train task=PutBlockBack demos=500 training.steps=3000 seed=1
  embodied-mem train -m seed=0,1,2 bank=merge,fifo
"""


@click.command("train", epilog=EPILOG)
@output.overrides_argument
@output.multirun_option
@output.show_config_option
@output.json_option
def command(overrides: tuple[str, ...], multirun: bool, show_config: bool, as_json: bool) -> None:
    """Train the policy and write its checkpoint and loss curve under `out`; called again, it goes on where it stopped.

    The memory is chosen by `bank`: merge, segment, select, fifo, recent, gated (GTrXL), chunks (HCAM), neural
    (Titans), or none.
    """
    from embodied_mem.benchmarks.policy.run_configs import TrainConfig
    from embodied_mem.cli import compose

    configs = compose.load_runs(TrainConfig, "train", overrides, multirun=multirun)
    if show_config:
        for config in configs:
            output.show_config(config)
        return
    results = [_run(config) for config in configs]
    output.print_result(results if multirun else results[0], as_json, lambda: _show(results))


def _run(config: TrainConfig) -> dict[str, Any]:
    import json
    from pathlib import Path

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    from embodied_mem.benchmarks.policy.experiments import run_training
    from embodied_mem.policy.training import Progress as Learned

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.console()) as bars:
        shown = bars.add_task(f"{config.task}: demonstrations", total=config.demos)
        learned: dict[str, TaskID] = {}

        def on_step(at: Learned) -> None:
            if at.what not in learned:
                learned[at.what] = bars.add_task(at.what)
            told = f"{at.what}, loss {at.loss:.3f}"
            bars.update(learned[at.what], completed=at.step, total=at.num_steps, description=told)

        checkpoint = run_training(
            config, on_demo=lambda number: bars.update(shown, completed=number), on_step=on_step
        )
    losses = json.loads((Path(config.out) / "curve.json").read_text())["loss"]
    return {
        "task": config.task, "bank": config.bank, "seed": config.seed, "steps": len(losses),
        "loss": sum(losses[-50:]) / len(losses[-50:]), "checkpoint": str(checkpoint),
        "curve": str(checkpoint.with_name("curve.png")),
    }  # fmt: skip


def _show(results: list[dict[str, Any]]) -> None:
    shown = [{name: value for name, value in result.items() if name != "curve"} for result in results]
    rows = [[f"{v:.4g}" if isinstance(v, float) else str(v) for v in result.values()] for result in shown]
    output.console(stderr=False).print(output.table("trained", [f">{name}" for name in shown[0]], rows))
    for result in results:
        output.console().print(f"loss curve: {result['curve']}")
