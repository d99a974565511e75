"""What questions and updates cost when the world is large: a hall of thousands of things, looked at again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from embodied_mem.benchmarks.crowded import COLORS, LABELS, crowded_hall
from embodied_mem.context import Recall
from embodied_mem.layers.world import WorldLayer
from embodied_mem.messages import Frame, Region
from embodied_mem.perception import Perception
from embodied_mem.store.sqlite import SqliteRepository

COLOR_WORDS = ("red", "blue", "green", "yellow")
WARM_UP = 3


@dataclass(kw_only=True)
class Costs:
    """CPU milliseconds of each question; observations a CPU second that the world layer takes in."""

    num_entities: int
    num_observations: int
    observations_per_s: float
    questions_ms: dict[str, list[float]] = field(default_factory=dict)


def measure_scale(
    num_entities: int, num_rounds: int, num_asked: int, progress: Callable[[str], None]
) -> Costs:
    """Fill a world layer on one core and ask it; the store is in RAM, perception is not counted."""
    world, perception = WorldLayer(SqliteRepository(":memory:")), Perception()
    spent_s, num_observations = 0.0, 0
    for index, frame in enumerate(_rounds(num_entities, num_rounds)):
        percept = perception.perceive(frame)
        start_s = time.thread_time()
        world.update(percept)
        spent_s += time.thread_time() - start_s
        num_observations += len(percept.instances)
        if index % 100 == 0:
            progress(f"remembering {num_entities} things, frame {index}")
    costs = Costs(
        num_entities=len(world.entities()), num_observations=num_observations,
        observations_per_s=num_observations / max(spent_s, 1e-9),
    )  # fmt: skip
    progress(f"asking {num_asked} questions of each kind")
    for name, questions in _questions(world, num_asked).items():
        costs.questions_ms[name] = [_cpu_ms(question) for question in questions]
    return costs


def _rounds(num_entities: int, num_rounds: int) -> Iterator[Frame]:
    """The hall again and again, the clock running on; between the rounds some things come and go."""
    passed_ns = 0
    for _ in range(num_rounds):
        for frame in crowded_hall(num_entities):
            stamp_ns = frame.stamp_ns + passed_ns
            yield replace(frame, stamp_ns=stamp_ns, received_ns=stamp_ns)
        passed_ns = stamp_ns


def _questions(world: WorldLayer, num_asked: int) -> dict[str, Sequence[Callable[[], object]]]:
    recall = Recall(world, lambda: None)
    rng = np.random.default_rng(0)
    entities = world.entities()
    chosen = [entities[int(i)] for i in rng.integers(len(entities), size=num_asked + WARM_UP)]
    middles = [entity.placement.position_world_m for entity in chosen]
    regions = [Region(center_world_m=middle, radius_m=3.0) for middle in middles]
    words = [f"{COLOR_WORDS[k % len(COLORS)]} {LABELS[k % len(LABELS)]}" for k in range(len(chosen))]
    with world.reading() as view:
        looks = [view.appearance(entity.entity_id) for entity in chosen]
    newest_ns = max(entity.last_seen_ns for entity in entities)

    def where(k: int) -> object:
        return world.where(chosen[k].entity_id)

    def hybrid(k: int) -> object:
        return recall.find(words[k], vector=looks[k], region=regions[k], order="score", k=10)

    def words_only(k: int) -> object:
        return recall.find(words[k], order="score", k=10)

    def changes(k: int) -> object:
        return world.changes(region=regions[k], since_ns=newest_ns // 2)

    def count(k: int) -> object:
        return world.count(LABELS[k % len(LABELS)], region=regions[k])

    kinds = {"where": where, "hybrid": hybrid, "words": words_only, "changes": changes, "count": count}
    for ask in kinds.values():
        for k in range(WARM_UP):
            ask(num_asked + k)
    return {
        name: [lambda ask=ask, k=k: ask(k) for k in range(num_asked)]  # type: ignore[misc]
        for name, ask in kinds.items()
    }


def _cpu_ms(question: Callable[[], object]) -> float:
    start_s = time.thread_time()
    question()
    return (time.thread_time() - start_s) * 1e3
