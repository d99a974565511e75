"""How far a camera's pose is off, as far as the known things in view agree, and a percept without that error.

Localization errs by centimetres, and for everything in one picture alike: a shift that all things share is the camera's,
not theirs. It is found by iterating closest points (Besl and McKay 1992) over translations only, each view's points
matched with the points of the thing that it was taken for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64
from scipy.spatial import cKDTree

from embodied_mem.geometry import Box
from embodied_mem.layers.world.thing import Thing
from embodied_mem.messages import ObservedInstance, Percept

MIN_PAIRS = 2
MIN_POINTS = 60
MOST_POINTS, MOST_KNOWN = 50, 150
"""Of each view, and of each thing; more do not make the estimate better."""
MATCH_M = 0.15
INLIERS = 0.9
MAX_STEPS = 8
STEP_M = 0.002
GLIMPSE = 4
"""The first step takes one point of so many."""
LEAST_M = 0.012
"""Smaller shifts are within the cells that shapes are kept in."""
STILL_M = 0.008
"""When whole things lie this near to where they were, in the middle, the closest points need not be asked."""
APART = 10.0
"""A fourth coordinate keeps the points of each pair to themselves."""


def pose_error_m(pairs: Sequence[tuple[ObservedInstance, Thing]]) -> Float64[np.ndarray, "3"] | None:
    """By how much the views are shifted against the things they were taken for; None when it is too little to tell."""
    if len(pairs) < MIN_PAIRS or _is_still(pairs):
        return None
    seen = np.concatenate(
        [_labelled(instance.points_world, k, MOST_POINTS) for k, (instance, _) in enumerate(pairs)]
    )
    if len(seen) < MIN_POINTS:
        return None
    known = np.concatenate(
        [_labelled(thing.shape.points_world, k, MOST_KNOWN) for k, (_, thing) in enumerate(pairs)]
    )
    tree, offset = cKDTree(known), np.zeros(4)
    if float(np.linalg.norm(_step(tree, known, seen[::GLIMPSE]))) < STEP_M:
        return None  # most poses are right: a glimpse tells
    for _ in range(MAX_STEPS):
        step = _step(tree, known, seen - offset)
        offset += step
        if float(np.linalg.norm(step)) < STEP_M:
            break
    return offset[:3] if float(np.linalg.norm(offset)) >= LEAST_M else None


def _step(
    tree: cKDTree, known: Float64[np.ndarray, "n 4"], seen: Float64[np.ndarray, "m 4"]
) -> Float64[np.ndarray, "4"]:
    """By how much the seen points lie off their nearest known ones; zero when too few are near any."""
    distance_m, nearest = tree.query(seen, distance_upper_bound=MATCH_M)
    is_found = np.isfinite(distance_m)
    if is_found.sum() < MIN_POINTS // GLIMPSE:
        return np.zeros(4)
    is_inlier = distance_m <= np.quantile(distance_m[is_found], INLIERS)
    return np.asarray((seen[is_inlier] - known[nearest[is_inlier]]).mean(axis=0))


def aligned(percept: Percept, error_m: Float64[np.ndarray, "3"]) -> Percept:
    """The percept as the camera would have given it without the error."""
    T_world_camera = percept.frame.T_world_camera.copy()
    T_world_camera[:3, 3] -= error_m
    frame = replace(percept.frame, T_world_camera=T_world_camera)
    return replace(percept, frame=frame, instances=tuple(_shifted(one, error_m) for one in percept.instances))


def _is_still(pairs: Sequence[tuple[ObservedInstance, Thing]]) -> bool:
    """Whether the boxes alone, in a hundredth of the time, show that there is no shift."""
    offsets_m = [
        one.box.center - thing.box.center for one, thing in pairs if thing.is_whole and not one.is_cut
    ]
    return len(offsets_m) >= MIN_PAIRS and bool(np.linalg.norm(np.median(offsets_m, axis=0)) < STILL_M)


def _labelled(points: np.ndarray, index: int, most: int) -> Float64[np.ndarray, "n 4"]:
    chosen = points[:: max(1, len(points) // most)]
    return np.column_stack([chosen, np.full(len(chosen), APART * index)]).astype(np.float64)


def _shifted(instance: ObservedInstance, error_m: Float64[np.ndarray, "3"]) -> ObservedInstance:
    low, high = np.subtract(instance.box.min_m, error_m), np.subtract(instance.box.max_m, error_m)
    return replace(
        instance, points_world=(instance.points_world - error_m).astype(np.float32),
        box=Box(min_m=tuple(low.tolist()), max_m=tuple(high.tolist())),
    )  # fmt: skip
