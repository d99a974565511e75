"""Which of a view's instances are which known things: one optimal assignment over geometry, label and looks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy.optimize import linear_sum_assignment

from embodied_mem.geometry import Box
from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.layers.world.thing import Thing
from embodied_mem.messages import ObservedInstance

FORBIDDEN = 1e3
SKIN_M = 0.015
"""Boxes are grown by this before they are compared, so that sheets (plates, phones) have a volume."""
REACH_M = 0.03
"""A view may lie this far outside what is known of a thing, ..."""
PIECE_REACH_M = 0.12
"""... or this far when either shows only a piece of it, ..."""
HINGED_REACH_M = 0.5
"""... or this far when it swings or slides open."""
SMALL_M = 0.8
"""Only things with a diagonal below this are told apart by colour: the sides of furniture differ."""
OFTEN_SEEN = 2
"""A view under another label is taken for a thing that looks like it when that was seen in so many frames."""
ALIKE = 0.7
LARGEST_RATIO = 1.6


@dataclass(frozen=True, kw_only=True)
class Overlaps:
    """How n boxes and m boxes lie to each other. `of_first` is the share of the first ones' volume that is shared."""

    gap_m: Float32[np.ndarray, "n m"]
    iou: Float32[np.ndarray, "n m"]
    of_first: Float32[np.ndarray, "n m"]
    of_second: Float32[np.ndarray, "n m"]
    center_distance_m: Float32[np.ndarray, "n m"]
    diagonal_m: Float32[np.ndarray, "n m"]


def overlaps(first: Float32[np.ndarray, "n 2 3"], second: Float32[np.ndarray, "m 2 3"]) -> Overlaps:
    """Compare every box of `first` with every box of `second` (low and high corners), each grown by `SKIN_M`."""
    gap = np.maximum(first[:, None, 0] - second[None, :, 1], second[None, :, 0] - first[:, None, 1])
    low = np.maximum(first[:, None, 0], second[None, :, 0]) - SKIN_M
    high = np.minimum(first[:, None, 1], second[None, :, 1]) + SKIN_M
    shared = np.maximum(high - low, 0).prod(axis=2)
    volume_1 = (first[:, 1] - first[:, 0] + 2 * SKIN_M).prod(axis=1)[:, None]
    volume_2 = (second[:, 1] - second[:, 0] + 2 * SKIN_M).prod(axis=1)[None, :]
    centers = (first.sum(axis=1)[:, None] - second.sum(axis=1)[None]) / 2
    diagonals = (
        np.linalg.norm(first[:, 1] - first[:, 0], axis=1),
        np.linalg.norm(second[:, 1] - second[:, 0], axis=1),
    )
    return Overlaps(
        gap_m=np.linalg.norm(np.maximum(gap, 0), axis=2),
        iou=shared / (volume_1 + volume_2 - shared),
        of_first=shared / volume_1,
        of_second=shared / volume_2,
        center_distance_m=np.linalg.norm(centers, axis=2),
        diagonal_m=(diagonals[0][:, None] + diagonals[1][None]) / 2,
    )


def corners(boxes: Sequence[Box]) -> Float32[np.ndarray, "n 2 3"]:
    """Low and high corners of boxes as one array."""
    return np.array([(box.min_m, box.max_m) for box in boxes], dtype=np.float32).reshape(-1, 2, 3)


def associate(
    instances: Sequence[ObservedInstance], things: Sequence[Thing], boxes: Sequence[Box], config: WorldConfig
) -> dict[int, int]:
    """Index of an instance -> index of the thing at whose place (`boxes`, one per thing) it is; at most one each."""
    if not instances or not things:
        return {}
    lie = overlaps(corners([instance.box for instance in instances]), corners(boxes))
    share = _label_shares(instances, things)
    likeness = _likeness(instances, things)
    is_same = _is_same_thing(instances, things, lie, share, likeness, config)
    of_smaller = np.maximum(lie.of_first, lie.of_second)
    is_gone = np.array([thing.status != "here" for thing in things])
    cost = (
        np.minimum(lie.center_distance_m / (0.5 * lie.diagonal_m + 0.05), 1.5)
        + (1 - of_smaller)
        + 1.5 * (1 - share)
        + 1.5 * (1 - likeness)
        + 0.3 * is_gone[None]
    )
    rows, columns = linear_sum_assignment(np.where(is_same, cost, FORBIDDEN))
    return {int(i): int(j) for i, j in zip(rows, columns, strict=True) if is_same[i, j]}


def _label_shares(
    instances: Sequence[ObservedInstance], things: Sequence[Thing]
) -> Float32[np.ndarray, "n m"]:
    """`thing.label_share(instance.label)` of every pair, filled in by label: most pairs share none."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, instance in enumerate(instances):
        rows[instance.label].append(row)
    share = np.zeros((len(instances), len(things)), dtype=np.float32)
    for column, thing in enumerate(things):
        for label in thing.label_votes:
            if label in rows:
                share[rows[label], column] = thing.label_share(label)
    return share


def _is_same_thing(
    instances: Sequence[ObservedInstance],
    things: Sequence[Thing],
    lie: Overlaps,
    share: Float32[np.ndarray, "n m"],
    likeness: Float32[np.ndarray, "n m"],
    config: WorldConfig,
) -> Bool[np.ndarray, "n m"]:
    """Which pairs may be one thing: same label at the same place, or another label in nearly the same box."""
    is_cut = np.array([instance.is_cut for instance in instances])[:, None]
    is_whole = np.array([thing.is_whole for thing in things])[None]
    is_hinged = np.array([thing.label in config.hinged_labels for thing in things])[None]
    reach_m = np.where(is_cut | ~is_whole, PIECE_REACH_M, REACH_M)
    reach_m = np.where(
        is_hinged, HINGED_REACH_M, np.minimum(reach_m, np.maximum(0.3 * lie.diagonal_m, REACH_M))
    )
    is_at_place = (lie.gap_m <= reach_m) & (share >= 0.2)
    # A mislabelled view fills the same box; an apple in a bowl does not.
    is_mislabelled = (lie.iou >= 0.45) & (lie.center_distance_m <= 0.25 * lie.diagonal_m + 0.02)
    is_mislabelled |= _is_known_by_looks(instances, things, lie, likeness)
    is_other_color = (likeness < 0.5) & (lie.diagonal_m < SMALL_M) & ~is_cut
    return np.asarray((is_at_place | is_mislabelled) & ~is_other_color)


def _is_known_by_looks(
    instances: Sequence[ObservedInstance],
    things: Sequence[Thing],
    lie: Overlaps,
    likeness: Float32[np.ndarray, "n m"],
) -> Bool[np.ndarray, "n m"]:
    """Which views overlap a well-known thing of their size and looks: poses err by centimetres, and with them boxes."""
    is_well_known = np.array([thing.num_views >= OFTEN_SEEN for thing in things])[None]
    sizes = _diagonals_m([instance.box for instance in instances])[:, None]
    known_sizes = _diagonals_m([thing.box for thing in things])[None]
    ratio = sizes / np.maximum(known_sizes, 1e-3)
    is_as_large = (ratio >= 1.0 / LARGEST_RATIO) & (ratio <= LARGEST_RATIO)
    is_near = (lie.iou >= 0.05) & (lie.center_distance_m <= 0.3 * lie.diagonal_m + 0.04)
    return np.asarray(
        is_well_known & is_as_large & is_near & (likeness >= ALIKE) & (lie.diagonal_m < SMALL_M)
    )


def _diagonals_m(boxes: Sequence[Box]) -> Float64[np.ndarray, "n"]:
    return np.array([math.dist(box.min_m, box.max_m) for box in boxes])


def _likeness(instances: Sequence[ObservedInstance], things: Sequence[Thing]) -> Float32[np.ndarray, "n m"]:
    """`looks_alike` of every pair, at once where all have vectors of one length."""
    lengths = {len(instance.appearance) for instance in instances} | {len(t.appearance) for t in things}
    if len(lengths) != 1:
        return np.array([[looks_alike(i.appearance, t) for t in things] for i in instances], dtype=np.float32)
    seen = np.array([instance.appearance for instance in instances], dtype=np.float64)
    known = np.array([thing.appearance for thing in things], dtype=np.float64)
    # Not a matrix product: BLAS would wake its threads for a few hundred numbers.
    return np.asarray(np.einsum("nd,md->nm", seen, known), dtype=np.float32)


def looks_alike(appearance: Float32[np.ndarray, "d"], thing: Thing) -> float:
    """Cosine of an instance's looks and a thing's; 1 where they cannot be compared."""
    if len(thing.appearance) != len(appearance):
        return 1.0
    return float(np.dot(thing.appearance, appearance))
