"""The person of the home: what they can do, one act after the other."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from .journal import Deed, Journal, Whereabouts, joint_whereabouts, whereabouts
from .navigation import FreeSpace, is_blocked
from .parts import Vector3, rectangle_array, wrap_angle
from .stocking import Spot
from .world import PERSON, PERSON_RADIUS_M, ROBOT, HouseholdWorld

WALK_M_S = 1.6
ACT_S = 0.5
PASSING_M = 0.65
ARM_M = 0.75
EYE_HALF_WIDTH_RAD = math.radians(45.0)


@dataclass
class Scene:
    """What an act works on. `space` is the floor a person can walk on."""

    world: HouseholdWorld
    space: FreeSpace
    journal: Journal
    now_ns: int = 0
    dt_s: float = 0.1

    def robot_sees(self, point: Vector3) -> bool:
        """Whether the robot's camera may have the point in view: in its field of view, no wall between."""
        r = self.world.robot
        bearing = wrap_angle(math.atan2(point[1] - r.y, point[0] - r.x) - r.yaw_rad - r.pan_rad)
        if abs(bearing) > EYE_HALF_WIDTH_RAD:
            return False
        return not is_blocked(
            (r.x, r.y), (point[0], point[1]), rectangle_array(self.world.plan.sight_blockers())
        )

    def write(
        self, kind: str, subject: str, category: str, start_ns: int, before: Whereabouts, after: Whereabouts
    ) -> None:
        self.journal.write(
            Deed(
                kind=kind,
                actor=PERSON,
                subject=subject,
                category=category,
                start_ns=start_ns,
                end_ns=self.now_ns,
                before=before,
                after=after,
            )
        )


class Act(ABC):
    """Something a person does over one or more steps."""

    @abstractmethod
    def advance(self, scene: Scene) -> bool:
        """Does one step of it; True when it is done."""


@dataclass
class Appear(Act):
    """Is there at once, at a point of the floor."""

    at: tuple[float, float]
    yaw_rad: float = 0.0

    def advance(self, scene: Scene) -> bool:
        p = scene.world.person
        p.x, p.y, p.yaw_rad, p.is_inside = *self.at, self.yaw_rad, True
        return True


@dataclass
class Leave(Act):
    """Goes out of the home; what is in the hand goes along."""

    def advance(self, scene: Scene) -> bool:
        world, held = scene.world, scene.world.person.holding
        world.person.is_inside = False
        if held is not None:
            before = whereabouts(world, held)
            world.carry_out(held)
            category = world.things[held].kind.name
            scene.write("remove", held, category, scene.now_ns, before, whereabouts(world, held))
        return True


@dataclass
class Walk(Act):
    """Walks to the free floor nearest to a point; stops while the robot stands in the way."""

    to: tuple[float, float]
    _route: list[tuple[float, float]] | None = None

    def advance(self, scene: Scene) -> bool:
        p = scene.world.person
        if self._route is None:
            self._route = scene.space.route((p.x, p.y), self.to)
        reach = WALK_M_S * scene.dt_s
        while self._route and reach > 1e-9:
            x, y = self._route[0]
            distance = math.dist((p.x, p.y), (x, y))
            if distance > 1e-9:
                p.yaw_rad = math.atan2(y - p.y, x - p.x)
            share = min(1.0, reach / distance) if distance > 1e-9 else 1.0
            nx, ny = p.x + share * (x - p.x), p.y + share * (y - p.y)
            if self._is_in_the_way(scene, nx, ny):
                return False
            p.x, p.y = nx, ny
            reach -= share * distance
            if share == 1.0:
                self._route.pop(0)
        return not self._route

    @staticmethod
    def _is_in_the_way(scene: Scene, x: float, y: float) -> bool:
        p, r = scene.world.person, scene.world.robot
        ahead = math.dist((x, y), (r.x, r.y))
        return ahead < PASSING_M and ahead < math.dist((p.x, p.y), (r.x, r.y))


@dataclass
class Busy:
    """Counts the steps of an act of the hand, which begins only when the robot does not see `point`."""

    unseen_only: bool
    start_ns: int | None = None

    def is_over(self, scene: Scene, point: Vector3) -> bool:
        if self.unseen_only and scene.robot_sees(point):
            self.start_ns = None
            return False
        if self.start_ns is None:
            self.start_ns = scene.now_ns
        p = scene.world.person
        p.yaw_rad = math.atan2(point[1] - p.y, point[0] - p.x)
        return (scene.now_ns - self.start_ns) / 1e9 >= ACT_S


@dataclass
class PickUp(Act):
    thing: str
    unseen_only: bool = True
    _busy: Busy | None = None

    def advance(self, scene: Scene) -> bool:
        world = scene.world
        if world.objects[self.thing].carrier == ROBOT:
            return True
        self._busy = self._busy or Busy(unseen_only=self.unseen_only)
        before = whereabouts(world, self.thing)
        if not self._busy.is_over(scene, before.centre_world or (0.0, 0.0, 0.0)):
            return False
        world.take(self.thing, PERSON)
        start_ns = self._busy.start_ns or scene.now_ns
        scene.write(
            "pick",
            self.thing,
            world.things[self.thing].kind.name,
            start_ns,
            before,
            whereabouts(world, self.thing),
        )
        return True


@dataclass
class PutDown(Act):
    spot: Spot
    unseen_only: bool = True
    _busy: Busy | None = None

    def advance(self, scene: Scene) -> bool:
        world, held = scene.world, scene.world.person.holding
        if held is None:
            return True
        self._busy = self._busy or Busy(unseen_only=self.unseen_only)
        if not self._busy.is_over(scene, self.spot.position_world):
            return False
        before = whereabouts(world, held)
        world.put(held, PERSON, self.spot)
        start_ns = self._busy.start_ns or scene.now_ns
        scene.write("place", held, world.things[held].kind.name, start_ns, before, whereabouts(world, held))
        return True


@dataclass
class MoveJoint(Act):
    """Opens or closes a drawer or a door."""

    joint: str
    opened: float
    unseen_only: bool = True
    _busy: Busy | None = None

    def advance(self, scene: Scene) -> bool:
        world, joint = scene.world, scene.world.joints[self.joint]
        self._busy = self._busy or Busy(unseen_only=self.unseen_only)
        if not self._busy.is_over(scene, joint.position_world):
            return False
        world.opened[self.joint] = self.opened
        place = joint_whereabouts(world, self.joint)
        kind = "open" if self.opened > 0.5 else "close"
        scene.write(kind, self.joint, joint.category, self._busy.start_ns or scene.now_ns, place, place)
        return True


@dataclass
class PersonBody:
    """Works through a list of acts."""

    acts: list[Act] = field(default_factory=list)

    def advance(self, scene: Scene) -> None:
        if self.acts and self.acts[0].advance(scene):
            self.acts.pop(0)

    @property
    def is_idle(self) -> bool:
        return not self.acts


def walking_space(world: HouseholdWorld) -> FreeSpace:
    return FreeSpace(world.plan.bounds, world.plan.obstacles(), PERSON_RADIUS_M)


def standing_place(world: HouseholdWorld, receptacle: str, point: Vector3) -> tuple[float, float]:
    """Where a person stands to reach a point on a receptacle: before its front, at arm's length."""
    found = world.plan.receptacle(receptacle)
    piece = next(f for f in world.plan.furniture if f.name == found.furniture)
    depth = piece.model.size_m[1] / 2 + ARM_M - 0.3
    along_x = found.front[0] != 0.0
    x = piece.position_m[0] + found.front[0] * depth if along_x else point[0]
    y = point[1] if along_x else piece.position_m[1] + found.front[1] * depth
    return (x, y)
