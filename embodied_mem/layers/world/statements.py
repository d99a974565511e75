"""What people and language models tell the memory: audited operations, and the facts that they open and close.

A statement stands beside what was perceived, with its writer's trust as confidence; it never changes or ends a
perceived fact, and none is erased.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from embodied_mem.errors import InvalidQuery, did_you_mean
from embodied_mem.layers.world.world_state import WorldState
from embodied_mem.messages import STATED, Audit, EntityId, Fact, Operation, is_stated

RESERVED = ("at", "absent")
"""What only looks and events may say: where something is."""
PREDICATE = re.compile(r"[a-z][a-z0-9_ ]{0,39}")
MAX_VALUE_CHARS = 2000


class Statements:
    """Stated facts by subject, as believed now; loaded from the repository when made."""

    def __init__(self, state: WorldState) -> None:
        self._state = state
        self._facts_of: dict[EntityId, list[Fact]] = defaultdict(list)
        for fact in state.repository.facts(any_time=True):
            if is_stated(fact):
                self._facts_of[fact.subject].append(fact)

    def write(self, operation: Operation, known_ns: int) -> Audit:
        """Carry out one operation, known since `known_ns`; part of the caller's transaction.

        Raises:
            UnknownEntity: subject or object does not exist.
            InvalidQuery: the predicate is reserved or malformed, the value too long, or there is nothing to end.
        """
        known_ns = self._state.learn(self._state.clock_ns, known_ns)
        journal = self._state.repository.journal
        if operation.kind == "NOOP":
            subject = self._named(operation.subject) if operation.subject else ""
            return journal.add_audit(operation, subject=subject, known_ns=known_ns, opened=(), closed=())
        subject = self._named(operation.subject)
        target = None if operation.object is None else self._named(operation.object)
        self._check(operation)
        from_ns = known_ns if operation.valid_from_ns is None else operation.valid_from_ns
        closed: list[int] = []
        if operation.kind in ("UPDATE", "DELETE"):
            closed = self._close(subject, operation, from_ns, known_ns)
        opened = (
            [] if operation.kind == "DELETE" else [self._open(subject, target, operation, from_ns, known_ns)]
        )
        return journal.add_audit(operation, subject=subject, known_ns=known_ns, opened=opened, closed=closed)

    def facts(self, entity_id: EntityId, known_at_ns: int | None = None) -> list[Fact]:
        """All that was stated of an entity, over all times, as known at `known_at_ns`."""
        if known_at_ns is None:
            return list(self._facts_of.get(entity_id, ()))
        facts = self._state.repository.facts(subject=entity_id, known_at_ns=known_at_ns, any_time=True)
        return [fact for fact in facts if is_stated(fact)]

    def predicates(self) -> set[str]:
        """Every predicate that is in use."""
        return {fact.predicate for facts in self._facts_of.values() for fact in facts}

    def words(self, entity_id: EntityId) -> str:
        """Everything that is stated of an entity now, to be searched as text."""
        return " ".join(str(f.value) for f in self.facts(entity_id) if f.valid_to_ns is None and f.value)

    def forget(self, entity_id: EntityId) -> None:
        """Drop what was stated of an entity that the repository forgets, and what names it."""
        self._facts_of.pop(entity_id, None)
        for subject, facts in self._facts_of.items():
            self._facts_of[subject] = [fact for fact in facts if fact.object != entity_id]

    def adopt(self, old: EntityId, new: EntityId) -> None:
        """`new` turned out to be `old`: what was stated of it is stated of `old`, known from now on."""
        known_ns = self._state.known_ns
        for fact in self._facts_of.pop(new, []):
            self._state.repository.end_fact(fact.fact_id, known_ns)
            values = {**fact.__dict__, "subject": old, "known_from_ns": known_ns}
            self._facts_of[old].append(self._state.repository.add_fact(Fact(**values)))

    def strays(self) -> Iterable[tuple[EntityId, EntityId]]:
        """(current id, retired id) of subjects that have turned out to be another thing."""
        aliases = self._state.aliases
        return [(aliases[subject], subject) for subject in self._facts_of if subject in aliases]

    def _open(
        self, subject: EntityId, target: EntityId | None, operation: Operation, from_ns: int, known_ns: int
    ) -> int:
        fact = self._state.repository.add_fact(
            Fact(
                fact_id=0, subject=subject, predicate=operation.predicate, object=target, value=operation.value,
                valid_from_ns=from_ns, known_from_ns=known_ns, confidence=operation.trust,
                source=STATED + operation.source,
            )
        )  # fmt: skip
        self._facts_of[subject].append(fact)
        return fact.fact_id

    def _close(self, subject: EntityId, operation: Operation, to_ns: int, known_ns: int) -> list[int]:
        """End what stands; a DELETE that names a value or object ends only that."""
        is_specific = operation.kind == "DELETE" and (operation.value, operation.object) != (None, None)
        standing = [
            fact
            for fact in self._facts_of.get(subject, ())
            if fact.predicate == operation.predicate
            and fact.valid_to_ns is None
            and (not is_specific or operation.value in (None, fact.value))
            and (not is_specific or operation.object in (None, fact.object))
        ]
        if not standing:
            have = sorted({f.predicate for f in self.facts(subject) if f.valid_to_ns is None})
            raise InvalidQuery(
                f"nothing that was stated says {operation.predicate!r} of {subject!r} now; stated are {have}."
                f"{did_you_mean(operation.predicate, have)} Use ADD to state it; what is perceived cannot be deleted."
            )
        closed: list[int] = []
        for fact in standing:
            ends_ns = max(to_ns, fact.valid_from_ns)
            new_id = self._state.repository.journal.close_fact(fact.fact_id, ends_ns, known_ns)
            self._facts_of[subject].remove(fact)
            values = {**fact.__dict__, "fact_id": new_id, "valid_to_ns": ends_ns, "known_from_ns": known_ns}
            self._facts_of[subject].append(Fact(**values))
            closed.append(new_id)
        return closed

    def _named(self, entity_id: EntityId) -> EntityId:
        return self._state.thing(entity_id, named_by="the operation").entity_id

    def _check(self, operation: Operation) -> None:
        predicate = operation.predicate
        if predicate in RESERVED:
            raise InvalidQuery(
                f"{predicate!r} cannot be stated: where things are comes from looks and events. Record a 'place' event, "
                "or state 'on', 'in' or a note."
            )
        if not PREDICATE.fullmatch(predicate):
            raise InvalidQuery(
                f"predicate {predicate!r} must be lower-case words of at most 40 characters, such as 'owner'."
            )
        if operation.value is not None and not 0 < len(operation.value) <= MAX_VALUE_CHARS:
            raise InvalidQuery(
                f"the value of {predicate!r} has {len(operation.value)} characters; allowed are 1..{MAX_VALUE_CHARS}."
            )
        if operation.valid_from_ns is not None and operation.valid_from_ns < 0:
            raise InvalidQuery(
                f"valid_from_ns is {operation.valid_from_ns}; it must be nanoseconds >= 0, or None for now."
            )
