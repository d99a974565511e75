"""Events, questions and answers: ROS messages to the package's own and back, nothing lost but what ROS cannot say.

A time of zero in a ROS message means "not given": now, no bound, or still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast, get_args

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from geometry_msgs.msg import Pose as PoseMsg
from std_msgs.msg import Header

from embodied_mem.errors import InvalidMessage, InvalidQuery, did_you_mean
from embodied_mem.geometry import Box, pose_from_quaternion, quaternion_from_pose
from embodied_mem.messages import (
    Answer,
    AnswerStatus,
    Change,
    ChangeKind,
    Entity,
    Event,
    Interval,
    Location,
    ObjectMention,
    Placement,
    Query,
    QuestionKind,
    Region,
    Stay,
)
from embodied_mem_interfaces.msg import Answer as AnswerMsg
from embodied_mem_interfaces.msg import Change as ChangeMsg
from embodied_mem_interfaces.msg import Entity as EntityMsg
from embodied_mem_interfaces.msg import EntityArray
from embodied_mem_interfaces.msg import Event as EventMsg
from embodied_mem_interfaces.msg import Fact as FactMsg
from embodied_mem_interfaces.msg import Location as LocationMsg
from embodied_mem_interfaces.msg import ObjectMention as ObjectMentionMsg
from embodied_mem_interfaces.srv import Query as QuerySrv

Xyz = tuple[float, float, float]
STATUS_CODES: dict[AnswerStatus, int] = {
    "known": AnswerMsg.KNOWN,
    "unknown": AnswerMsg.UNKNOWN,
    "ambiguous": AnswerMsg.AMBIGUOUS,
}
STATUS_NAMES = {code: name for name, code in STATUS_CODES.items()}


def time_from_ns(stamp_ns: int | None) -> Time:
    """A ROS time; None becomes zero."""
    seconds, nanoseconds = divmod(stamp_ns or 0, 1_000_000_000)
    return Time(sec=seconds, nanosec=nanoseconds)


def ns_from_time(time: Any) -> int:
    """Nanoseconds of a ROS time.

    Raises:
        InvalidMessage: before zero, which no clock here can show.
    """
    if time.sec < 0:
        raise InvalidMessage(
            f"the stamp is {time.sec} s; it must not be negative. Check the publisher's clock."
        )
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)


def optional_ns(time: Any) -> int | None:
    """Nanoseconds of a ROS time, or None for zero."""
    return ns_from_time(time) or None


def header(stamp_ns: int, frame_id: str) -> Header:
    """A header."""
    return Header(stamp=time_from_ns(stamp_ns), frame_id=frame_id)


def point(xyz: Iterable[float]) -> Point:
    """A point from three numbers."""
    x, y, z = (float(value) for value in xyz)
    return Point(x=x, y=y, z=z)


def xyz_of(message: Any) -> Xyz:
    """Three numbers from a point or vector."""
    return (float(message.x), float(message.y), float(message.z))


def pose_from_msg(position: Any, orientation: Any) -> np.ndarray[Any, Any]:
    """A 4x4 transform from a position and an orientation; NaN or a quaternion that is not unit raises InvalidPose."""
    quaternion = np.array([orientation.x, orientation.y, orientation.z, orientation.w], dtype=np.float64)
    return pose_from_quaternion(np.array(xyz_of(position)), quaternion)


def pose_to_msg(T: np.ndarray[Any, Any]) -> PoseMsg:
    """A pose message from a 4x4 transform."""
    message = PoseMsg(position=point(T[:3, 3]))
    q = quaternion_from_pose(T)
    message.orientation.x, message.orientation.y, message.orientation.z, message.orientation.w = map(float, q)
    return message


# -- events ---------------------------------------------------------------------------------------------------


def check_frame(message: Any, world_frame: str) -> None:
    """Refuse an event whose positions are in another frame than the memory's (an empty frame_id is taken as ours)."""
    if message.header.frame_id not in ("", world_frame) and any(
        not item.entity_id for item in message.objects
    ):
        raise InvalidMessage(
            f"event {message.kind!r} has positions in frame {message.header.frame_id!r}; the memory lives in "
            f"{world_frame!r}. Transform them before publishing, or name entities by their ids."
        )


def event_from_msg(message: Any) -> Event:
    """What the robot did. An event without times happened at its header's stamp."""
    stamp_ns = ns_from_time(message.header.stamp)
    start_ns = ns_from_time(message.start) or stamp_ns
    return Event(
        kind=message.kind,
        actor=message.actor,
        objects=tuple(
            mention.entity_id or ObjectMention(label=mention.label, position_world_m=xyz_of(mention.position))
            for mention in message.objects
        ),
        start_ns=start_ns,
        end_ns=ns_from_time(message.end) or max(start_ns, stamp_ns),
        place=message.place or None,
        outcome=message.outcome or None,
        task=message.task or None,
    )


def event_to_msg(event: Event, frame_id: str) -> EventMsg:
    """The message for an event; `frame_id` is the frame of its positions."""
    return EventMsg(
        header=header(event.end_ns, frame_id),
        kind=event.kind,
        actor=event.actor,
        objects=[
            ObjectMentionMsg(entity_id=item)
            if isinstance(item, str)
            else ObjectMentionMsg(label=item.label, position=point(item.position_world_m))
            for item in event.objects
        ],
        start=time_from_ns(event.start_ns),
        end=time_from_ns(event.end_ns),
        place=event.place or "",
        outcome=event.outcome or "",
        task=event.task or "",
    )


# -- questions ------------------------------------------------------------------------------------------------


def query_from_request(request: Any) -> Query:
    """The question of a service request.

    Raises:
        InvalidQuery: an unknown kind or region, or an attribute that is not name=value.
    """
    kinds = get_args(QuestionKind)
    if request.kind not in kinds:
        raise InvalidQuery(
            f"no question of kind {request.kind!r}; ask one of {list(kinds)}.{did_you_mean(request.kind, kinds)}"
        )
    start_ns, end_ns = optional_ns(request.interval_start), optional_ns(request.interval_end)
    return Query(
        kind=request.kind,
        entity=request.entity or None,
        label=request.label or None,
        attributes=dict(_attribute(text) for text in request.attributes),
        region=_region_from_request(request),
        interval=None if start_ns is None and end_ns is None else Interval(from_ns=start_ns, to_ns=end_ns),
        as_of_ns=optional_ns(request.as_of),
        known_at_ns=optional_ns(request.known_at),
        k=request.k or 10,
    )


def _attribute(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InvalidQuery(f"attribute {text!r} must read name=value, such as color=red.")
    return name.strip(), value.strip()


def _region_from_request(request: Any) -> Region | None:
    if request.region == QuerySrv.Request.ANYWHERE:
        return None
    if request.region == QuerySrv.Request.BOX:
        return Region(box=Box(min_m=xyz_of(request.box_min), max_m=xyz_of(request.box_max)))
    if request.region == QuerySrv.Request.SPHERE:
        return Region(center_world_m=xyz_of(request.center), radius_m=float(request.radius))
    raise InvalidQuery(f"region is {request.region}; it must be ANYWHERE (0), BOX (1) or SPHERE (2).")


def query_to_request(query: Query) -> Any:
    """The service request that asks `query`."""
    request = QuerySrv.Request(
        kind=query.kind,
        entity=query.entity or "",
        label=query.label or "",
        attributes=[f"{name}={value}" for name, value in query.attributes.items()],
        as_of=time_from_ns(query.as_of_ns),
        known_at=time_from_ns(query.known_at_ns),
        k=query.k,
    )
    if query.interval is not None:
        request.interval_start = time_from_ns(query.interval.from_ns)
        request.interval_end = time_from_ns(query.interval.to_ns)
    if query.region is not None and query.region.box is not None:
        request.region = QuerySrv.Request.BOX
        request.box_min, request.box_max = point(query.region.box.min_m), point(query.region.box.max_m)
    elif query.region is not None and query.region.center_world_m is not None:
        request.region = QuerySrv.Request.SPHERE
        request.center, request.radius = (
            point(query.region.center_world_m),
            float(query.region.radius_m or 0.0),
        )
    return request


# -- answers --------------------------------------------------------------------------------------------------


def _placement_into(message: Any, placement: Placement) -> Any:
    message.position = point(placement.position_world_m)
    message.box_min, message.box_max = point(placement.box.min_m), point(placement.box.max_m)
    return message


def _placement_of(message: Any) -> Placement:
    box = Box(min_m=xyz_of(message.box_min), max_m=xyz_of(message.box_max))
    return Placement(position_world_m=xyz_of(message.position), box=box)


def entity_to_msg(entity: Entity) -> EntityMsg:
    """The message for an entity."""
    message = EntityMsg(
        entity_id=entity.entity_id,
        label=entity.label,
        label_confidence=entity.label_confidence,
        color=entity.color,
        support=entity.support or "",
        presence=entity.presence,
        is_present=bool(entity.is_present),
        first_seen=time_from_ns(entity.first_seen_ns),
        last_seen=time_from_ns(entity.last_seen_ns),
        num_views=entity.num_views,
    )
    return _placement_into(message, entity.placement)


def entity_from_msg(message: Any) -> Entity:
    """The entity of a message."""
    return Entity(
        entity_id=message.entity_id,
        label=message.label,
        label_confidence=message.label_confidence,
        color=message.color,
        placement=_placement_of(message),
        support=message.support or None,
        presence=message.presence,
        is_present=message.is_present,
        first_seen_ns=ns_from_time(message.first_seen),
        last_seen_ns=ns_from_time(message.last_seen),
        num_views=message.num_views,
    )


def entities_to_msg(entities: Iterable[Entity], stamp_ns: int, frame_id: str) -> EntityArray:
    """All entities in one message."""
    return EntityArray(
        header=header(stamp_ns, frame_id), entities=[entity_to_msg(entity) for entity in entities]
    )


def _location_to_msg(location: Location) -> LocationMsg:
    message = LocationMsg(
        entity_id=location.entity_id,
        label=location.label,
        support=location.support or "",
        valid_from=time_from_ns(location.valid_from_ns),
        last_seen=time_from_ns(location.last_seen_ns),
    )
    return _placement_into(message, location.placement)


def _location_from_msg(message: Any) -> Location:
    return Location(
        entity_id=message.entity_id,
        label=message.label,
        placement=_placement_of(message),
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
    return _placement_into(message, stay.placement)


def _stay_from_msg(message: Any) -> Stay:
    return Stay(
        placement=_placement_of(message),
        support=message.object or None,
        from_ns=ns_from_time(message.valid_from),
        to_ns=optional_ns(message.valid_to),
    )


def change_to_msg(change: Change) -> ChangeMsg:
    """The message for a change."""
    message = ChangeMsg(
        kind=change.kind,
        entity_id=change.entity_id,
        label=change.label,
        after=time_from_ns(change.after_ns),
        before=time_from_ns(change.before_ns),
    )
    for side, placement in (("old", change.before), ("new", change.after)):
        setattr(message, f"has_{side}_position", placement is not None)
        if placement is not None:
            setattr(message, f"{side}_position", point(placement.position_world_m))
            setattr(message, f"{side}_box_min", point(placement.box.min_m))
            setattr(message, f"{side}_box_max", point(placement.box.max_m))
    return message


def change_from_msg(message: Any) -> Change:
    """The change of a message."""

    def side(name: str) -> Placement | None:
        if not getattr(message, f"has_{name}_position"):
            return None
        low, high = (xyz_of(getattr(message, f"{name}_box_{end}")) for end in ("min", "max"))
        position = xyz_of(getattr(message, f"{name}_position"))
        return Placement(position_world_m=position, box=Box(min_m=low, max_m=high))

    return Change(
        kind=cast(ChangeKind, message.kind),
        entity_id=message.entity_id,
        label=message.label,
        before=side("old"),
        after=side("new"),
        after_ns=ns_from_time(message.after),
        before_ns=ns_from_time(message.before),
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
