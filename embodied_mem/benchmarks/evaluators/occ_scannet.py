"""Occ-ScanNet as EmbodiedOcc scores it: IoU of occupied space and mean IoU of eleven classes over voxels.

Labels: 0 unknown, 1 to 11 classes, 12 empty. Voxels whose truth is unknown do not count. Quirks that `compat` keeps: a voxel predicted
as unknown counts as occupied in the IoU; classes that are in neither truth nor prediction count as 0 in the mean; 1e-5 is
added to each class's union.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int

from embodied_mem.benchmarks.evaluators.modes import Mode
from embodied_mem.errors import InvalidMessage

UNKNOWN, EMPTY, NUM_CLASSES = 0, 12, 11
Voxels = Int[np.ndarray, "..."]


@dataclass
class OccupancyScore:
    """Counts over scenes; `add` each, then ask `result`."""

    mode: Mode = "strict"
    _counts: np.ndarray = field(default_factory=lambda: np.zeros((NUM_CLASSES + 1, 3), dtype=np.int64))

    def add(self, predicted: Voxels, truth: Voxels) -> None:
        """One scene's voxels, of any shape.

        Raises:
            InvalidMessage: the shapes differ or there are labels outside 0..12.
        """
        if predicted.shape != truth.shape:
            raise InvalidMessage(
                f"predicted voxels are {predicted.shape}, true ones {truth.shape}; they must be alike."
            )
        for name, values in (("predicted", predicted), ("true", truth)):
            if values.size and (values.min() < 0 or values.max() > EMPTY):
                raise InvalidMessage(
                    f"{name} labels reach {values.min()} to {values.max()}; allowed are 0 to {EMPTY}."
                )
        is_known = truth != UNKNOWN
        mine, right = predicted[is_known], truth[is_known]
        is_occupied = mine != EMPTY
        if self.mode == "strict":
            is_occupied &= mine != UNKNOWN
        self._count(0, is_occupied, right != EMPTY)
        for label in range(1, NUM_CLASSES + 1):
            self._count(label, mine == label, right == label)

    def result(self) -> dict[str, float]:
        """`iou`, `miou`, `precision`, `recall`; 0 where nothing was hit."""
        hit, extra, missed = self._counts[0]
        found = {"iou": 0.0, "precision": 0.0, "recall": 0.0}
        if hit:
            found = {
                "iou": float(hit / (hit + extra + missed)), "precision": float(hit / (hit + extra)),
                "recall": float(hit / (hit + missed)),
            }  # fmt: skip
        return {**found, "miou": self._miou()}

    def _miou(self) -> float:
        hits, unions = self._counts[1:, 0], self._counts[1:].sum(axis=1)
        if self.mode == "compat":
            return float(np.mean(hits / (unions + 1e-5)))
        is_there = unions > 0
        return float(np.mean(hits[is_there] / unions[is_there])) if is_there.any() else 0.0

    def _count(self, row: int, mine: Bool[np.ndarray, "n"], right: Bool[np.ndarray, "n"]) -> None:
        self._counts[row] += ((mine & right).sum(), (mine & ~right).sum(), (~mine & right).sum())
