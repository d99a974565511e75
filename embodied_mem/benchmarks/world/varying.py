"""What the questions of a family differ in: labels, rooms, furniture, moments, drawn from the truth of a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from embodied_mem.benchmarks.world.asking import TWO_COLORED, Params, end_of, side_of
from embodied_mem.benchmarks.world.chronicle import Chronicle

Vary = Callable[[Chronicle, np.random.Generator], Iterator[Params]]


def once(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    """One question without parameters."""
    yield {}


def every_label(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    """Each label of the things that are there."""
    labels = sorted({item.label for item in truth.things()})
    for label in rng.permutation(labels):
        yield {"label": str(label)}


def shared_labels(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    """Each label that several things have."""
    counts = Counter(item.label for item in truth.things())
    for label in rng.permutation(sorted(label for label, number in counts.items() if number > 1)):
        yield {"label": str(label)}


def furniture_labels(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    """Each kind of furniture."""
    for label in rng.permutation(sorted({item.label for item in truth.furniture()})):
        yield {"furniture": str(label)}


def moved_labels(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    """Each label of what was carried."""
    for label in rng.permutation(sorted({errand.item.label for errand in truth.errands()})):
        yield {"label": str(label)}


def used_furniture(side: str) -> Vary:
    """Each kind of furniture that things were taken from (put on)."""

    def vary(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
        used = sorted({side_of(errand, side).label for errand in truth.errands() if side_of(errand, side)})
        for label in rng.permutation(used):
            yield {"furniture": str(label)}

    return vary


def used_rooms(side: str) -> Vary:
    """Each room in which things were taken (put down)."""

    def vary(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
        rooms = sorted({truth.room_of(end_of(errand, side)) for errand in truth.errands()})
        for room in rng.permutation(rooms):
            yield {"room": str(room)}

    return vary


def all_rooms(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    """Each room that the robot was in."""
    for room in rng.permutation(sorted({stay.room for stay in truth.stays()})):
        yield {"room": str(room)}


def moved_colors(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    """Colour and label of what was carried."""
    for errand in truth.errands():
        if errand.item.label not in TWO_COLORED:
            yield {"color": errand.item.color, "label": errand.item.label}


def colored_things(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    """Colour and label of six things."""
    things = [item for item in truth.things() if item.label not in TWO_COLORED]
    for index in rng.permutation(len(things))[:6]:
        yield {"color": things[int(index)].color, "label": things[int(index)].label}


def pairs(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    """A label that several things have, and a kind of furniture that is there once."""
    shared = [params["label"] for params in shared_labels(truth, rng)]
    single = [item.label for item in truth.furniture() if len(truth.furniture(item.label)) == 1]
    for label in shared[:3]:
        for furniture in sorted(set(single))[:3]:
            yield {"label": label, "furniture": furniture}


def moments(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    """The middle of each errand."""
    for errand in truth.errands():
        yield {"at_ns": (errand.pick_ns + errand.place_ns) // 2}


def any_moments(truth: Chronicle, rng: np.random.Generator) -> Iterator[Params]:
    """The middle of each longer stay in a room."""
    for stay in truth.stays():
        if stay.to_ns - stay.from_ns > 4_000_000_000:
            yield {"at_ns": (stay.from_ns + stay.to_ns) // 2}
