"""From cells that changed to things that appeared, vanished or moved, with bounds on when.

A cell counts when a stable Gaussian was seen through until it was removed, or when one came to be where space had been
free; what flickers (comes back, or goes again) does not. Cells that touch are one thing. It is told when nothing more
has changed around it for `settle_s`, and it needs `min_cells` cells: noise at edges changes single ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Int16, Int64

from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy._touching import packed, touching
from embodied_mem.layers.occupancy.past_views import PastViews
from embodied_mem.messages import Frame, MapEvent

ReadCells = Callable[[Int64[np.ndarray, "n 3"]], tuple[Bool[np.ndarray, "n"], Int16[np.ndarray, "n"]]]
"""Whether each cell holds a stable Gaussian, and its label's index (-1: none)."""

MISSED, LOST, BORN = 0, 1, 2
"""What a kernel notes of a cell: a stable Gaussian was seen through, one was removed, one came to be in free space."""
PATIENCE_NS = 10_000_000_000
"""After this, a cell that was neither removed nor became stable is given up."""
MAX_NOTES = 20_000
"""Notes that are remembered at most; the oldest are given up."""
MAX_PAST = 32
"""Events to which more of the same thing is added, and which a move may be made of."""
NEAR = 2.3
"""Cells nearer than this to a thing that was told already belong to it."""
INNER = 80
"""Percentile over a thing's cells that bounds its time: all would agree, were it not for noise."""
MAX_NEW_SHARE = 0.1
"""A thing of which a larger share has become stable only now is still growing."""
NEVER_NS = np.iinfo(np.int64).max
AROUND = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)


@dataclass(frozen=True)
class _Notes:
    """What was noted of cells, oldest first: world coordinates, kind, label, when the cell was last seen as before, and
    the stamp of the frame that changed it."""

    cells: np.ndarray
    kind: np.ndarray
    label: np.ndarray
    after_ns: np.ndarray
    stamp_ns: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)

    def chosen(self, rows: np.ndarray) -> _Notes:
        return _Notes(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class _Thing:
    """Cells that changed together: which, and for each its label, when it was last hit (of a thing that appeared it says
    nothing), first seen as now, and when that was certain."""

    kind: str
    cells: np.ndarray
    labels: np.ndarray
    after_ns: np.ndarray
    before_ns: np.ndarray
    certain_ns: np.ndarray

    def chosen(self, rows: np.ndarray) -> _Thing:
        arrays = (self.cells, self.labels, self.after_ns, self.before_ns, self.certain_ns)
        return _Thing(self.kind, *(array[rows] for array in arrays))


@dataclass(frozen=True, eq=False)
class _Told:
    """A change that was told: its cells, label and bounds."""

    kind: str
    cells: np.ndarray
    label: int
    after_ns: int
    before_ns: int


class ChangeLog:
    """Collects changed cells, frame by frame, and tells the things that they belong to."""

    def __init__(self, cell_m: float, settle_s: float, min_cells: int, read: ReadCells) -> None:
        self._views = PastViews()
        self._cell_m = cell_m
        self._settle_ns = int(settle_s * 1e9)
        self._min_cells = min_cells
        self._read = read
        self.clear()

    def clear(self) -> None:
        """Forget what has changed so far, and what was seen."""
        self._views.clear()
        self._notes: list[_Notes] = []
        self._past: list[_Told] = []
        self._last_ns = 0
        self._stable_keys = np.zeros(0, dtype=np.int64)

    @property
    def num_bytes(self) -> int:
        """What the past views take."""
        return self._views.num_bytes

    def note(self, frame: Frame, cells: np.ndarray, notes: np.ndarray, seen_ns: np.ndarray) -> None:
        """Take what the kernels noted of one frame: cells (n, 3), (kind, tick, label) of each, and its tick as a stamp."""
        self._views.note(frame)
        if len(cells):
            stamps = np.full(len(cells), frame.stamp_ns, dtype=np.int64)
            self._notes.append(_Notes(cells, notes[:, 0], notes[:, 2], seen_ns, stamps))

    def tell(self, stamp_ns: int, label_names: tuple[str, ...], first_ns: int) -> tuple[MapEvent, ...]:
        """What has become certain by now. Nothing is told to have been seen before `first_ns`, when the map began."""
        if not self._notes or 0 <= stamp_ns - self._last_ns < self._settle_ns:
            return ()
        self._last_ns = stamp_ns
        events = []
        for change in self._settled(stamp_ns, first_ns):
            events.append(self._event(change.kind, change, None, label_names))
            past = self._other_end(change)
            if past is not None:
                self._past.remove(past)
                new, old = (change, past) if change.kind == "appeared" else (past, change)
                events.append(self._event("moved", new, old, label_names))
            else:
                self._past = [*self._past[-MAX_PAST + 1 :], change]
        return tuple(events)

    def _settled(self, stamp_ns: int, first_ns: int) -> list[_Told]:
        """The things around which nothing changes any more; what was noted of them is dropped."""
        notes = _joined(self._notes)
        is_recent = np.abs(stamp_ns - notes.stamp_ns) <= PATIENCE_NS
        notes, gone, born = _sorted_out(notes.chosen(is_recent))
        is_stable, labels = self._read(born.cells)
        born = dataclasses.replace(born, labels=labels).chosen(is_stable)
        was_stable, self._stable_keys = self._stable_keys, packed(born.cells)
        told, done = [], [np.zeros((0, 3), dtype=np.int64)]
        for things in (gone, born):
            for rows in touching(things.cells) if len(things.cells) >= self._min_cells else []:
                thing = things.chosen(rows)
                if len(rows) < self._min_cells or abs(stamp_ns - thing.certain_ns.max()) < self._settle_ns:
                    continue
                is_new = ~np.isin(packed(thing.cells), was_stable)
                if thing.kind == "appeared" and is_new.mean() > MAX_NEW_SHARE:
                    continue
                done.append(thing.cells)
                change = self._told(thing, first_ns)
                if change is not None and not self._adds_to_past(change):
                    told.append(change)
        is_done = np.isin(packed(notes.cells), packed(np.concatenate(done)))
        notes = notes.chosen(~is_done)
        self._notes = [notes.chosen(np.arange(len(notes))[-MAX_NOTES:])] if len(notes) else []
        return told

    def _told(self, thing: _Thing, first_ns: int) -> _Told | None:
        """The change with its bounds: after its cells were last seen as before, before nearly all were first seen as now.
        None when too few of them are apart from what stayed.
        """
        is_apart = self._is_apart(thing.cells)
        if is_apart.sum() < self._min_cells:
            return None
        core = thing.chosen(is_apart)
        before_ns = int(np.percentile(core.before_ns, 100 - INNER, method="higher"))
        if thing.kind == "appeared":
            centers = (core.cells + 0.5) * self._cell_m
            seen_ns = self._views.last_empty_ns(centers, before_ns, margin_m=self._cell_m / 2)
            after_ns = first_ns if seen_ns is None else seen_ns
        else:
            after_ns = int(np.percentile(core.after_ns, INNER, method="lower"))
            if after_ns > before_ns:  # the cells contradict each other: half of them decide
                after_ns = int(np.percentile(core.after_ns, 50, method="lower"))
                before_ns = int(np.percentile(core.before_ns, 50, method="higher"))
        names, counts = np.unique(thing.labels, return_counts=True)
        label = int(names[counts.argmax()])
        return _Told(thing.kind, thing.cells, label, min(after_ns, before_ns), before_ns)

    def _is_apart(self, cells: np.ndarray) -> Bool[np.ndarray, "n"]:
        """Whether no stable Gaussian besides `cells` themselves is next to each: surfaces waver by a cell."""
        around = (cells[:, None] + AROUND).reshape(-1, 3)
        is_stable = self._read(around)[0] & ~np.isin(packed(around), packed(cells))
        return np.asarray(~is_stable.reshape(len(cells), -1).any(axis=1))

    def _adds_to_past(self, change: _Told) -> bool:
        """Whether it is another side of what was told before, only seen later; what vanished is no past appearance."""
        near = [past for past in self._past if _least_distance(past.cells, change.cells) < NEAR]
        for past in near:
            if past.kind != change.kind:
                self._past.remove(past)
            elif change.kind == "appeared" or change.after_ns <= past.before_ns:
                cells = np.concatenate([past.cells, change.cells])
                self._past[self._past.index(past)] = dataclasses.replace(past, cells=cells)
                return True
        return False

    def _other_end(self, change: _Told) -> _Told | None:
        """What the thing was before it moved, or is now: of the same label and about the same size, at a time that fits."""
        for past in reversed(self._past):
            size, other = np.sort(np.ptp(change.cells, axis=0)), np.sort(np.ptp(past.cells, axis=0))
            is_same = (
                past.kind != change.kind and past.label == change.label and (abs(size - other) <= 2).all()
            )
            if is_same and max(change.after_ns, past.after_ns) <= min(change.before_ns, past.before_ns):
                return past
        return None

    def _event(self, kind: str, new: _Told, old: _Told | None, label_names: tuple[str, ...]) -> MapEvent:
        return MapEvent(
            kind=kind,  # type: ignore[arg-type]
            box=self._box(new.cells),
            before_box=None if old is None else self._box(old.cells),
            label=label_names[new.label] if 0 <= new.label < len(label_names) else "",
            num_cells=len(new.cells),
            after_ns=new.after_ns if old is None else max(new.after_ns, old.after_ns),
            before_ns=new.before_ns if old is None else min(new.before_ns, old.before_ns),
        )

    def _box(self, cells: np.ndarray) -> Box:
        low, high = cells.min(axis=0) * self._cell_m, (cells.max(axis=0) + 1) * self._cell_m
        return Box(min_m=(float(low[0]), float(low[1]), float(low[2])),
                   max_m=(float(high[0]), float(high[1]), float(high[2])))  # fmt: skip


def _joined(notes: list[_Notes]) -> _Notes:
    return _Notes(*(np.concatenate([getattr(one, field.name) for one in notes]) for field in fields(_Notes)))


def _sorted_out(notes: _Notes) -> tuple[_Notes, _Thing, _Thing]:
    """The notes of cells that may still mean something, by cell; those that were removed, those that came to be.

    The last note of a cell decides. One that was removed without having been stable, or that came back, was noise.
    """
    order = np.argsort(packed(notes.cells), kind="stable")
    notes = notes.chosen(order)
    if len(notes) == 0:
        return notes, _things("vanished", notes, notes.stamp_ns), _things("appeared", notes, notes.stamp_ns)
    keys = packed(notes.cells)
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    lasts = np.r_[starts[1:], len(keys)] - 1
    group = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(keys)]))
    is_this_miss = (notes.kind == MISSED) & (notes.after_ns == notes.after_ns[lasts][group])
    first_miss_ns = np.minimum.reduceat(np.where(is_this_miss, notes.stamp_ns, NEVER_NS), starts)
    num_lost = np.add.reduceat((notes.kind == LOST).astype(np.int64), starts)
    last = notes.chosen(lasts)
    is_gone = (last.kind == LOST) & (first_miss_ns < NEVER_NS)
    is_born = (last.kind == BORN) & (num_lost == 0)
    is_open = is_gone | is_born | (last.kind == MISSED)
    gone = _things("vanished", last.chosen(is_gone), first_miss_ns[is_gone])
    born = last.chosen(is_born)
    return notes.chosen(is_open[group]), gone, _things("appeared", born, born.stamp_ns)


def _things(kind: str, notes: _Notes, before_ns: np.ndarray) -> _Thing:
    return _Thing(kind, notes.cells, notes.label, notes.after_ns, before_ns, notes.stamp_ns)


def _least_distance(a: np.ndarray, b: np.ndarray) -> float:
    from scipy.spatial import cKDTree

    return float(cKDTree(a).query(b)[0].min())
