"""The labels that the map has met, numbered in the order they came."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int16

TRANSIENT_INDEX = -2
MAX_LABELS = 32767


class LabelTable:
    """Numbers labels for the map; a frame's own numbering is translated, and transient labels are marked."""

    def __init__(self, transient: Iterable[str], labels: Iterable[str] = ()) -> None:
        self._transient = frozenset(transient)
        self._index = {label: i for i, label in enumerate(labels)}

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._index)

    def translate(self, frame_labels: tuple[str, ...]) -> Int16[np.ndarray, "n"]:
        """For each label of a frame its index in the map, -2 for a transient one, -1 when the table is full."""
        return np.array([self._translate_one(label) for label in frame_labels], dtype=np.int16)

    def _translate_one(self, label: str) -> int:
        if label in self._transient:
            return TRANSIENT_INDEX
        if label not in self._index and len(self._index) >= MAX_LABELS:
            return -1
        return self._index.setdefault(label, len(self._index))
