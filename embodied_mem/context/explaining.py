"""From what an answer, a context or an action rests on back to facts, frames, events and changes, each said in words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import Answer, Event, Explanation, Fact, Glimpse, Placement

if TYPE_CHECKING:
    from embodied_mem.context.context_keyframes import KeptView

SPAN = re.compile(r"(?:bank/(?P<bank>[^/]+)/\d+/)?(?P<first>\d+)\.\.(?P<last>\d+)")
"""How a policy's memory names what it drew from: from when to when it was seen; a context names the bank and slot, too."""

LARGEST_ID = 2**63 - 1
"""Of numbers beyond it, none can be stored."""


def explain(view: WorldView, answer: Answer[Any]) -> Explanation:
    """Everything that the answer's evidence names, and the frames and events behind its facts."""
    facts: dict[int, Fact] = {}
    frames: dict[str, Glimpse] = {}
    events: dict[int, Event] = {}
    missing: dict[str, None] = {}
    numbered = {f"event/{number}": (number, event) for number, event, _ in view.all_events()}
    queue = list(answer.evidence)
    done: set[str] = set()
    while queue:
        name = queue.pop(0)
        if name in done:
            continue
        done.add(name)
        kind, _, number = name.partition("/")
        if kind == "fact" and number.isdecimal():
            fact = view.fact(min(int(number), LARGEST_ID))
            if fact is None:
                missing[name] = None
            else:
                facts[fact.fact_id] = fact
                queue.extend(fact.evidence)
        elif name in numbered:
            events[numbered[name][0]] = numbered[name][1]
        elif (span := SPAN.fullmatch(name)) is not None:
            robot = span["bank"] if span["bank"] in view.journey.robots() else None
            found = view.journey.during(int(span["first"]), int(span["last"]), robot=robot)
            frames.update((glimpse.source, glimpse) for glimpse in found)
            if not found:
                missing[name] = None
        elif name == "map" or kind in ("change", "statement"):
            continue
        else:
            glimpse = view.journey.at(name)
            if glimpse is None:
                missing[name] = None
            else:
                frames[name] = glimpse
    steps = [_fact_in_words(view, fact) for fact in facts.values()]
    steps += [_frame_in_words(glimpse) for glimpse in frames.values()]
    steps += [_event_in_words(event) for event in events.values()]
    return Explanation(
        facts=tuple(facts.values()), frames=tuple(frames.values()), events=tuple(events.values()),
        steps=tuple(steps), missing=tuple(missing),
    )  # fmt: skip


def frames_behind(source: str, noted: Iterable[Glimpse], pictures: Iterable[KeptView]) -> tuple[str, ...]:
    """The names of what is kept of the frames behind a source, oldest first: of `noted`, which `explain` found for it, and
    of the `pictures` from the same time by the same robots.
    """
    stamps = {glimpse.source: glimpse.stamp_ns for glimpse in noted}
    robots, span = {source.partition("/")[0] for source in stamps}, SPAN.fullmatch(source)
    for view in pictures:
        is_within = span is not None and int(span["first"]) <= view.stamp_ns <= int(span["last"])
        if view.source == source or (is_within and view.source.partition("/")[0] in robots):
            stamps[view.source] = view.stamp_ns
    return tuple(sorted(stamps, key=lambda name: (stamps[name], name)))


def _fact_in_words(view: WorldView, fact: Fact) -> str:
    if isinstance(fact.value, Placement):
        what = "at ({:.2f}, {:.2f}, {:.2f})".format(*fact.value.position_world_m)
    elif fact.object is not None:
        what = f"{fact.predicate} {view.label_of(fact.object)} ({fact.object})"
    else:
        what = f"{fact.predicate} {fact.value if fact.value is not None else ''}".strip()
    until = "now" if fact.valid_to_ns is None else _seconds(fact.valid_to_ns)
    return (
        f"fact/{fact.fact_id}: {view.label_of(fact.subject)} ({fact.subject}) {what} from {_seconds(fact.valid_from_ns)} "
        f"until {until}, known since {_seconds(fact.known_from_ns)}, confidence {fact.confidence:.2f}, {fact.source}"
    )


def _frame_in_words(glimpse: Glimpse) -> str:
    x, y, z = glimpse.position_world_m
    return (
        f"{glimpse.source}: seen at {_seconds(glimpse.stamp_ns)} by {glimpse.robot} from ({x:.2f}, {y:.2f}, {z:.2f}), "
        f"{len(glimpse.seen)} things in view"
    )


def _event_in_words(event: Event) -> str:
    return f"{event.actor} did {event.kind!r} from {_seconds(event.start_ns)} to {_seconds(event.end_ns)}"


def _seconds(stamp_ns: int) -> str:
    return f"{stamp_ns / 1e9:.2f} s"
