"""`embodied-mem`: demo, episode, replay, query, ask, train, eval, policy, bench, play, home, inspect, serve,
export.
"""

from __future__ import annotations

import os
import sys

import click

from embodied_mem import __version__
from embodied_mem.errors import EmbodiedMemError

COMMANDS = {
    "demo": "Run the household demo on ROS 2 and check its answers.",
    "episode": "Run a policy in a simulated environment and remember it.",
    "replay": "Feed recorded RGB-D (rosbag2, 7-Scenes, TUM) to a memory.",
    "query": "Ask a saved memory a question.",
    "ask": "Ask a saved memory any question, by the name that models use.",
    "train": "Train the memory policy on a memory task.",
    "eval": "Run episodes with a trained policy.",
    "policy": "Serve a policy, or memory before one, to openpi clients.",
    "bench": "Measure, and compare with the goals.",
    "play": "Try a memory task yourself, in a terminal.",
    "home": "Write a furnished home that Habitat loads.",
    "inspect": "Show what a saved memory holds.",
    "serve": "Offer a saved memory to language models over MCP.",
    "export": "Write a saved memory's map, graph or pictures to a file.",
}

# Spinning OpenMP threads ruin shared machines, and offscreen rendering needs no display; both are read at import.
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "MUJOCO_GL": "egl"}


class LazyCommands(click.Group):
    """Subcommands imported when they are called, so that `--help` needs none of their packages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        from importlib import import_module

        command: click.Command = import_module(f"embodied_mem.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from embodied_mem.errors import did_you_mean

        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            near = did_you_mean(args[0], COMMANDS)
            raise click.UsageError(f"no command {args[0]!r}; have {', '.join(COMMANDS)}.{near}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyCommands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done; 1 a demo answer is wrong or a benchmark goal is missed under --check; 2 an error.",
)
@click.version_option(__version__, prog_name="embodied-mem")
def cli() -> None:
    """The memory a robot's policy reads: feed it, ask it, measure it.

    Each command has --help with examples, and --json for other programs.
    """


def main() -> None:
    """The console script."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        cli(prog_name="embodied-mem")
    except EmbodiedMemError as error:
        click.echo(f"embodied-mem: {type(error).__name__}: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output, such as `head`, closed it: not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
