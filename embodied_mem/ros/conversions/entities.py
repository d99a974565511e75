"""Entities, where they are, and what became different."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from embodied_mem.geometry import Box
from embodied_mem.messages import Change, ChangeKind, Entity, Placement
from embodied_mem.ros.conversions.basics import header, ns_from_time, point, time_from_ns, xyz_of
from embodied_mem_interfaces.msg import Change as ChangeMsg
from embodied_mem_interfaces.msg import Entity as EntityMsg
from embodied_mem_interfaces.msg import EntityArray


def placement_into(message: Any, placement: Placement) -> Any:
    """Put a placement into the fields of `message` and return it."""
    message.position = point(placement.position_world_m)
    message.box_min, message.box_max = point(placement.box.min_m), point(placement.box.max_m)
    return message


def placement_of(message: Any) -> Placement:
    """The placement in the fields of `message`."""
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
    return placement_into(message, entity.placement)


def entity_from_msg(message: Any) -> Entity:
    """The entity of a message."""
    return Entity(
        entity_id=message.entity_id,
        label=message.label,
        label_confidence=message.label_confidence,
        color=message.color,
        placement=placement_of(message),
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
