"""Merges that can be undone: what two entities were is kept when they become one, and given back when they were two.

When a merge is undone, what was seen since then belongs to the later of both: it is the one that was in view. Of two
pieces, it belongs to the one whose id was kept.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import orjson

from embodied_mem.errors import InvalidQuery, did_you_mean
from embodied_mem.layers.world.association import corners, overlaps
from embodied_mem.layers.world.identity import absorb, rebuilt
from embodied_mem.layers.world.looks import refresh_placement
from embodied_mem.layers.world.shape import Shape
from embodied_mem.layers.world.thing import Thing
from embodied_mem.layers.world.world_state import MERGE, WorldState
from embodied_mem.messages import EntityId, Operation
from embodied_mem.store import Sighting

SAME_PLACE_M = 0.1
"""Two things at rest with a smaller gap between them that are said to be one are pieces of it."""

SAME_PLACE_IOU = 0.3
"""Two boxes that have so much in common are one thing's."""


def merge(state: WorldState, old: Thing, new: Thing, *, is_piece: bool) -> bool:
    """Make `new` a later chapter of `old`, or a piece of it; False when somebody has said that they are two."""
    if frozenset((old.entity_id, new.entity_id)) in state.apart:
        return False
    offset = old.place_index - new.place_index if is_piece else len(old.places)
    looks = state.repository.sightings(new.entity_id)
    before = {
        "kept": old.entity_id, "offset": offset, "is_piece": is_piece,
        "old": _packed(old), "new": _packed(new),
        "looks": [[one.stamp_ns, one.place_index] for one in looks],
        "kept_looks": [[one.stamp_ns, one.place_index] for one in state.repository.sightings(old.entity_id)],
        "aliases": [alias for alias, to in state.aliases.items() if to == new.entity_id],
        "carries": [
            [thing.entity_id, index]
            for thing in state.roster.bound_to(new.entity_id)
            for index, (_, support) in thing.supports.items()
            if support == new.entity_id
        ],
    }  # fmt: skip
    state.keep_merge(new.entity_id, orjson.dumps(before))
    absorb(old, new, state.repository, is_piece=is_piece)
    state.roster.bind(old)
    state.merge_ids(old, new)
    return True


def carry_out(state: WorldState, operation: Operation) -> tuple[EntityId, ...]:
    """Do what a MERGE or SPLIT states; the ids of the things that it left. The one that was seen first keeps its id.

    Raises:
        UnknownEntity: a thing does not exist.
        InvalidQuery: both are one already, or the thing was never merged, or something merged later must be split first.
    """
    if operation.kind == "SPLIT":
        return split(state, operation.subject)
    things = [
        state.thing(entity_id, named_by="MERGE") for entity_id in (operation.subject, operation.object or "")
    ]
    old, new = sorted(things, key=lambda thing: (thing.first_seen_ns, thing.entity_id))
    if old is new:
        raise InvalidQuery(f"{operation.subject!r} and {operation.object!r} are one thing already.")
    state.apart.discard(frozenset((old.entity_id, new.entity_id)))
    is_at_rest = old.status == new.status == "here"
    is_piece = is_at_rest and len(new.places) == 1 and _gap_m(old, new) < SAME_PLACE_M
    merge(state, old, new, is_piece=is_piece)
    if is_piece:
        refresh_placement(old)
    state.roster.place(old)
    state.publish({old.entity_id: old})
    return (old.entity_id,)


def split(state: WorldState, retired_id: EntityId) -> tuple[EntityId, EntityId]:
    """Undo the merge in which an id was retired: (the id that was kept, the id that is back). They stay two from now on."""
    before = _record(state, retired_id)
    kept_id, offset = before["kept"], before["offset"]
    current, old = state.roster[kept_id], _unpacked(state, before["old"])
    new = then = _unpacked(state, before["new"])
    is_piece = before["is_piece"]
    if is_piece and current.place_index != old.place_index:  # it was carried elsewhere
        old = _gone_on(current, then, old, 0)
    elif not is_piece and current.place_index >= offset:
        new = _gone_on(current, old, then, offset)
    _take_places(*((old, current, 0) if is_piece else (new, current, offset)))
    _give_back_looks(state, before, retired_id, then)
    ends_of = {run.place_index: run.to_ns for run in current.runs if run.kind == "here"}
    for thing, shift in ((old, 0), (new, offset)):
        ends = {place - shift: to for place, to in ends_of.items() if 0 <= place - shift < len(thing.places)}
        thing.runs = rebuilt(thing, state.repository, ends) or thing.runs
        _stand_where_last_seen(thing)
        thing.is_shape_saved = False
    if is_piece:
        old.last_seen_ns = current.last_seen_ns
    state.roster.remove(current)
    state.roster.add(old)
    state.roster.add(new)
    del state.aliases[retired_id]
    state.aliases.update(dict.fromkeys(before["aliases"], retired_id))
    state.apart.add(frozenset((kept_id, retired_id)))
    state.drop_merge(retired_id)
    _take_doubles(state, old, new)
    _take_doubles(state, new, old)
    state.publish({kept_id: old, retired_id: new, **_hand_back_loads(state, before, retired_id)})
    return kept_id, retired_id


def _record(state: WorldState, retired_id: EntityId) -> dict[str, Any]:
    """What was kept of the merge that retired an id, when it is the last one into the thing that took it."""
    payload = state.repository.record(MERGE, retired_id)
    if payload is None:
        older = f" {state.num_merges_dropped} older merges were dropped." if state.num_merges_dropped else ""
        raise InvalidQuery(
            f"{retired_id!r} was not merged into anything that could be split again; these were: {state.merged}."
            f"{older}{did_you_mean(retired_id, state.merged)}"
        )
    before: dict[str, Any] = orjson.loads(payload)
    if before["kept"] not in state.roster:
        raise InvalidQuery(
            f"{retired_id!r} is part of {before['kept']!r}, which was merged itself; split that first."
        )
    into = [
        key for key, one in state.repository.records(MERGE) if orjson.loads(one)["kept"] == before["kept"]
    ]
    later = into[into.index(retired_id) + 1 :]
    if later:
        raise InvalidQuery(
            f"{later} were merged into {before['kept']!r} after {retired_id!r}; split them first."
        )
    return before


def _gone_on(current: Thing, old: Thing, then: Thing, offset: int) -> Thing:
    """What one of two, `then` at the merge, is now: what the merged one has without what the other, `old`, brought.

    Its places are those of the merged one from `offset` on.
    """
    new = Thing.from_bytes(current.to_bytes(), current.shape)
    new.entity_id, new.first_seen_ns = then.entity_id, then.first_seen_ns
    if current.last_seen_ns == max(old.last_seen_ns, then.last_seen_ns):  # not seen since
        new.last_seen_ns = then.last_seen_ns
    new.places, new.place_index = current.places[offset:], current.place_index - offset
    new.supports = {index - offset: one for index, one in current.supports.items() if index >= offset}
    new.num_views = max(then.num_views, current.num_views - old.num_views)
    votes = {label: count - old.label_votes.get(label, 0.0) for label, count in current.label_votes.items()}
    new.label_votes = {label: count for label, count in votes.items() if count > 1e-9} or then.label_votes
    since = np.maximum(np.subtract(current.color_sum, old.color_sum), 0.0)
    new.color_sum = np.add(then.color_sum, since).tolist()
    new.appearance, new.states = then.appearance, then.states
    new.arrived_after_ns, new.num_arrival_checks = then.arrived_after_ns, then.num_arrival_checks
    return new


def _take_places(thing: Thing, current: Thing, offset: int) -> None:
    """Let a thing have the places that were found since the merge, too."""
    first = len(thing.places)
    thing.places.extend(current.places[offset + first :])
    found = {index - offset: one for index, one in current.supports.items() if index >= offset + first}
    thing.supports.update(found)


def _take_doubles(state: WorldState, back: Thing, other: Thing) -> None:
    """What was first seen since the merge at the place of a thing that is back is that thing, seen again."""
    low, high = corners([back.box])[0]
    doubles = [
        thing
        for thing in state.roster.near(low[None], high[None], 0.0)
        if thing not in (back, other)
        and thing.status == back.status == "here"
        and thing.label == back.label
        and len(thing.places) == 1
        and thing.first_seen_ns > back.last_seen_ns
    ]
    if not doubles:
        return
    shared = overlaps(corners([back.box]), corners([thing.box for thing in doubles])).iou[0]
    for thing in [doubles[index] for index in np.flatnonzero(shared >= SAME_PLACE_IOU)]:
        if merge(state, back, thing, is_piece=True):
            refresh_placement(back)
            state.roster.place(back)


def _stand_where_last_seen(thing: Thing) -> None:
    """Put a thing that went on, and from where it was last seen another one went on, at that place."""
    last = max((run for run in thing.runs if run.kind == "here"), key=lambda run: run.to_ns, default=None)
    if last is None or last.place_index == thing.place_index or thing.status != "here":
        return
    thing.shape.shift(thing.places[last.place_index].box.center - thing.box.center)
    thing.place_index = last.place_index
    thing.position_world_m = thing.placement.position_world_m


def _give_back_looks(state: WorldState, before: dict[str, Any], retired_id: EntityId, then: Thing) -> None:
    repository, kept_id, offset = state.repository, before["kept"], before["offset"]
    if not before["is_piece"]:
        own = {
            (one.stamp_ns, one.place_index)
            for one in repository.sightings(kept_id)
            if one.place_index >= offset or (one.place_index < 0 and one.stamp_ns >= then.first_seen_ns)
        }
        repository.give_sightings(kept_id, retired_id, -offset, only=own)
        return
    kept = {(stamp_ns, place) for stamp_ns, place in before["kept_looks"]}
    looks = {(stamp_ns, place + offset if place >= 0 else place) for stamp_ns, place in before["looks"]}
    shared = [one for one in repository.sightings(kept_id) if (one.stamp_ns, one.place_index) in looks & kept]
    repository.give_sightings(kept_id, retired_id, -offset, only=looks - kept)
    for one in {(one.stamp_ns, one.place_index): one for one in shared}.values():  # both were in that frame
        place = one.place_index - offset if one.place_index >= 0 else one.place_index
        repository.add_sighting(Sighting(**{**one.__dict__, "entity_id": retired_id, "place_index": place}))


def _hand_back_loads(
    state: WorldState, before: dict[str, Any], retired_id: EntityId
) -> dict[EntityId, Thing]:
    """What stood on the thing that is back stands on it again."""
    changed: dict[EntityId, Thing] = {}
    for entity_id, index in before["carries"]:
        thing = state.roster.get(entity_id)
        if thing is not None and thing.supports.get(index, ("", ""))[1] == before["kept"]:
            thing.supports[index] = (thing.supports[index][0], retired_id)
            changed[entity_id] = thing
    return changed


def _gap_m(a: Thing, b: Thing) -> float:
    gap = np.maximum(np.subtract(a.box.min_m, b.box.max_m), np.subtract(b.box.min_m, a.box.max_m))
    return float(np.linalg.norm(np.maximum(gap, 0.0)))


def _packed(thing: Thing) -> list[str]:
    return [base64.b64encode(part).decode() for part in (thing.to_bytes(), thing.shape.to_bytes())]


def _unpacked(state: WorldState, packed: list[str]) -> Thing:
    thing, shape = (base64.b64decode(part) for part in packed)
    return Thing.from_bytes(thing, Shape.from_bytes(shape, state.config.max_cells))
