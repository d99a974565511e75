"""A memory that adapts its labels ends up with purer ones than the detector gives, and keeps what it learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from embodied_mem import RobotMemory, RobotMemoryConfig
from embodied_mem.context.home_labels import RECORD, HomeLabels
from embodied_mem.layers.world import WorldLayer
from embodied_mem.messages import Detection, Frame
from embodied_mem.perception import Perception
from embodied_mem.perception.label_memory import LabelMemory, LabelMemoryConfig
from embodied_mem.store.sqlite import SqliteRepository
from embodied_mem.testing.synthetic_room import SyntheticRoom

SIZE = 16
WRONG = 0.3
WORDS = ("bowl", "book", "bottle", "shelf", "sofa", "table", "mug")


def frames(num: int, *, has_embeddings: bool = True, size: int = SIZE) -> Iterator[Frame]:
    """Views of the room by a detector that often uses a wrong word, with an embedding of what each thing is."""
    rng = np.random.default_rng(3)
    looks = {word: rng.normal(size=size) for word in WORDS}

    def seen(one: Detection) -> Detection:
        if one.label not in looks:
            return one
        label = str(rng.choice(WORDS)) if rng.random() < WRONG else one.label
        look = (looks[one.label] + rng.normal(scale=0.2, size=size)).astype(np.float32)
        return replace(one, label=label, embedding=look if has_embeddings else None)

    for frame in SyntheticRoom(seed=0).frames(num):
        yield replace(frame, detections=tuple(seen(one) for one in frame.detections))


def share_right(labels: HomeLabels, num: int) -> float:
    """How many instances have the true word, judged by their embeddings' nearest."""
    perception = Perception()
    rng = np.random.default_rng(3)
    looks = {word: rng.normal(size=SIZE) for word in WORDS}
    right: list[bool] = []
    for frame in frames(num):
        for one in labels.relabeled(perception.perceive(frame)).instances:
            true = max(looks, key=lambda word, one=one: float(looks[word] @ one.appearance))  # type: ignore[misc]
            right.append(one.label == true)
    return float(np.mean(right))


def lived(repository: SqliteRepository, num: int, *, has_embeddings: bool = True) -> HomeLabels:
    world, perception = WorldLayer(repository), Perception()
    labels = HomeLabels(world, LabelMemoryConfig())
    for frame in frames(num, has_embeddings=has_embeddings):
        percept = labels.relabeled(perception.perceive(frame))
        labels.learn(percept, world.update(percept))
    return labels


def test_well_known_things_correct_the_words_of_a_detector_and_the_lessons_are_kept(tmp_path: Path) -> None:
    repository = SqliteRepository(tmp_path / "world.sqlite")
    untaught = HomeLabels(WorldLayer(SqliteRepository(":memory:")), LabelMemoryConfig())
    before = share_right(untaught, 6)
    taught = lived(repository, 24)
    assert taught.counts()
    assert share_right(taught, 6) > before + 0.1
    again = HomeLabels(WorldLayer(repository), LabelMemoryConfig())
    assert again.counts() == taught.counts()
    repository.close()


def test_without_embeddings_nothing_is_learned_and_no_label_changes() -> None:
    labels = lived(SqliteRepository(":memory:"), 12, has_embeddings=False)
    assert labels.counts() == {}
    percept = Perception().perceive(next(frames(1, has_embeddings=False)))
    assert labels.relabeled(percept) is percept


def test_a_memory_goes_on_with_a_detector_of_other_embeddings_and_begins_anew() -> None:
    config, later_ns = RobotMemoryConfig(adapts_labels=True), 10**12
    repository = SqliteRepository(":memory:")
    lived(repository, 24)
    world, perception = WorldLayer(repository), Perception()
    labels = HomeLabels(world, config.labels)
    for frame in frames(24, size=24):
        percept = labels.relabeled(perception.perceive(replace(frame, stamp_ns=frame.stamp_ns + later_ns)))
        labels.learn(percept, world.update(percept))
    payload = repository.record("context", RECORD)
    assert payload is not None
    assert LabelMemory.from_bytes(payload).length == 24
    assert labels.counts()


def test_what_a_forgotten_thing_taught_is_forgotten_too_whether_or_not_labels_adapt_now(
    tmp_path: Path,
) -> None:
    def teachers() -> frozenset[str]:
        repository = SqliteRepository(tmp_path / "live" / "world.sqlite")
        payload = repository.record("context", RECORD)
        repository.close()
        assert payload is not None
        return LabelMemory.from_bytes(payload).teachers

    with RobotMemory.open(tmp_path, config=RobotMemoryConfig(adapts_labels=True)) as memory:
        for frame in frames(16):
            memory.observe(frame)
    first, second, *others = sorted(teachers())
    assert others
    for adapts, forgotten in ((True, first), (False, second)):
        with RobotMemory.open(tmp_path, config=RobotMemoryConfig(adapts_labels=adapts)) as memory:
            memory.forget(forgotten)
    assert teachers() == set(others)


def test_vectors_of_another_length_change_no_label() -> None:
    taught = lived(SqliteRepository(":memory:"), 24)
    percept = Perception().perceive(next(frames(1, size=24)))
    assert taught.relabeled(percept) is percept
    own = Perception().perceive(next(frames(1)))
    assert taught.relabeled(own) is not own


def test_a_memory_that_adapts_is_surer_of_what_things_are_called() -> None:
    def confidence(config: RobotMemoryConfig) -> float:
        with RobotMemory.open(config=config) as memory:
            for frame in frames(24):
                memory.observe(frame)
            seen = [one.label_confidence for one in memory.entities() if one.num_views >= 12]
            memory.reset()
            assert memory.num_entities == 0
            report = memory.observe(next(frames(1)))
            assert memory.num_entities == len(report.world_delta.added) > 0
        return float(np.mean(seen))

    assert confidence(RobotMemoryConfig(adapts_labels=True)) > confidence(RobotMemoryConfig()) + 0.05
