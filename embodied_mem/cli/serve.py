"""`embodied-mem serve`: a saved memory for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from embodied_mem.cli import output
from embodied_mem.cli.memory_file import opened

EPILOG = """\b
Examples:
  embodied-mem serve mcp outputs/demo/memory
  embodied-mem serve mcp outputs/demo/memory --allow-writes
  embodied-mem serve mcp outputs/demo/memory --json
\b
An MCP client starts it itself; its configuration names the command:
  {"mcpServers": {"robot": {"command": "embodied-mem", "args": ["serve", "mcp", "outputs/demo/memory"]}}}
"""


@click.command("serve", epilog=EPILOG)
@click.argument("protocol", type=click.Choice(["mcp"]))
@click.argument("memory", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--allow-writes", is_flag=True, help="Offer the tool that states facts, too; all writes are audited."
)
@click.option("--json", "as_json", is_flag=True, help="Print the tools with their JSON schemas, and exit.")
def command(protocol: str, memory: Path, allow_writes: bool, as_json: bool) -> None:
    """Serve the saved MEMORY over PROTOCOL on stdin and stdout until the client hangs up.

    mcp is the Model Context Protocol: the memory's questions as tools for language models, each call checked.
    """
    if as_json:
        from embodied_mem.serve.tools import offered

        tools = offered(read_only=not allow_writes)
        output.print_json(
            [{"name": t.name, "description": t.description, "input_schema": t.schema} for t in tools]
        )
        return
    from embodied_mem.serve.mcp_server import serve_stdio

    with opened(memory) as robot_memory:
        serve_stdio(robot_memory, read_only=not allow_writes)
