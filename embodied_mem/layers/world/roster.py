"""The boxes of all entities in two arrays, so that thousands are compared with a view at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Int64

from embodied_mem.geometry import Box
from embodied_mem.layers.world.thing import Thing
from embodied_mem.messages import EntityId

EMPTY = np.float32(np.inf)
FAR_M = np.float32(1e6)


class Roster:
    """Things by id; `low`, `high` hold their boxes (infinite where a slot is free)."""

    def __init__(self) -> None:
        self._slots: dict[EntityId, int] = {}
        self._things: list[Thing | None] = []
        self._boxes: list[Box | None] = []
        self.low: Float32[np.ndarray, "n 3"] = np.full((0, 3), EMPTY, dtype=np.float32)
        self.high: Float32[np.ndarray, "n 3"] = np.full((0, 3), EMPTY, dtype=np.float32)

    def __iter__(self) -> Iterator[Thing]:
        return (thing for thing in self._things if thing is not None)

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
        self._slots[thing.entity_id] = slot
        self.place(thing)

    def place(self, thing: Thing) -> None:
        """Note the box of a thing that moved or grew."""
        slot = self._slots[thing.entity_id]
        if self._boxes[slot] is not thing.box:
            self._boxes[slot] = thing.box
            self.low[slot], self.high[slot] = thing.box.min_m, thing.box.max_m

    def remove(self, thing: Thing) -> None:
        slot = self._slots.pop(thing.entity_id)
        self._things[slot] = self._boxes[slot] = None
        self.low[slot] = self.high[slot] = EMPTY

    def at(self, slots: Int64[np.ndarray, "k"]) -> list[Thing]:
        found = [self._things[slot] for slot in slots]
        return [thing for thing in found if thing is not None]

    def balls(self) -> tuple[Float32[np.ndarray, "n 3"], Float32[np.ndarray, "n"]]:
        """Centre and radius of a ball around each box; free slots lie far away."""
        is_used = np.isfinite(self.low[:, :1])
        low, high = np.where(is_used, self.low, FAR_M), np.where(is_used, self.high, FAR_M)
        return (low + high) / 2, np.linalg.norm(high - low, axis=1) / 2

    def near(
        self, low: Float32[np.ndarray, "m 3"], high: Float32[np.ndarray, "m 3"], margin_m: float
    ) -> list[Thing]:
        """Things whose box is within `margin_m` of any of m boxes."""
        if not len(low) or not self._things:
            return []
        num = len(self._things)
        # First around all boxes together: of thousands of things that leaves a few.
        lowest, highest = low.min(axis=0) - margin_m, high.max(axis=0) + margin_m
        is_around = (self.low[:num, 0] <= highest[0]) & (self.high[:num, 0] >= lowest[0])
        for axis in (1, 2):
            is_around &= (self.low[:num, axis] <= highest[axis]) & (self.high[:num, axis] >= lowest[axis])
        slots = np.flatnonzero(is_around)
        if len(low) == 1:
            return self.at(slots)
        gap = np.maximum(self.low[slots] - high[:, None], low[:, None] - self.high[slots])
        return self.at(slots[(gap <= margin_m).all(axis=2).any(axis=0)])
