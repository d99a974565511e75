"""What a thing stands on or in: from boxes, and from the points of what lies beneath it."""

from __future__ import annotations

import math

import numpy as np

from embodied_mem.layers.world.roster import Roster
from embodied_mem.layers.world.thing import Thing
from embodied_mem.messages import EntityId

CONTACT_M = 0.06
"""A thing is on a surface when its underside is within this (and half a cell of the other's) of it."""


def find_support(thing: Thing, roster: Roster, skip_labels: tuple[str, ...]) -> tuple[str, EntityId] | None:
    """("on" | "in", id) of the nearest larger thing beneath `thing`, or None when there is none, as on the floor.

    "in" when the supporter also closes above it (a shelf's board, a drawer's cabinet).
    """
    x, y, _ = thing.box.center_m
    probe = np.array([x, y, thing.box.min_m[2]], dtype=np.float32)
    best: tuple[float, str, EntityId] | None = None
    for other in roster.near(probe[None] - np.float32(0.02), probe[None] + np.float32(0.02), CONTACT_M):
        if other is thing or other.status != "here" or other.label in skip_labels:
            continue
        if other.box.footprint_m2 < 0.8 * thing.box.footprint_m2 or not len(other.shape):
            continue
        found = _contact(thing, other)
        if found is not None and (best is None or found[0] < best[0]):
            best = (found[0], found[1], other.entity_id)
    return None if best is None else (best[1], best[2])


def _contact(thing: Thing, other: Thing) -> tuple[float, str] | None:
    """Distance of the underside to the other's surface beneath, and the relation; None when there is no contact."""
    (x_min, y_min, z_min), (x_max, y_max, z_max) = thing.box.min_m, thing.box.max_m
    x, y, z = other.shape.points_world.T
    reach_m = max(0.02, other.shape.cell_m)
    is_column = (
        (x >= x_min - reach_m) & (x <= x_max + reach_m) & (y >= y_min - reach_m) & (y <= y_max + reach_m)
    )
    heights = z[is_column]
    tolerance_m = CONTACT_M + other.shape.cell_m / 2
    beneath = heights[heights <= z_min + tolerance_m]
    is_covered = np.count_nonzero(heights > z_max + 0.02) >= max(2, 0.3 * len(beneath))
    gap_m = abs(z_min - float(beneath.max())) if len(beneath) else math.inf
    gap_m = min(gap_m, abs(z_min - other.box.max_m[2]))
    if gap_m > tolerance_m:
        return None
    return gap_m, "in" if is_covered else "on"
