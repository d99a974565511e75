"""What a planner needs to know of the world as text, most relevant first, each line citing what it rests on.

The budget is kept by an estimate of tokens that errs on the safe side: one for every three characters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from embodied_mem.context.places import PlaceBook
from embodied_mem.context.recall import Recall
from embodied_mem.errors import InvalidQuery
from embodied_mem.layers.world.words import labels_named
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import Change, Fact, Location, Room
from embodied_mem.perception.colors import COLOR_NAMES

CHARACTERS_PER_TOKEN = 3.0
MIN_TOKENS = 60
NEAR_M = 3.0
"""A thing this far from the robot counts half as much as one beside it."""
RECENT_S = 300.0
OTHER_COLOR = 0.5
"""How much a thing counts whose colour the task does not name, when it names one."""
MAX_EVENTS, MAX_CHANGES = 8, 8


@dataclass(frozen=True, kw_only=True)
class PlannerView:
    """The text, the ids of what it cites in order, the estimate of its tokens, and how many lines were left out."""

    text: str
    sources: tuple[str, ...]
    num_tokens: int
    num_omitted: int


@dataclass(frozen=True, kw_only=True)
class _Line:
    text: str
    source: str
    worth: float


def planner_view(recall: Recall, task: str = "", *, max_tokens: int = 800) -> PlannerView:
    """The world as far as it matters for a task ('bring the red mug to the kitchen'), within `max_tokens`.

    Raises:
        InvalidQuery: the budget is too small for a line.
    """
    if max_tokens < MIN_TOKENS:
        raise InvalidQuery(f"max_tokens is {max_tokens}; the shortest view needs {MIN_TOKENS}.")
    with recall.reading() as (view, places):
        rooms = places.rooms(view)
        header = _header(view, places, rooms)
        lines = [
            *_things(view, places, task), *_changes(view), *_events(view), *(_room(room, rooms) for room in rooms),
        ]  # fmt: skip
    lines.sort(key=lambda line: (-line.worth, line.text))
    chosen: list[_Line] = []
    length = len(header)
    for line in lines:
        if _tokens(length + len(line.text) + 1) > max_tokens:
            continue
        chosen.append(line)
        length += len(line.text) + 1
    text = "\n".join([header, *(line.text for line in chosen)])
    return PlannerView(
        text=text, sources=tuple(dict.fromkeys(line.source for line in chosen)), num_tokens=_tokens(len(text)),
        num_omitted=len(lines) - len(chosen),
    )  # fmt: skip


def _tokens(num_characters: int) -> int:
    return math.ceil(num_characters / CHARACTERS_PER_TOKEN)


def _header(view: WorldView, places: PlaceBook, rooms: list[Room]) -> str:
    where = ""
    glimpses = view.journey.between()
    if glimpses:
        position = glimpses[-1].position_world_m
        room = places.room_at(position, view)
        inside = f" in {_name(room)}" if room is not None else ""
        where = f" {glimpses[-1].robot} at ({position[0]:.1f}, {position[1]:.1f}){inside}."
    return f"World frame, metres, z up. Now {_seconds(view.now_ns)}.{where}"


def _things(view: WorldView, places: PlaceBook, task: str) -> Iterator[_Line]:
    asked = _asked(view, task)
    glimpses = view.journey.between()
    robot = np.array(glimpses[-1].position_world_m if glimpses else (0.0, 0.0, 0.0))
    for entity_id in view.ids():
        placed = view.location(entity_id)
        if placed is None:
            missing = _missing(view, entity_id)
            if missing is not None and asked.get(entity_id, 0.0) > 0:
                yield missing
            continue
        location, at = placed
        distance_m = float(np.linalg.norm(np.subtract(location.placement.position_world_m, robot)))
        age_s = max(0.0, (view.now_ns - location.last_seen_ns) / 1e9)
        worth = (
            10.0 * asked.get(entity_id, 0.0)
            + 1.0 / (1.0 + distance_m / NEAR_M)
            + 0.3 / (1.0 + age_s / RECENT_S)
        )
        yield _Line(text=_thing(view, places, location, at, age_s), source=f"fact/{at.fact_id}", worth=worth)


def _asked(view: WorldView, task: str) -> dict[str, float]:
    """How much the task's words are about each thing, 0..1."""
    scores = dict(view.index.search(task)) if task.strip() else {}
    words = task.lower().replace(",", " ").replace(".", " ").split()
    colors = set(words) & set(COLOR_NAMES)
    for entity_id in view.ids():
        color, _, label = view.label_of(entity_id).rpartition(" ")
        if any(labels_named(word, (label,)) for word in words):
            scores[entity_id] = 1.0
        if colors and color not in colors and entity_id in scores:
            scores[entity_id] *= OTHER_COLOR
    return scores


def _thing(view: WorldView, places: PlaceBook, location: Location, at: Fact, age_s: float) -> str:
    position = location.placement.position_world_m
    support = f" on {view.label_of(location.support)} {location.support}" if location.support else ""
    room = places.room_at(position, view)
    inside = f" in {_name(room)}" if room is not None else ""
    stated = view.statements.words(location.entity_id)
    note = f" ({stated})" if stated else ""
    x, y, z = position
    return (
        f"- {view.label_of(location.entity_id)} {location.entity_id}{note}{support}{inside} at ({x:.2f}, {y:.2f}, {z:.2f}), "
        f"seen {age_s:.0f} s ago [fact/{at.fact_id}]"
    )


def _missing(view: WorldView, entity_id: str) -> _Line | None:
    facts = [
        fact for fact in view.facts(entity_id) if fact.predicate == "at" and fact.valid_to_ns is not None
    ]
    if not facts:
        return None
    last = max(facts, key=lambda fact: fact.valid_to_ns or 0)
    text = (
        f"- {view.label_of(entity_id)} {entity_id} is not where it was until {_seconds(last.valid_to_ns or 0)}; place unknown "
        f"[fact/{last.fact_id}]"
    )
    return _Line(text=text, source=f"fact/{last.fact_id}", worth=9.0)


def _changes(view: WorldView) -> Iterator[_Line]:
    answer = view.questions.changes(region=None, since_ns=None, known_at_ns=None)
    pairs = list(zip(answer.value or (), answer.evidence, strict=False))[-MAX_CHANGES:]
    for change, source in pairs:
        yield _Line(text=_change(view, change, source), source=source, worth=2.0)


def _change(view: WorldView, change: Change, source: str) -> str:
    ends = [place.position_world_m for place in (change.before, change.after) if place is not None]
    route = " to ".join("({:.1f}, {:.1f}, {:.1f})".format(*end) for end in ends)
    name = view.label_of(change.entity_id)
    return (
        f"- {change.kind}: {name} {change.entity_id} {route}, between {_seconds(change.after_ns)} and "
        f"{_seconds(change.before_ns)} [{source}]"
    )


def _events(view: WorldView) -> Iterator[_Line]:
    for number, event, entity_ids in view.all_events()[-MAX_EVENTS:]:
        what = ", ".join(f"{view.label_of(one)} {one}" for one in entity_ids)
        text = f"- {event.actor}: {event.kind} {what} at {_seconds(event.end_ns)} [event/{number}]"
        yield _Line(text=text, source=f"event/{number}", worth=1.8)


def _room(room: Room, rooms: list[Room]) -> _Line:
    names = {one.room_id: _name(one) for one in rooms}
    beside = ", ".join(sorted(names[one] for one in room.neighbors))
    x, y = room.area.center
    text = (
        f"- room {_name(room)} ({room.room_id}) around ({x:.1f}, {y:.1f}), {len(room.contents)} things"
        f"{', opens to ' + beside if beside else ''} [map]"
    )
    return _Line(text=text, source="map", worth=1.5)


def _name(room: Room) -> str:
    """What a room is called; on the lowest floor, often the only one, without the floor."""
    return f"{room.category or room.room_id}{f' on floor {room.floor}' if room.floor else ''}"


def _seconds(stamp_ns: int) -> str:
    return f"{stamp_ns / 1e9:.1f} s"
