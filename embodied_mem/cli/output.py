"""How commands talk: the result on stdout, as JSON or for people; progress on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from embodied_mem.serve.plain import plain as jsonable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "console",
    "json_option",
    "jsonable",
    "multirun_option",
    "overrides_argument",
    "print_json",
    "print_result",
    "progress",
    "show_config",
    "show_config_option",
    "table",
]

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
show_config_option = click.option(
    "--show-config", is_flag=True, help="Print every option with its value, and exit."
)
multirun_option = click.option(
    "-m",
    "--multirun",
    is_flag=True,
    help="One run for each combination of comma lists and ranges: seed=0,1,2.",
)
overrides_argument = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")


def console(*, stderr: bool = True) -> Console:
    """Where progress goes (stderr), or the result when it is for people (stdout)."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


@contextmanager
def progress(console: Console, doing: str) -> Iterator[Callable[[str], None]]:
    """Says what is being done: one line that changes on a terminal, a line each time elsewhere."""
    if not console.is_terminal:
        yield lambda what: console.print(f"{doing}: {what}")
        return
    with console.status(doing) as status:
        yield lambda what: status.update(f"{doing}: {what}")


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(jsonable(value), indent=1))


def print_result(value: Any, as_json: bool, show: Callable[[], None]) -> None:
    """The JSON of `value`, or what `show` prints for people."""
    if as_json:
        print_json(value)
    else:
        show()


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A rich table; columns whose header ends in a unit or count are right-aligned by a leading `>`."""
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        drawn.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    for row in rows:
        drawn.add_row(*(cell if isinstance(cell, str) else str(cell) for cell in row))
    return drawn


def show_config(config: object) -> None:
    """Every option of a built config as `key=value` lines, ready to be typed as overrides."""
    from embodied_mem.cli.compose import as_mapping, flat

    for name, value in flat(as_mapping(config)):
        click.echo(f"{name}={json.dumps(value)}")
