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

MIN_PAIRS = 3
"""Two things that shift alike may have been carried together."""
MIN_VIEWS = 3
"""What was seen less often still grows: its new parts would pull."""
MOST_M = 0.1
"""A localization that errs by more is not mended here."""
AGREED_M = 0.03
"""Half of the whole things must be brought this near to where they were, and nearer than they are without."""
EXPLAINED = 0.8
"""The points must come at least this much nearer, by the median: parts that are new, or cut off, shift nothing."""
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
"""When whole things lie this near to where they were, by the median, the closest points need not be asked."""
APART = 10.0
"""A fourth coordinate keeps the points of each pair to themselves."""


def pose_error_m(pairs: Sequence[tuple[ObservedInstance, Thing]]) -> Float64[np.ndarray, "3"] | None:
    """By how much the views are shifted against the things they were taken for; None when it is too little to tell,
    or when the things do not agree: then some of them have moved.
    """
    pairs = [(one, thing) for one, thing in pairs if thing.num_views >= MIN_VIEWS]
    if len(pairs) < MIN_PAIRS:
        return None
    offsets_m = np.array(
        [one.box.center - thing.box.center for one, thing in pairs if thing.is_whole and not one.is_cut]
    ).reshape(-1, 3)
    if len(offsets_m) >= MIN_PAIRS and float(np.linalg.norm(np.median(offsets_m, axis=0))) < STILL_M:
        return None  # the boxes of whole things show it in a hundredth of the time
    seen = [_labelled(instance.points_world, k, MOST_POINTS) for k, (instance, _) in enumerate(pairs)]
    known = [_labelled(thing.shape.points_world, k, MOST_KNOWN) for k, (_, thing) in enumerate(pairs)]
    error_m = _fitted(np.concatenate(seen), np.concatenate(known))
    if error_m is None or not LEAST_M <= float(np.linalg.norm(error_m)) <= MOST_M:
        return None
    return error_m if _is_agreed(offsets_m, error_m) else None


def _is_agreed(offsets_m: Float64[np.ndarray, "n 3"], error_m: Float64[np.ndarray, "3"]) -> bool:
    """Whether the whole things in view, if any, lie nearer to where they were without the error."""
    if len(offsets_m) == 0:
        return True
    before_m, after_m = (
        float(np.median(np.linalg.norm(rest_m, axis=1))) for rest_m in (offsets_m, offsets_m - error_m)
    )
    return after_m <= before_m and (len(offsets_m) < MIN_PAIRS or after_m <= AGREED_M)


def _fitted(
    seen: Float64[np.ndarray, "n 4"], known: Float64[np.ndarray, "m 4"]
) -> Float64[np.ndarray, "3"] | None:
    """The shift that brings the points seen to the known ones; None when they are there, or too few near any."""
    tree, offset = cKDTree(known), np.zeros(4)
    if len(seen) < MIN_POINTS or float(np.linalg.norm(_step(tree, known, seen[::GLIMPSE]))) < STEP_M:
        return None  # most poses are right: a glimpse tells
    for _ in range(MAX_STEPS):
        step = _step(tree, known, seen - offset)
        offset += step
        if float(np.linalg.norm(step)) < STEP_M:
            break
    is_explained = _distance_m(tree, seen - offset) <= EXPLAINED * _distance_m(tree, seen)
    return offset[:3] if is_explained else None


def _distance_m(tree: cKDTree, seen: Float64[np.ndarray, "n 4"]) -> float:
    """How far the seen points lie from the known ones, by the median and at most `MATCH_M`."""
    distance_m, _ = tree.query(seen, distance_upper_bound=MATCH_M)
    return min(MATCH_M, float(np.median(distance_m)))


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


def _labelled(points: np.ndarray, index: int, most: int) -> Float64[np.ndarray, "n 4"]:
    chosen = points[:: max(1, len(points) // most)]
    return np.column_stack([chosen, np.full(len(chosen), APART * index)]).astype(np.float64)


def _shifted(instance: ObservedInstance, error_m: Float64[np.ndarray, "3"]) -> ObservedInstance:
    low, high = np.subtract(instance.box.min_m, error_m), np.subtract(instance.box.max_m, error_m)
    return replace(
        instance, points_world=(instance.points_world - error_m).astype(np.float32),
        box=Box(min_m=tuple(low.tolist()), max_m=tuple(high.tolist())),
    )  # fmt: skip
