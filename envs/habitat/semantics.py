"""Which category and region each of Habitat's semantic ids belongs to, and our ids made from it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int32, Int64

from ..frames import ID_DIVISOR

UNKNOWN = "unknown"
MAX_INSTANCES = ID_DIVISOR - 1


class SemanticMap:
    """Semantic ids -> `category index * 1000 + instance number`, 0 for what the scene does not name.

    `category_names[0]` is "void". Ids that a picture shows and no instance has are warned of once: a semantic mesh
    whose colours were converted wrongly shifts ids, and then names the wrong things.
    """

    def __init__(self, instances: Sequence[Mapping[str, Any]]) -> None:
        self.category_names: tuple[str, ...] = ("void",)
        self._category_of: dict[int, int] = {}
        self._number_of: dict[int, int] = {}
        self._counts: Counter[int] = Counter()
        self._region_of: dict[int, str] = {}
        self._warned: set[int] = set()
        self._table: Int64[np.ndarray, "ids"] = np.zeros(1, dtype=np.int64)
        for instance in instances:
            self._enter(int(instance["semantic_id"]), instance["category"], instance["region"])
        self._rebuild()

    def add(self, semantic_id: int, category: str, region: str = "") -> None:
        """Name something that was put into the scene."""
        self._enter(semantic_id, category, region)
        self._rebuild()

    def next_free_id(self) -> int:
        """A semantic id that nothing has."""
        return max(self._category_of, default=0) + 1

    def region_of(self, semantic_id: int) -> str:
        """The region's name, or an empty string."""
        return self._region_of.get(semantic_id, "")

    def category_of(self, semantic_id: int) -> str:
        """The category's name, "void" where the scene names none."""
        return self.category_names[self._category_of.get(semantic_id, 0)]

    def panoptic(
        self, semantic: Int64[np.ndarray, "h w"], rng: np.random.Generator | None = None
    ) -> Int32[np.ndarray, "h w"]:
        """Our ids of a picture; with `rng`, instance numbers drawn anew for it."""
        self._warn_of_unmapped(semantic)
        table = self._table if rng is None else self._shuffled(semantic, rng)
        known = np.where((semantic >= 0) & (semantic < len(table)), semantic, 0)
        return np.asarray(np.where(known == semantic, table[known], 0), dtype=np.int32)

    def _enter(self, semantic_id: int, category: str, region: str) -> None:
        name = category or UNKNOWN
        if name not in self.category_names:
            self.category_names = (*self.category_names, name)
        index = self.category_names.index(name)
        self._category_of[semantic_id] = index
        self._number_of[semantic_id] = self._counts[index] % MAX_INSTANCES + 1
        self._counts[index] += 1
        self._region_of[semantic_id] = region

    def _rebuild(self) -> None:
        self._table = np.zeros(max(self._category_of, default=0) + 1, dtype=np.int64)
        for semantic_id, index in self._category_of.items():
            if semantic_id > 0:  # 0 is where nothing was hit
                self._table[semantic_id] = index * ID_DIVISOR + self._number_of[semantic_id]

    def _shuffled(
        self, semantic: Int64[np.ndarray, "h w"], rng: np.random.Generator
    ) -> Int64[np.ndarray, "ids"]:
        table = np.zeros_like(self._table)
        shown = [one for one in np.unique(semantic).tolist() if one > 0 and one in self._category_of]
        numbers = rng.permutation(MAX_INSTANCES)[: len(shown)] + 1
        for semantic_id, number in zip(shown, numbers.tolist(), strict=True):
            table[semantic_id] = self._category_of[semantic_id] * ID_DIVISOR + number
        return table

    def _warn_of_unmapped(self, semantic: Int64[np.ndarray, "h w"]) -> None:
        shown = set(np.unique(semantic).tolist()) - {0}
        unknown = shown - set(self._category_of) - self._warned
        if unknown:
            self._warned |= unknown
            warnings.warn(
                f"the picture shows semantic ids {sorted(unknown)[:8]} that no object of the scene has; they become "
                "void. If there are many, the semantic mesh's colours do not match its .semantic.txt (glTF vertex "
                "colours are linear, the hexadecimal ones sRGB).",
                stacklevel=3,
            )
