"""The questions: all sixty families of FindingDory's eleven categories, written once over a `Chronicle`.

FindingDory (Yadav et al. 2025) asks an agent to go to what satisfies an instruction about what it did before. Here the
answer is that goal: one thing, furniture or room, or several in order or in any order. Wordings are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from embodied_mem.benchmarks.world.asking import (
    Ask,
    Params,
    beside,
    by_dwell,
    by_size,
    by_visits,
    carried,
    distinct,
    folded,
    from_furniture,
    from_robot,
    from_start,
    held_at,
    labelled,
    longest_carried,
    moved_colored,
    moved_in_room,
    moved_via,
    nth_moved,
    nth_room,
    nth_side,
    place_rooms,
    room_at,
    room_before,
    room_of_nth,
    same_color_as_first,
    side_of,
    side_of_label,
    undecided,
    untouched,
    unused,
    used,
    visited_rooms,
)
from embodied_mem.benchmarks.world.varying import (
    Vary,
    all_rooms,
    any_moments,
    colored_things,
    every_label,
    furniture_labels,
    moments,
    moved_colors,
    moved_labels,
    once,
    pairs,
    shared_labels,
    used_furniture,
    used_rooms,
)

__all__ = ["Family", "Mode", "Params", "finding_dory"]

Mode = Literal["any", "set", "sequence"]


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


def finding_dory() -> list[Family]:
    """All sixty families."""
    t = _Table()
    add = t.add
    add("object recall", "recall.object", "a {label}", lambda c, p: c.named(p["label"]), every_label)
    add(
        "object recall",
        "recall.furniture",
        "a {furniture}",
        lambda c, p: c.furniture(p["furniture"]),
        furniture_labels,
    )

    add("interaction", "moved.any", "a thing that you moved", lambda c, p: carried(c), once)
    add(
        "interaction",
        "moved.none",
        "a thing that you did not move",
        lambda c, p: untouched(c, c.things()),
        once,
    )
    add("interaction", "source.any", "what you took something from", used("source"), once)
    add("interaction", "target.any", "what you put something on", used("target"), once)
    add("interaction", "furniture.none", "furniture that you neither took from nor put on", unused, once)
    add(
        "interaction",
        "moved.label",
        "the {label} that you moved",
        lambda c, p: distinct([errand.item for errand in labelled(c, p)]),
        moved_labels,
    )

    add(
        "conditional interaction",
        "moved.from",
        "what you took from a {furniture}",
        moved_via("source"),
        used_furniture("source"),
    )
    add(
        "conditional interaction",
        "moved.to",
        "what you put on a {furniture}",
        moved_via("target"),
        used_furniture("target"),
    )
    add(
        "conditional interaction",
        "source.of",
        "where you took the {label} from",
        side_of_label("source"),
        moved_labels,
    )
    add(
        "conditional interaction",
        "target.of",
        "where you put the {label}",
        side_of_label("target"),
        moved_labels,
    )
    add(
        "conditional interaction",
        "moved.from_room",
        "what you took in the {room}",
        moved_in_room("source"),
        used_rooms("source"),
    )
    add(
        "conditional interaction",
        "moved.to_room",
        "what you put down in the {room}",
        moved_in_room("target"),
        used_rooms("target"),
    )
    add(
        "conditional interaction",
        "unmoved.label",
        "a {label} that you did not move",
        lambda c, p: untouched(c, c.named(p["label"])) or undecided(),
        moved_labels,
    )

    add("attribute", "moved.color", "the {color} {label} that you moved", moved_colored, moved_colors)
    add(
        "attribute",
        "thing.color",
        "the {color} {label}",
        lambda c, p: c.named(p["label"], p["color"]),
        colored_things,
    )
    add(
        "attribute",
        "color.as_first",
        "a thing of the colour of the first one you moved",
        same_color_as_first,
        once,
    )
    add("attribute", "moved.smallest", "the smallest thing that you moved", by_size(False), once)
    add("attribute", "moved.largest", "the largest thing that you moved", by_size(True), once)

    add("spatial", "nearest.robot", "the {label} nearest to you", from_robot(False), shared_labels)
    add("spatial", "farthest.robot", "the {label} farthest from you", from_robot(True), shared_labels)
    add(
        "spatial",
        "nearest.furniture",
        "the {label} nearest to the {furniture}",
        from_furniture(False),
        pairs,
    )
    add(
        "spatial",
        "farthest.furniture",
        "the {label} farthest from the {furniture}",
        from_furniture(True),
        pairs,
    )
    add("spatial", "nearest.start", "the {label} nearest to where you began", from_start, shared_labels)

    add("room visitation", "room.most_visits", "the room that you entered most often", by_visits(True), once)
    add(
        "room visitation",
        "room.fewest_visits",
        "the room that you entered least often",
        by_visits(False),
        once,
    )
    add("room visitation", "room.first", "the room that you began in", nth_room(0), once)
    add("room visitation", "room.last", "the room that you were in last", nth_room(-1), once)
    add(
        "room visitation",
        "room.before",
        "the room from which you first entered the {room}",
        room_before,
        all_rooms,
    )

    for word, index in (("first", 0), ("second", 1), ("last but one", -2), ("last", -1)):
        add("interaction order", f"moved.{word}", f"the {word} thing that you moved", nth_moved(index), once)
        add(
            "interaction order",
            f"source.{word}",
            f"what you took the {word} thing from",
            nth_side(index, "source"),
            once,
        )
        add(
            "interaction order",
            f"target.{word}",
            f"what you put the {word} thing on",
            nth_side(index, "target"),
            once,
        )
    add("interaction order", "moved.after", "what you moved after the {label}", beside(1), moved_labels)
    add("interaction order", "moved.before", "what you moved before the {label}", beside(-1), moved_labels)
    add(
        "interaction order",
        "room.first_pick",
        "the room in which you took the first thing",
        room_of_nth(0, "source"),
        once,
    )
    add(
        "interaction order",
        "room.last_place",
        "the room in which you put the last thing",
        room_of_nth(-1, "target"),
        once,
    )

    add("time", "held.at", "what you carried at {at_ns}", held_at, moments)
    add("time", "room.at", "the room that you were in at {at_ns}", room_at, any_moments)

    add("duration", "carried.longest", "what you carried for the longest time", longest_carried, once)
    add("duration", "room.longest", "the room that you spent most time in", by_dwell(True), once)
    add("duration", "room.shortest", "the room that you spent least time in", by_dwell(False), once)

    add("unordered revisits", "all.moved", "everything that you moved", lambda c, p: carried(c), once, "set")
    add(
        "unordered revisits",
        "all.sources",
        "everything that you took things from",
        used("source"),
        once,
        "set",
    )
    add(
        "unordered revisits",
        "all.targets",
        "everything that you put things on",
        used("target"),
        once,
        "set",
    )
    add("unordered revisits", "all.rooms", "every room that you were in", visited_rooms, once, "set")
    add(
        "unordered revisits",
        "all.label",
        "every {label}",
        lambda c, p: c.named(p["label"]),
        shared_labels,
        "set",
    )
    add(
        "ordered revisits",
        "order.moved",
        "what you moved, in order",
        lambda c, p: carried(c),
        once,
        "sequence",
    )
    add(
        "ordered revisits",
        "order.reversed",
        "what you moved, last first",
        lambda c, p: carried(c)[::-1],
        once,
        "sequence",
    )
    add(
        "ordered revisits",
        "order.targets",
        "what you put things on, in order",
        lambda c, p: folded(c, [side_of(errand, "target") for errand in c.errands()]),
        once,
        "sequence",
    )
    add(
        "ordered revisits",
        "order.rooms",
        "the rooms in which you put things, in order",
        place_rooms,
        once,
        "sequence",
    )
    return t.families
