"""What the robot did itself: what it picks up is in its hand, what it places is where it put it."""

from __future__ import annotations

import numpy as np

from embodied_mem.errors import UnknownEntity, did_you_mean
from embodied_mem.layers.world import looks as take
from embodied_mem.layers.world.looks import Glance
from embodied_mem.layers.world.support import find_support
from embodied_mem.layers.world.thing import Thing, moved
from embodied_mem.layers.world.world_state import WorldState
from embodied_mem.messages import EntityId, Event, ObjectMention, WorldDelta

RESOLVE_M = 0.6
"""A thing named by label and position is looked for within this distance."""
STATE_AFTER = {"open": "open", "close": "closed"}


def record(state: WorldState, event: Event, known_ns: int) -> WorldDelta:
    """Note a finished event and what it did to things; part of the caller's transaction."""
    known_ns = state.learn(event.start_ns, known_ns)
    event_id = state.repository.add_event(event, known_ns)
    touched: dict[EntityId, Thing] = {}
    failed = event.outcome in ("failed", "failure", "aborted")
    thing = _acted_on(state, event) if event.objects and not failed else None
    if thing is not None:
        glance = Glance(
            stamp_ns=max(event.end_ns, thing.runs[-1].to_ns if thing.runs else 0), known_ns=known_ns,
            eye_world=np.zeros(3, dtype=np.float32), source=f"event/{event_id}",
        )  # fmt: skip
        if event.kind == "pick":
            _pick(state, thing, event, glance)
        elif event.kind == "place":
            _place(state, thing, event, glance)
        elif event.kind in STATE_AFTER:
            thing.states.append((event.end_ns, STATE_AFTER[event.kind]))
            thing.states.sort()
        touched[thing.entity_id] = thing
    return WorldDelta(seen=tuple(touched), changes=state.publish(touched))


def _pick(state: WorldState, thing: Thing, event: Event, glance: Glance) -> None:
    thing.status, thing.holder = "held", event.actor
    take.note(thing, "away", -1, glance, thing.position_world_m, state.repository)


def _place(state: WorldState, thing: Thing, event: Event, glance: Glance) -> None:
    """Its shape goes along: until it is seen there, the box is the old one at the new position."""
    mention = event.objects[0]
    position = mention.position_world_m if isinstance(mention, ObjectMention) else thing.position_world_m
    target = np.array(position, dtype=np.float64)
    thing.shape.shift(target - thing.box.center)
    thing.places.append(moved(thing.placement, target))
    thing.place_index = len(thing.places) - 1
    thing.status, thing.holder, thing.is_shape_saved = "here", None, False
    thing.position_world_m = thing.placement.position_world_m
    thing.presence_logit = max(thing.presence_logit, 2.0)
    take.note(thing, "here", thing.place_index, glance, thing.position_world_m, state.repository)
    state.roster.place(thing)
    support = find_support(thing, state.roster, state.config.agent_labels)
    if support is not None:
        thing.supports[thing.place_index] = support


def _acted_on(state: WorldState, event: Event) -> Thing | None:
    """The thing that an event names: by id; what the actor holds; or the nearest of its label. None when unknown."""
    mention = event.objects[0]
    if isinstance(mention, str):
        thing = state.roster.get(state.aliases.get(mention, mention))
        if thing is None:
            known = [one.entity_id for one in state.roster]
            raise UnknownEntity(
                f"event {event.kind!r} names entity {mention!r}, which does not exist.{did_you_mean(mention, known)} "
                "Ask find(...) for ids, or give an ObjectMention with label and position."
            )
        return thing
    if event.kind == "place":
        held = [t for t in state.roster if t.status == "held" and t.holder == event.actor]
        same = [t for t in held if t.label == mention.label]
        return next(iter(same or held), None)
    position = np.array(mention.position_world_m)
    near = [
        (float(np.linalg.norm(t.box.center - position)), t.entity_id, t)
        for t in state.roster
        if t.label_share(mention.label) >= 0.3 and t.status != "gone"
    ]
    nearest = min(near, default=None)
    return nearest[2] if nearest is not None and nearest[0] <= RESOLVE_M else None
