"""What somebody tells the memory, as explicit operations, and the record that is kept of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from embodied_mem.errors import InvalidMessage
from embodied_mem.messages.knowledge import EntityId, Fact

OperationKind = Literal["ADD", "UPDATE", "DELETE", "NOOP", "MERGE", "SPLIT"]
OPERATION_KINDS: tuple[OperationKind, ...] = ("ADD", "UPDATE", "DELETE", "NOOP", "MERGE", "SPLIT")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One write by a person or a language model.

    ADD states that `predicate` of `subject` is `value` (words) or `object` (an entity) from `valid_from_ns` on;
    UPDATE ends what the writer's kind of statement said of it and states anew; DELETE ends it (nothing is erased);
    NOOP changes nothing and is recorded all the same. MERGE states that `subject` and `object` are one thing, SPLIT that the
    thing whose id `subject` was retired by a merge is one of its own after all. `source` names the writer, `trust` in 0..1 how far it is
    believed, `reason` why it wrote.
    """

    kind: OperationKind
    source: str
    subject: str = ""
    predicate: str = ""
    value: str | None = None
    object: str | None = None
    trust: float = 0.5
    valid_from_ns: int | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.kind not in OPERATION_KINDS:
            raise InvalidMessage(f"operation kind {self.kind!r}; it must be one of {list(OPERATION_KINDS)}.")
        if not self.source.strip():
            raise InvalidMessage(f"{self.kind} has no source; name who writes, such as 'planner' or 'anna'.")
        if not 0.0 <= self.trust <= 1.0:
            raise InvalidMessage(f"{self.kind} has trust {self.trust}; it must be in 0..1.")
        if self.kind in ("MERGE", "SPLIT"):
            self._check_identity()
        if self.kind in ("NOOP", "MERGE", "SPLIT"):
            return
        if not self.subject or not self.predicate:
            raise InvalidMessage(
                f"{self.kind} has subject {self.subject!r} and predicate {self.predicate!r}; name both, such as 'e17' "
                "and 'owner'."
            )
        if self.kind != "DELETE" and (self.value is None) == (self.object is None):
            raise InvalidMessage(
                f"{self.kind} of {self.predicate!r} has value {self.value!r} and object {self.object!r}; give words as "
                "value or an entity as object, one of them."
            )

    def _check_identity(self) -> None:
        if not self.subject or (self.kind == "MERGE") != bool(self.object):
            raise InvalidMessage(
                f"{self.kind} has subject {self.subject!r} and object {self.object!r}; MERGE needs the ids of both things, "
                "SPLIT the id that was retired as subject."
            )


@dataclass(frozen=True, kw_only=True)
class Audit:
    """An operation as it was carried out: when it became known, and the facts that it opened and closed."""

    operation_id: int
    operation: Operation
    known_ns: int
    subject: EntityId
    opened: tuple[int, ...] = ()
    closed: tuple[int, ...] = ()


STATED = "statement/"
"""How the source of a fact begins that somebody stated; the writer's name follows."""


def is_stated(fact: Fact) -> bool:
    """Whether somebody stated the fact; all others come from perception and events."""
    return fact.source.startswith(STATED)
