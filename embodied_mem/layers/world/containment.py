"""Things in boxes and under cups: they stay known while hidden and go where their container goes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float64

from embodied_mem.layers.world import looks as take
from embodied_mem.layers.world.looks import Glance
from embodied_mem.layers.world.roster import Roster
from embodied_mem.layers.world.thing import Thing, moved
from embodied_mem.layers.world.world_state import WorldState
from embodied_mem.messages import EntityId

COVER_MARGIN_M = 0.02
CONTAINERS = frozenset(
    [
        "box",
        "basket",
        "bag",
        "bin",
        "drawer",
        "cabinet",
        "cupboard",
        "fridge",
        "jar",
        "pot",
        "bowl",
        "bucket",
        "crate",
        "suitcase",
        "tray",
    ]
)
"""What a thing put there by name is in; it is on anything else, unless its box says otherwise."""


def contents(container: Thing, roster: Roster, relations: Iterable[str]) -> list[Thing]:
    """Everything that one of the relations binds to the container now, and what is bound to that, and so on."""
    allowed = frozenset(relations)
    found: list[Thing] = []
    waiting = [container.entity_id]
    while waiting:
        owner = waiting.pop()
        for thing in roster:
            if _is_bound(thing, owner, allowed) and thing is not container and thing not in found:
                found.append(thing)
                waiting.append(thing.entity_id)
    return found


def take_up(state: WorldState, things: Iterable[Thing], holder: str, glance: Glance) -> None:
    """The things' container was picked up: they are in the same hand."""
    for thing in things:
        thing.status, thing.holder = "held", holder
        take.note(thing, "away", -1, _not_before(thing, glance), thing.position_world_m, state.repository)


def shift(state: WorldState, thing: Thing, offset_m: Float64[np.ndarray, "3"], glance: Glance) -> None:
    """The thing is at rest where it was plus `offset_m`, bound to what it was bound to."""
    bound = thing.supports.get(thing.place_index)
    place(state, thing, thing.box.center + offset_m, glance)
    if bound is not None:
        thing.supports[thing.place_index] = bound


def place(state: WorldState, thing: Thing, target_world_m: Float64[np.ndarray, "3"], glance: Glance) -> None:
    """The thing is at rest with its centre at a point: until it is seen there, its shape is the old one."""
    thing.shape.shift(target_world_m - thing.box.center)
    thing.places.append(moved(thing.placement, target_world_m))
    thing.place_index = len(thing.places) - 1
    thing.status, thing.holder, thing.is_shape_saved = "here", None, False
    thing.position_world_m = thing.placement.position_world_m
    thing.presence_logit = max(thing.presence_logit, 2.0)
    take.note(
        thing, "here", thing.place_index, _not_before(thing, glance), thing.position_world_m, state.repository
    )
    state.roster.place(thing)


def cover(state: WorldState, lid: Thing, touched: dict[EntityId, Thing]) -> None:
    """What lies within a thing that was just put down is under it from now on."""
    box = lid.box.grown(COVER_MARGIN_M)
    for thing in state.roster:
        if thing is lid or thing.status != "here" or thing.box.size.prod() >= lid.box.size.prod():
            continue
        is_within = box.contains(np.array([thing.box.min_m, thing.box.max_m])).all()
        if is_within and not _is_bound(thing, lid.entity_id, frozenset(("in", "on"))):
            thing.supports[thing.place_index] = ("under", lid.entity_id)
            touched[thing.entity_id] = thing


def uncover(lid: Thing, roster: Roster, touched: dict[EntityId, Thing]) -> None:
    """A thing was lifted: what was under it stays where it is."""
    for thing in contents(lid, roster, ("under",)):
        thing.supports.pop(thing.place_index, None)
        touched[thing.entity_id] = thing


def put_into(thing: Thing, container: Thing) -> None:
    """Note that a thing was put in, or on, another one that the event named."""
    is_inside = container.box.grown(COVER_MARGIN_M).contains(thing.box.center[None]).all()
    is_container = container.label.split()[-1] in CONTAINERS
    relation = "in" if is_inside or is_container else "on"
    thing.supports[thing.place_index] = (relation, container.entity_id)


def _is_bound(thing: Thing, owner: EntityId, relations: frozenset[str]) -> bool:
    bound = thing.supports.get(thing.place_index)
    return bound is not None and bound[0] in relations and bound[1] == owner and thing.status != "gone"


def _not_before(thing: Thing, glance: Glance) -> Glance:
    """The glance, no earlier than the thing's last look: looks must come in order."""
    newest_ns = thing.runs[-1].to_ns if thing.runs else 0
    if glance.stamp_ns >= newest_ns:
        return glance
    return Glance(
        stamp_ns=newest_ns, known_ns=glance.known_ns, eye_world=glance.eye_world, source=glance.source
    )
