"""Whether each thing keeps one entity over a day: IDF1 (Ristani et al. 2016) of what the memory says is in view.

Counted are movable things that were clearly in view, at rest, and reported by the detector, whatever it called them. A
thing that two entities share, or an entity that stands for two things, loses all but the longest of its pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from embodied_mem.envs.mujoco.truth import HouseholdTruth
from embodied_mem.messages import Percept, WorldDelta
from embodied_mem.robot_memory import RobotMemory

CLEARLY_SEEN_PX = 120
EVERY_FRAMES = 5
SLACK_M = 0.1
"""What is seen of a thing is no longer than its diagonal and this."""
REACH_M = 0.2
"""The middle of what is seen of a thing lies within this of its true middle, and of where the memory has it."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """One frame: where the percept's instances are, and which entity the memory took each for."""

    stamp_ns: int
    centers_world: tuple[tuple[float, float, float], ...]
    longest_m: tuple[float, ...]
    entity_ids: tuple[str | None, ...]


@dataclass
class IdentityLog:
    """Collects every `EVERY_FRAMES`th frame of a day."""

    sights: list[Sight] = field(default_factory=list)
    num_frames: int = 0

    def note(self, percept: Percept, delta: WorldDelta, memory: RobotMemory) -> None:
        """Remember who was taken for whom."""
        self.num_frames += 1
        if self.num_frames % EVERY_FRAMES or not percept.instances:
            return
        seen = set(delta.seen)
        entities = [entity for entity in memory.entities() if entity.entity_id in seen]
        centers = np.array([instance.box.center for instance in percept.instances])
        placed = np.array([entity.placement.box.center for entity in entities]).reshape(-1, 3)
        pairs = nearest_pairs(centers, placed)
        ids = tuple(entities[pairs[k]].entity_id if k in pairs else None for k in range(len(centers)))
        points = tuple((float(x), float(y), float(z)) for x, y, z in centers)
        longest_m = tuple(float(instance.box.size.max()) for instance in percept.instances)
        self.sights.append(
            Sight(stamp_ns=percept.frame.stamp_ns, centers_world=points, longest_m=longest_m, entity_ids=ids)
        )

    def idf1(self, truth: HouseholdTruth, memory: RobotMemory) -> float:
        """The score over the day, under the ids by which things are known at its end."""
        with memory.questions.reading() as (view, _):
            current = {
                e: view.current_id(e) for sight in self.sights for e in sight.entity_ids if e is not None
            }
        pixels = {frame.stamp_ns: frame.pixels for frame in truth.frames}
        together: Counter[tuple[str, str]] = Counter()
        num_true = num_given = 0
        for sight in self.sights:
            at_rest = _clearly_seen(truth, pixels.get(sight.stamp_ns, {}), sight.stamp_ns)
            names = list(at_rest)
            largest_m = np.array([_diagonal_m(truth, name) for name in names])
            pairs = nearest_pairs(
                np.array(list(at_rest.values())).reshape(-1, 3),
                np.array(sight.centers_world),
                may_be=np.array(sight.longest_m)[None] <= largest_m[:, None] + SLACK_M,
            )
            for row, column in pairs.items():
                num_true += 1
                entity_id = sight.entity_ids[column]
                if entity_id is not None:
                    num_given += 1
                    together[names[row], current[entity_id]] += 1
        return idf1_of(together, num_true=num_true, num_given=num_given)


def nearest_pairs(
    first: np.ndarray, second: np.ndarray, *, may_be: np.ndarray | None = None
) -> dict[int, int]:
    """Points of one set by points of another, each at most once, within `REACH_M`, where `may_be`; the best in all."""
    if not len(first) or not len(second):
        return {}
    from scipy.optimize import linear_sum_assignment

    distance_m = np.linalg.norm(first[:, None] - second[None], axis=2)
    if may_be is not None:
        distance_m = np.where(may_be, distance_m, np.inf)
    rows, columns = linear_sum_assignment(np.minimum(distance_m, 10.0))
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if distance_m[r, c] <= REACH_M}


def idf1_of(together: Mapping[tuple[str, str], int], *, num_true: int, num_given: int) -> float:
    """2 IDTP / (true + given), under the one-to-one naming that keeps most pairs."""
    from scipy.optimize import linear_sum_assignment

    if not num_true + num_given:
        return float("nan")
    names, ids = sorted({n for n, _ in together}), sorted({e for _, e in together})
    counts = np.zeros((len(names), len(ids)))
    for (name, entity_id), number in together.items():
        counts[names.index(name), ids.index(entity_id)] = number
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(2.0 * counts[rows, columns].sum() / (num_true + num_given))


def _diagonal_m(truth: HouseholdTruth, name: str) -> float:
    return float(np.linalg.norm(truth.objects[name].size_m))


def _clearly_seen(
    truth: HouseholdTruth, pixels: Mapping[str, int], stamp_ns: int
) -> dict[str, tuple[float, float, float]]:
    found: dict[str, tuple[float, float, float]] = {}
    for name, number in pixels.items():
        if name not in truth.objects or number < CLEARLY_SEEN_PX:
            continue
        place = truth.where(name, stamp_ns)
        if place.centre_world is not None and place.carrier is None:
            found[name] = place.centre_world
    return found
