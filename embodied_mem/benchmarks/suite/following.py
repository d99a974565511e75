"""How the suite's robot follows a person: by the colour that a memory keeps; who is lost is looked for, room by room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from embodied_mem.benchmarks.suite.protocol import Sighting, TaskMemory
from embodied_mem.benchmarks.suite.seeing import sightings_of
from embodied_mem.benchmarks.suite.skills import distance_m
from embodied_mem.envs.mujoco.mobile.tracking import CUE_STEPS
from embodied_mem.messages import Frame

PERSON = "person"
WAIT, LOOK_AROUND, ARRIVED_M, BEYOND_M = 0, 2, 0.6, 1.0
PATIENCE = 6
LOOKS_A_TURN = 9
"""Turns of 0.6 rad until everything around was in view."""

Place = tuple[float, float]


class FollowSkillPolicy:
    """Follows whoever wears the colour that the memory says was shown; where that person is out of view, goes to where
    the memory has them last, and on from there. Without an answer it chooses somebody and stays with that.
    """

    def __init__(self, env: Any, task: str, rng: np.random.Generator) -> None:
        self._env, self._rng = env, rng
        self._gate_ns = env.stamp_ns + CUE_STEPS * env.config.step_ns
        self._guess: str | None = None
        self._patience = PATIENCE
        self._search: _Search | None = None

    def act(self, frame: Frame, memory: TaskMemory, proprio: Float32[np.ndarray, "p"]) -> int:
        if frame.stamp_ns <= self._gate_ns:
            return WAIT  # and choose nobody yet: what was shown may come from the memory alone
        in_view = [one for one in sightings_of(frame) if one.label == PERSON]
        remembered = memory.sightings(PERSON)
        color = self._wanted(in_view, remembered)
        now = [one for one in in_view if one.color == color]
        if now:
            self._search = None
            x, y, _ = now[0].position_m
            return int(self._env.action_towards((x, y)))
        if color is None and not in_view:
            return WAIT
        last = [one for one in remembered if one.color == color and one.to_ns > self._gate_ns]
        if in_view and not last and self._patience:
            self._patience -= 1
            return WAIT  # whoever it is may stand behind the others
        here = (float(proprio[0]), float(proprio[1]))
        if self._search is None:
            self._search = _Search(self._env, self._where_they_went(last) if last else here)
        return self._search.act(here)

    def _where_they_went(self, seen: Sequence[Sighting]) -> Place:
        """A little on from where somebody was seen last, as long as that is in the same room."""
        x, y, _ = seen[-1].position_m
        beyond = _beyond(seen)
        return beyond if self._env.in_sight((x, y), beyond) else (x, y)

    def _wanted(self, in_view: Sequence[Sighting], remembered: Sequence[Sighting]) -> str | None:
        """The colour of whoever was in view before the gate, when one person was shown."""
        shown = [one for one in remembered if one.from_ns < self._gate_ns]
        if shown:
            return shown[0].color
        if self._guess is None and in_view:
            self._guess = in_view[int(self._rng.integers(len(in_view)))].color
        return self._guess


class _Search:
    """Goes to a place and then from room to room, the nearest to it first; looks around at each."""

    def __init__(self, env: Any, first: Place) -> None:
        middles = [room.bounds.centre for room in env.world.home.plan.rooms]
        self._env, self._num_looks = env, 0
        places = [first, *sorted(middles, key=lambda place: math.dist(place, first))]
        self._places: list[Place] = [env.reachable(place) for place in places]

    def act(self, here: Place) -> int:
        if self._num_looks:
            self._num_looks -= 1
            return LOOK_AROUND
        if not self._places:
            return WAIT
        if math.dist(here, self._places[0]) < ARRIVED_M:
            self._places.pop(0)
            self._num_looks = LOOKS_A_TURN
            return LOOK_AROUND
        return int(self._env.action_towards(self._places[0], ARRIVED_M / 2))


def _beyond(seen: Sequence[Sighting]) -> Place:
    """A little farther than where somebody was seen last, the way that they went."""
    before, last = seen[-1 - min(2, len(seen) - 1)].position_m, seen[-1].position_m
    way = distance_m(before, last) or 1.0
    return (
        last[0] + BEYOND_M * (last[0] - before[0]) / way,
        last[1] + BEYOND_M * (last[1] - before[1]) / way,
    )
