"""A home prepared for a task: five places in five rooms that can be looked at, and a thing for each with two spots."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import numpy as np

from ..home import Home, free_space, generate_home
from ..mjcf import CAMERA_HEIGHT_M, write_mjcf
from ..navigation import FreeSpace
from ..parts import wrap_angle
from ..plan import Receptacle
from ..stocking import MovableObject, Spot, find_spot
from ..viewpoints import find_viewpoints
from ..world import OUT_OF_THE_WORLD, HouseholdWorld, ObjectState
from .config import NUM_PLACES

NUM_ROOMS = 5
LARGEST_M = 0.30
APART_M = 0.22
SPOT_TRIES = 60
HALLWAY = "hallway"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A receptacle, where the robot stands to look at it, and the thing that belongs to it with two spots for it."""

    receptacle: Receptacle
    stand_m: tuple[float, float]
    thing: MovableObject
    spots: tuple[Spot, Spot]


@dataclass
class Stage:
    """The world, its places, and what a task does with them. Nothing else on the places' receptacles."""

    world: HouseholdWorld
    places: tuple[Place, ...]

    def clear(self) -> None:
        """No thing of any place is there, the robot stands where episodes begin."""
        for place in self.places:
            self.remove(place.thing.id)
        self.go_home()

    def go_home(self) -> None:
        robot, (x, y, yaw) = self.world.robot, self.world.plan.start
        robot.x, robot.y, robot.yaw_rad, robot.pan_rad, robot.tilt_rad = x, y, yaw, 0.0, 0.3

    def look_at(self, index: int) -> None:
        """The robot stands before a place and looks at it."""
        robot, place = self.world.robot, self.places[index]
        x, y, z = place.receptacle.centre_world
        robot.x, robot.y = place.stand_m
        distance_m = math.dist(place.stand_m, (x, y))
        robot.yaw_rad, robot.pan_rad = wrap_angle(math.atan2(y - robot.y, x - robot.x)), 0.0
        robot.tilt_rad = math.atan2(CAMERA_HEIGHT_M - z, distance_m)

    def put(self, thing: str, spot: Spot) -> None:
        self.world.objects[thing] = ObjectState(
            position_world=spot.position_world, yaw_rad=spot.yaw_rad, receptacle=spot.receptacle
        )

    def remove(self, thing: str) -> None:
        self.world.objects[thing] = ObjectState(
            position_world=OUT_OF_THE_WORLD, yaw_rad=0.0, receptacle=None, is_gone=True
        )


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A home, its places, and the things that are cleared away so that the places' own are alone of their kind."""

    home: Home
    places: tuple[Place, ...]
    cleared: tuple[str, ...]


def make_stage(seed: tuple[int, ...], image_size: tuple[int, int], fovy_deg: float) -> Stage:
    """A home with its places; the same seed gives the same one."""
    setting = draw_setting(seed)
    height, width = image_size
    written = write_mjcf(setting.home, fovy_deg=fovy_deg, offscreen_px=(height, width))
    stage = Stage(world=HouseholdWorld(setting.home, written), places=setting.places)
    for thing in setting.cleared:
        stage.remove(thing)
    return stage


@functools.lru_cache(maxsize=512)
def draw_setting(seed: tuple[int, ...]) -> Setting:
    """A home and its places. Homes that do not offer them are drawn again, from the same stream of numbers."""
    rng = np.random.default_rng(seed)
    while True:
        setting = _setting(generate_home(rng, NUM_ROOMS), rng)
        if setting is not None:
            return setting


def _setting(home: Home, rng: np.random.Generator) -> Setting | None:
    receptacles = [_largest(home, room.name) for room in home.plan.rooms if room.name != HALLWAY][:NUM_PLACES]
    things = _things(home, rng)
    if len(receptacles) < NUM_PLACES or len(things) < NUM_PLACES:
        return None
    names, kinds = {receptacle.name for receptacle in receptacles}, {thing.kind.name for thing in things}
    cleared = tuple(one.id for one in home.objects if one.receptacle in names or one.kind.name in kinds)
    order, space = rng.permutation(NUM_PLACES), free_space(home.plan)
    found = [_place(home, space, receptacles[int(i)], things[n], things, rng) for n, i in enumerate(order)]
    places = tuple(place for place in found if place is not None)
    return Setting(home=home, places=places, cleared=cleared) if len(places) == NUM_PLACES else None


def _largest(home: Home, room: str) -> Receptacle:
    inside = [r for r in home.plan.open_receptacles if r.room == room and len(r.surfaces) == 1]
    return max(inside, key=lambda r: r.surfaces[0].size_m[0] * r.surfaces[0].size_m[1])


def _things(home: Home, rng: np.random.Generator) -> list[MovableObject]:
    """One thing of each of some small kinds."""
    small = {o.kind.name: o for o in home.objects if max(o.size_m) <= LARGEST_M}
    names = sorted(small)
    return [small[names[int(i)]] for i in rng.permutation(len(names))[:NUM_PLACES]]


def _place(
    home: Home,
    space: FreeSpace,
    receptacle: Receptacle,
    thing: MovableObject,
    things: list[MovableObject],
    rng: np.random.Generator,
) -> Place | None:
    """Spots are free for the largest of all the things, so that any of them can stand there."""
    size = tuple(max(t.size_m[axis] for t in things) for axis in range(3))
    views, _ = find_viewpoints(home.plan, space, receptacle.room)
    stands = [view.position_m for view in views if receptacle.name in view.looks_at]
    first = find_spot(rng, (size[0], size[1], size[2]), receptacle, [])
    if not stands or first is None:
        return None
    for _ in range(SPOT_TRIES):
        second = find_spot(rng, (size[0], size[1], size[2]), receptacle, [])
        if second is not None and math.dist(first.position_world[:2], second.position_world[:2]) >= APART_M:
            return Place(receptacle=receptacle, stand_m=stands[0], thing=thing, spots=(first, second))
    return None


def spot_of(stage: Stage, place: int, which: int, thing: int) -> Spot:
    """One of a place's two spots, at the height of a place's thing: spots were found for the tallest of the things."""
    spot, tallest_m = stage.places[place].spots[which], max(one.thing.size_m[2] for one in stage.places)
    x, y, z = spot.position_world
    return replace(spot, position_world=(x, y, z - (tallest_m - stage.places[thing].thing.size_m[2]) / 2))
