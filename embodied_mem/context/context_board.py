"""Every entity in arrays, so that ten thousand are ranked at once; a few rows are read anew after each frame.

The board lags behind the world on purpose: changes are marked when they happen (microseconds) and read when somebody
asks, as far as the asker's time allows; what could not be read in time is ranked as it was before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64

from embodied_mem.layers.world.text_index import STOP_WORDS
from embodied_mem.layers.world.words import COLOR_SYNONYMS, labels_named
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import EntityId
from embodied_mem.perception.colors import COLOR_NAMES

ROWS_AT_FIRST = 64
CHECK_EVERY = 16
"""Rows read between two looks at the clock."""
NEAR_M, RECENT_S = 3.0, 300.0
"""A thing this far away, or seen this long ago, counts half as much as one here, or now."""
NAMED, OTHER_COLOR = 10.0, 0.5
KEPT_INSTRUCTIONS = 32


class Row(NamedTuple):
    """An entity as the board knows it."""

    entity_id: EntityId
    name: str
    support: str
    note: str
    position_world_m: Float64[np.ndarray, "3"]
    appearance: Float32[np.ndarray, "d"]
    confidence: float
    last_seen_ns: int
    fact_id: int


class EntityBoard:
    """Entities by row; `is_here` says which rows are things at a known place."""

    def __init__(self) -> None:
        self._view: WorldView | None = None
        self._clear()

    def _clear(self) -> None:
        self._rows: dict[EntityId, int] = {}
        self._entries: list[Row | None] = []
        self._stale: dict[EntityId, None] = {}
        self._terms: dict[str, int] = {}
        self._matches: OrderedDict[tuple[str, int], Float32[np.ndarray, "t"]] = OrderedDict()
        self._positions = np.zeros((ROWS_AT_FIRST, 3))
        self._last_seen_ns = np.zeros(ROWS_AT_FIRST, dtype=np.int64)
        self._term_of = np.zeros(ROWS_AT_FIRST, dtype=np.int64)
        self._is_here = np.zeros(ROWS_AT_FIRST, dtype=bool)

    def mark(self, entity_ids: Iterable[EntityId]) -> None:
        """These changed; they are read when there is time."""
        for entity_id in tuple(entity_ids):
            self._stale.pop(entity_id, None)
            self._stale[entity_id] = None

    def remove(self, entity_id: EntityId) -> None:
        """This one was erased: nothing of it is told any more."""
        self._stale.pop(entity_id, None)
        if entity_id in self._rows:
            self._is_here[self._rows[entity_id]] = False
            self._entries[self._rows[entity_id]] = None

    def refresh(self, view: WorldView, has_time: Callable[[], bool]) -> int:
        """Read what changed, the newest first, while there is time; how many are left."""
        if view is not self._view:  # loaded, reset or rolled back
            self._clear()
            self._view = view
            self.mark(view.ids())
        turn = 0
        while self._stale:
            if turn % CHECK_EVERY == 0 and not has_time():
                break
            entity_id, _ = self._stale.popitem()
            self._read(view, entity_id)
            turn += 1
        return len(self._stale)

    @property
    def num_stale(self) -> int:
        """How many changes wait to be read."""
        return len(self._stale)

    def __len__(self) -> int:
        """How many things are at a known place."""
        return int(self._is_here.sum())

    def best(
        self, instruction: str, origin_world_m: Float64[np.ndarray, "3"], now_ns: int, num: int
    ) -> tuple[list[Row], Float64[np.ndarray, "k"]]:
        """The rows that matter most for an instruction: what it names, then what is near, then what is recent."""
        used = np.flatnonzero(self._is_here[: len(self._entries)])
        if not len(used):
            return [], np.zeros(0)
        distances_m = np.linalg.norm(self._positions[used] - origin_world_m, axis=1)
        ages_s = np.maximum(0, now_ns - self._last_seen_ns[used]) / 1e9
        worth = NAMED * self._match(instruction)[self._term_of[used]] + 1.0 / (1.0 + distances_m / NEAR_M)
        worth = worth + 0.3 / (1.0 + ages_s / RECENT_S)
        order = _largest(worth, min(num, len(used)))
        rows = [row for row in (self._entries[i] for i in used[order]) if row is not None]
        return rows, worth[order]

    def counts(self) -> dict[str, int]:
        """How many things there are of each name, the most frequent first."""
        used = self._is_here[: len(self._entries)]
        numbers = np.bincount(self._term_of[: len(self._entries)][used], minlength=len(self._terms))
        names: dict[str, int] = {}
        for term, index in self._terms.items():
            name = term.partition("|")[0]
            names[name] = names.get(name, 0) + int(numbers[index])
        return dict(sorted(((n, k) for n, k in names.items() if k), key=lambda pair: (-pair[1], pair[0])))

    def named(self, instruction: str) -> frozenset[EntityId]:
        """What an instruction's words name."""
        used = np.flatnonzero(self._is_here[: len(self._entries)])
        rows = used[self._match(instruction)[self._term_of[used]] > 0]
        return frozenset(row.entity_id for row in (self._entries[i] for i in rows) if row is not None)

    def _read(self, view: WorldView, entity_id: EntityId) -> None:
        placed = view.location(entity_id)
        if placed is None:
            if entity_id in self._rows:
                self._is_here[self._rows[entity_id]] = False
            return
        location, at = placed
        index = self._row(entity_id)
        name, note = view.label_of(entity_id), view.statements.words(entity_id)
        support = f"{view.label_of(location.support)} {location.support}" if location.support else ""
        position = np.array(location.placement.position_world_m)
        self._entries[index] = Row(
            entity_id, name, support, note, position, view.appearance(entity_id).astype(np.float32),
            min(at.confidence, view.presence(entity_id)), location.last_seen_ns, at.fact_id,
        )  # fmt: skip
        self._positions[index], self._last_seen_ns[index] = position, location.last_seen_ns
        term = f"{name}|{note.lower()}"
        self._term_of[index] = self._terms.setdefault(term, len(self._terms))
        self._is_here[index] = True

    def _row(self, entity_id: EntityId) -> int:
        if entity_id not in self._rows:
            self._rows[entity_id] = len(self._entries)
            self._entries.append(None)
            if len(self._entries) > len(self._is_here):
                for name in ("_positions", "_last_seen_ns", "_term_of", "_is_here"):
                    table = getattr(self, name)
                    setattr(self, name, np.concatenate([table, np.zeros_like(table)]))
        return self._rows[entity_id]

    def _match(self, instruction: str) -> Float32[np.ndarray, "t"]:
        """How much an instruction is about each name, 0..1."""
        key = (instruction, len(self._terms))
        if key not in self._matches:
            self._matches[key] = match_terms(instruction, list(self._terms))
            if len(self._matches) > KEPT_INSTRUCTIONS:
                self._matches.popitem(last=False)
        return self._matches[key]


def match_terms(instruction: str, terms: list[str]) -> Float32[np.ndarray, "t"]:
    """How much an instruction is about each term ('red mug|the guest's'), 0..1: label, colour, what was stated."""
    words = [
        COLOR_SYNONYMS.get(w, w)
        for w in "".join(c if c.isalnum() else " " for c in instruction.lower()).split()
    ]
    colors = {word for word in words if word in COLOR_NAMES}
    spoken = [word for word in words if word not in STOP_WORDS and word not in colors]
    phrases = {*spoken, *(f"{a} {b}" for a, b in pairwise(spoken))}
    labels = {term: _label_of(term) for term in terms}
    meant = frozenset().union(
        *(labels_named(phrase, set(labels.values())) for phrase in phrases), frozenset()
    )
    scores = np.zeros(len(terms), dtype=np.float32)
    for index, term in enumerate(terms):
        name, _, note = term.partition("|")
        color = name[: len(name) - len(labels[term])].strip()
        score = 1.0 if labels[term] in meant or set(note.split()) & set(spoken) else 0.0
        scores[index] = score * (OTHER_COLOR if colors and color and color not in colors else 1.0)
    return scores


def _label_of(term: str) -> str:
    name = term.partition("|")[0]
    first, _, rest = name.partition(" ")
    return rest if rest and first in COLOR_NAMES else name


def _largest(values: Float64[np.ndarray, "n"], num: int) -> Int64[np.ndarray, "k"]:
    """Indices of the `num` largest, largest first; the earlier of equals first."""
    chosen = np.argpartition(-values, num - 1)[:num] if num < len(values) else np.arange(len(values))
    return np.asarray(chosen[np.lexsort((chosen, -values[chosen]))])
