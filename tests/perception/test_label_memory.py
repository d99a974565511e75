"""Labels adapt to a home: what is known outvotes a detector that errs here, and strangers are left to it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_mem.benchmarks.world.shifted_labels import measure_shifted_labels
from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.perception import Perception
from embodied_mem.perception.label_memory import LabelMemory, LabelMemoryConfig
from embodied_mem.testing.synthetic_room import SyntheticRoom

MUG, VASE = np.eye(8, dtype=np.float32)[:2]


def near(vector: np.ndarray, seed: int) -> np.ndarray:
    return (vector + 0.2 * np.random.default_rng(seed).normal(size=len(vector))).astype(np.float32)


def taught(num: int = 6) -> LabelMemory:
    memory = LabelMemory()
    for seed in range(num):
        memory.teach(near(MUG, seed), "mug")
        memory.teach(near(VASE, 100 + seed), "vase")
    return memory


def test_an_empty_memory_believes_the_detector() -> None:
    found = LabelMemory().predict(MUG, "cup")
    assert (found.label, found.share) == ("cup", 1.0)


def test_what_is_known_here_outvotes_the_detector() -> None:
    assert taught().predict(near(MUG, 50), "vase").label == "mug"


def test_what_looks_like_nothing_known_is_what_the_detector_says() -> None:
    assert taught().predict(np.eye(8, dtype=np.float32)[7], "clock").label == "clock"


def test_clear_predictions_are_kept_and_doubtful_ones_are_not() -> None:
    memory = taught()
    before = len(memory)
    assert memory.adapt(near(MUG, 60), "mug").share >= 0.8
    assert len(memory) == before + 1
    memory.adapt(((MUG + VASE) / 2).astype(np.float32), "clock")
    assert len(memory) == before + 1


def test_a_label_keeps_at_most_so_many_vectors() -> None:
    memory = LabelMemory(LabelMemoryConfig(max_per_label=3))
    for seed in range(10):
        memory.teach(near(MUG, seed), "mug")
    assert memory.counts() == {"mug": 3}


def test_accuracy_on_shifted_things_rises() -> None:
    for seed in (0, 1):
        before, after = measure_shifted_labels(seed, shift=1.6, noise=1.2)
        assert after > before + 0.05


def test_a_percept_is_relabeled_by_what_was_taught() -> None:
    (frame,) = SyntheticRoom(seed=0).frames(1)
    percept, memory = Perception().perceive(frame), LabelMemory()
    assert memory.relabeled(percept) is percept
    mug = next(instance for instance in percept.instances if instance.label == "mug")
    for _ in range(3):
        memory.teach(mug.appearance, "cup")
    labels = [instance.label for instance in memory.relabeled(percept).instances]
    assert labels[percept.instances.index(mug)] == "cup"
    assert "table" in labels


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["mug", "vase", "cup"])), max_size=20))
def test_a_memory_survives_being_written(lessons: list[tuple[int, str]]) -> None:
    memory = LabelMemory()
    for seed, label in lessons:
        memory.teach(near(MUG, seed), label, f"e{seed % 3}")
    again = LabelMemory.from_bytes(memory.to_bytes())
    assert again.counts() == memory.counts()
    assert again.predict(MUG, "clock") == memory.predict(MUG, "clock")
    assert again.to_bytes() == memory.to_bytes()
    again.unlearn({"e0"})
    assert len(again) == sum(seed % 3 != 0 for seed, _ in lessons)
    assert again.teachers == memory.teachers - {"e0"}


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="zero or holds NaN"):
        LabelMemory().teach(np.zeros(4, dtype=np.float32), "mug")
    with pytest.raises(InvalidMessage, match="one memory holds"):
        taught().predict(np.ones(5, dtype=np.float32), "mug")
    with pytest.raises(InvalidMessage, match="no label memory"):
        LabelMemory.from_bytes(b"{}\n")
    with pytest.raises(ConfigError, match="num_neighbors=0"):
        LabelMemoryConfig(num_neighbors=0)
