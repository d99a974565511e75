"""What this home shows of where things are kept: its receptacles, what is and was on them, how long things stayed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from embodied_mem.context.places import PlaceBook
from embodied_mem.layers.world.lasting import Rest
from embodied_mem.layers.world.placements import FLOOR, Kind, Placements
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import EntityId, Location, Stay

HOLDER_M = 0.45
"""Things whose longest edge is at least this hold others."""

NO_HOLDERS = ("door", "window", "cabinet door", "fridge door", "picture", "curtain")
"""Large things on which nothing is kept."""


@dataclass(frozen=True, kw_only=True)
class Receptacle:
    """Something here that holds things, or the floor of a room (`entity_id` None)."""

    entity_id: EntityId | None
    label: str
    room: str
    last_seen_ns: int

    @property
    def kind(self) -> Kind:
        return self.label, self.room


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A movable thing: where it is (None: at no known place), on what, its earlier stays there by receptacle."""

    entity_id: EntityId
    label: str
    size_m: float
    location: Location | None
    on: EntityId | None
    room: str
    last_on: EntityId | None
    gone_ns: int | None
    """Since when it is known not to be where it was."""
    stays_on: Counter[EntityId] = field(default_factory=Counter)


@dataclass(frozen=True, kw_only=True)
class Household:
    """This home as placement priors read it."""

    receptacles: tuple[Receptacle, ...]
    things: dict[EntityId, Kept]
    rests: tuple[Rest, ...]

    def placements(self) -> Placements:
        """The home's present state as counts, to be learned from elsewhere."""
        counted = Placements()
        kind_of = {one.entity_id: one.kind for one in self.receptacles}
        things = [
            (thing.label, kind_of.get(thing.on, (FLOOR, thing.room)))
            for thing in self.things.values()
            if thing.location is not None
        ]
        counted.add_home([one.kind for one in self.receptacles], things)
        return counted


def household(view: WorldView, places: PlaceBook) -> Household:
    """Read the home from the world and its rooms."""
    located = {
        entity_id: placed[0]
        for entity_id in view.ids()
        if not view.is_agent(entity_id) and (placed := view.location(entity_id)) is not None
    }
    room_of = _room_names(view, places)
    holders = {
        key
        for key, location in located.items()
        if _longest_m(location) >= HOLDER_M and location.label not in NO_HOLDERS
    }
    receptacles = [
        Receptacle(
            entity_id=key, label=located[key].label, room=room_of.get(key, ""),
            last_seen_ns=located[key].last_seen_ns,
        )
        for key in sorted(holders)
    ]  # fmt: skip
    for room in sorted(set(room_of.values())):
        receptacles.append(Receptacle(entity_id=None, label=FLOOR, room=room, last_seen_ns=-1))
    things: dict[EntityId, Kept] = {}
    rests: list[Rest] = []
    for entity_id in view.ids():
        if view.is_agent(entity_id):
            continue
        stays = view.stays(entity_id)
        rests += _rests(view, entity_id, stays)
        if entity_id not in holders and stays:
            things[entity_id] = _kept(view, entity_id, stays, located, holders, room_of)
    return Household(receptacles=tuple(receptacles), things=things, rests=tuple(rests))


def _kept(
    view: WorldView,
    entity_id: EntityId,
    stays: list[Stay],
    located: dict[EntityId, Location],
    holders: set[EntityId],
    room_of: dict[EntityId, str],
) -> Kept:
    location = located.get(entity_id)
    supports = [_holder(stay.support, located, holders) for stay in stays]
    return Kept(
        entity_id=entity_id, label=view.bare_label_of(entity_id), location=location,
        size_m=float(stays[-1].placement.box.size.max()), on=supports[-1] if location is not None else None,
        room=room_of.get(entity_id, ""), last_on=supports[-1],
        gone_ns=stays[-1].to_ns, stays_on=Counter(one for one in supports if one is not None),
    )  # fmt: skip


def _holder(
    support: EntityId | None, located: dict[EntityId, Location], holders: set[EntityId]
) -> EntityId | None:
    """The receptacle that carries what carries it: a plate's table is that of the apple on the plate."""
    passed: set[EntityId] = set()
    while support is not None and support not in holders and support not in passed:
        passed.add(support)
        support = located[support].support if support in located else None
    return support if support in holders else None


def _rests(view: WorldView, entity_id: EntityId, stays: list[Stay]) -> list[Rest]:
    label, last_ns = view.bare_label_of(entity_id), view.seen_until_ns(entity_id)
    return [
        Rest(
            entity_id=entity_id, label=label, size_m=float(stay.placement.box.size.max()),
            seconds=max(0, (last_ns if stay.to_ns is None else stay.to_ns) - stay.from_ns) * 1e-9,
            has_moved=stay.to_ns is not None,
        )
        for stay in stays
    ]  # fmt: skip


def _room_names(view: WorldView, places: PlaceBook) -> dict[EntityId, str]:
    """The category of the room that each thing is in, its id where the category is not known."""
    return {
        entity_id: room.category or room.room_id for room in places.rooms(view) for entity_id in room.contents
    }


def _longest_m(location: Location) -> float:
    return float(location.placement.box.size.max())
