"""Frames that arrive after newer ones: they rewrite what was true then, never what was known."""

from __future__ import annotations

import numpy as np

from embodied_mem.layers.world import looks as take
from embodied_mem.layers.world.association import associate
from embodied_mem.layers.world.identity import likeness, rebuilt
from embodied_mem.layers.world.looks import Glance
from embodied_mem.layers.world.thing import Thing, placement_of
from embodied_mem.layers.world.timeline import PlaceStay
from embodied_mem.layers.world.tracker import source_of
from embodied_mem.layers.world.visibility import DepthView
from embodied_mem.layers.world.world_state import WorldState
from embodied_mem.messages import EntityId, ObservedInstance, Percept, WorldDelta
from embodied_mem.store import Sighting, SightingKind

NEAR_M = 0.5


class LateTracker:
    """Takes in one percept older than what came before: places are compared as they were at its stamp.

    It adds looks, places and things; shapes and current placements stay as newer frames left them.
    """

    def __init__(self, state: WorldState, percept: Percept, known_ns: int) -> None:
        self._state = state
        self._percept = percept
        self._depth = DepthView.of(percept, state.config.depth_margin_m)
        self._glance = Glance(
            stamp_ns=percept.frame.stamp_ns, known_ns=known_ns, eye_world=tuple(self._depth.eye_world.tolist()),
            source=source_of(percept),
        )  # fmt: skip
        self._touched: dict[EntityId, Thing] = {}
        self._added: list[EntityId] = []

    def run(self) -> WorldDelta:
        """Do all of it; part of the caller's transaction."""
        instances, found = self._percept.instances, set()
        slots = [(thing, index) for thing in self._state.roster for index in range(len(thing.places))]
        slots.sort(key=lambda slot: not self._was_at(*slot))  # where it was then comes first
        slots = [slot for slot in slots if any(_is_near(slot[0], slot[1], i) for i in instances)]
        pairs = associate(
            instances, [thing for thing, _ in slots], [t.places[k].box for t, k in slots], self._state.config
        )
        for column in sorted(pairs.values()):
            thing, place_index = slots[column]
            if thing.entity_id not in found:
                found.add(thing.entity_id)
                self._note(thing, "here", place_index)
        for index, instance in enumerate(instances):
            if index not in pairs and instance.num_pixels >= self._state.config.min_new_pixels:
                self._find_or_start(instance, found)
        self._note_misses(found)
        changes = self._state.publish(self._touched)
        return WorldDelta(seen=tuple(sorted(found)), added=tuple(self._added), changes=changes)

    def _was_at(self, thing: Thing, place_index: int) -> bool:
        stay = self._stay(thing)
        return stay is not None and stay.place_index == place_index

    def _stay(self, thing: Thing) -> PlaceStay | None:
        """Where the thing is believed to have been at the frame's stamp."""
        stamp_ns = self._glance.stamp_ns
        sojourns = thing.stays(self._state.config)
        return next(
            (s for s in sojourns if s.from_ns <= stamp_ns and (s.to_ns is None or stamp_ns < s.to_ns)), None
        )

    def _find_or_start(self, instance: ObservedInstance, found: set[EntityId]) -> None:
        """A thing of which nothing was known then at this place: one that stood elsewhere before and after, or new."""
        new = take.started("", instance, self._glance, self._state.config)
        config = self._state.config
        rivals = [
            (likeness(thing, new, config), thing.entity_id, thing)
            for thing in self._state.roster
            if thing.entity_id not in found and self._stay(thing) is None and likeness(thing, new, config) > 0
        ]
        if rivals:
            thing = max(rivals)[2]
            thing.places.append(placement_of(instance.box))
            self._note(thing, "here", len(thing.places) - 1)
        else:
            new.entity_id = self._state.new_id()
            new.presence_logit = 2.0
            self._state.roster.add(new)
            self._added.append(new.entity_id)
            self._note(new, "here", 0)
            thing = new
        found.add(thing.entity_id)

    def _note_misses(self, found: set[EntityId]) -> None:
        labels = {label: index for index, label in enumerate(self._percept.labels)}
        has_labels = self._percept.label_index is not None
        for thing in self._state.roster:
            stay = self._stay(thing)
            if thing.entity_id in found or stay is None or stay.place_index != thing.place_index:
                continue
            seen = self._depth.look(thing.shape.points_world)
            label_index = labels.get(thing.label, -2) if has_labels else None
            if take.is_plainly_missing(
                thing, seen, label_index, self._percept.frame.camera.fx, self._state.config
            ):
                self._note(thing, "gone", thing.place_index)

    def _note(self, thing: Thing, kind: SightingKind, place_index: int) -> None:
        glance = self._glance
        position = None if kind == "gone" else thing.places[place_index].position_world_m
        self._state.repository.add_sighting(
            Sighting(
                entity_id=thing.entity_id,
                stamp_ns=glance.stamp_ns,
                known_ns=glance.known_ns,
                kind=kind,
                place_index=place_index,
                position_world_m=position,
                source=glance.source,
            )
        )
        ends_ns = {run.place_index: run.to_ns for run in thing.runs if run.kind == "here"}
        thing.runs = rebuilt(thing, self._state.repository, ends_ns)
        thing.first_seen_ns = min(thing.first_seen_ns, glance.stamp_ns)
        thing.num_views += kind == "here"
        sojourns = thing.stays(self._state.config)
        if thing.status in ("here", "gone") and sojourns:
            thing.status = "here" if sojourns[-1].to_ns is None else "gone"
        self._touched[thing.entity_id] = thing


def _is_near(thing: Thing, place_index: int, instance: ObservedInstance) -> bool:
    box = thing.places[place_index].box
    gap = np.maximum(np.subtract(box.min_m, instance.box.max_m), np.subtract(instance.box.min_m, box.max_m))
    return bool((gap <= NEAR_M).all())
