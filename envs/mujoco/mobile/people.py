"""Several people in one home, told apart by the colour of their clothes, each on a walk of their own."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import numpy as np
from jaxtyping import Bool, Float64

from ..home import Home, free_space
from ..mjcf import CLOTHES, HomeModel, Instance
from ..navigation import FreeSpace
from ..parts import Colour, Rectangle
from ..world import OUT_OF_THE_WORLD, PERSON, HouseholdWorld

CLOTHES_COLOURS: dict[str, Colour] = {
    "red": (0.75, 0.12, 0.12),
    "blue": (0.12, 0.20, 0.75),
    "yellow": (0.90, 0.80, 0.15),
}
NUM_PEOPLE = len(CLOTHES_COLOURS)
WALK_M_S = 0.45
START_AHEAD_M = (1.4, 2.0, 2.6)
REST_ROOM_MARGIN_M = 0.5


def with_people(written: HomeModel) -> HomeModel:
    """The model of a home with three more people in it, in the clothes of `CLOTHES_COLOURS`."""
    root = ET.fromstring(written.xml)
    world = root.find("worldbody")
    assert world is not None, "a home's model has a worldbody"
    body = next(one for one in world.iter("body") if one.get("name") == PERSON)
    instances, geom_instance = list(written.instances), dict(written.geom_instance)
    plain = " ".join(repr(float(c)) for c in (*CLOTHES, 1.0))
    for name, colour in CLOTHES_COLOURS.items():
        other = copy.deepcopy(body)
        other.set("name", person_name(name))
        instances.append(Instance(name=person_name(name), category=PERSON))
        for number, geom in enumerate(other.iter("geom")):
            geom.set("name", f"{person_name(name)} {number}")
            geom_instance[f"{person_name(name)} {number}"] = len(instances) - 1
            if geom.get("rgba") == plain:
                geom.set("rgba", " ".join(repr(float(c)) for c in (*colour, 1.0)))
        world.append(other)
    return HomeModel(
        xml=ET.tostring(root, encoding="unicode"), instances=tuple(instances), geom_instance=geom_instance
    )


def person_name(colour: str) -> str:
    return f"person in {colour}"


def stand(world: HouseholdWorld, index: int, place: tuple[float, float, float] | None) -> None:
    """Put a person somewhere (x, y, yaw), or nowhere."""
    body = world.model.body(person_name(list(CLOTHES_COLOURS)[index]))
    x, y, yaw = place or (0.0, 0.0, 0.0)
    world.data.mocap_pos[int(body.mocapid[0])] = (x, y, 0.0) if place else OUT_OF_THE_WORLD
    world.data.mocap_quat[int(body.mocapid[0])] = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))


@dataclass(frozen=True, kw_only=True)
class Walks:
    """Where everybody is at each step: (step, person, x y yaw). Each ends in a room of their own."""

    poses: Float64[np.ndarray, "t n 3"]
    shown_at: tuple[float, float, float]
    """Where the one to follow is shown before."""


def robot_start(home: Home) -> tuple[float, float, float]:
    """Where the robot begins (x, y, yaw): inside the entrance, looking along the hallway."""
    return (*home.plan.entrance, 0.0)


def draw_walks(home: Home, rng: np.random.Generator, num_steps: int, step_s: float) -> Walks:
    """Everybody starts in the hallway before the robot, in a random order, and walks to a room of their own."""
    space, (x, y, yaw) = free_space(home.plan), robot_start(home)
    rooms = [room for room in home.plan.rooms if room.name not in ("hallway", "bathroom")]
    order, ends = rng.permutation(NUM_PEOPLE), rng.permutation(len(rooms))[:NUM_PEOPLE]
    reachable = space.reachable_from(x, y)
    poses = np.zeros((num_steps, NUM_PEOPLE, 3))
    for person in range(NUM_PEOPLE):
        ahead = START_AHEAD_M[int(order[person])]
        start = (x + ahead * math.cos(yaw), y + ahead * math.sin(yaw))
        goal = _somewhere(space, reachable, rooms[int(ends[person])].bounds, rng)
        delay = int(rng.integers(0, 6))
        poses[:, person] = _walk(space.route(start, goal), start, num_steps, step_s * WALK_M_S, delay)
    facing = math.atan2(-math.sin(yaw), -math.cos(yaw))
    shown = (x + START_AHEAD_M[0] * math.cos(yaw), y + START_AHEAD_M[0] * math.sin(yaw), facing)
    return Walks(poses=poses, shown_at=shown)


def _somewhere(
    space: FreeSpace, within: Bool[np.ndarray, "nx ny"], bounds: Rectangle, rng: np.random.Generator
) -> tuple[float, float]:
    (cx, cy), (sx, sy) = bounds.centre, bounds.size_m
    half_x, half_y = max(0.0, sx / 2 - REST_ROOM_MARGIN_M), max(0.0, sy / 2 - REST_ROOM_MARGIN_M)
    x, y = cx + float(rng.uniform(-half_x, half_x)), cy + float(rng.uniform(-half_y, half_y))
    return space.point_of(space.nearest_free(x, y, within))


def _walk(
    route: list[tuple[float, float]], start: tuple[float, float], num_steps: int, stride_m: float, delay: int
) -> Float64[np.ndarray, "t 3"]:
    """Along the route at an even pace after `delay` steps, then standing."""
    points = np.array([start, *route])
    legs = np.linalg.norm(np.diff(points, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(legs)])
    walked = np.clip((np.arange(num_steps) - delay) * stride_m, 0.0, at[-1])
    xs, ys = np.interp(walked, at, points[:, 0]), np.interp(walked, at, points[:, 1])
    leg = np.clip(np.searchsorted(at, walked, side="right") - 1, 0, len(legs) - 1)
    heading = np.arctan2(np.diff(points[:, 1]), np.diff(points[:, 0]))[leg]
    return np.stack([xs, ys, heading], axis=1)
