"""The memory as a Model Context Protocol server: its questions as tools, checked before they reach it.

Needs the extra `serve` (the official `mcp` package, 2 or later). Read-only unless writing is allowed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from embodied_mem.errors import EmbodiedMemError, MissingExtra
from embodied_mem.serve.tools import UNITS, call_tool, offered

if TYPE_CHECKING:
    from embodied_mem.robot_memory import RobotMemory

INSTRUCTIONS = (
    f"The memory of a robot: what is where, what changed, what was done, and when it knew. {UNITS} Entities have ids "
    "such as e17; words work too. Answers have a status (known, unknown, ambiguous), a confidence in 0..1 and evidence "
    "ids; explain tells what those stand for. Unknown means that the memory has nothing to say: do not guess."
)


def make_server(memory: RobotMemory, *, read_only: bool = True) -> Any:
    """An `mcp.server.Server` whose tools ask `memory`; run it over stdio with `serve_stdio`.

    Raises:
        MissingExtra: the mcp package is not installed.
    """
    try:
        from mcp import types
        from mcp.server import Server
    except ImportError as error:
        raise MissingExtra(
            "serving MCP needs the package mcp (2 or later): pip install 'embodied_mem[serve]'"
        ) from error

    async def list_tools(context: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=tool.name, description=tool.description, input_schema=tool.schema,
                    annotations=types.ToolAnnotations(read_only_hint=tool.scope == "read", destructive_hint=False),
                )
                for tool in offered(read_only=read_only)
            ]
        )  # fmt: skip

    async def call(context: Any, params: Any) -> Any:
        try:
            result = call_tool(memory, params.name, params.arguments or {}, read_only=read_only)
        except EmbodiedMemError as error:
            return _result(types, {"error": type(error).__name__, "message": str(error)}, is_error=True)
        return _result(types, result if isinstance(result, dict) else {"result": result}, is_error=False)

    scope = "read only" if read_only else "reading and writing"
    return Server(
        "embodied_mem", instructions=f"{INSTRUCTIONS} This server is {scope}.", on_list_tools=list_tools,
        on_call_tool=call,
    )  # fmt: skip


def serve_stdio(memory: RobotMemory, *, read_only: bool = True) -> None:
    """Answer over stdin and stdout until the client hangs up."""
    import anyio
    from mcp.server.stdio import stdio_server

    server = make_server(memory, read_only=read_only)

    async def run() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(run)


def _result(types: Any, content: dict[str, Any], *, is_error: bool) -> Any:
    text = json.dumps(content)
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=content, is_error=is_error
    )
