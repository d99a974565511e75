"""What the robot's hand can do where it stands: pick, place, open and close."""

from __future__ import annotations

import math

import numpy as np

from .journal import Deed, Whereabouts, joint_whereabouts, whereabouts
from .parts import Vector3, wrap_angle
from .stocking import Spot, find_spot
from .world import ROBOT, HouseholdWorld

NOTHING, PICK, PLACE, TOGGLE = range(4)
REACH_M = 1.0
IN_FRONT_RAD = math.radians(60.0)
HEIGHTS_M = (0.15, 1.45)
GRASP_M = 0.45


def use_hand(
    world: HouseholdWorld, command: int, rng: np.random.Generator, span_ns: tuple[int, int]
) -> Deed | None:
    """Does what `command` says and returns the deed; None for NOTHING."""
    if command == PICK:
        return _pick(world, span_ns)
    if command == PLACE:
        return _place(world, rng, span_ns)
    if command == TOGGLE:
        return _toggle(world, span_ns)
    return None


def _distance_in_front(world: HouseholdWorld, point: Vector3) -> float:
    """Floor distance from the base, infinite when out of reach."""
    r = world.robot
    dx, dy = point[0] - r.x, point[1] - r.y
    distance = math.hypot(dx, dy)
    bearing = wrap_angle(math.atan2(dy, dx) - r.yaw_rad)
    is_reachable = (
        distance <= REACH_M and abs(bearing) <= IN_FRONT_RAD and HEIGHTS_M[0] <= point[2] <= HEIGHTS_M[1]
    )
    return distance if is_reachable else math.inf


def _failed(kind: str, span_ns: tuple[int, int]) -> Deed:
    return Deed(
        kind=kind,
        actor=ROBOT,
        subject=None,
        category=None,
        start_ns=span_ns[0],
        end_ns=span_ns[1],
        outcome="failed",
    )


def _pick(world: HouseholdWorld, span_ns: tuple[int, int]) -> Deed:
    graspable = {
        name: _distance_in_front(world, world.object_pose(name)[0])
        for name, state in world.objects.items()
        if state.receptacle is not None
        and world.is_within_reach_inside(name)
        and min(world.things[name].size_m[:2]) <= GRASP_M
    }
    nearest = min(graspable, key=lambda n: graspable[n], default=None)
    if nearest is None or math.isinf(graspable[nearest]) or world.robot.holding is not None:
        return _failed("pick", span_ns)
    before = whereabouts(world, nearest)
    world.take(nearest, ROBOT)
    return _deed(world, "pick", nearest, span_ns, before=before)


def _deed(
    world: HouseholdWorld, kind: str, thing: str, span_ns: tuple[int, int], *, before: Whereabouts
) -> Deed:
    return Deed(
        kind=kind,
        actor=ROBOT,
        subject=thing,
        category=world.things[thing].kind.name,
        start_ns=span_ns[0],
        end_ns=span_ns[1],
        before=before,
        after=whereabouts(world, thing),
    )


def _place(world: HouseholdWorld, rng: np.random.Generator, span_ns: tuple[int, int]) -> Deed:
    held = world.robot.holding
    if held is None:
        return _failed("place", span_ns)
    spot = reachable_spot(world, held, rng)
    if spot is None:
        return _failed("place", span_ns)
    before = whereabouts(world, held)
    world.put(held, ROBOT, spot)
    return _deed(world, "place", held, span_ns, before=before)


def reachable_spot(world: HouseholdWorld, held: str, rng: np.random.Generator) -> Spot | None:
    """The nearest of some free spots, on an open surface, that the hand can reach."""
    others = world.standing_objects()
    spots = [
        find_spot(rng, world.things[held].size_m, receptacle, others)
        for receptacle in world.plan.open_receptacles
        if receptacle.room == world.robot_room()
        for _ in range(12)
    ]
    reachable = [(s, _distance_in_front(world, s.position_world)) for s in spots if s is not None]
    best = min(reachable, key=lambda pair: pair[1], default=None)
    return best[0] if best is not None and math.isfinite(best[1]) else None


def _toggle(world: HouseholdWorld, span_ns: tuple[int, int]) -> Deed:
    near = {
        name: _distance_in_front(world, j.position_world) - j.radius_m for name, j in world.joints.items()
    }
    nearest = min(near, key=lambda n: near[n], default=None)
    if nearest is None or math.isinf(near[nearest]):
        return _failed("open", span_ns)
    is_open = world.opened[nearest] > 0.5
    world.opened[nearest] = 0.0 if is_open else 1.0
    place = joint_whereabouts(world, nearest)
    return Deed(
        kind="close" if is_open else "open",
        actor=ROBOT,
        subject=nearest,
        category=world.joints[nearest].category,
        start_ns=span_ns[0],
        end_ns=span_ns[1],
        before=place,
        after=place,
    )
