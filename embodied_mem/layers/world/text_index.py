"""Things by words: labels, their synonyms, and what was stated of them (captions, names, owners)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Float, Float64

from embodied_mem.errors import InvalidQuery
from embodied_mem.layers.world.statements import Statements
from embodied_mem.layers.world.words import SYNONYMS
from embodied_mem.layers.world.world_state import WorldState
from embodied_mem.messages import EntityId

SentenceEncoder = Callable[[str], Float[np.ndarray, "d"]]
"""Gives the vector of a text; texts that mean alike have a large cosine."""
MIN_COSINE = 0.3
"""Below, texts have nothing to do with each other."""
STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "my",
        "our",
        "your",
        "his",
        "her",
        "their",
        "this",
        "that",
        "these",
        "those",
        "of",
        "in",
        "on",
        "at",
        "to",
        "with",
        "and",
        "or",
        "is",
        "are",
        "for",
        "from",
        "by",
        "it",
    ]
)


class TextIndex:
    """Keeps the repository's full-text rows equal to what things are called."""

    def __init__(self, state: WorldState, statements: Statements) -> None:
        self._state = state
        self._statements = statements
        self._texts: dict[EntityId, str] = state.repository.journal.words()
        self._encoder: SentenceEncoder | None = None
        self._vectors: dict[str, Float64[np.ndarray, "d"]] = {}
        missing = [thing.entity_id for thing in state.roster if thing.entity_id not in self._texts]
        if missing:  # a memory from before there was an index
            with state.repository.transaction():
                self.sync(missing)

    def sync(self, entity_ids: Iterable[EntityId]) -> None:
        """Bring the text of things up to date; part of the caller's transaction."""
        for entity_id in entity_ids:
            thing = self._state.roster.get(entity_id)
            text = "" if thing is None else self._text(thing.label, self._statements.words(entity_id))
            if self._texts.get(entity_id, "") != text:
                self._texts[entity_id] = text
                self._state.repository.journal.put_words(entity_id, text)

    def search(self, text: str, limit: int = 50) -> dict[EntityId, float]:
        """Things whose text has some of the words, with a score in 0..1 (the best has 1); stop words do not count."""
        words = [word for word in text.lower().split() if word not in STOP_WORDS]
        scores: dict[EntityId, float] = {}
        for entity_id, score in self._state.repository.journal.search_words(words, limit):
            current = self._state.aliases.get(entity_id, entity_id)
            if current in self._state.roster:
                scores[current] = max(score, scores.get(current, 0.0))
        best = max(scores.values(), default=0.0)
        return {entity_id: score / best if best > 0 else 1.0 for entity_id, score in scores.items()}

    def by_meaning(self, text: str, encoder: SentenceEncoder) -> dict[EntityId, float]:
        """Things whose text means something like this, with the cosine; each distinct text is encoded once."""
        if self._encoder != encoder:  # a bound method is a new object each time, and equal
            self._encoder, self._vectors = encoder, {}
        current = {text, *self._texts.values()}
        self._vectors = {known: vector for known, vector in self._vectors.items() if known in current}
        wanted = self._vector(text, encoder)
        scores = {
            entity_id: float(wanted @ self._vector(words, encoder))
            for entity_id, words in self._texts.items()
            if words and entity_id in self._state.roster
        }
        return {entity_id: score for entity_id, score in scores.items() if score >= MIN_COSINE}

    def _vector(self, text: str, encoder: SentenceEncoder) -> Float64[np.ndarray, "d"]:
        if text not in self._vectors:
            vector = np.asarray(encoder(text), dtype=np.float64).ravel()
            norm = float(np.linalg.norm(vector))
            if not np.isfinite(norm) or norm == 0.0:
                raise InvalidQuery(
                    f"the encoder gave a zero vector or NaN for {text!r}; give one for sentences."
                )
            self._vectors[text] = vector / norm
        return self._vectors[text]

    def forget(self, entity_id: EntityId) -> None:
        """The repository forgets the row by itself."""
        self._texts.pop(entity_id, None)

    @staticmethod
    def _text(label: str, stated: str) -> str:
        words = label.lower().replace("_", " ")
        synonyms = sorted({name for group in SYNONYMS if words in group for name in group} - {words})
        return " ".join([words, *synonyms, stated]).strip()
