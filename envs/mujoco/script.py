"""What the person does during an episode, and what sets it off.

A script is a sequence of scenes; a scene begins when its trigger holds, which is read from the robot's own pose.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from embodied_mem.errors import ConfigError

from .catalog import TWO_COLOURED
from .person import Act, Appear, Leave, MoveJoint, PersonBody, PickUp, PutDown, Scene, Walk, standing_place
from .plan import OUTSIDE
from .stocking import Spot, find_spot
from .world import HouseholdWorld

AT_ONCE, ROBOT_IS_AWAY = "at once", "robot is away"
KEPT_KINDS = TWO_COLOURED | {"mug"}
AWAY_RADIUS_M = 0.45
AWAY_S = 0.5


@dataclass
class ScriptedScene:
    """Acts that begin when `trigger` holds: AT_ONCE, or ROBOT_IS_AWAY (see `Triggers`)."""

    trigger: str
    acts: list[Act]
    repeats: bool = False


@dataclass
class Triggers:
    """Watches the robot's pose: which rooms it has been in, how long it has stood at the away spot."""

    visited: set[str] = field(default_factory=set)
    away_s: float = 0.0

    def watch(self, world: HouseholdWorld, dt_s: float) -> None:
        robot, (x, y, _) = world.robot, world.plan.away
        self.visited.add(world.robot_room())
        is_there = math.dist((robot.x, robot.y), (x, y)) < AWAY_RADIUS_M
        has_seen_all = self.visited >= {room.name for room in world.plan.rooms}
        self.away_s = self.away_s + dt_s if is_there and has_seen_all else 0.0

    def holds(self, trigger: str) -> bool:
        return trigger == AT_ONCE or self.away_s >= AWAY_S


@dataclass
class HouseholdScript:
    """Plays its scenes in order."""

    scenes: list[ScriptedScene]
    triggers: Triggers = field(default_factory=Triggers)
    person: PersonBody = field(default_factory=PersonBody)

    def advance(self, scene: Scene) -> None:
        """One step of the person's life."""
        self.triggers.watch(scene.world, scene.dt_s)
        if self.person.is_idle and self.scenes and self.triggers.holds(self.scenes[0].trigger):
            begun = self.scenes.pop(0)
            self.person.acts = copy.deepcopy(begun.acts)  # acts keep their progress; scenes may repeat
            if begun.repeats:
                self.scenes.append(begun)
        self.person.advance(scene)

    @property
    def is_over(self) -> bool:
        return not self.scenes and self.person.is_idle


def no_script(world: HouseholdWorld, rng: np.random.Generator) -> HouseholdScript:
    """Nobody is at home."""
    return HouseholdScript(scenes=[])


def demo_script(world: HouseholdWorld, rng: np.random.Generator) -> HouseholdScript:
    """The person goes out; while the robot is away they come back, move a mug, open a drawer, carry something out."""
    entrance = world.plan.entrance
    goes_out: list[Act] = [Appear(at=entrance, yaw_rad=0.0), Leave()]
    goes_out[1:1] = [Walk(to=(entrance[0] + 0.3, entrance[1])), Walk(to=entrance)]
    mug, spot = _choose_move(world, rng)
    removed = _choose_removal(world, rng)
    drawer = _choose_drawer(world, rng)
    returns: list[Act] = [
        Appear(at=entrance),
        *_go_and_pick(world, mug),
        Walk(to=standing_place(world, spot.receptacle, spot.position_world)),
        PutDown(spot=spot),
    ]
    if drawer is not None:
        position = world.joints[drawer].position_world
        returns += [Walk(to=standing_place(world, drawer, position)), MoveJoint(joint=drawer, opened=1.0)]
    returns += [*_go_and_pick(world, removed), Walk(to=entrance), Leave()]
    return HouseholdScript(
        scenes=[
            ScriptedScene(trigger=AT_ONCE, acts=goes_out),
            ScriptedScene(trigger=ROBOT_IS_AWAY, acts=returns),
        ]
    )


def patrol_script(world: HouseholdWorld, rng: np.random.Generator) -> HouseholdScript:
    """The person is at home and walks from room to room, for ever, touching nothing."""
    rooms = [world.plan.rooms[int(i)] for i in rng.permutation(len(world.plan.rooms))]
    return HouseholdScript(
        scenes=[
            ScriptedScene(trigger=AT_ONCE, acts=[Appear(at=world.plan.entrance)]),
            *(ScriptedScene(trigger=AT_ONCE, acts=[Walk(to=r.bounds.centre)], repeats=True) for r in rooms),
        ]
    )


SCRIPTS: dict[str, Callable[[HouseholdWorld, np.random.Generator], HouseholdScript]] = {
    "demo": demo_script,
    "patrol": patrol_script,
}


def _go_and_pick(world: HouseholdWorld, thing: str) -> list[Act]:
    state = world.objects[thing]
    assert state.receptacle is not None
    return [Walk(to=standing_place(world, state.receptacle, state.position_world)), PickUp(thing=thing)]


def _in_sight(world: HouseholdWorld) -> list[str]:
    """Things without a twin that stand in the open, outside the room that the robot hides in."""
    return [
        name
        for name, thing in world.things.items()
        if thing.twin is None
        and world.plan.receptacle(thing.receptacle).drawer is None
        and world.room_of_object(name) not in (world.plan.away_room, OUTSIDE)
    ]


def _choose_move(world: HouseholdWorld, rng: np.random.Generator) -> tuple[str, Spot]:
    """A mug that looks like no other, and a free spot for it in another room."""
    mugs = [name for name in _in_sight(world) if world.things[name].kind.name == "mug"]
    for index in rng.permutation(len(mugs)):
        mug = world.things[mugs[int(index)]]
        room = world.room_of_object(mug.id)
        goals = [
            r
            for r in world.plan.open_receptacles
            if r.tag in mug.kind.suits and r.room not in (room, world.plan.away_room)
        ]
        for goal in (goals[int(i)] for i in rng.permutation(len(goals))):
            spot = find_spot(rng, mug.size_m, goal, world.standing_objects())
            if spot is not None:
                return mug.id, spot
    raise ConfigError("this home has no mug that can be moved to another room. Choose another seed.")


def _choose_removal(world: HouseholdWorld, rng: np.random.Generator) -> str:
    """Something whose colour nobody would argue about, and no mug: one of those is moved."""
    names = [
        n for n in _in_sight(world) if world.things[n].kind.name not in KEPT_KINDS and _is_handy(world, n)
    ]
    return names[int(rng.integers(len(names)))]


def _is_handy(world: HouseholdWorld, name: str) -> bool:
    """Neither too small to be missed nor too big to be carried."""
    size = sorted(world.things[name].size_m)
    return size[1] >= 0.07 and size[2] <= 0.35


def _choose_drawer(world: HouseholdWorld, rng: np.random.Generator) -> str | None:
    """A drawer with something in it, not where the robot hides."""
    inside = [
        s.receptacle
        for s in world.objects.values()
        if s.receptacle is not None and world.plan.receptacle(s.receptacle).drawer is not None
    ]
    drawers = [name for name in inside if world.plan.receptacle(name).room != world.plan.away_room]
    return drawers[int(rng.integers(len(drawers)))] if drawers else None
