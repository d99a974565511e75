"""What the robot did itself: what it picks up is in its hand, what it places is where it put it."""

from __future__ import annotations

import numpy as np

from embodied_mem.layers.world import containment
from embodied_mem.layers.world.looks import Glance
from embodied_mem.layers.world.support import find_support
from embodied_mem.layers.world.thing import Thing
from embodied_mem.layers.world.world_state import WorldState
from embodied_mem.messages import EntityId, Event, ObjectMention, WorldDelta

RESOLVE_M = 0.6
"""A thing named by label and position is looked for within this distance."""
STATE_AFTER = {"open": "open", "close": "closed"}
SLIDES = ("push", "pull", "slide", "move")
"""What takes along what is under a thing, too; a pick takes only what is in it."""

OR_MENTION = ", or give an ObjectMention with label and position"


def record(state: WorldState, event: Event, known_ns: int) -> WorldDelta:
    """Note a finished event and what it did to things; part of the caller's transaction."""
    known_ns = state.learn(event.start_ns, known_ns)
    event_id = state.repository.add_event(event, known_ns)
    touched: dict[EntityId, Thing] = {}
    failed = event.outcome in ("failed", "failure", "aborted")
    thing = _acted_on(state, event) if event.objects and not failed else None
    if thing is not None:
        touched[thing.entity_id] = thing
        others = [_other(state, event, mention) for mention in event.objects[1:]]
        glance = Glance(
            stamp_ns=max(event.end_ns, thing.runs[-1].to_ns if thing.runs else 0), known_ns=known_ns,
            eye_world=(0.0, 0.0, 0.0), source=f"event/{event_id}",
        )  # fmt: skip
        if event.kind == "pick":
            _pick(state, thing, event, glance, touched)
        elif event.kind == "place" or event.kind in SLIDES:
            _put(state, thing, event, glance, touched)
            if event.kind == "place" and others and others[0] is not None and others[0] is not thing:
                containment.put_into(thing, others[0])
        elif event.kind in STATE_AFTER:
            thing.states.append((event.end_ns, STATE_AFTER[event.kind]))
            thing.states.sort()
        entity_ids = [thing.entity_id, *(other.entity_id for other in others if other is not None)]
        state.repository.journal.link_event(event_id, dict.fromkeys(entity_ids))
    return WorldDelta(seen=tuple(touched), changes=state.publish(touched))


def _pick(
    state: WorldState, thing: Thing, event: Event, glance: Glance, touched: dict[EntityId, Thing]
) -> None:
    """What is in the thing comes along; what was under it stays."""
    containment.uncover(thing, state.roster, touched)
    inside = containment.contents(thing, state.roster, ("in",))
    containment.take_up(state, [thing, *inside], event.actor, glance)
    touched.update((one.entity_id, one) for one in inside)


def _put(
    state: WorldState, thing: Thing, event: Event, glance: Glance, touched: dict[EntityId, Thing]
) -> None:
    mention = event.objects[0]
    position = mention.position_world_m if isinstance(mention, ObjectMention) else thing.position_world_m
    target = np.array(position, dtype=np.float64)
    offset_m = target - thing.box.center
    relations = ("in", "on", "under") if event.kind in SLIDES else ("in",)
    along = containment.contents(thing, state.roster, relations)
    containment.place(state, thing, target, glance)
    for one in along:
        containment.shift(state, one, offset_m, glance)
    touched.update((one.entity_id, one) for one in along)
    if event.kind == "place":
        containment.cover(state, thing, touched)
    support = find_support(thing, state.roster, state.config.agent_labels)
    if support is not None and support[1] not in {one.entity_id for one in along}:
        thing.supports[thing.place_index] = support


def _other(state: WorldState, event: Event, mention: str | ObjectMention) -> Thing | None:
    """A further thing that an event names: a receptacle, a tool. None when unknown."""
    if isinstance(mention, str):
        return state.thing(mention, named_by=f"event {event.kind!r}", or_else=OR_MENTION)
    return _nearest(state, mention)


def _acted_on(state: WorldState, event: Event) -> Thing | None:
    """The thing that an event names: by id; what the actor holds; or the nearest of its label. None when unknown."""
    mention = event.objects[0]
    if isinstance(mention, str):
        return state.thing(mention, named_by=f"event {event.kind!r}", or_else=OR_MENTION)
    if event.kind == "place":
        held = [t for t in state.roster if t.status == "held" and t.holder == event.actor]
        same = [t for t in held if t.label == mention.label]
        return next(iter(same or held), None)
    return _nearest(state, mention)


def _nearest(state: WorldState, mention: ObjectMention) -> Thing | None:
    position = np.array(mention.position_world_m)
    near = [
        (float(np.linalg.norm(t.box.center - position)), t.entity_id, t)
        for t in state.roster
        if t.label_share(mention.label) >= 0.3 and t.status != "gone"
    ]
    nearest = min(near, default=None)
    return nearest[2] if nearest is not None and nearest[0] <= RESOLVE_M else None
