"""A day's errands: explore the home, then carry things from one receptacle to another. Nothing is learned.

The policy knows the floor plan (which a memory does not) and not what lies where: it picks up whatever its hand finds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .home import free_space
from .manipulation import NOTHING, PICK, PLACE
from .mjcf import CAMERA_HEIGHT_M
from .parts import wrap_angle
from .plan import HomePlan, Receptacle
from .tour import DRIVE_M_S, HEAD_RAD_S, PAN_LIMIT_RAD, TRAVEL_TILT_RAD, TURN_RAD_S, TourPolicy

Action = dict[str, Any]
ARRIVED_M = 0.06
FACED_RAD = 0.08
LOOK_STEPS = 14
MOST_LEG_STEPS = 400
MOST_TRIES = 6
HEIGHTS_M = (0.3, 1.3)
PAUSE_STEPS = (0, 40)


class ErrandPolicy:
    """Explores every room, then does `num_errands` errands, each a pick, a drive and a place.

    `phase` is "explore", "errands" or "done". The same seed gives the same choices. An errand whose hand finds
    nothing is begun elsewhere. With `explores` off the day begins with the first errand.
    """

    def __init__(
        self,
        plan: HomePlan,
        *,
        num_errands: int,
        seed: int,
        control_hz: float = 10.0,
        explores: bool = True,
    ) -> None:
        self._plan, self._num_errands, self._dt_s = plan, num_errands, 1.0 / control_hz
        self._space = free_space(plan)
        self._rng = np.random.default_rng(seed)
        self._tour = TourPolicy(plan, control_hz=control_hz, explores_only=True)
        self._errands: Iterator[Action] | None = None
        self._seen: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {})
        self.phase = "explore" if explores else "errands"
        if not explores:
            self._errands = self._run()
        self.num_done = 0

    @property
    def done(self) -> bool:
        return self.phase == "done"

    def act(self, observation: Mapping[str, Any], info: Mapping[str, Any]) -> Action:
        """The next command of base, head and hand."""
        self._seen = (observation, info)
        if self.phase == "explore":
            action = self._tour.act(observation, info)
            if not self._tour.done:
                return action
            self.phase, self._errands = "errands", self._run()
        if self._errands is not None:
            for action in self._errands:
                return action
        self.phase = "done"
        return _action((0.0, 0.0), (0.0, 0.0))

    # What is to be done, step by step

    def _run(self) -> Iterator[Action]:
        places = [r for r in self._plan.open_receptacles if HEIGHTS_M[0] < r.centre_world[2] < HEIGHTS_M[1]]
        for _ in range(self._num_errands):
            source = yield from self._try(places, PICK)
            if source is None:
                continue
            yield from self._pause()
            elsewhere = [place for place in places if place.name != source.name]
            yield from self._try(elsewhere, PLACE)
            self.num_done += 1
            yield from self._pause()

    def _try(self, places: list[Receptacle], hand: int) -> Any:
        """Go to one place after the other until the hand succeeds there; that place, or None. What is in the hand is
        put down wherever there is room.
        """
        most = MOST_TRIES if hand == PICK else len(places)
        for index in self._rng.permutation(len(places))[:most]:
            place = places[int(index)]
            yield from self._go_to(place)
            yield from self._look_at(place, LOOK_STEPS)
            yield _action((0.0, 0.0), self._head(place), hand)
            events = self._seen[1]["events"]
            if any(event["outcome"] == "success" for event in events):
                yield from self._look_at(place, LOOK_STEPS)
                return place
        return None

    def _go_to(self, place: Receptacle) -> Iterator[Action]:
        x, y, _ = place.centre_world
        goal = self._space.point_of(self._space.nearest_free(x, y))
        route = self._space.route(self._pose()[:2], goal)
        for _ in range(MOST_LEG_STEPS):
            here = self._pose()
            while route and math.dist(route[0], here[:2]) < ARRIVED_M:
                route.pop(0)
            if not route:
                break
            yield _action(self._towards(route[0]), self._head(None))
        for _ in range(MOST_LEG_STEPS):
            error = self._bearing(x, y)
            if abs(error) < FACED_RAD:
                return
            yield _action((0.0, self._turned(error)), self._head(place))

    def _look_at(self, place: Receptacle, steps: int) -> Iterator[Action]:
        for _ in range(steps):
            yield _action((0.0, 0.0), self._head(place))

    def _pause(self) -> Iterator[Action]:
        for _ in range(int(self._rng.integers(*PAUSE_STEPS))):
            yield _action((0.0, 0.0), (0.0, 0.0))

    # Driving and looking

    def _pose(self) -> tuple[float, float, float]:
        x, y, yaw = (float(value) for value in self._seen[0]["proprio"][:3])
        return x, y, yaw

    def _bearing(self, x: float, y: float) -> float:
        here = self._pose()
        return wrap_angle(math.atan2(y - here[1], x - here[0]) - here[2])

    def _towards(self, point: tuple[float, float]) -> tuple[float, float]:
        error, distance = self._bearing(*point), math.dist(point, self._pose()[:2])
        speed = min(DRIVE_M_S, distance / self._dt_s) if abs(error) < 0.4 else 0.0
        return speed * math.cos(error) ** 2, self._turned(error)

    def _turned(self, error_rad: float) -> float:
        return float(np.clip(error_rad / self._dt_s, -TURN_RAD_S, TURN_RAD_S))

    def _head(self, place: Receptacle | None) -> tuple[float, float]:
        """Head rates that aim the camera at a place, or ahead."""
        pan, tilt = (float(value) for value in self._seen[0]["proprio"][5:7])
        wanted_pan, wanted_tilt = 0.0, TRAVEL_TILT_RAD
        if place is not None:
            x, y, z = place.centre_world
            here = self._pose()
            wanted_pan = float(np.clip(self._bearing(x, y), -PAN_LIMIT_RAD, PAN_LIMIT_RAD))
            wanted_tilt = math.atan2(CAMERA_HEIGHT_M - z, max(0.3, math.hypot(x - here[0], y - here[1])))
        rates = np.array([wanted_pan - pan, wanted_tilt - tilt]) / self._dt_s
        rates = np.clip(rates, -HEAD_RAD_S, HEAD_RAD_S)
        return float(rates[0]), float(rates[1])


def _action(base: tuple[float, float], head: tuple[float, float], hand: int = NOTHING) -> Action:
    return {"base": np.array(base, dtype=np.float32), "head": np.array(head, dtype=np.float32), "hand": hand}
