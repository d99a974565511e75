"""Answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from embodied_mem.messages import Answer, AnswerStatus, Change, Location, Query, QuestionKind, Stay
from embodied_mem.ros.conversions.basics import header, ns_from_time, optional_ns, time_from_ns
from embodied_mem.ros.conversions.entities import (
    change_from_msg,
    change_to_msg,
    entity_from_msg,
    entity_to_msg,
    placement_into,
    placement_of,
)
from embodied_mem_interfaces.msg import Answer as AnswerMsg
from embodied_mem_interfaces.msg import Fact as FactMsg
from embodied_mem_interfaces.msg import Location as LocationMsg

STATUS_CODES: dict[AnswerStatus, int] = {
    "known": AnswerMsg.KNOWN,
    "unknown": AnswerMsg.UNKNOWN,
    "ambiguous": AnswerMsg.AMBIGUOUS,
}
STATUS_NAMES = {code: name for name, code in STATUS_CODES.items()}


def _location_to_msg(location: Location) -> LocationMsg:
    message = LocationMsg(
        entity_id=location.entity_id,
        label=location.label,
        support=location.support or "",
        valid_from=time_from_ns(location.valid_from_ns),
        last_seen=time_from_ns(location.last_seen_ns),
    )
    return placement_into(message, location.placement)


def _location_from_msg(message: Any) -> Location:
    return Location(
        entity_id=message.entity_id,
        label=message.label,
        placement=placement_of(message),
        support=message.support or None,
        valid_from_ns=ns_from_time(message.valid_from),
        last_seen_ns=ns_from_time(message.last_seen),
    )


def _stay_to_msg(stay: Stay, subject: str) -> FactMsg:
    message = FactMsg(
        subject=subject,
        predicate="at",
        object=stay.support or "",
        valid_from=time_from_ns(stay.from_ns),
        valid_to=time_from_ns(stay.to_ns),
    )
    return placement_into(message, stay.placement)


def _stay_from_msg(message: Any) -> Stay:
    return Stay(
        placement=placement_of(message),
        support=message.object or None,
        from_ns=ns_from_time(message.valid_from),
        to_ns=optional_ns(message.valid_to),
    )


def answer_to_msg(answer: Answer[Any], query: Query, stamp_ns: int, frame_id: str) -> AnswerMsg:
    """The message for an answer to `query`; `stamp_ns` is the newest frame in the memory."""
    message = AnswerMsg(
        header=header(stamp_ns, frame_id),
        question=query.kind,
        status=STATUS_CODES[answer.status],
        candidates=[entity_to_msg(entity) for entity in answer.candidates],
        confidence=float(answer.confidence),
        evidence=list(answer.evidence),
        reason=answer.reason,
    )
    if answer.value is not None:
        _PUT_VALUE[query.kind](message, answer.value, query)
    return message


def _put_history(message: AnswerMsg, stays: tuple[Stay, ...], query: Query) -> None:
    message.facts = [_stay_to_msg(stay, query.entity or "") for stay in stays]


def _put_locations(message: AnswerMsg, locations: tuple[Location, ...], query: Query) -> None:
    message.locations = [_location_to_msg(location) for location in locations]


def _put_changes(message: AnswerMsg, changes: tuple[Change, ...], query: Query) -> None:
    message.changes = [change_to_msg(change) for change in changes]


def _put_count(message: AnswerMsg, count: int, query: Query) -> None:
    message.number = int(count)


_PUT_VALUE: dict[QuestionKind, Callable[[AnswerMsg, Any, Query], None]] = {
    "where": lambda message, location, query: _put_locations(message, (location,), query),
    "find": _put_locations,
    "history": _put_history,
    "changes": _put_changes,
    "count": _put_count,
}

_TAKE_VALUE: dict[str, Callable[[Any], Any]] = {
    "where": lambda message: _location_from_msg(message.locations[0]) if message.locations else None,
    "find": lambda message: tuple(_location_from_msg(item) for item in message.locations),
    "history": lambda message: tuple(_stay_from_msg(item) for item in message.facts),
    "changes": lambda message: tuple(change_from_msg(item) for item in message.changes),
    "count": lambda message: int(message.number),
}


def answer_from_msg(message: Any) -> Answer[Any]:
    """The answer of a message, typed as the memory itself would give it."""
    status = STATUS_NAMES[message.status]
    return Answer(
        status=status,
        value=_TAKE_VALUE[message.question](message) if status == "known" else None,
        candidates=tuple(entity_from_msg(item) for item in message.candidates),
        confidence=message.confidence,
        evidence=tuple(message.evidence),
        reason=message.reason,
    )
