"""What was done in the home, by whom, and where things were before and after."""

from __future__ import annotations

from dataclasses import dataclass, field

from .parts import Vector3
from .world import HouseholdWorld


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """Where a thing is. `centre_world` is None out of the home; `carrier` names who holds it."""

    centre_world: Vector3 | None
    yaw_rad: float
    receptacle: str | None
    room: str
    carrier: str | None


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One finished action. `subject` is an object's id, or the name of a drawer or door.

    kind: pick, place, remove (carried out of the home), open, close. A failed deed changed nothing.
    """

    kind: str
    actor: str
    subject: str | None
    category: str | None
    start_ns: int
    end_ns: int
    outcome: str = "success"
    before: Whereabouts | None = None
    after: Whereabouts | None = None


@dataclass
class Journal:
    """Deeds since they were last taken out."""

    deeds: list[Deed] = field(default_factory=list)

    def write(self, deed: Deed) -> None:
        self.deeds.append(deed)

    def take_out(self) -> list[Deed]:
        deeds, self.deeds = self.deeds, []
        return deeds


def whereabouts(world: HouseholdWorld, thing: str) -> Whereabouts:
    """Where the object is now."""
    state = world.objects[thing]
    position, yaw = world.object_pose(thing)
    return Whereabouts(
        centre_world=None if state.is_gone else position,
        yaw_rad=yaw,
        receptacle=state.receptacle,
        room=world.room_of_object(thing),
        carrier=state.carrier,
    )


def joint_whereabouts(world: HouseholdWorld, joint: str) -> Whereabouts:
    """Where a drawer or door is."""
    position = world.joints[joint].position_world
    room = world.plan.room_of(position[0], position[1])
    return Whereabouts(centre_world=position, yaw_rad=0.0, receptacle=None, room=room, carrier=None)
