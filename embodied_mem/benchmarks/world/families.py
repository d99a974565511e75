"""The questions: all sixty families of FindingDory's eleven categories, written once over a `Chronicle`.

FindingDory (Yadav et al. 2025) asks an agent to go to what satisfies an instruction about what it did before. Here the
answer is that goal: one thing, furniture or room, or several in order or in any order. Wordings are ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from embodied_mem.benchmarks.world.chronicle import (
    CannotAnswer,
    Chronicle,
    Errand,
    Item,
    Undecided,
    distance_m,
    extreme,
)

Params = dict[str, Any]
Ask = Callable[[Chronicle, Params], list[Item]]
Vary = Callable[[Chronicle, np.random.Generator], Iterator[Params]]
Mode = Literal["any", "set", "sequence"]
MARGIN = 0.2
PLURAL_MARGIN = 0.1
TWO_COLORED = ("book", "clock", "laptop", "phone", "plant")
"""People would not agree on one colour word for these; nobody is asked for them by colour."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """One family: how its questions are made from the truth, and what answers one. `mode`: one goal of those that
    fit, all of them in any order, or all in order.
    """

    name: str
    category: str
    ask: Ask
    vary: Vary
    mode: Mode = "any"
    wording: str = ""


@dataclass
class _Table:
    families: list[Family] = field(default_factory=list)

    def add(self, category: str, name: str, wording: str, ask: Ask, vary: Vary, mode: Mode = "any") -> None:
        self.families.append(
            Family(name=name, category=category, ask=ask, vary=vary, mode=mode, wording=wording)
        )


def _once(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    yield {}


def _labels(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    labels = sorted({item.label for item in truth.things()})
    for label in rng.permutation(labels):
        yield {"label": str(label)}


def _shared_labels(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    counts = Counter(item.label for item in truth.things())
    for label in rng.permutation(sorted(label for label, number in counts.items() if number > 1)):
        yield {"label": str(label)}


def _furniture_labels(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    for label in rng.permutation(sorted({item.label for item in truth.furniture()})):
        yield {"furniture": str(label)}


def _moved_labels(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    for label in rng.permutation(sorted({errand.item.label for errand in truth.errands()})):
        yield {"label": str(label)}


def _used_furniture(side: str) -> Vary:
    def vary(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
        used = sorted({_side(errand, side).label for errand in truth.errands() if _side(errand, side)})
        for label in rng.permutation(used):
            yield {"furniture": str(label)}

    return vary


def _used_rooms(side: str) -> Vary:
    def vary(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
        rooms = sorted({truth.room_of(_point(errand, side)) for errand in truth.errands()})
        for room in rng.permutation(rooms):
            yield {"room": str(room)}

    return vary


def _all_rooms(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    for room in rng.permutation(sorted({stay.room for stay in truth.stays()})):
        yield {"room": str(room)}


def _moved_colors(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    for errand in truth.errands():
        if errand.item.label not in TWO_COLORED:
            yield {"color": errand.item.color, "label": errand.item.label}


def _colored_things(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    things = [item for item in truth.things() if item.label not in TWO_COLORED]
    for index in rng.permutation(len(things))[:6]:
        yield {"color": things[int(index)].color, "label": things[int(index)].label}


def _pairs(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    shared = [params["label"] for params in _shared_labels(truth, rng)]
    single = [item.label for item in truth.furniture() if len(truth.furniture(item.label)) == 1]
    for label in shared[:3]:
        for furniture in sorted(set(single))[:3]:
            yield {"label": label, "furniture": furniture}


def _moments(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    for errand in truth.errands():
        yield {"at_ns": (errand.pick_ns + errand.place_ns) // 2}


def _any_moments(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    for stay in truth.stays():
        if stay.to_ns - stay.from_ns > 4_000_000_000:
            yield {"at_ns": (stay.from_ns + stay.to_ns) // 2}


# -- helpers over a chronicle ------------------------------------------------------------------------------------


def _side(errand: Errand, side: str) -> Item:
    item = errand.source if side == "source" else errand.target
    if item is None:
        raise CannotAnswer
    return item


def _point(errand: Errand, side: str) -> tuple[float, float, float]:
    return errand.from_world_m if side == "source" else errand.to_world_m


def _distinct(items: list[Item]) -> list[Item]:
    return list({item.key: item for item in items}.values())


def _moved(c: Chronicle) -> list[Item]:
    """What was carried, where it is now, in the order of the first time."""
    return _distinct([errand.item for errand in c.errands()])


def _is_among(item: Item, others: list[Item]) -> bool:
    return any(
        distance_m(item.position_world_m, other.position_world_m) < 0.05 or item.key == other.key
        for other in others
    )


def _untouched(c: Chronicle, items: list[Item]) -> list[Item]:
    moved = _moved(c)
    return [item for item in items if not _is_among(item, moved)]


def _nth(items: list[Any], index: int) -> Any:
    if not -len(items) <= index < len(items):
        raise Undecided
    return items[index]


def _room_items(c: Chronicle, names: list[str]) -> list[Item]:
    by_name = {item.label: item for item in c.rooms()}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise Undecided if c.is_truth else CannotAnswer
    return [by_name[name] for name in names]


def _labelled(c: Chronicle, p: Params) -> list[Errand]:
    found = [errand for errand in c.errands() if errand.item.label == p["label"]]
    if c.is_truth and len({errand.item.key for errand in found}) != 1:
        raise Undecided  # "the mug that you moved" must be one
    return found


def _used(side: str) -> Ask:
    return lambda c, p: _distinct([_side(errand, side) for errand in c.errands()])


def _unused(c: Chronicle, p: Params) -> list[Item]:
    used = [_side(errand, side) for errand in c.errands() for side in ("source", "target")]
    return [item for item in c.furniture() if not _is_among(item, used)]


def _moved_via(side: str) -> Ask:
    return lambda c, p: _distinct(
        [errand.item for errand in c.errands() if _side(errand, side).label == p["furniture"]]
    )


def _side_of_label(side: str) -> Ask:
    return lambda c, p: _distinct([_side(errand, side) for errand in _labelled(c, p)])


def _moved_in_room(side: str) -> Ask:
    return lambda c, p: _distinct(
        [errand.item for errand in c.errands() if c.room_of(_point(errand, side)) == p["room"]]
    )


def _moved_colored(c: Chronicle, p: Params) -> list[Item]:
    wanted = c.named(p["label"], p["color"])
    return [item for item in _moved(c) if _is_among(item, wanted)]


def _same_color_as_first(c: Chronicle, p: Params) -> list[Item]:
    first = _nth(_moved(c), 0)
    if not first.color:
        raise CannotAnswer
    if c.is_truth and first.label in TWO_COLORED:
        raise Undecided
    items = [item for item in c.things() if item.label not in TWO_COLORED]
    found = [item for item in items if item.color == first.color and item.key != first.key]
    if not found:
        raise Undecided
    return found


def _by_size(largest: bool) -> Ask:
    def ask(c: Chronicle, p: Params) -> list[Item]:
        moved = _moved(c)
        return extreme(c, moved, [item.size_m for item in moved], largest=largest, margin=MARGIN)

    return ask


def _from_robot(largest: bool) -> Ask:
    def ask(c: Chronicle, p: Params) -> list[Item]:
        here = c.pose(2**62).position_world_m
        items = c.named(p["label"])
        distances = [float(np.linalg.norm(np.subtract(i.position_world_m, here)[:2])) for i in items]
        return extreme(c, items, distances, largest=largest, margin=PLURAL_MARGIN)

    return ask


def _from_start(c: Chronicle, p: Params) -> list[Item]:
    here = c.pose(0).position_world_m
    items = c.named(p["label"])
    distances = [float(np.linalg.norm(np.subtract(i.position_world_m, here)[:2])) for i in items]
    return extreme(c, items, distances, largest=False, margin=PLURAL_MARGIN)


def _from_furniture(largest: bool) -> Ask:
    def ask(c: Chronicle, p: Params) -> list[Item]:
        origins = c.furniture(p["furniture"])
        if not origins:
            raise CannotAnswer
        origin = origins[0]
        items = c.named(p["label"])
        distances = [distance_m(i.position_world_m, origin.position_world_m) for i in items]
        return extreme(c, items, distances, largest=largest, margin=MARGIN)

    return ask


def _by_visits(largest: bool) -> Ask:
    def ask(c: Chronicle, p: Params) -> list[Item]:
        counts = Counter(stay.room for stay in c.stays())
        names = sorted(counts)
        return extreme(
            c, _room_items(c, names), [float(counts[n]) for n in names], largest=largest, margin=0.01
        )

    return ask


def _nth_room(index: int) -> Ask:
    return lambda c, p: _room_items(c, [_nth(c.stays(), index).room])


def _room_before(c: Chronicle, p: Params) -> list[Item]:
    stays = c.stays()
    first = next((index for index, stay in enumerate(stays) if stay.room == p["room"]), 0)
    if first == 0:
        raise Undecided
    return _room_items(c, [stays[first - 1].room])


def _nth_moved(index: int) -> Ask:
    return lambda c, p: [_nth(c.errands(), index).item]


def _nth_side(index: int, side: str) -> Ask:
    return lambda c, p: [_side(_nth(c.errands(), index), side)]


def _beside(step: int) -> Ask:
    """What was carried right after (before) the thing of a label."""

    def ask(c: Chronicle, p: Params) -> list[Item]:
        errands = c.errands()
        indices = [index for index, errand in enumerate(errands) if errand.item.label == p["label"]]
        if c.is_truth and len(indices) != 1:
            raise Undecided
        if not indices or not 0 <= indices[0] + step < len(errands):
            raise Undecided
        return [errands[indices[0] + step].item]

    return ask


def _room_of_nth(index: int, side: str) -> Ask:
    return lambda c, p: _room_items(c, [c.room_of(_point(_nth(c.errands(), index), side))])


def _held_at(c: Chronicle, p: Params) -> list[Item]:
    return [errand.item for errand in c.errands() if errand.pick_ns <= p["at_ns"] < errand.place_ns]


def _room_at(c: Chronicle, p: Params) -> list[Item]:
    return _room_items(c, [stay.room for stay in c.stays() if stay.from_ns <= p["at_ns"] <= stay.to_ns])


def _longest_carried(c: Chronicle, p: Params) -> list[Item]:
    errands = c.errands()
    durations = [float(errand.place_ns - errand.pick_ns) for errand in errands]
    return extreme(c, [errand.item for errand in errands], durations, largest=True, margin=MARGIN)


def _by_dwell(largest: bool) -> Ask:
    def ask(c: Chronicle, p: Params) -> list[Item]:
        totals: Counter[str] = Counter()
        for stay in c.stays():
            totals[stay.room] += stay.to_ns - stay.from_ns
        names = sorted(totals)
        return extreme(
            c, _room_items(c, names), [float(totals[n]) for n in names], largest=largest, margin=0.1
        )

    return ask


def _visited_rooms(c: Chronicle, p: Params) -> list[Item]:
    return _room_items(c, sorted({stay.room for stay in c.stays()}))


def _fold(c: Chronicle, items: list[Item]) -> list[Item]:
    """A sequence without the same goal twice in a row."""
    return [item for index, item in enumerate(items) if index == 0 or item.key != items[index - 1].key]


def _place_rooms(c: Chronicle, p: Params) -> list[Item]:
    return _fold(c, _room_items(c, [c.room_of(errand.to_world_m) for errand in c.errands()]))


def finding_dory() -> list[Family]:
    """All sixty families."""
    t = _Table()
    add = t.add
    add("object recall", "recall.object", "a {label}", lambda c, p: c.named(p["label"]), _labels)
    add(
        "object recall",
        "recall.furniture",
        "a {furniture}",
        lambda c, p: c.furniture(p["furniture"]),
        _furniture_labels,
    )

    add("interaction", "moved.any", "a thing that you moved", lambda c, p: _moved(c), _once)
    add(
        "interaction",
        "moved.none",
        "a thing that you did not move",
        lambda c, p: _untouched(c, c.things()),
        _once,
    )
    add("interaction", "source.any", "what you took something from", _used("source"), _once)
    add("interaction", "target.any", "what you put something on", _used("target"), _once)
    add("interaction", "furniture.none", "furniture that you neither took from nor put on", _unused, _once)
    add(
        "interaction",
        "moved.label",
        "the {label} that you moved",
        lambda c, p: _distinct([errand.item for errand in _labelled(c, p)]),
        _moved_labels,
    )

    add(
        "conditional interaction",
        "moved.from",
        "what you took from a {furniture}",
        _moved_via("source"),
        _used_furniture("source"),
    )
    add(
        "conditional interaction",
        "moved.to",
        "what you put on a {furniture}",
        _moved_via("target"),
        _used_furniture("target"),
    )
    add(
        "conditional interaction",
        "source.of",
        "where you took the {label} from",
        _side_of_label("source"),
        _moved_labels,
    )
    add(
        "conditional interaction",
        "target.of",
        "where you put the {label}",
        _side_of_label("target"),
        _moved_labels,
    )
    add(
        "conditional interaction",
        "moved.from_room",
        "what you took in the {room}",
        _moved_in_room("source"),
        _used_rooms("source"),
    )
    add(
        "conditional interaction",
        "moved.to_room",
        "what you put down in the {room}",
        _moved_in_room("target"),
        _used_rooms("target"),
    )
    add(
        "conditional interaction",
        "unmoved.label",
        "a {label} that you did not move",
        lambda c, p: _untouched(c, c.named(p["label"])) or _undecided(),
        _moved_labels,
    )

    add("attribute", "moved.color", "the {color} {label} that you moved", _moved_colored, _moved_colors)
    add(
        "attribute",
        "thing.color",
        "the {color} {label}",
        lambda c, p: c.named(p["label"], p["color"]),
        _colored_things,
    )
    add(
        "attribute",
        "color.as_first",
        "a thing of the colour of the first one you moved",
        _same_color_as_first,
        _once,
    )
    add("attribute", "moved.smallest", "the smallest thing that you moved", _by_size(False), _once)
    add("attribute", "moved.largest", "the largest thing that you moved", _by_size(True), _once)

    add("spatial", "nearest.robot", "the {label} nearest to you", _from_robot(False), _shared_labels)
    add("spatial", "farthest.robot", "the {label} farthest from you", _from_robot(True), _shared_labels)
    add(
        "spatial",
        "nearest.furniture",
        "the {label} nearest to the {furniture}",
        _from_furniture(False),
        _pairs,
    )
    add(
        "spatial",
        "farthest.furniture",
        "the {label} farthest from the {furniture}",
        _from_furniture(True),
        _pairs,
    )
    add("spatial", "nearest.start", "the {label} nearest to where you began", _from_start, _shared_labels)

    add(
        "room visitation", "room.most_visits", "the room that you entered most often", _by_visits(True), _once
    )
    add(
        "room visitation",
        "room.fewest_visits",
        "the room that you entered least often",
        _by_visits(False),
        _once,
    )
    add("room visitation", "room.first", "the room that you began in", _nth_room(0), _once)
    add("room visitation", "room.last", "the room that you were in last", _nth_room(-1), _once)
    add(
        "room visitation",
        "room.before",
        "the room from which you first entered the {room}",
        _room_before,
        _all_rooms,
    )

    for word, index in (("first", 0), ("second", 1), ("last but one", -2), ("last", -1)):
        add(
            "interaction order", f"moved.{word}", f"the {word} thing that you moved", _nth_moved(index), _once
        )
        add(
            "interaction order",
            f"source.{word}",
            f"what you took the {word} thing from",
            _nth_side(index, "source"),
            _once,
        )
        add(
            "interaction order",
            f"target.{word}",
            f"what you put the {word} thing on",
            _nth_side(index, "target"),
            _once,
        )
    add("interaction order", "moved.after", "what you moved after the {label}", _beside(1), _moved_labels)
    add("interaction order", "moved.before", "what you moved before the {label}", _beside(-1), _moved_labels)
    add(
        "interaction order",
        "room.first_pick",
        "the room in which you took the first thing",
        _room_of_nth(0, "source"),
        _once,
    )
    add(
        "interaction order",
        "room.last_place",
        "the room in which you put the last thing",
        _room_of_nth(-1, "target"),
        _once,
    )

    add("time", "held.at", "what you carried at {at_ns}", _held_at, _moments)
    add("time", "room.at", "the room that you were in at {at_ns}", _room_at, _any_moments)

    add("duration", "carried.longest", "what you carried for the longest time", _longest_carried, _once)
    add("duration", "room.longest", "the room that you spent most time in", _by_dwell(True), _once)
    add("duration", "room.shortest", "the room that you spent least time in", _by_dwell(False), _once)

    add("unordered revisits", "all.moved", "everything that you moved", lambda c, p: _moved(c), _once, "set")
    add(
        "unordered revisits",
        "all.sources",
        "everything that you took things from",
        _used("source"),
        _once,
        "set",
    )
    add(
        "unordered revisits",
        "all.targets",
        "everything that you put things on",
        _used("target"),
        _once,
        "set",
    )
    add("unordered revisits", "all.rooms", "every room that you were in", _visited_rooms, _once, "set")
    add(
        "unordered revisits",
        "all.label",
        "every {label}",
        lambda c, p: c.named(p["label"]),
        _shared_labels,
        "set",
    )
    add(
        "ordered revisits",
        "order.moved",
        "what you moved, in order",
        lambda c, p: _moved(c),
        _once,
        "sequence",
    )
    add(
        "ordered revisits",
        "order.reversed",
        "what you moved, last first",
        lambda c, p: _moved(c)[::-1],
        _once,
        "sequence",
    )
    add(
        "ordered revisits",
        "order.targets",
        "what you put things on, in order",
        lambda c, p: _fold(c, [_side(errand, "target") for errand in c.errands()]),
        _once,
        "sequence",
    )
    add(
        "ordered revisits",
        "order.rooms",
        "the rooms in which you put things, in order",
        _place_rooms,
        _once,
        "sequence",
    )
    return t.families


def _undecided() -> list[Item]:
    raise Undecided
