"""What to do on the tasks in a home, as `skills` has it for the table: go round, then ask a memory, and guess where it says nothing.

The robot knows the home beforehand (where its places are, what the things are called, the free ways), never what is hidden.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from embodied_mem.benchmarks.suite.following import FollowSkillPolicy
from embodied_mem.benchmarks.suite.protocol import Sighting, TaskMemory, Vector3
from embodied_mem.benchmarks.suite.skills import Recalled, distance_m
from embodied_mem.envs.mujoco.mobile import TRACK_PERSON
from embodied_mem.envs.mujoco.mobile.config import NUM_PLACES
from embodied_mem.messages import Event, Frame, ObjectMention

MOVED_M = 0.12
APPEARED, VANISHED, MOVED, NOTHING = range(4)


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What the robot knows of an episode: its places, the things that it is asked about, when it looked first and last."""

    places_m: tuple[Vector3, ...]
    things: tuple[str, ...]
    first_look_ns: int
    last_look_ns: int

    def place_of(self, one: Sighting) -> int:
        """The place where something was seen."""
        return min(range(len(self.places_m)), key=lambda i: distance_m(self.places_m[i], one.position_m))


Answer = Callable[[Errand, Recalled], int]


@dataclass(frozen=True, kw_only=True)
class HomeSkill:
    """Which places to look at during the cue, and what to choose after the gate. `is_search`: the choice is a search."""

    looks: tuple[int, ...]
    answer: Answer
    is_search: bool = False


def _where_it_was(errand: Errand, past: Recalled) -> int:
    seen = past.of(errand.things[0])
    return errand.place_of(seen[-1]) if seen else past.any_of(range(NUM_PLACES))


def _apart_m(seen: Sequence[Sighting]) -> float:
    return max((distance_m(a.position_m, b.position_m) for a in seen for b in seen), default=0.0)


def _what_moved(errand: Errand, past: Recalled) -> int:
    seen = max((past.of(thing) for thing in errand.things), key=_apart_m)
    return errand.place_of(seen[-1]) if _apart_m(seen) > MOVED_M else past.any_of(range(NUM_PLACES))


def _what_happened(errand: Errand, past: Recalled) -> int:
    seen = past.of(errand.things[0])
    if not seen:
        return past.any_of(range(4))
    if _apart_m(seen) > MOVED_M:
        return MOVED
    if min(one.from_ns for one in seen) > errand.first_look_ns:
        return APPEARED
    return VANISHED if max(one.to_ns for one in seen) < errand.last_look_ns else NOTHING


def _where_not_searched(errand: Errand, past: Recalled) -> int:
    done = {_place_of_deed(errand, event) for event in past.memory.deeds("search") or ()}
    return past.any_of([place for place in range(NUM_PLACES) if place not in done] or range(NUM_PLACES))


def _place_of_deed(errand: Errand, event: Event) -> int | None:
    for mention in event.objects:
        if isinstance(mention, ObjectMention):
            at = mention.position_world_m
            return min(range(NUM_PLACES), key=lambda i: math.dist(errand.places_m[i], at))
    return None


EVERYWHERE = tuple(range(NUM_PLACES))
HOME_SKILLS: dict[str, HomeSkill] = {
    "FetchSeenObject": HomeSkill(looks=EVERYWHERE, answer=_where_it_was),
    "MovedObject": HomeSkill(looks=(*EVERYWHERE, *EVERYWHERE), answer=_what_moved),
    "WhatChanged": HomeSkill(looks=(0, 0, 0), answer=_what_happened),
    "SearchNoRevisit": HomeSkill(looks=(), answer=_where_not_searched, is_search=True),
}


class HomeSkillPolicy:
    """Looks where the skill says, then chooses; before the choice begins choosing does nothing."""

    def __init__(self, env: Any, task: str, rng: np.random.Generator) -> None:
        self._skill, self._rng = HOME_SKILLS[task], rng
        self._looks = list(self._skill.looks)
        begin_ns, step_ns, places = env.stamp_ns, env.config.step_ns, env.stage.places
        self._gate_ns = begin_ns + env.task.facts.cue_steps * step_ns
        self._errand = Errand(
            places_m=tuple(place.receptacle.centre_world for place in places),
            things=tuple(place.thing.kind.name for place in places),
            first_look_ns=begin_ns + step_ns, last_look_ns=begin_ns + len(self._looks) * step_ns,
        )  # fmt: skip

    def act(self, frame: Frame, memory: TaskMemory, proprio: Float32[np.ndarray, "p"]) -> int:
        if self._looks:
            return self._looks.pop(0)
        before_ns = max(self._gate_ns, 1)
        choice = self._skill.answer(self._errand, Recalled(memory=memory, before_ns=before_ns, rng=self._rng))
        return choice if self._skill.is_search else NUM_PLACES + choice


def make_home_policy(env: Any, task: str, rng: np.random.Generator) -> HomeSkillPolicy | FollowSkillPolicy:
    """The skill of a task in a home, for one episode."""
    return (FollowSkillPolicy if task == TRACK_PERSON else HomeSkillPolicy)(env, task, rng)
