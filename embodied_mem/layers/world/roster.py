"""The boxes of all entities in two arrays and a grid over the floor, so that a view is compared with what is near it."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Float32, Int64

from embodied_mem.geometry import Box
from embodied_mem.layers.world.thing import Thing
from embodied_mem.messages import EntityId

EMPTY = np.float32(np.inf)
FREE = [math.inf] * 6
CELL_M = 2.0
"""Edge of the grid's squares."""
MOST_CELLS = 36
"""A box over more squares is kept apart, and compared with every view."""

MANY = 64
"""Boxes; fewer are compared faster one by one than as an array."""

Cells = tuple[int, int, int, int]
"""First and last column, first and last row of the squares that a box touches."""


class Roster:
    """Things by id; `low`, `high` hold their boxes (infinite where a slot is free).

    `largest_m` is half the diagonal of the largest box so far.
    """

    def __init__(self) -> None:
        self._slots: dict[EntityId, int] = {}
        self._things: list[Thing | None] = []
        self._boxes: list[Box | None] = []
        self._edges_m: list[list[float]] = []
        """`low` and `high` of each slot as plain floats."""
        self._cells_of: list[Cells | None] = []
        self._in_cell: dict[tuple[int, int], set[int]] = defaultdict(set)
        self._wide: set[int] = set()
        self._called: dict[str, set[int]] = defaultdict(set)
        """Slots of what was ever seen under a label; it may be called something else."""
        self._bound_to: dict[EntityId, set[EntityId]] = defaultdict(set)
        """What was ever noted to be on, in or under a thing; it may be elsewhere, or be gone."""
        self.largest_m = 0.0
        self.low: Float32[np.ndarray, "n 3"] = np.full((0, 3), EMPTY, dtype=np.float32)
        self.high: Float32[np.ndarray, "n 3"] = np.full((0, 3), EMPTY, dtype=np.float32)

    def __iter__(self) -> Iterator[Thing]:
        return iter([thing for slot in self._slots.values() if (thing := self._things[slot]) is not None])

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, entity_id: object) -> bool:
        return entity_id in self._slots

    def __getitem__(self, entity_id: EntityId) -> Thing:
        thing = self._things[self._slots[entity_id]]
        assert thing is not None
        return thing

    def get(self, entity_id: EntityId) -> Thing | None:
        return self[entity_id] if entity_id in self._slots else None

    def add(self, thing: Thing) -> None:
        slot = len(self._things)
        if slot == len(self.low):
            more = np.full((max(64, slot), 3), EMPTY, dtype=np.float32)
            self.low, self.high = np.concatenate([self.low, more]), np.concatenate([self.high, more])
        self._things.append(thing)
        self._boxes.append(None)
        self._edges_m.append(FREE)
        self._cells_of.append(None)
        self._slots[thing.entity_id] = slot
        self.place(thing)
        self.bind(thing)

    def place(self, thing: Thing) -> None:
        """Note the box of a thing that moved or grew, and what it was called."""
        slot = self._slots[thing.entity_id]
        for label in thing.label_votes:
            self._called[label].add(slot)
        if self._boxes[slot] is not thing.box:
            self._boxes[slot] = thing.box
            self.low[slot], self.high[slot] = thing.box.min_m, thing.box.max_m
            self.largest_m = max(self.largest_m, math.dist(thing.box.min_m, thing.box.max_m) / 2)
            low_m, high_m = self.low[slot].tolist(), self.high[slot].tolist()
            self._edges_m[slot] = low_m + high_m
            self._enter(slot, _cells_under(low_m, high_m))

    def bind(self, thing: Thing) -> None:
        """Note what a thing is on, in or under at any of its places."""
        for _, support in thing.supports.values():
            self._bound_to[support].add(thing.entity_id)

    def bound_to(self, entity_id: EntityId) -> list[Thing]:
        """Things that are on, in or under one at any of their places, in the order of iteration."""
        return [
            thing
            for thing in self.ordered(self._bound_to.get(entity_id, ()))
            if any(support == entity_id for _, support in thing.supports.values())
        ]

    def remove(self, thing: Thing) -> None:
        slot = self._slots.pop(thing.entity_id)
        self._things[slot] = self._boxes[slot] = None
        self.low[slot] = self.high[slot] = EMPTY
        self._edges_m[slot] = FREE
        for label in thing.label_votes:
            self._called[label].discard(slot)
        for _, support in thing.supports.values():
            self._bound_to[support].discard(thing.entity_id)
        self._enter(slot, None)

    def ordered(self, entity_ids: Iterable[EntityId]) -> list[Thing]:
        """Those things of the given ids that there are, in the order of iteration."""
        return self.at(sorted(self._slots[entity_id] for entity_id in entity_ids if entity_id in self._slots))

    def called(self, label: str) -> list[Thing]:
        """Things that some view called so, in the order of iteration."""
        return [thing for thing in self.at(sorted(self._called[label])) if label in thing.label_votes]

    def at(self, slots: Iterable[int]) -> list[Thing]:
        found = [self._things[slot] for slot in slots]
        return [thing for thing in found if thing is not None]

    def balls(
        self, slots: Int64[np.ndarray, "k"]
    ) -> tuple[Float32[np.ndarray, "k 3"], Float32[np.ndarray, "k"]]:
        """Centre and radius of a ball around each of the boxes."""
        low, high = self.low[slots], self.high[slots]
        return (low + high) / 2, np.linalg.norm(high - low, axis=1) / 2

    def near(
        self, low: Float32[np.ndarray, "m 3"], high: Float32[np.ndarray, "m 3"], margin_m: float
    ) -> list[Thing]:
        """Things whose box is within `margin_m` of any of m boxes."""
        if not len(low) or not self._things:
            return []
        if len(low) == 1:
            return self.at(self._near_one(low[0] - margin_m, high[0] + margin_m))
        slots = self.slots_near(low.min(axis=0), high.max(axis=0), margin_m)
        gap = np.maximum(self.low[slots] - high[:, None], low[:, None] - self.high[slots])
        return self.at(slots[(gap <= margin_m).all(axis=2).any(axis=0)])

    def slots_near(
        self, low: Float32[np.ndarray, "3"], high: Float32[np.ndarray, "3"], margin_m: float
    ) -> Int64[np.ndarray, "k"]:
        """Slots, in order, of the things whose box is within `margin_m` of a box, along each axis."""
        lowest, highest = low - margin_m, high + margin_m
        return self._touching(
            np.array(self._around(lowest.tolist(), highest.tolist()), dtype=np.int64), lowest, highest
        )

    def _near_one(self, lowest: Float32[np.ndarray, "3"], highest: Float32[np.ndarray, "3"]) -> Iterable[int]:
        """Slots, in order, of the things whose box touches one."""
        low_m, high_m = lowest.tolist(), highest.tolist()
        slots = self._around(low_m, high_m)
        if len(slots) > MANY:
            return self._touching(np.array(slots, dtype=np.int64), lowest, highest)
        (x0, y0, z0), (x1, y1, z1) = low_m, high_m
        found = []
        for slot in slots:
            a0, b0, c0, a1, b1, c1 = self._edges_m[slot]
            if a0 <= x1 and a1 >= x0 and b0 <= y1 and b1 >= y0 and c0 <= z1 and c1 >= z0:
                found.append(slot)
        return found

    def _touching(
        self,
        slots: Int64[np.ndarray, "n"],
        lowest: Float32[np.ndarray, "3"],
        highest: Float32[np.ndarray, "3"],
    ) -> Int64[np.ndarray, "k"]:
        is_near = (self.low[slots] <= highest) & (self.high[slots] >= lowest)
        return np.asarray(slots[is_near[:, 0] & is_near[:, 1] & is_near[:, 2]])

    def _around(self, low_m: Sequence[float], high_m: Sequence[float]) -> Sequence[int]:
        """Slots, in order, of what may lie over the squares of the floor from one corner to another."""
        if not all(map(math.isfinite, (*low_m, *high_m))):
            return range(len(self._things))
        cells = _cells_under(low_m, high_m)
        if _num(cells) >= len(self._in_cell):
            return range(len(self._things))
        return sorted(
            self._wide.union(*(self._in_cell[cell] for cell in _each(cells) if cell in self._in_cell))
        )

    def _enter(self, slot: int, cells: Cells | None) -> None:
        """Note over which squares a thing lies now."""
        before = self._cells_of[slot]
        if before == cells:
            return
        for one, change in ((before, set.discard), (cells, set.add)):
            if one is not None and _num(one) > MOST_CELLS:
                change(self._wide, slot)
            elif one is not None:
                for cell in _each(one):
                    change(self._in_cell[cell], slot)
        self._cells_of[slot] = cells


def _cells_under(low_m: Sequence[float], high_m: Sequence[float]) -> Cells:
    x0, x1, y0, y1 = (math.floor(edge / CELL_M) for edge in (low_m[0], high_m[0], low_m[1], high_m[1]))
    return x0, x1, y0, y1


def _num(cells: Cells) -> int:
    return (cells[1] - cells[0] + 1) * (cells[3] - cells[2] + 1)


def _each(cells: Cells) -> Iterator[tuple[int, int]]:
    return itertools.product(range(cells[0], cells[1] + 1), range(cells[2], cells[3] + 1))
