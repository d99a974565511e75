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


FLOOR = r"upstairs|downstairs|ground floor|top floor|floor \d+"
ON_FLOOR = re.compile(rf"(?:(?P<room>.+?) )??(?:on )?(?:the )?(?P<floor>{FLOOR})")
FLOOR_FIRST = re.compile(rf"(?P<floor>{FLOOR}) (?P<room>.+)")
"""'upstairs', 'bathroom upstairs', 'bathroom on the ground floor'; 'upstairs bathroom'."""


def plain(name: str) -> str:
    """A name without case and article."""
    return name.lower().strip().removeprefix("the ")


def means_a_room(name: str) -> bool:
    """Whether a name is that of a room or a floor, known or not."""
    key, floor = _parted(plain(name))
    if floor and not key:
        return True
    context = IN_CONTEXT.fullmatch(key)
    return (
        key.startswith("room/")
        or bool(_kinds(key))
        or (context is not None and bool(_kinds(context["room"])))
    )


def floors_called(name: str, num_floors: int) -> list[int] | None:
    """The floors, lowest first, that a name without a room means; None when it is no such name.

    Raises:
        InvalidQuery: there is no such floor.
    """
    key, floor = _parted(plain(name))
    return _floors(floor, num_floors) if floor and not key else None


def rooms_named(name: str, rooms: Sequence[Room], view: WorldView, *, num_floors: int = 1) -> list[Room]:
    """The rooms that a name means.

    Raises:
        InvalidQuery: no room was found yet, or none is called that.
    """
    if not rooms:
        raise InvalidQuery(
            f"no rooms are known yet, so {name!r} means nothing; let the robot look around, or give a box or radius."
        )
    key, floor = _parted(plain(name))
    if floor:
        alike = rooms if not key else rooms_named(key, rooms, view)
        chosen = [room for room in alike if room.floor in _floors(floor, num_floors)]
        if not chosen:
            have = [f"{room.room_id} on floor {room.floor}" for room in alike]
            raise InvalidQuery(f"no room is called {name!r}; have {have}.")
        return chosen
    context = None if key.startswith("room/") else IN_CONTEXT.fullmatch(key)
    if context is not None:
        return _in_context(context, rooms, view)
    chosen = [room for room in rooms if room.room_id == key or room.category in _kinds(key)]
    if not chosen:
        have = sorted({room.category for room in rooms if room.category} | {room.room_id for room in rooms})
        raise InvalidQuery(f"no room is called {name!r}; have {have}.{did_you_mean(key, have)}")
    return chosen


def _parted(key: str) -> tuple[str, str]:
    """The name of a room ('' when there is none) and that of a floor ('' when there is none)."""
    found = ON_FLOOR.fullmatch(key) or FLOOR_FIRST.fullmatch(key)
    return (key, "") if found is None else (found["room"] or "", found["floor"])


def _floors(name: str, num_floors: int) -> list[int]:
    if name.startswith("floor "):
        chosen = [floor for floor in range(num_floors) if floor == int(name.removeprefix("floor "))]
    elif name == "upstairs":
        chosen = list(range(1, num_floors))
    else:
        chosen = [num_floors - 1 if name == "top floor" else 0]
    if not chosen:
        have = ["ground floor", *(f"floor {floor}" for floor in range(1, num_floors))]
        raise InvalidQuery(f"no floor is called {name!r}; the memory knows {have}.")
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
