"""Policies that drive through a home and look at every receptacle from two sides. Nothing is learned.

They know the floor plan (which a memory does not), and read the robot's pose from `proprio`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .home import free_space
from .mjcf import CAMERA_HEIGHT_M
from .parts import wrap_angle
from .plan import HomePlan
from .viewpoints import find_viewpoints

Action = dict[str, Any]
EXPLORE, AWAY, RETURN, DONE = "explore", "away", "return", "done"

ARRIVED_M = 0.12
ON_THE_SPOT_M = 0.02
AIMED_RAD = 0.10
DRIVE_M_S, TURN_RAD_S, HEAD_RAD_S = 1.0, 1.8, 2.5
PAN_LIMIT_RAD = 2.5
LOOK_STEPS = 1
STUCK_STEPS = 25
TRAVEL_TILT_RAD = 0.42
MOST_STOPS_ORDERED = 7
SWERVE_RAD = 0.55


@dataclass(kw_only=True)
class Look:
    """A point to aim the camera at, for some steps once it is aimed."""

    point_world: tuple[float, float, float]
    steps: int = LOOK_STEPS


@dataclass(kw_only=True)
class Stop:
    """A place to drive to, and what to look at from there."""

    position_m: tuple[float, float]
    looks: list[Look]
    was_put_off: bool = False


class TourPolicy:
    """Explores every room, waits at the away spot until the home has changed, then looks at every room again.

    `phase` is "explore", "away", "return" or "done". It leaves the away spot when `may_return()` says so or, if
    none was given, `wait_s` after it got there. With `explores_only` it is done after the first round.
    `num_put_off` counts the stops that could not be reached at the first attempt.
    """

    def __init__(
        self,
        plan: HomePlan,
        *,
        may_return: Callable[[], bool] | None = None,
        wait_s: float = 45.0,
        control_hz: float = 10.0,
        explores_only: bool = False,
    ) -> None:
        self._plan, self._may_return, self._explores_only = plan, may_return, explores_only
        self._wait_steps, self._dt_s = round(wait_s * control_hz), 1.0 / control_hz
        self._space = free_space(plan)
        self.phase = EXPLORE
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Begins again at the first room. The tour has no randomness: `seed` changes nothing."""
        del seed
        self.phase = EXPLORE
        self.num_put_off = 0
        self._waited = 0
        self._begin(self._rooms_in_order())

    @property
    def done(self) -> bool:
        return self.phase == DONE

    def act(self, observation: Mapping[str, Any], info: Mapping[str, Any]) -> Action:
        """The next command of base and head; the hand stays still."""
        del info
        x, y, yaw, _, _, pan, tilt, _ = (float(v) for v in observation["proprio"])
        if self.phase == AWAY and self._is_at_the_away_spot(x, y, yaw):
            return self._wait(pan, tilt)
        if self.phase in (EXPLORE, RETURN) and not self._stops:
            self._next_phase()
        if self.phase == DONE:
            return _action(0.0, 0.0, 0.0, 0.0)
        base = self._drive(x, y, yaw)
        head = self._aim(x, y, yaw, pan, tilt)
        return _action(*base, *head)

    # The plan of the round

    def _rooms_in_order(self) -> list[str]:
        """Rooms by where their doors lie along the hallway, the room to hide in last."""
        x0, y0, _ = self._plan.start
        doors = {
            d.rooms[1]: math.dist(d.centre_m, (x0, y0))
            for d in self._plan.doorways
            if d.rooms[0] == "hallway"
        }
        rest = sorted((r.name for r in self._plan.rooms if r.name not in doors), key=lambda name: name)
        ordered = sorted(
            (name for name in doors if name != self._plan.away_room), key=lambda name: doors[name]
        )
        return [*rest, *ordered, self._plan.away_room]

    def _begin(self, rooms: list[str]) -> None:
        self._stops: list[Stop] = [stop for room in rooms for stop in self._round_of(room)]
        self._route: list[tuple[float, float]] | None = None
        self._stuck = 0
        self._was_at = (math.inf, math.inf)

    def _round_of(self, room: str) -> list[Stop]:
        """The stops of a room in the order of the shortest round from its door and back."""
        door = next((d.centre_m for d in self._plan.doorways if d.rooms[1] == room), self._plan.start[:2])
        stops = self._stops_in(room)
        if len(stops) > MOST_STOPS_ORDERED:
            return stops

        def length(order: Iterable[Stop]) -> float:
            points = [door, *(stop.position_m for stop in order), door]
            return sum(math.dist(a, b) for a, b in itertools.pairwise(points))

        return list(min(itertools.permutations(stops), key=length))

    def _stops_in(self, room: str) -> list[Stop]:
        found, _ = find_viewpoints(self._plan, self._space, room)
        stops = []
        for view in found:
            looks = [look for name in view.looks_at for look in self._looks_at(name)]
            x, y = view.position_m
            looks.sort(key=lambda look: math.atan2(look.point_world[1] - y, look.point_world[0] - x))
            stops.append(Stop(position_m=view.position_m, looks=looks))
        return stops

    def _looks_at(self, name: str) -> list[Look]:
        """Points to aim at so that the whole receptacle passes through the middle of the picture."""
        receptacle = self._plan.receptacle(name)
        x, y, z = receptacle.centre_world
        tangent = (-receptacle.front[1], receptacle.front[0])
        axis = 0 if tangent[0] != 0.0 else 1
        half = max(s.size_m[axis] for s in receptacle.surfaces) / 2
        offsets = (-half * 0.55, half * 0.55) if half > 0.55 else (0.0,)
        return [Look(point_world=(x + k * tangent[0], y + k * tangent[1], z + 0.05)) for k in offsets]

    def _next_phase(self) -> None:
        if self.phase == RETURN or self._explores_only:
            self.phase = DONE
        else:
            self.phase = AWAY
            self._route = None

    # Driving

    def _drive(self, x: float, y: float, yaw: float) -> tuple[float, float]:
        goal = self._plan.away[:2] if self.phase == AWAY else self._stops[0].position_m
        if self._route is None:
            self._route = self._space.route((x, y), goal)
        while self._route and self._has_passed(self._route, (x, y)):
            self._route.pop(0)
        if not self._route:
            return (0.0, self._turned(self._heading_at_stop(x, y, yaw) - yaw))
        speed, turn = self._towards(self._route[0], x, y, yaw)
        self._notice_when_stuck(x, y)
        return speed, turn

    def _has_passed(self, route: list[tuple[float, float]], here: tuple[float, float]) -> bool:
        """Near the first way-point and, where the route bends, not about to cut the corner."""
        distance = math.dist(route[0], here)
        is_last = len(route) == 1
        return distance < ARRIVED_M and (
            is_last or distance < ON_THE_SPOT_M or self._space.is_clear_line(here, route[1])
        )

    def _heading_at_stop(self, x: float, y: float, yaw: float) -> float:
        """At the away spot, its own; elsewhere the present one, unless what to look at is behind the neck's reach."""
        if self.phase == AWAY:
            return self._plan.away[2]
        px, py, _ = self._stops[0].looks[0].point_world
        bearing = math.atan2(py - y, px - x)
        return bearing if abs(wrap_angle(bearing - yaw)) > PAN_LIMIT_RAD - 0.1 else yaw

    def _towards(self, point: tuple[float, float], x: float, y: float, yaw: float) -> tuple[float, float]:
        """Turns first, then drives, slower where the next turn is sharp or the way-point near."""
        error = wrap_angle(math.atan2(point[1] - y, point[0] - x) - yaw)
        distance = math.dist(point, (x, y))
        speed = min(DRIVE_M_S, distance / self._dt_s) if abs(error) < SWERVE_RAD else 0.0
        return speed * math.cos(error) ** 2, self._turned(error)

    def _turned(self, error_rad: float) -> float:
        return float(np.clip(wrap_angle(error_rad) / self._dt_s, -TURN_RAD_S, TURN_RAD_S))

    def _notice_when_stuck(self, x: float, y: float) -> None:
        """Plans anew after some steps without progress; after twice as many, tries the next stop first."""
        here = (round(x, 2), round(y, 2))
        self._stuck = self._stuck + 1 if here == self._was_at else 0
        self._was_at = here
        if self._stuck == STUCK_STEPS:
            self._route = None
        elif self._stuck >= 2 * STUCK_STEPS and self.phase != AWAY:
            self._put_off()

    def _put_off(self) -> None:
        """Leaves a stop that cannot be reached now for the end of the round; twice is too often."""
        stop = self._stops[0]
        self._leave_stop()
        if not stop.was_put_off:
            stop.was_put_off = True
            self.num_put_off += 1
            self._stops.append(stop)

    def _leave_stop(self) -> None:
        self._stops.pop(0)
        self._route, self._stuck = None, 0

    # Looking

    def _aim(self, x: float, y: float, yaw: float, pan: float, tilt: float) -> tuple[float, float]:
        """Points the head at the next thing to look at; on the way, at the receptacle ahead."""
        if self.phase == AWAY:
            return self._head(0.0 - pan, TRAVEL_TILT_RAD - tilt)
        look = self._stops[0].looks[0]
        px, py, pz = look.point_world
        bearing = wrap_angle(math.atan2(py - y, px - x) - yaw)
        pan_error = float(np.clip(bearing, -PAN_LIMIT_RAD, PAN_LIMIT_RAD)) - pan
        tilt_error = math.atan2(CAMERA_HEIGHT_M - pz, max(0.3, math.hypot(px - x, py - y))) - tilt
        if not self._route:
            self._look(look, abs(bearing - pan), abs(tilt_error))
        return self._head(pan_error, tilt_error)

    def _look(self, look: Look, pan_error: float, tilt_error: float) -> None:
        if pan_error < AIMED_RAD and tilt_error < AIMED_RAD:
            look.steps -= 1
        if look.steps <= 0:
            stop = self._stops[0]
            stop.looks.pop(0)
            if not stop.looks:
                self._leave_stop()

    def _head(self, pan_error: float, tilt_error: float) -> tuple[float, float]:
        rates = np.clip(np.array([pan_error, tilt_error]) / self._dt_s, -HEAD_RAD_S, HEAD_RAD_S)
        return float(rates[0]), float(rates[1])

    # Waiting

    def _is_at_the_away_spot(self, x: float, y: float, yaw: float) -> bool:
        near = math.dist((x, y), self._plan.away[:2]) < 2 * ARRIVED_M
        return near and abs(wrap_angle(yaw - self._plan.away[2])) < AIMED_RAD

    def _wait(self, pan: float, tilt: float) -> Action:
        self._waited += 1
        may_go = self._may_return() if self._may_return is not None else self._waited >= self._wait_steps
        if may_go:
            self.phase = RETURN
            self._begin(self._rooms_in_order()[::-1])
        return _action(0.0, 0.0, *self._head(-pan, TRAVEL_TILT_RAD - tilt))


def _action(speed: float, turn: float, pan: float, tilt: float) -> Action:
    return {
        "base": np.array([speed, turn], dtype=np.float32),
        "head": np.array([pan, tilt], dtype=np.float32),
        "hand": 0,
    }
