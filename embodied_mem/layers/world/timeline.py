"""From single looks at an entity to where it stayed and what changed: pure functions, no state.

The same looks give the same timeline whatever order they arrived in: that is what lets a late frame rewrite what
was true.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from embodied_mem.messages import Change, ChangeKind, EntityId, Placement
from embodied_mem.store import Sighting, SightingKind


@dataclass(frozen=True, kw_only=True)
class Run:
    """Successive looks of one kind at one place: `num_looks` of them in [from_ns, to_ns]."""

    kind: SightingKind
    place_index: int
    from_ns: int
    to_ns: int
    num_looks: int
    first_source: str
    last_source: str


@dataclass(frozen=True, kw_only=True)
class PlaceStay:
    """An entity at its place `place_index` in [from_ns, to_ns), to_ns None when it still is there."""

    place_index: int
    from_ns: int
    to_ns: int | None
    last_seen_ns: int
    first_source: str
    last_source: str
    num_looks: int


def fold(sightings: Iterable[Sighting]) -> list[Run]:
    """Runs of sightings, which must come in order of their stamps."""
    runs: list[Run] = []
    for sighting in sightings:
        extend(runs, sighting)
    return runs


def extend(runs: list[Run], sighting: Sighting) -> None:
    """Add a sighting that is not older than the last run's end."""
    last = runs[-1] if runs else None
    if last is not None and (last.kind, last.place_index) == (sighting.kind, sighting.place_index):
        runs[-1] = replace(
            last, to_ns=sighting.stamp_ns, num_looks=last.num_looks + 1, last_source=sighting.source
        )
        return
    runs.append(
        Run(
            kind=sighting.kind,
            place_index=sighting.place_index,
            from_ns=sighting.stamp_ns,
            to_ns=sighting.stamp_ns,
            num_looks=1,
            first_source=sighting.source,
            last_source=sighting.source,
        )
    )


def stays(runs: Sequence[Run], misses_to_close: int) -> list[PlaceStay]:
    """Where the entity was and when, oldest first.

    A stay ends when it is seen elsewhere, or at the first of `misses_to_close` clear looks at its empty place with
    no sighting of it in between; fewer misses are the detector's.
    """
    found: list[PlaceStay] = []
    is_open, num_misses, first_miss_ns = False, 0, 0
    for run in runs:
        if run.kind == "here":
            if is_open and found[-1].place_index == run.place_index:
                found[-1] = _longer(found[-1], run)
            else:
                if is_open:
                    found[-1] = replace(found[-1], to_ns=run.from_ns)
                found.append(_started(run))
            is_open, num_misses = True, 0
        elif is_open and run.kind == "away":
            found[-1], is_open = replace(found[-1], to_ns=run.from_ns), False
        elif is_open and run.place_index == found[-1].place_index:
            first_miss_ns = first_miss_ns if num_misses else run.from_ns
            num_misses += run.num_looks
            if num_misses >= misses_to_close:
                found[-1], is_open = replace(found[-1], to_ns=first_miss_ns), False
    return found


def changes(
    entity_id: EntityId,
    label: str,
    places: Sequence[Placement],
    sojourns: Sequence[PlaceStay],
    *,
    arrived_after_ns: int | None,
    is_hinged: bool,
    min_move_m: float,
) -> list[Change]:
    """What the stays say became different, oldest first.

    `arrived_after_ns` is when the first place was last seen empty before; None when it never was, and then the
    first stay is no change: the thing may always have been there.
    """

    def change(
        kind: ChangeKind, before: int | None, after: int | None, after_ns: int, before_ns: int
    ) -> Change:
        return Change(
            kind=kind, entity_id=entity_id, label=label, after_ns=min(after_ns, before_ns), before_ns=before_ns,
            before=None if before is None else places[before], after=None if after is None else places[after],
        )  # fmt: skip

    found: list[Change] = []
    if sojourns and arrived_after_ns is not None and not is_hinged:
        first = sojourns[0]
        found.append(change("appear", None, first.place_index, arrived_after_ns, first.from_ns))
    for old, new in itertools.pairwise(sojourns):
        if old.place_index != new.place_index:
            is_home = new.place_index == sojourns[0].place_index
            kind: ChangeKind = ("close" if is_home else "open") if is_hinged else "move"
            if is_hinged or _distance_m(places[old.place_index], places[new.place_index]) >= min_move_m:
                found.append(change(kind, old.place_index, new.place_index, old.last_seen_ns, new.from_ns))
        elif not is_hinged and old.to_ns is not None:
            found.append(change("vanish", old.place_index, None, old.last_seen_ns, old.to_ns))
            found.append(change("appear", None, new.place_index, old.to_ns, new.from_ns))
    if sojourns and sojourns[-1].to_ns is not None and not is_hinged:
        last = sojourns[-1]
        found.append(change("vanish", last.place_index, None, last.last_seen_ns, sojourns[-1].to_ns or 0))
    return found


def _started(run: Run) -> PlaceStay:
    return PlaceStay(
        place_index=run.place_index, from_ns=run.from_ns, to_ns=None, last_seen_ns=run.to_ns,
        first_source=run.first_source, last_source=run.last_source, num_looks=run.num_looks,
    )  # fmt: skip


def _longer(stay: PlaceStay, run: Run) -> PlaceStay:
    return replace(
        stay, last_seen_ns=run.to_ns, last_source=run.last_source, num_looks=stay.num_looks + run.num_looks
    )


def _distance_m(a: Placement, b: Placement) -> float:
    return float(
        sum((x - y) ** 2 for x, y in zip(a.position_world_m, b.position_world_m, strict=True)) ** 0.5
    )
