"""Answers in plain words, for people at a terminal."""

from __future__ import annotations

from typing import Any

from embodied_mem.messages import Answer, Change, Entity, Location, Placement, Stay


def answer_lines(answer: Answer[Any]) -> list[str]:
    """One line for each thing that the answer names."""
    if answer.status == "ambiguous":
        named = [f"  {_entity(candidate)}" for candidate in answer.candidates]
        return [f"several things fit; ask by id: {answer.reason}".rstrip(": "), *named]
    if answer.status == "unknown":
        return [f"unknown: {answer.reason}" if answer.reason else "unknown"]
    values = answer.value if isinstance(answer.value, tuple) else (answer.value,)
    return [in_words(value) for value in values] or ["nothing"]


def in_words(value: Any) -> str:
    """One value of an answer."""
    if isinstance(value, Location):
        on = f" on {value.support}" if value.support else ""
        seen = f"last seen {seconds(value.last_seen_ns)}"
        return f"{value.entity_id} {value.label} at {place(value.placement)}{on}, {seen}"
    if isinstance(value, Stay):
        until = "now" if value.to_ns is None else seconds(value.to_ns)
        return f"at {place(value.placement)} from {seconds(value.from_ns)} until {until}"
    if isinstance(value, Change):
        where = " to ".join(place(side) for side in (value.before, value.after) if side is not None)
        between = f"between {seconds(value.after_ns)} and {seconds(value.before_ns)}"
        return f"{value.kind}: {value.entity_id} {value.label}, {where}, {between}"
    return str(value)


def place(placement: Placement) -> str:
    """A position in metres."""
    return "({:.2f}, {:.2f}, {:.2f})".format(*placement.position_world_m)


def seconds(stamp_ns: int) -> str:
    """A stamp in seconds of the memory's clock."""
    return f"{stamp_ns / 1e9:.1f} s"


def _entity(entity: Entity) -> str:
    return f"{entity.entity_id} {entity.color} {entity.label} at {place(entity.placement)}"
