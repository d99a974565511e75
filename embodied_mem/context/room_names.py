"""Which rooms words mean: a kind ('kitchen'), an id ('room/2'), and look-alike rooms by what is in them or next to them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from embodied_mem.errors import InvalidQuery, did_you_mean
from embodied_mem.layers.world.places import FURNISHING, SYNONYMS
from embodied_mem.layers.world.words import labels_named
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import Room

IN_CONTEXT = re.compile(r"(?P<room>.+?) (?P<how>with|next to|beside|by) (?P<what>.+)")
"""'bedroom with a desk', 'bathroom next to the kitchen'."""


def plain(name: str) -> str:
    """A name without case and article."""
    return name.lower().strip().removeprefix("the ")


def means_a_room(name: str) -> bool:
    """Whether a name is that of a room, known or not."""
    key = plain(name)
    context = IN_CONTEXT.fullmatch(key)
    return (
        key.startswith("room/")
        or bool(_kinds(key))
        or (context is not None and bool(_kinds(context["room"])))
    )


def rooms_named(name: str, rooms: Sequence[Room], view: WorldView) -> list[Room]:
    """The rooms that a name means.

    Raises:
        InvalidQuery: no room was found yet, or none is called that.
    """
    if not rooms:
        raise InvalidQuery(
            f"no rooms are known yet, so {name!r} means nothing; let the robot look around, or give a box or radius."
        )
    key = plain(name)
    context = None if key.startswith("room/") else IN_CONTEXT.fullmatch(key)
    if context is not None:
        return _in_context(context, rooms, view)
    chosen = [room for room in rooms if room.room_id == key or room.category in _kinds(key)]
    if not chosen:
        have = sorted({room.category for room in rooms if room.category} | {room.room_id for room in rooms})
        raise InvalidQuery(f"no room is called {name!r}; have {have}.{did_you_mean(key, have)}")
    return chosen


def _in_context(context: re.Match[str], rooms: Sequence[Room], view: WorldView) -> list[Room]:
    """Those of the rooms of a kind that hold a thing, or that a way joins with a room."""
    alike = rooms_named(context["room"], rooms, view)
    if context["how"] == "with":
        held = {at.subject for at in view.candidates([context["what"]], {}, None, None, None, None)}
        chosen = [room for room in alike if not held.isdisjoint(room.contents)]
    else:
        beside = {room.room_id for room in rooms_named(context["what"], rooms, view)}
        chosen = [room for room in alike if not beside.isdisjoint(room.neighbors)]
    if not chosen:
        ids = [room.room_id for room in alike]
        raise InvalidQuery(
            f"none of the rooms {ids} that are called {context['room']!r} is {context['how']} {context['what']!r}; ask "
            "for rooms() to see what is in them and next to them."
        )
    return chosen


def _kinds(key: str) -> set[str]:
    return {kind for kind, words in SYNONYMS.items() if key in words} | set(labels_named(key, FURNISHING))
