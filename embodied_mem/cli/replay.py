"""`embodied-mem replay`: recorded RGB-D into a memory."""

from __future__ import annotations

from pathlib import Path

import click

from embodied_mem.cli import output

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
    raise SystemExit(path)
