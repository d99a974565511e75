"""Several robots: what each can do, what is to be done, and who could do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from embodied_mem.errors import InvalidMessage
from embodied_mem.messages.knowledge import EntityId

TaskStatus = Literal["open", "done"]


@dataclass(frozen=True, kw_only=True)
class Embodiment:
    """What a robot is able to do. Heights above the floor in metres, masses in kilograms, speed in metres a second.

    `can` names the kinds of task that it carries out at all ("fetch", "inspect", "open"), `tools` and `sensors` what it
    has to do them with.
    """

    robot: str
    reach_low_m: float = 0.0
    reach_high_m: float = 0.0
    payload_kg: float = 0.0
    speed_mps: float = 0.5
    can: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    sensors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.robot:
            raise InvalidMessage("an Embodiment has no robot; name it as its frames do.")
        if self.reach_high_m < self.reach_low_m or self.payload_kg < 0.0 or self.speed_mps < 0.0:
            raise InvalidMessage(
                f"Embodiment of {self.robot!r} reaches from {self.reach_low_m} to {self.reach_high_m} m, carries "
                f"{self.payload_kg} kg, drives {self.speed_mps} m/s; reach must not end below its start, and nothing "
                "may be negative."
            )


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something to be done: `kind` with `entity`, by `assignee` ('' for nobody yet), with tools that it `needs`."""

    task_id: str
    kind: str
    entity: EntityId
    needs: tuple[str, ...] = ()
    assignee: str = ""
    status: TaskStatus = "open"

    def __post_init__(self) -> None:
        if not (self.task_id and self.kind and self.entity):
            raise InvalidMessage(
                f"Task(task_id={self.task_id!r}, kind={self.kind!r}, entity={self.entity!r}) needs all three, such as "
                "'t1', 'fetch' and 'e17'."
            )


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Whether a robot could do a task, whether it knows where the thing is from what it saw and did itself, and how far
    it is from it (metres on the floor; None when either place is unknown). `hindrances` say what it lacks.
    """

    robot: str
    is_able: bool
    knows_where: bool
    distance_m: float | None
    hindrances: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Offer:
    """An open task that nobody works on, and who is able to do it, the best first."""

    task: Task
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, kw_only=True)
class FalseBelief:
    """A robot must believe a thing to be at `believed_world_m`, but the memory knows that it is at `is_world_m` (None:
    at no known place), because somebody else saw or moved it.
    """

    robot: str
    entity_id: EntityId
    believed_world_m: tuple[float, float, float]
    is_world_m: tuple[float, float, float] | None
