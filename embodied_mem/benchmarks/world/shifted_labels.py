"""How much labels gain from a memory of this home: a detector whose prototypes do not fit here, before and after.

Vectors stand for those of an open-vocabulary model: a prototype per household category, which this home's things miss by a
shift of their own (other mugs, other light) and each view by noise. The detector names the nearest prototype. Views come as
tracks; the memory is taught nothing but each track's own majority, as the world model has it.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from embodied_mem.envs.mujoco.catalog import KINDS
from embodied_mem.perception.label_memory import LabelMemory

LENGTH = 64
THINGS_PER_LABEL = 2
VIEWS = 12
CLEAR_MAJORITY = 0.6


def measure_shifted_labels(seed: int, *, shift: float, noise: float) -> tuple[float, float]:
    """Shares of right labels on views that came later: the detector's, and the memory's."""
    rng = np.random.default_rng([3, seed])
    labels = [kind.name for kind in KINDS]
    prototypes = _units(rng.normal(size=(len(labels), LENGTH)))
    things = np.repeat(np.arange(len(labels)), THINGS_PER_LABEL)
    looks = _units(prototypes[things] + shift * _units(rng.normal(size=(len(things), LENGTH))))

    def views_of(thing: int) -> np.ndarray:
        return _units(looks[thing] + noise * _units(rng.normal(size=(VIEWS, LENGTH))))

    def named(vector: np.ndarray) -> str:
        return labels[int(np.argmax(prototypes @ vector))]

    memory = LabelMemory()
    for thing in rng.permutation(len(things)).tolist():
        views = views_of(thing)
        label, votes = Counter(named(view) for view in views).most_common(1)[0]
        if votes >= CLEAR_MAJORITY * VIEWS:
            for view in views:
                memory.teach(view, label)
    before = after = asked = 0
    for thing in range(len(things)):
        for view in views_of(thing):
            word, true = named(view), labels[things[thing]]
            asked += 1
            before += word == true
            after += memory.predict(view, word).label == true
    return before / asked, after / asked


def _units(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), dtype=np.float32)
