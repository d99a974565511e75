"""What the robot did, or saw happen."""

from __future__ import annotations

from dataclasses import dataclass

from embodied_mem.errors import ImpossibleInterval, InvalidMessage
from embodied_mem.messages.sensing import check_stamp


@dataclass(frozen=True, kw_only=True)
class ObjectMention:
    """An object that an event names before the memory has an id for it: what it is and where (world, metres)."""

    label: str
    position_world_m: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that `actor` did between two stamps: pick, place, open, close, press, arrive, ...

    `objects` are entity ids or (label, position) mentions that the world layer resolves, the first one being
    what was acted on.
    """

    kind: str
    actor: str
    objects: tuple[str | ObjectMention, ...] = ()
    start_ns: int
    end_ns: int
    place: str | None = None
    outcome: str | None = None
    task: str | None = None

    def __post_init__(self) -> None:
        if not self.kind or not self.actor:
            raise InvalidMessage(
                f"Event(kind={self.kind!r}, actor={self.actor!r}): both must be words, such as 'pick' and 'robot'."
            )
        check_stamp("Event.start_ns", self.start_ns)
        check_stamp("Event.end_ns", self.end_ns)
        if self.end_ns < self.start_ns:
            raise ImpossibleInterval(
                f"Event {self.kind!r} ends at {self.end_ns}, before its start {self.start_ns}. Swap them."
            )
