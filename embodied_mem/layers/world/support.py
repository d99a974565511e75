"""What a thing stands on or in: from boxes, and from the points of what lies beneath it."""

from __future__ import annotations

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
    low, high = np.array(thing.box.min_m), np.array(thing.box.max_m)
    center = (low + high) / 2
    probe = np.array([center[0], center[1], low[2]], dtype=np.float32)
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
    low, high = np.array(thing.box.min_m), np.array(thing.box.max_m)
    points = other.shape.points_world
    reach = np.maximum(0.02, other.shape.cell_m)
    is_within = (points[:, :2] >= low[:2] - reach) & (points[:, :2] <= high[:2] + reach)
    is_column = is_within[:, 0] & is_within[:, 1]
    heights = points[is_column, 2]
    tolerance_m = CONTACT_M + other.shape.cell_m / 2
    beneath = heights[heights <= low[2] + tolerance_m]
    is_covered = int((heights > high[2] + 0.02).sum()) >= max(2, 0.3 * len(beneath))
    gap_m = abs(float(low[2]) - float(beneath.max())) if len(beneath) else np.inf
    top_gap_m = abs(float(low[2]) - other.box.max_m[2])
    gap_m = min(gap_m, top_gap_m)
    if gap_m > tolerance_m:
        return None
    return float(gap_m), "in" if is_covered else "on"
