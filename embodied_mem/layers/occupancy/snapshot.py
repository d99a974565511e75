"""The map at one moment, as plain arrays: what pictures, point clouds and exports are made of."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float32, Int8, Int16, Int64, UInt8

TRANSIENT = 0
"""A Gaussian that does not count as occupied: fresh where space had been free, or fading."""
ACTIVE = 1
"""Occupied, seen too little to rely on."""
STABLE = 2
"""Occupied, and more frames agreed than disagreed by as much as `stable_log_odds` asks."""
UNKNOWN = -1
"""Never measured: neither hit nor seen through."""
FREE = 0
OCCUPIED = 1


@dataclass(frozen=True, kw_only=True)
class MapSnapshot:
    """Every Gaussian of the map, in arrays of equal length that do not change (they are read-only).

    `covariances_m2` holds xx, xy, xz, yy, yz, zz; `occupancy` the probability that the place is still occupied
    (0..1, above 0.5: occupied); `state` is TRANSIENT, ACTIVE or STABLE; `label_index` an index into `labels`, or -1; `label_share` how much of the votes
    the label has (0..1); `color_rgb` is grey (128) where no colour was seen. Stamps are exact to 0.07 s.
    """

    means_world: Float32[np.ndarray, "n 3"]
    covariances_m2: Float32[np.ndarray, "n 6"]
    occupancy: Float32[np.ndarray, "n"]
    state: Int8[np.ndarray, "n"]
    color_rgb: UInt8[np.ndarray, "n 3"]
    label_index: Int16[np.ndarray, "n"]
    label_share: Float32[np.ndarray, "n"]
    first_seen_ns: Int64[np.ndarray, "n"]
    last_seen_ns: Int64[np.ndarray, "n"]
    labels: tuple[str, ...]
    cell_m: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def __len__(self) -> int:
        return len(self.means_world)

    def occupied(self) -> MapSnapshot:
        """Only the Gaussians that are more likely there than not."""
        return self._chosen(self.occupancy > 0.5)

    def stable(self) -> MapSnapshot:
        """Only the stable Gaussians: the place without what passes through it."""
        return self._chosen(self.state == STABLE)

    def _chosen(self, rows: Bool[np.ndarray, "n"]) -> MapSnapshot:
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("labels", "cell_m")}
        chosen = {name: array[rows] for name, array in arrays.items()}
        return MapSnapshot(**chosen, labels=self.labels, cell_m=self.cell_m)
