"""What the robot did, and saw happen."""

from __future__ import annotations

from typing import Any

from embodied_mem.errors import InvalidMessage
from embodied_mem.messages import Event, ObjectMention
from embodied_mem.ros.conversions.basics import header, ns_from_time, point, time_from_ns, xyz_of
from embodied_mem_interfaces.msg import Event as EventMsg
from embodied_mem_interfaces.msg import ObjectMention as ObjectMentionMsg


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
