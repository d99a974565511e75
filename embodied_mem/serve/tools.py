"""The memory's questions as tools for language models: name, what it answers, JSON schema, and the call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from embodied_mem.context.finding import ORDERS
from embodied_mem.context.planner_view import planner_view
from embodied_mem.context.ranking import METRICS
from embodied_mem.errors import InvalidQuery, did_you_mean
from embodied_mem.messages import Interval, Operation, OperationKind, Region, RelationKind
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.serve.plain import plain
from embodied_mem.serve.tool_schema import Schema, arguments, check, point, stamp, text, whole

Call = Callable[[RobotMemory, dict[str, Any]], Any]
UNITS = "Positions are metres in the world frame (z up), times nanoseconds of the memory's clock."
SCOPES = ("read", "write")

ENTITY = text("an id such as 'e17', or words that name one thing, such as 'red mug'")
PLACE = text(
    "a room ('kitchen', 'room/2', 'bathroom upstairs'), a floor ('upstairs', 'ground floor', 'floor 1': 0 is the lowest known) "
    "or a thing ('the sofa': within 1.2 m of it)"
)
SINCE, UNTIL = stamp("only from this time on"), stamp("only up to this time")
AS_OF = stamp("when it was true in the world; leave out for now")
KNOWN_AT = stamp("what the memory knew then; leave out for now")
K = whole("at most this many", most=200)


@dataclass(frozen=True, kw_only=True)
class Tool:
    """`scope` is 'read' or 'write'; a read-only server offers only the first."""

    name: str
    description: str
    schema: Schema
    call: Call
    scope: str = "read"


def call_tool(memory: RobotMemory, name: str, given: Mapping[str, Any], *, read_only: bool = True) -> Any:
    """Check a call and answer it, as plain JSON values.

    Raises:
        InvalidQuery: no such tool, arguments that do not fit, or a write on a read-only server.
    """
    if name not in TOOLS:
        raise InvalidQuery(f"no tool is named {name!r}; have {sorted(TOOLS)}.{did_you_mean(name, TOOLS)}")
    tool = TOOLS[name]
    if tool.scope == "write" and read_only:
        raise InvalidQuery(f"{name} writes, and this server is read-only. Start it with --allow-writes.")
    check(name, tool.schema, given)
    return plain(tool.call(memory, {key: value for key, value in given.items() if value is not None}))


def offered(*, read_only: bool) -> list[Tool]:
    """The tools of a server."""
    return [tool for tool in TOOLS.values() if tool.scope == "read" or not read_only]


def _interval(given: dict[str, Any]) -> Interval | None:
    since, until = given.pop("since_ns", None), given.pop("until_ns", None)
    return None if since is None and until is None else Interval(from_ns=since, to_ns=until)


def _with_interval(question: str) -> Call:
    def call(memory: RobotMemory, given: dict[str, Any]) -> Any:
        interval = _interval(given)
        return getattr(memory.questions, question)(**given, interval=interval)

    return call


def _question(question: str) -> Call:
    return lambda memory, given: getattr(memory.questions, question)(**given)


def _find(memory: RobotMemory, given: dict[str, Any]) -> Any:
    interval, color = _interval(given), given.pop("color", None)
    attributes = {**given.pop("attributes", {}), **({"color": color} if color else {})}
    place = given.pop("place", None)
    return memory.questions.find(**given, region=place, attributes=attributes, interval=interval)


def _count(memory: RobotMemory, given: dict[str, Any]) -> Any:
    color, place = given.pop("color", None), given.pop("place", None)
    region = None if place is None else memory.questions.region(place)
    return memory.count(**given, region=region, attributes={"color": color} if color else {})


def _shown(memory: RobotMemory, given: dict[str, Any]) -> Any:
    k = given.pop("k", 20)
    answer = _with_interval("shown")(memory, given)
    return answer if answer.value is None else replace(answer, value=answer.value[-k:])


def _changes(memory: RobotMemory, given: dict[str, Any]) -> Any:
    place = given.get("place")
    region: Region | None = None if place is None else memory.questions.region(place)
    return memory.changes(region=region, since_ns=given.get("since_ns"), known_at_ns=given.get("known_at_ns"))


def _path_to(memory: RobotMemory, given: dict[str, Any]) -> Any:
    target = given.pop("target_world_m", None) or given.pop("target", None)
    if target is None:
        raise InvalidQuery("path_to needs target (a thing or a room) or target_world_m (a point).")
    return memory.questions.path_to(target if isinstance(target, str) else tuple(target))


def _origin(question: str) -> Call:
    def call(memory: RobotMemory, given: dict[str, Any]) -> Any:
        origin_point = given.pop("origin_world_m", None)
        origin = tuple(origin_point) if origin_point is not None else given.pop("origin", None)
        place = given.pop("place", None)
        return getattr(memory.questions, question)(**given, origin=origin, region=place)

    return call


def _explain(memory: RobotMemory, given: dict[str, Any]) -> Any:
    from embodied_mem.messages import Answer

    return memory.questions.explain(Answer(status="known", evidence=tuple(given["evidence"])))


def _write(memory: RobotMemory, given: dict[str, Any]) -> Any:
    kind = given.pop("operation")
    return memory.write(Operation(kind=kind, **given))


RANKING = {
    "what": text("words for what to look for, such as 'mug'"),
    "origin": text("the thing to measure from; leave out for the robot"),
    "origin_world_m": point("or a point to measure from"), "metric": text("how to measure", one_of=METRICS),
    "place": PLACE, "k": K, "as_of_ns": AS_OF,
}  # fmt: skip
SPAN = {"since_ns": SINCE, "until_ns": UNTIL}


def _tool(
    name: str,
    description: str,
    call: Call,
    properties: dict[str, Schema],
    *required: str,
    scope: str = "read",
) -> Tool:
    schema = arguments(properties, required=required)
    return Tool(name=name, description=f"{description} {UNITS}", schema=schema, call=call, scope=scope)


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        _tool(
            "world_summary", "The world as far as it matters for a task, as text with citations, within a token budget.",
            lambda memory, given: planner_view(memory.questions, **given),
            {"task": text("what is to be done"), "max_tokens": {"type": "integer", "minimum": 60, "maximum": 20000}},
        ),
        _tool(
            "where", "Where one thing is, or was, with evidence; several that fit are listed as candidates.",
            lambda memory, given: memory.where(**given),
            {"entity": ENTITY, "as_of_ns": AS_OF, "known_at_ns": KNOWN_AT}, "entity",
        ),
        _tool(
            "find", "Things by words, label, colour, stated attributes and place.", _find,
            {
                "text": text("words, such as 'red cup'"), "label": text("a category, such as 'mug'"),
                "color": text("a colour word"), "place": PLACE, "order": text("what comes first", one_of=ORDERS),
                "origin_world_m": point("what 'nearest' is measured from"), "k": K, **SPAN, "as_of_ns": AS_OF,
                "known_at_ns": KNOWN_AT,
            },
        ),
        _tool(
            "count", "How many things of a label there are, or were.", _count,
            {"label": text("a category"), "color": text("a colour word"), "place": PLACE, "as_of_ns": AS_OF, "known_at_ns": KNOWN_AT},
            "label",
        ),
        _tool(
            "history", "All the places where one thing has been.", lambda memory, given: memory.history(**given),
            {"entity": ENTITY, "known_at_ns": KNOWN_AT}, "entity",
        ),
        _tool(
            "changes", "What appeared, vanished, moved, opened or closed.", _changes,
            {"place": PLACE, "since_ns": SINCE, "known_at_ns": KNOWN_AT},
        ),
        _tool(
            "events", "What robots did: pick, place, open, ...; with what, where, from and to what.",
            lambda memory, given: memory.questions.events(**{**given, "interval": _interval(given)}),
            {
                "kind": text("such as 'pick'"), "actor": text("who did it"), "object": ENTITY, "place": PLACE, **SPAN,
                "order": text("'last': the newest first", one_of=("first", "last")), "k": K,
            },
        ),
        _tool(
            "shown", "Which colour things showed where, from when to when: blinking lamps, look-alikes that changed places; the newest "
            "k (20 unless told), in order of time.", _shown,
            {"label": text("a category"), "color": text("a colour word"), **SPAN, "k": K},
        ),
        _tool("rooms", "All rooms with what is in them, on which floor they are and which ones they open to.", _question("rooms"), {"as_of_ns": AS_OF}),
        _tool("room_of", "The room that a thing is in.", _question("room_of"), {"entity": ENTITY, "as_of_ns": AS_OF}, "entity"),
        _tool("visited", "When robots were in a place.", _with_interval("visited"), {"place": PLACE, "robot": text("which robot"), **SPAN}, "place"),
        _tool("dwell", "How long robots were in a place in all.", _with_interval("dwell"), {"place": PLACE, "robot": text("which robot"), **SPAN}, "place"),
        _tool("nearest", "The nearest things of a kind.", _origin("nearest"), RANKING, "what"),
        _tool("farthest", "The farthest things of a kind.", _origin("farthest"), RANKING, "what"),
        _tool(
            "relation", "How one thing stands to others: on, in, under, next to, part of, held by, facing.", _question("relation"),
            {"a": ENTITY, "relation": text("only this one", one_of=get_args(RelationKind)), "b": ENTITY, "as_of_ns": AS_OF, "known_at_ns": KNOWN_AT},
            "a",
        ),
        _tool("path_to", "The way over free floor, and stairs between floors, to a thing, a room or a point.", _path_to, {"target": PLACE, "target_world_m": point("or a point")}),
        _tool("seen_together", "When two things were in view in the same frames.", _with_interval("seen_together"), {"a": ENTITY, "b": ENTITY, **SPAN}, "a", "b"),
        _tool("goes_with", "What is associated with a thing by place, view and use.", _question("goes_with"), {"entity": ENTITY, "k": K}, "entity"),
        _tool(
            "believed_by", "Where one robot must believe a thing to be, from what it saw itself.", _question("believed_by"),
            {"robot": text("which robot"), "entity": ENTITY, "known_at_ns": KNOWN_AT}, "robot", "entity",
        ),
        _tool(
            "where_to_look", "Furniture that may hold a thing not in view, or a label never seen here, likeliest first.",
            lambda memory, given: memory.questions.expect.where_to_look(**given), {"what": ENTITY, "k": K}, "what",
        ),
        _tool("belongs", "Where a thing is usually kept.", lambda memory, given: memory.questions.expect.belongs(**given), {"entity": ENTITY, "k": K}, "entity"),
        _tool("out_of_place", "Things that are usually kept elsewhere, the worst first.", lambda memory, given: memory.questions.expect.out_of_place(**given), {"k": K}),
        _tool(
            "who_can", "Which robots could do a task with a thing, what hinders the others, and who knows where it is.",
            lambda memory, given: memory.questions.team.who_can(**given), {"kind": text("such as 'fetch'"), "entity": ENTITY},
            "kind", "entity",
        ),
        _tool(
            "explain", "What evidence ids of an answer stand for: facts, frames with camera poses, events.", _explain,
            {"evidence": {"type": "array", "items": {"type": "string"}, "maxItems": 200, "description": "ids from an answer's evidence"}},
            "evidence",
        ),
        _tool(
            "write", "State something about a thing: ADD, UPDATE (ends what was stated), DELETE (ends, never erases), NOOP; or that "
            "subject and object are one thing (MERGE), or that a merged id is one of its own (SPLIT).", _write,
            {
                "operation": text("what to do", one_of=get_args(OperationKind)), "source": text("who says so"),
                "subject": text("an id such as 'e17'"), "predicate": text("such as 'owner', 'caption', 'state'"),
                "value": text("what it is"), "object": text("or the id of another thing"),
                "trust": {"type": "number", "minimum": 0.0, "maximum": 1.0, "description": "how far it is believed"},
                "valid_from_ns": stamp("since when it is true"), "reason": text("why it is written"),
            },
            "operation", "source", scope="write",
        ),
    )
}  # fmt: skip
