"""Things by words: labels, their synonyms, and what was stated of them (captions, names, owners)."""

from __future__ import annotations

from collections.abc import Iterable

from embodied_mem.layers.world.statements import Statements
from embodied_mem.layers.world.words import SYNONYMS
from embodied_mem.layers.world.world_state import WorldState
from embodied_mem.messages import EntityId

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

    def forget(self, entity_id: EntityId) -> None:
        """The repository forgets the row by itself."""
        self._texts.pop(entity_id, None)

    @staticmethod
    def _text(label: str, stated: str) -> str:
        words = label.lower().replace("_", " ")
        synonyms = sorted({name for group in SYNONYMS if words in group for name in group} - {words})
        return " ".join([words, *synonyms, stated]).strip()
