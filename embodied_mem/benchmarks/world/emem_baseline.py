"""`emem` from PyPI as a baseline: every caption an observation with position and time, found by its semantic search.

It is given the same hashed word vectors as the append-only baseline in place of a downloaded sentence model.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from embodied_mem.benchmarks.world.baselines import SAME_PLACE_M, AppendOnly, Baseline, one_per_place
from embodied_mem.benchmarks.world.chronicle import CannotAnswer, Item, Point
from embodied_mem.errors import MissingExtra

MOST_RESULTS = 400
MOST_KEPT = 1_000_000
EVERY_NS = 1_000_000_000
"""A caption at about the same place is added at most this often: more only crowds the search."""


class Emem(Baseline):
    """`Chronicle` over a SpatioTemporalMemory.

    Raises:
        MissingExtra: emem is not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        try:
            from emem import SpatioTemporalMemory, SpatioTemporalMemoryConfig
            from emem.embeddings import CallableEmbeddingProvider
        except ImportError as error:
            raise MissingExtra("this baseline needs emem: pip install 'embodied_mem[baselines]'") from error
        self._folder = tempfile.TemporaryDirectory(prefix="emem-")
        root = Path(self._folder.name)
        words = AppendOnly()
        config = SpatioTemporalMemoryConfig(
            db_path=str(root / "m.db"), hnsw_path=str(root / "m.bin"), embedding_dim=AppendOnly.DIM
        )
        provider = CallableEmbeddingProvider(
            lambda texts: [words.embed(t).tolist() for t in texts], AppendOnly.DIM
        )
        self._memory: Any = SpatioTemporalMemory(config=config, embedding_provider=provider)
        self._boxes: dict[str, Item] = {}
        self._all: list[Item] | None = None
        self._found: dict[str, list[Any]] = {}
        self._last: dict[tuple[str, tuple[int, ...]], int] = {}

    def named(self, label: str, color: str | None = None) -> list[Item]:
        wanted = f"{color} {label}" if color else label
        return self._distinct([r for r in self._search(wanted) if _fits(wanted, r.text)])

    def position_at(self, item: Item, at_ns: int) -> Point:
        before = [r for r in self._search(item.key) if r.text == item.key and r.timestamp * 1e9 <= at_ns + 1]
        if not before:
            raise CannotAnswer
        return _point(max(before, key=lambda r: r.timestamp))

    def _keep(self, item: Item, stamp_ns: int) -> None:
        cell = tuple(int(c // SAME_PLACE_M) for c in item.position_world_m)
        if stamp_ns - self._last.get((item.key, cell), -EVERY_NS) < EVERY_NS:
            return
        self._last[item.key, cell] = stamp_ns
        self._boxes[item.key], self._all, self._found = item, None, {}
        x, y, z = item.position_world_m
        self._memory.add(item.key, x=x, y=y, z=z, timestamp=stamp_ns / 1e9)

    def _items(self) -> Iterable[Item]:
        if self._all is None:
            self._all = self._search_all()
        return self._all

    def _search_all(self) -> list[Item]:
        """Everything that it keeps, by one query of time instead of a search for each caption."""
        self._memory._ensure_flushed()
        by_text: dict[str, list[Any]] = defaultdict(list)
        for result in self._memory.store.temporal_query(n_results=MOST_KEPT):
            by_text[result.text].append(result)
        return [item for key in self._boxes for item in self._distinct(by_text[key])]

    def _search(self, words: str) -> list[Any]:
        """A search takes tens of milliseconds; between two observations the same words find the same."""
        if words not in self._found:
            self._memory._ensure_flushed()
            found = self._as_many_as_it_finds(words)
            self._found[words] = [
                one for one in found if hasattr(one, "coordinates") and hasattr(one, "text")
            ]
        return self._found[words]

    def _as_many_as_it_finds(self, words: str) -> list[Any]:
        """Its index refuses to return fewer neighbours than it is asked for, which many equal captions can bring about."""
        most = MOST_RESULTS
        while most:
            try:
                return list(self._memory.store.semantic_search(query=words, n_results=most))
            except RuntimeError:
                most //= 2
        return []

    def _distinct(self, results: list[Any]) -> list[Item]:
        """The newest observation of each place."""
        newest_first = sorted(results, key=lambda r: -r.timestamp)
        points = [_point(result) for result in newest_first]
        return [
            replace(self._boxes[newest_first[k].text], position_world_m=points[k])
            for k in one_per_place(points)
        ]


def _fits(words: str, text: str) -> bool:
    """Whether a caption has all the words: colour and label, or the label alone."""
    return text == words or text.endswith(" " + words)


def _point(result: Any) -> Point:
    x, y, z = (float(c) for c in result.coordinates)
    return x, y, z
