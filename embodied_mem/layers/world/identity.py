"""Whether something found elsewhere is something that is missed: a thing that moved keeps its identity."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from embodied_mem.layers.world import timeline
from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.layers.world.thing import Thing
from embodied_mem.layers.world.views import ViewLog
from embodied_mem.messages import EntityId
from embodied_mem.store import Repository

SIZE_TOLERANCE_M = 0.05
MAX_ARRIVAL_CHECKS = 4
AS_LIKELY = 0.1
"""Of two things whose scores differ by less nobody can tell which one it is."""


def note_arrival(thing: Thing, views: ViewLog, *, is_uncovered: Callable[[Thing], bool]) -> None:
    """Find out whether the place of a newly found thing had been seen empty before it was first seen there.

    Where `is_uncovered` something opened, and the thing came into view rather than to the place; it is asked only when
    the place had been seen empty, since it looks at every thing there is.
    """
    if thing.num_arrival_checks >= MAX_ARRIVAL_CHECKS or len(thing.places) != 1:
        return
    thing.num_arrival_checks += 1
    looks = views.empty_looks(thing.shape.points_world, before_ns=thing.first_seen_ns)
    has_arrived = len(looks) >= 2 and not is_uncovered(thing)
    thing.arrived_after_ns = looks[-1] if has_arrived else None


def origins_of(new: Thing, things: Iterable[Thing], config: WorldConfig) -> list[Thing]:
    """The missing thing that `new`, just found, most likely is, and after it those that it is as likely to be."""
    candidates = [
        (score, thing.entity_id, thing)
        for thing in things
        if thing is not new
        and thing.status in ("gone", "away")
        and thing.last_seen_ns <= new.first_seen_ns
        and (score := likeness(thing, new, config)) > 0
    ]
    return _likeliest(candidates)


def destinations_of(gone: Thing, things: Iterable[Thing], views: ViewLog, config: WorldConfig) -> list[Thing]:
    """The newer thing that `gone`, just missed, most likely became, and after it those that it is as likely to be, of
    `things` that some view called what `gone` is called.

    Best is what came to a place seen empty before; then what stands where the robot had looked around on an earlier
    visit. A look-alike in a part never visited before may always have stood there.
    """
    likely = [
        (score, thing)
        for thing in things
        if thing is not gone
        and thing.status == "here"
        and thing.first_seen_ns >= gone.last_seen_ns
        and (score := likeness(gone, thing, config)) > 0
    ]
    arrived = [
        (score + 0.5, thing.entity_id, thing) for score, thing in likely if thing.arrived_after_ns is not None
    ]
    others = [(score, thing.entity_id, thing) for score, thing in likely if thing.arrived_after_ns is None]
    was_looked_over = views.had_been_looked_over(
        np.array([thing.box.center for _, _, thing in others], dtype=np.float32).reshape(-1, 3),
        before_ns=np.array([thing.first_seen_ns for _, _, thing in others], dtype=np.int64),
    )
    return _likeliest([*arrived, *itertools.compress(others, was_looked_over)])


def _likeliest(candidates: Sequence[tuple[float, EntityId, Thing]]) -> list[Thing]:
    best_first = sorted(candidates, reverse=True)
    return [thing for score, _, thing in best_first if score > best_first[0][0] - AS_LIKELY]


def likeness(old: Thing, new: Thing, config: WorldConfig) -> float:
    """How well two things agree in label, looks and size: 0 for different things, up to 2."""
    label = old.label
    share = new.label_share(label)
    if share < 0.4 or label in config.agent_labels or label in config.hinged_labels:
        return 0.0
    looks = (
        float(np.dot(old.appearance, new.appearance)) if len(old.appearance) == len(new.appearance) else 1.0
    )
    if looks < config.min_look_alike or not _sizes_agree(old, new):
        return 0.0
    return share + looks


def absorb(old: Thing, new: Thing, repository: Repository, *, is_piece: bool) -> None:
    """Make `new` a later chapter of `old`: its looks, places and shape become those of the old one.

    With `is_piece` both are parts of one thing at one place: their shapes join and the place stays one.
    """
    offset = old.place_index - new.place_index if is_piece else len(old.places)
    repository.give_sightings(new.entity_id, old.entity_id, offset)
    if is_piece:
        old.shape.absorb(new.shape)
    else:
        old.places.extend(new.places)
        old.supports.update({index + offset: support for index, support in new.supports.items()})
        old.place_index, old.shape = new.place_index + offset, new.shape
        old.status, old.presence_logit, old.is_whole = new.status, new.presence_logit, new.is_whole
        old.seen, old.missed, old.motion = new.seen, new.missed, new.motion
    old.num_views += new.num_views
    old.was_seen_whole = old.was_seen_whole or new.was_seen_whole
    old.first_seen_ns = min(old.first_seen_ns, new.first_seen_ns)
    old.last_seen_ns = max(old.last_seen_ns, new.last_seen_ns)
    for label, votes in new.label_votes.items():
        old.label_votes[label] = old.label_votes.get(label, 0.0) + votes
    ends: dict[int, int] = {}
    for runs, shift in ((old.runs, 0), (new.runs, offset)):
        for run in runs:
            if run.kind == "here":
                ends[run.place_index + shift] = max(run.to_ns, ends.get(run.place_index + shift, 0))
    old.runs = rebuilt(old, repository, ends)
    old.is_shape_saved = False


def rebuilt(thing: Thing, repository: Repository, ends_ns: dict[int, int]) -> list[timeline.Run]:
    """The runs of a thing from all its sightings, in order of their stamps.

    Sightings are thinned; `ends_ns` says until when each place's last run really lasted.
    """
    runs = timeline.fold(repository.sightings(thing.entity_id))
    for place_index, end_ns in ends_ns.items():
        last = max(
            (k for k, run in enumerate(runs) if run.kind == "here" and run.place_index == place_index),
            default=-1,
        )
        limit_ns = runs[last + 1].from_ns if last + 1 < len(runs) else end_ns
        if last >= 0 and runs[last].to_ns < min(end_ns, limit_ns):
            runs[last] = replace(runs[last], to_ns=min(end_ns, limit_ns))
    return runs


def _sizes_agree(old: Thing, new: Thing) -> bool:
    """Footprints may turn about the vertical; a piece must fit in, a whole must match."""
    a, b = old.size_m, new.size_m
    (a_small, a_large), (b_small, b_large) = sorted(a[:2]), sorted(b[:2])
    # An axis-aligned box of a turned thing is up to its diagonal wide.
    reach = math.hypot(a_small, a_large) * 1.1 + SIZE_TOLERANCE_M
    fits = b_large <= reach and b[2] <= a[2] * 1.3 + SIZE_TOLERANCE_M
    if not (old.is_whole and new.is_whole):
        return fits
    back = math.hypot(b_small, b_large) * 1.1 + SIZE_TOLERANCE_M
    return fits and a_large <= back and a[2] <= b[2] * 1.3 + SIZE_TOLERANCE_M
