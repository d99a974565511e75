"""Every tool checks its call, answers as JSON, and writes only where that is allowed."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from embodied_mem.errors import InvalidQuery, UnknownEntity
from embodied_mem.messages import Event
from embodied_mem.messages.team import Embodiment
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.serve.mcp_server import make_server
from embodied_mem.serve.plain import plain
from embodied_mem.serve.tools import TOOLS, call_tool, offered
from embodied_mem.testing.synthetic_room import SyntheticRoom
from tests.layers.world.stage import Stage

needs_mcp = pytest.mark.skipif(
    importlib.util.find_spec("mcp") is None, reason="mcp is not installed; pip install 'embodied_mem[serve]'"
)


@pytest.fixture(scope="module")
def memory() -> RobotMemory:
    made = RobotMemory.open()
    for frame in SyntheticRoom(seed=0).frames(12):
        made.observe(frame)
    bottle = made.where("bottle").value
    assert bottle is not None
    now_ns = frame.stamp_ns
    made.record(
        Event(kind="press", actor="robot", objects=(bottle.entity_id,), start_ns=now_ns, end_ns=now_ns + 1)
    )
    made.questions.team.introduce(Embodiment(robot="robot", reach_high_m=1.5, payload_kg=1.0, can=("fetch",)))
    return made


CALLS: dict[str, dict[str, Any]] = {
    "world_summary": {"task": "bring the bottle", "max_tokens": 200},
    "where": {"entity": "red mug"},
    "find": {"text": "mugs", "color": "red", "order": "label", "since_ns": 0, "k": 3},
    "count": {"label": "mug", "color": "red"},
    "history": {"entity": "bottle"},
    "changes": {"since_ns": 0},
    "events": {"kind": "press", "order": "last", "k": 1},
    "shown": {"label": "mug", "color": "red", "since_ns": 0},
    "rooms": {},
    "room_of": {"entity": "bottle"},
    "visited": {"place": "the table"},
    "dwell": {"place": "the table"},
    "nearest": {"what": "mug", "origin": "bottle", "metric": "floor"},
    "farthest": {"what": "mug", "origin_world_m": [0.0, 0.0, 1.0], "k": 2},
    "relation": {"a": "red mug", "relation": "on"},
    "path_to": {"target": "sofa"},
    "seen_together": {"a": "red mug", "b": "blue mug"},
    "goes_with": {"entity": "book", "k": 2},
    "believed_by": {"robot": "robot", "entity": "bottle"},
    "where_to_look": {"what": "red mug", "k": 3},
    "belongs": {"entity": "red mug"},
    "out_of_place": {"k": 2},
    "who_can": {"kind": "fetch", "entity": "red mug"},
    "explain": {"evidence": ["event/1"]},
    "write": {"operation": "ADD", "source": "anna", "subject": "e1", "predicate": "owner", "value": "anna"},
}


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_every_tool_answers_in_json(memory: RobotMemory, name: str) -> None:
    result = call_tool(memory, name, CALLS[name], read_only=False)
    text = json.dumps(result, allow_nan=False)
    assert len(text) > 20
    if "status" in result and name != "path_to":  # the room's camera sees too little floor to drive on
        assert result["status"] == "known", result


def test_answers_are_those_of_the_memory(memory: RobotMemory) -> None:
    assert call_tool(memory, "count", {"label": "mug"})["value"] == 2
    assert call_tool(memory, "where", {"entity": "mug"})["status"] == "ambiguous"
    (press,) = call_tool(memory, "events", {"object": "bottle"})["value"]
    assert press["event"]["kind"] == "press"
    (step,) = call_tool(memory, "explain", {"evidence": ["event/1"]})["steps"]
    assert "press" in step
    summary = call_tool(memory, "world_summary", {"task": "take the yellow bowl", "max_tokens": 120})
    assert "bowl" in summary["text"].splitlines()[1]
    assert summary["num_tokens"] <= 120
    assert summary["sources"]


def test_the_newest_showings_are_told_20_unless_asked_for_more_or_fewer() -> None:
    stage = Stage()
    with RobotMemory.open() as memory:
        for turn in range(25):
            stage.put(
                "lamp",
                2.4,
                2.0,
                label="bottle",
                color=("blue", "yellow")[turn % 2],
                size_m=(0.12, 0.12, 0.12),
            )
            memory.observe(stage.look((2.4, 3.4, 1.5), (2.4, 2.0, 0.75)).frame)
        every = plain(memory.questions.shown().value)
        assert len(every) > 20
        assert call_tool(memory, "shown", {})["value"] == every[-20:]
        assert call_tool(memory, "shown", {"k": 3})["value"] == every[-3:]
        assert call_tool(memory, "shown", {"k": 200})["value"] == every
        assert call_tool(memory, "shown", {"label": "whale", "k": 3})["status"] == "unknown"


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("wher", {}, "Did you mean 'where'"),
        ("where", {}, "needs 'entity'"),
        ("where", {"entity": 3}, "must be a string"),
        ("where", {"entity": "mug", "as_of": 3}, "Did you mean 'as_of_ns'"),
        ("where", {"entity": "mug", "as_of_ns": -1}, r"in 0\.\.any"),
        ("where", {"entity": "mug", "as_of_ns": True}, "must be an integer"),
        ("where", {"entity": "x" * 3000}, "at most 2000"),
        ("find", {"order": "newest"}, "must be one of"),
        ("find", {"k": 100000}, r"1\.\.200"),
        ("find", {"since_ns": 5, "until_ns": 3}, "before its start"),
        ("nearest", {"what": "mug", "origin_world_m": [1.0, 2.0]}, "2 items"),
        ("nearest", {"what": "mug", "origin_world_m": [1.0, 2.0, "z"]}, r"\[2\]"),
        ("path_to", {}, "needs target"),
        ("write", {"operation": "ADD", "source": "x"}, "read-only"),
    ],
)
def test_malformed_calls_say_what_to_do(
    memory: RobotMemory, name: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        call_tool(memory, name, given)


def test_a_read_only_server_offers_no_write(memory: RobotMemory) -> None:
    assert "write" not in {tool.name for tool in offered(read_only=True)}
    assert "write" in {tool.name for tool in offered(read_only=False)}
    with pytest.raises(InvalidQuery, match="read-only"):
        call_tool(memory, "write", CALLS["write"])
    with pytest.raises(UnknownEntity):
        call_tool(memory, "write", {**CALLS["write"], "subject": "e999"}, read_only=False)


def test_every_tool_states_its_units() -> None:
    for tool in TOOLS.values():
        assert "metres" in tool.description
        assert tool.schema["additionalProperties"] is False


@needs_mcp
def test_a_client_lists_and_calls_the_tools(memory: RobotMemory) -> None:
    import anyio
    from mcp import Client

    async def talk() -> None:
        async with Client(make_server(memory)) as client:
            tools = (await client.list_tools()).tools
            assert {tool.name for tool in tools} == {tool.name for tool in offered(read_only=True)}
            answer = await client.call_tool("count", {"label": "mug"})
            assert not answer.is_error
            assert answer.structured_content["value"] == 2
            wrong = await client.call_tool("count", {"label": "mug", "where": "here"})
            assert wrong.is_error
            assert "takes no argument 'where'" in wrong.structured_content["message"]

    anyio.run(talk)


@needs_mcp
def test_the_command_serves_a_saved_memory_over_stdio(memory: RobotMemory, tmp_path: Path) -> None:
    import anyio
    from mcp import Client, StdioServerParameters

    memory.save(tmp_path / "room")
    arguments = ["-m", "embodied_mem.cli.main", "serve", "mcp", str(tmp_path / "room")]

    async def talk() -> None:
        async with Client(StdioServerParameters(command=sys.executable, args=arguments)) as client:
            answer = await client.call_tool("where", {"entity": "bottle"})
            assert answer.structured_content["value"]["label"] == "bottle"

    anyio.run(talk)
