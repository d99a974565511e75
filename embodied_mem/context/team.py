"""Several robots and one memory: who can do what, who knows where, who is mistaken, and what is left undone."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from embodied_mem.context.places import PlaceBook
from embodied_mem.context.ranking import refused
from embodied_mem.errors import InvalidQuery, did_you_mean
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import Answer, EntityId, Location
from embodied_mem.messages.team import Candidate, Embodiment, FalseBelief, Offer, Task

RECORD = "team"
MOVED_M = 0.3
"""A belief that is off by less than this is not mistaken."""
MASS = "mass_kg"
"""The stated property that says how heavy a thing is; without it, weight hinders nobody."""
HANDS_ON = ("fetch", "carry", "open", "close", "pick", "place")
"""Kinds of task for which the thing must be within reach of the hand."""

Reading = Callable[[], AbstractContextManager[tuple[WorldView, PlaceBook]]]


class Team:
    """Embodiments and open tasks, kept with the world; questions about robots over what each saw and did."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    # -- who is who -------------------------------------------------------------------------------------------

    def introduce(self, embodiment: Embodiment) -> None:
        """Make known what a robot can do, in place of what was known of it; it counts as present again."""
        with self._reading() as (view, _):
            kept = _Kept.of(view)
            kept.members[embodiment.robot] = embodiment
            kept.dropped.discard(embodiment.robot)
            kept.save(view)

    def members(self) -> tuple[Embodiment, ...]:
        """Every robot that was introduced, by name."""
        with self._reading() as (view, _):
            members = _Kept.of(view).members
        return tuple(members[name] for name in sorted(members))

    # -- who can, who knows -----------------------------------------------------------------------------------

    def who_can(
        self, kind: str, entity: str, *, needs: tuple[str, ...] = ()
    ) -> Answer[tuple[Candidate, ...]]:
        """Every robot with whether it could do that with a thing: able ones first, of these who knows where it is, of
        these the nearest.
        """
        with self._reading() as (view, _):
            subject, why = view.which(entity)
            if subject is None:
                return refused(why)
            kept = _Kept.of(view)
            if not kept.members:
                return Answer(
                    status="unknown", reason="no robot was introduced; team.introduce(Embodiment(...))"
                )
            placed = view.location(subject)
            found = _candidates(view, kept, kind, subject, needs)
            evidence = () if placed is None else (f"fact/{placed[1].fact_id}", *placed[1].evidence)
            return Answer(status="known", value=found, confidence=0.9, evidence=evidence)

    def mistaken(self, robot: str | None = None) -> Answer[tuple[FalseBelief, ...]]:
        """What robots must believe wrongly: things that were moved or taken while they did not look."""
        with self._reading() as (view, _):
            robots = view.journey.robots()
            if robot is not None and robot not in robots:
                raise InvalidQuery(
                    f"no robot {robot!r} has observed anything; have {list(robots)}.{did_you_mean(robot, robots)}"
                )
            found = [
                belief
                for name in (robots if robot is None else (robot,))
                for entity_id in view.ids()
                if not view.is_agent(entity_id)
                and (belief := _false_belief(view, name, entity_id)) is not None
            ]
            return Answer(status="known", value=tuple(found), confidence=0.8)

    # -- what is to be done -----------------------------------------------------------------------------------

    def give(self, task: Task) -> None:
        """Note a task, or take a known one over with what is new in it (another assignee, say).

        Raises:
            InvalidQuery: the assignee was never introduced, or the entity is not known.
        """
        with self._reading() as (view, _):
            kept = _Kept.of(view)
            if task.assignee:
                _check_member(kept, task.assignee)
            subject, why = view.which(task.entity)
            if subject is None:
                raise InvalidQuery(f"task {task.task_id!r} names {task.entity!r}: {refused(why).reason}")
            kept.tasks[task.task_id] = replace(task, entity=subject)
            kept.save(view)

    def finish(self, task_id: str) -> None:
        """Note that a task is done.

        Raises:
            InvalidQuery: there is no such task.
        """
        with self._reading() as (view, _):
            kept = _Kept.of(view)
            if task_id not in kept.tasks:
                have = sorted(kept.tasks)
                raise InvalidQuery(f"no task {task_id!r}; have {have}.{did_you_mean(task_id, have)}")
            kept.tasks[task_id] = replace(kept.tasks[task_id], status="done")
            kept.save(view)

    def tasks(self) -> tuple[Task, ...]:
        """Every task, done ones included, by id."""
        with self._reading() as (view, _):
            kept = _Kept.of(view).tasks
        return tuple(kept[key] for key in sorted(kept))

    def drop_out(self, robot: str) -> tuple[Offer, ...]:
        """Note that a robot is out of work: its open tasks are nobody's from now on; offers for these."""
        with self._reading() as (view, _):
            kept = _Kept.of(view)
            _check_member(kept, robot)
            kept.dropped.add(robot)
            left = [t.task_id for t in kept.tasks.values() if t.assignee == robot and t.status == "open"]
            for task_id in left:
                kept.tasks[task_id] = replace(kept.tasks[task_id], assignee="")
            kept.save(view)
        return tuple(offer for offer in self.offers() if offer.task.task_id in left)

    def offers(self) -> tuple[Offer, ...]:
        """Open tasks that are nobody's, each with the robots that are able to do it."""
        with self._reading() as (view, _):
            kept = _Kept.of(view)
            free = [t for t in kept.tasks.values() if t.status == "open" and not t.assignee]
            return tuple(
                Offer(
                    task=task,
                    candidates=tuple(
                        one for one in _candidates(view, kept, task.kind, task.entity, task.needs) if one.is_able
                    ),
                )
                for task in sorted(free, key=lambda one: one.task_id)
            )  # fmt: skip


class _Kept:
    """What is kept of the team, as it lies in the world's records."""

    def __init__(self, members: dict[str, Embodiment], tasks: dict[str, Task], dropped: set[str]) -> None:
        self.members, self.tasks, self.dropped = members, tasks, dropped

    @classmethod
    def of(cls, view: WorldView) -> _Kept:
        payload = json.loads(view.record(RECORD) or b'{"members": [], "tasks": [], "dropped": []}')
        members = [Embodiment(**_tuples(one)) for one in payload["members"]]
        tasks = [Task(**_tuples(one)) for one in payload["tasks"]]
        return cls({m.robot: m for m in members}, {t.task_id: t for t in tasks}, set(payload["dropped"]))

    def save(self, view: WorldView) -> None:
        payload = {
            "members": [asdict(self.members[name]) for name in sorted(self.members)],
            "tasks": [asdict(self.tasks[key]) for key in sorted(self.tasks)],
            "dropped": sorted(self.dropped),
        }
        view.put_record(RECORD, json.dumps(payload).encode())


def _tuples(record: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}


def _check_member(kept: _Kept, robot: str) -> None:
    if robot not in kept.members:
        have = sorted(kept.members)
        raise InvalidQuery(f"no robot {robot!r} was introduced; have {have}.{did_you_mean(robot, have)}")


def _candidates(
    view: WorldView, kept: _Kept, kind: str, subject: EntityId, needs: tuple[str, ...]
) -> tuple[Candidate, ...]:
    placed = view.location(subject)
    location = None if placed is None else placed[0]
    found = []
    for robot in sorted(kept.members):
        hindrances = _hindrances(view, kept.members[robot], kind, subject, location, needs)
        if robot in kept.dropped:
            hindrances = ("has dropped out", *hindrances)
        found.append(
            Candidate(
                robot=robot, is_able=not hindrances, knows_where=_knows_where(view, robot, subject, location),
                distance_m=_distance_m(view, robot, location), hindrances=hindrances,
            )
        )  # fmt: skip
    far = float("inf")
    found.sort(
        key=lambda c: (not c.is_able, not c.knows_where, far if c.distance_m is None else c.distance_m)
    )
    return tuple(found)


def _hindrances(
    view: WorldView,
    body: Embodiment,
    kind: str,
    subject: EntityId,
    location: Location | None,
    needs: tuple[str, ...],
) -> tuple[str, ...]:
    found = [] if kind in body.can else [f"cannot {kind}"]
    found += [f"has no {tool}" for tool in needs if tool not in (*body.tools, *body.sensors)]
    if kind not in HANDS_ON:
        return tuple(found)
    if location is not None:
        low_m, high_m = location.placement.box.min_m[2], location.placement.box.max_m[2]
        if low_m > body.reach_high_m or high_m < body.reach_low_m:
            found.append(
                f"reaches from {body.reach_low_m:g} to {body.reach_high_m:g} m, it lies at {low_m:.2f} m"
            )
    mass_kg = _mass_kg(view, subject)
    if mass_kg is not None and mass_kg > body.payload_kg:
        found.append(f"carries {body.payload_kg:g} kg, it has {mass_kg:g} kg")
    return tuple(found)


def _mass_kg(view: WorldView, subject: EntityId) -> float | None:
    """What was stated of its mass; None when nothing, or no number."""
    stated = [f for f in view.statements.facts(subject) if f.predicate == MASS and f.is_true_at(None)]
    for fact in reversed(stated):
        try:
            return float(str(fact.value))
        except ValueError:
            continue
    return None


def _knows_where(view: WorldView, robot: str, subject: EntityId, location: Location | None) -> bool:
    """Whether a robot's own looks and deeds tell it where the thing truly is."""
    seen, missed = view.last_sighting_by(robot, subject)
    if seen is None or seen.position_world_m is None or missed is not None or location is None:
        return False
    offset_m = np.subtract(seen.position_world_m, location.placement.position_world_m)
    return bool(np.linalg.norm(offset_m) < MOVED_M)


def _distance_m(view: WorldView, robot: str, location: Location | None) -> float | None:
    glimpses = view.journey.between(robot=robot) if robot in view.journey.robots() else ()
    if not glimpses or location is None:
        return None
    offset_m = np.subtract(glimpses[-1].position_world_m, location.placement.position_world_m)[:2]
    return float(np.linalg.norm(offset_m))


def _false_belief(view: WorldView, robot: str, entity_id: EntityId) -> FalseBelief | None:
    seen, missed = view.last_sighting_by(robot, entity_id)
    if seen is None or seen.position_world_m is None or missed is not None:
        return None
    placed = view.location(entity_id)
    is_at = None if placed is None else placed[0].placement.position_world_m
    if is_at is not None and np.linalg.norm(np.subtract(seen.position_world_m, is_at)) < MOVED_M:
        return None
    return FalseBelief(
        robot=robot, entity_id=entity_id, believed_world_m=seen.position_world_m, is_world_m=is_at
    )
