"""`embodied-mem ask`: any of the memory's questions by name, the ones that language models get as tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from embodied_mem.cli import output
from embodied_mem.cli.memory_file import opened
from embodied_mem.errors import InvalidQuery

EPILOG = """\b
Examples:
  embodied-mem ask outputs/demo/memory rooms
  embodied-mem ask outputs/demo/memory relation a="red mug" relation=on
  embodied-mem ask outputs/demo/memory nearest what=mug origin=sofa metric=path k=3
  embodied-mem ask outputs/demo/memory visited place=kitchen --json
  embodied-mem ask outputs/demo/memory world_summary task="tidy the kitchen" max_tokens=400
\b
`embodied-mem serve mcp MEMORY --json` lists every question with its arguments.
"""


@click.command("ask", epilog=EPILOG)
@click.argument("memory", type=click.Path(exists=True, path_type=Path))
@click.argument("question")
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE]...")
@output.json_option
def command(memory: Path, question: str, arguments: tuple[str, ...], as_json: bool) -> None:
    """Ask the saved MEMORY the QUESTION of that name.

    Values are words, or JSON for numbers and lists. Writing is not offered.
    """
    from embodied_mem.serve.tools import call_tool

    given = dict(_argument(text) for text in arguments)
    with opened(memory) as robot_memory:
        result = call_tool(robot_memory, question, given)
    output.print_result(result, as_json, lambda: _show(result))


def _argument(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidQuery(f"argument {text!r} must read KEY=VALUE, such as entity='red mug'.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _show(result: Any) -> None:
    if isinstance(result, dict) and set(result) >= {"text", "sources"}:
        click.echo(result["text"])
        return
    if isinstance(result, dict) and "status" in result:
        values = result["value"] if isinstance(result["value"], list) else [result["value"]]
        for value in values if result["status"] == "known" else [result["reason"] or result["status"]]:
            click.echo(value if isinstance(value, str) else json.dumps(value))
        click.echo(f"({result['status']}, confidence {result['confidence']:.2f})", err=True)
        return
    output.print_json(result)
