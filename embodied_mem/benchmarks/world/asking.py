"""How goals are found in a chronicle: the parts that families of questions are put together from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

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
MARGIN = 0.2
PLURAL_MARGIN = 0.1
TWO_COLORED = ("book", "clock", "laptop", "phone", "plant")
"""People would not agree on one colour word for these; nobody is asked for them by colour."""


def side_of(errand: Errand, side: str) -> Item:
    """The furniture that a thing was taken from (side "source") or put on ("target")."""
    item = errand.source if side == "source" else errand.target
    if item is None:
        raise CannotAnswer
    return item


def end_of(errand: Errand, side: str) -> tuple[float, float, float]:
    """Where a thing was picked up ("source") or put down ("target")."""
    return errand.from_world_m if side == "source" else errand.to_world_m


def distinct(items: list[Item]) -> list[Item]:
    """Each goal once, in the order of its first time."""
    return list({item.key: item for item in items}.values())


def carried(c: Chronicle) -> list[Item]:
    """What was carried, where it is now, in the order of the first time."""
    return distinct([errand.item for errand in c.errands()])


def is_among(item: Item, others: list[Item]) -> bool:
    """Whether an item is one of others, by name or by place."""
    return any(
        distance_m(item.position_world_m, other.position_world_m) < 0.05 or item.key == other.key
        for other in others
    )


def untouched(c: Chronicle, items: list[Item]) -> list[Item]:
    """Those of the items that were never carried."""
    moved = carried(c)
    return [item for item in items if not is_among(item, moved)]


def nth(items: list[Any], index: int) -> Any:
    """The item at an index; undecided when there is none."""
    if not -len(items) <= index < len(items):
        raise Undecided
    return items[index]


def room_items(c: Chronicle, names: list[str]) -> list[Item]:
    """Rooms by their names."""
    by_name = {item.label: item for item in c.rooms()}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise Undecided if c.is_truth else CannotAnswer
    return [by_name[name] for name in names]


def labelled(c: Chronicle, p: Params) -> list[Errand]:
    """Errands with things of the label asked for."""
    found = [errand for errand in c.errands() if errand.item.label == p["label"]]
    if c.is_truth and len({errand.item.key for errand in found}) != 1:
        raise Undecided  # "the mug that you moved" must be one
    return found


def known_sides(c: Chronicle, side: str) -> list[tuple[Errand, Item]]:
    """Errands with the furniture of that side, without those of which it is not known; all unknown: no answer."""
    errands = c.errands()
    found = [
        (errand, item)
        for errand in errands
        if (item := errand.source if side == "source" else errand.target) is not None
    ]
    if errands and not found:
        raise CannotAnswer
    return found


def used(side: str) -> Ask:
    """What things were taken from, or put on."""
    return lambda c, p: distinct([item for _, item in known_sides(c, side)])


def unused(c: Chronicle, p: Params) -> list[Item]:
    """Furniture that nothing was taken from or put on."""
    used = [item for side in ("source", "target") for _, item in known_sides(c, side)]
    return [item for item in c.furniture() if not is_among(item, used)]


def moved_via(side: str) -> Ask:
    """Things taken from (put on) the kind of furniture asked for."""
    return lambda c, p: distinct(
        [errand.item for errand, item in known_sides(c, side) if item.label == p["furniture"]]
    )


def side_of_label(side: str) -> Ask:
    """The furniture that things of the label were taken from (put on)."""
    return lambda c, p: distinct([side_of(errand, side) for errand in labelled(c, p)])


def moved_in_room(side: str) -> Ask:
    """Things taken (put down) in the room asked for."""
    return lambda c, p: distinct(
        [errand.item for errand in c.errands() if c.room_of(end_of(errand, side)) == p["room"]]
    )


def moved_colored(c: Chronicle, p: Params) -> list[Item]:
    """Carried things of the colour and label asked for."""
    wanted = c.named(p["label"], p["color"])
    return [item for item in carried(c) if is_among(item, wanted)]


def same_color_as_first(c: Chronicle, p: Params) -> list[Item]:
    """Things of the colour of the first one that was carried."""
    first = nth(carried(c), 0)
    if not first.color:
        raise CannotAnswer
    if c.is_truth and first.label in TWO_COLORED:
        raise Undecided
    items = [item for item in c.things() if item.label not in TWO_COLORED]
    if c.is_truth:
        for label in {item.label for item in items}:
            c.named(label, first.color)  # undecided when one of them was not clearly seen
    found = [item for item in items if item.color == first.color and item.key != first.key]
    if not found:
        raise Undecided
    return found


def by_size(largest: bool) -> Ask:
    """The largest (smallest) thing that was carried."""

    def ask(c: Chronicle, p: Params) -> list[Item]:
        moved = carried(c)
        return extreme(c, moved, [item.size_m for item in moved], largest=largest, margin=MARGIN)

    return ask


def from_robot(largest: bool) -> Ask:
    """The thing of a label farthest from (nearest to) the robot."""

    def ask(c: Chronicle, p: Params) -> list[Item]:
        here = c.pose(2**62).position_world_m
        items = c.named(p["label"])
        distances = [float(np.linalg.norm(np.subtract(i.position_world_m, here)[:2])) for i in items]
        return extreme(c, items, distances, largest=largest, margin=PLURAL_MARGIN)

    return ask


def from_start(c: Chronicle, p: Params) -> list[Item]:
    """The thing of a label nearest to where the day began."""
    here = c.pose(0).position_world_m
    items = c.named(p["label"])
    distances = [float(np.linalg.norm(np.subtract(i.position_world_m, here)[:2])) for i in items]
    return extreme(c, items, distances, largest=False, margin=PLURAL_MARGIN)


def from_furniture(largest: bool) -> Ask:
    """The thing of a label farthest from (nearest to) a piece of furniture."""

    def ask(c: Chronicle, p: Params) -> list[Item]:
        origins = c.furniture(p["furniture"])
        if not origins:
            raise CannotAnswer
        origin = origins[0]
        items = c.named(p["label"])
        distances = [distance_m(i.position_world_m, origin.position_world_m) for i in items]
        return extreme(c, items, distances, largest=largest, margin=MARGIN)

    return ask


def by_visits(largest: bool) -> Ask:
    """The room that was entered most (least) often."""

    def ask(c: Chronicle, p: Params) -> list[Item]:
        counts = Counter(stay.room for stay in c.stays())
        names = sorted(counts)
        return extreme(
            c, room_items(c, names), [float(counts[n]) for n in names], largest=largest, margin=0.01
        )

    return ask


def nth_room(index: int) -> Ask:
    """The room that was entered at an index."""
    return lambda c, p: room_items(c, [nth(c.stays(), index).room])


def room_before(c: Chronicle, p: Params) -> list[Item]:
    """The room from which the one asked for was first entered."""
    stays = c.stays()
    first = next((index for index, stay in enumerate(stays) if stay.room == p["room"]), 0)
    if first == 0:
        raise Undecided
    return room_items(c, [stays[first - 1].room])


def nth_moved(index: int) -> Ask:
    """The thing that was carried at an index."""
    return lambda c, p: [nth(c.errands(), index).item]


def nth_side(index: int, side: str) -> Ask:
    """The furniture of the errand at an index."""
    return lambda c, p: [side_of(nth(c.errands(), index), side)]


def beside(step: int) -> Ask:
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


def room_of_nth(index: int, side: str) -> Ask:
    """The room in which the errand at an index began (ended)."""
    return lambda c, p: room_items(c, [c.room_of(end_of(nth(c.errands(), index), side))])


def held_at(c: Chronicle, p: Params) -> list[Item]:
    """What was in the hand at a moment."""
    return [errand.item for errand in c.errands() if errand.pick_ns <= p["at_ns"] < errand.place_ns]


def room_at(c: Chronicle, p: Params) -> list[Item]:
    """The room that the robot was in at a moment."""
    return room_items(c, [stay.room for stay in c.stays() if stay.from_ns <= p["at_ns"] <= stay.to_ns])


def longest_carried(c: Chronicle, p: Params) -> list[Item]:
    """The thing that was in the hand for the longest time."""
    errands = c.errands()
    durations = [float(errand.place_ns - errand.pick_ns) for errand in errands]
    return extreme(c, [errand.item for errand in errands], durations, largest=True, margin=MARGIN)


def by_dwell(largest: bool) -> Ask:
    """The room with the longest (shortest) time in it."""

    def ask(c: Chronicle, p: Params) -> list[Item]:
        totals: Counter[str] = Counter()
        for stay in c.stays():
            totals[stay.room] += stay.to_ns - stay.from_ns
        names = sorted(totals)
        return extreme(
            c, room_items(c, names), [float(totals[n]) for n in names], largest=largest, margin=0.1
        )

    return ask


def visited_rooms(c: Chronicle, p: Params) -> list[Item]:
    """Every room that the robot was in."""
    return room_items(c, sorted({stay.room for stay in c.stays()}))


def folded(c: Chronicle, items: list[Item]) -> list[Item]:
    """A sequence without the same goal twice in a row."""
    return [item for index, item in enumerate(items) if index == 0 or item.key != items[index - 1].key]


def place_rooms(c: Chronicle, p: Params) -> list[Item]:
    """The rooms in which things were put down, in order."""
    return folded(c, room_items(c, [c.room_of(errand.to_world_m) for errand in c.errands()]))


def undecided() -> list[Item]:
    """Say that the truth does not decide."""
    raise Undecided
