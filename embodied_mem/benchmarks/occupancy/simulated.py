"""Scores in scenes with exact geometry: how well voxels, labels and surfaces agree with what is truly there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from embodied_mem.benchmarks.occupancy.maps import ScoredMap
from embodied_mem.benchmarks.occupancy.true_voxels import TrueVoxels, surface_points
from embodied_mem.layers.occupancy import FREE, OCCUPIED, UNKNOWN
from embodied_mem.messages import Frame

NOISE_M, NOISE_PER_M2 = 0.0012, 0.0019
"""A Kinect's depth noise: sigma = NOISE_M + NOISE_PER_M2 * z**2."""
EPSILON = 1e-5
"""What SSCMetrics adds below its fractions."""


@dataclass(frozen=True, kw_only=True)
class VoxelFigures:
    """Over voxels that are visible by exact depth; `leak` over those that no frame saw: how many are called free or
    occupied all the same."""

    iou: float
    precision: float
    recall: float
    free_iou: float
    unknown: float
    leak: float


def noisy(frames: Sequence[Frame], seed: int) -> Iterator[Frame]:
    """The frames with a depth camera's noise, drawn from `seed`."""
    rng = np.random.default_rng(seed)
    for frame in frames:
        sigma_m = NOISE_M + NOISE_PER_M2 * frame.depth_m**2
        depth_m = frame.depth_m + rng.normal(size=frame.depth_m.shape).astype(np.float32) * sigma_m
        depth_m = np.where(frame.depth_m > 0.0, np.maximum(depth_m, 0.01), 0.0).astype(np.float32)
        yield dataclasses.replace(frame, depth_m=depth_m)


def voxel_figures(truth: TrueVoxels, state: np.ndarray) -> VoxelFigures:
    """Compare the states of the truth's voxels."""
    is_seen = truth.state != UNKNOWN
    said, true = state[is_seen], truth.state[is_seen]
    both = ((said == OCCUPIED) & (true == OCCUPIED)).sum()
    free = ((said == FREE) & (true == FREE)).sum()
    return VoxelFigures(
        iou=float(both / ((said == OCCUPIED) | (true == OCCUPIED)).sum()),
        precision=float(both / max((said == OCCUPIED).sum(), 1)),
        recall=float(both / (true == OCCUPIED).sum()),
        free_iou=float(free / ((said == FREE) | (true == FREE)).sum()),
        unknown=float((said == UNKNOWN).mean()),
        leak=float((state[~is_seen] != UNKNOWN).mean()),
    )


def mean_iou(truth: TrueVoxels, label_names: Sequence[str], label_index: np.ndarray) -> float:
    """Mean over the classes that are present of each class's IoU, pooled over visible voxels."""
    is_seen = truth.state != UNKNOWN
    to_truth = np.array(
        [truth.labels.index(n) if n in truth.labels else len(truth.labels) for n in label_names] + [-1]
    )
    said, true = to_truth[label_index[is_seen]], truth.label_index[is_seen]
    ious = [
        ((said == k) & (true == k)).sum() / ((said == k) | (true == k)).sum()
        for k in range(len(truth.labels))
        if (true == k).any()
    ]
    return float(np.mean(ious))


def as_ssc_classes(
    truth: TrueVoxels, label_names: Sequence[str], label_index: np.ndarray, state: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(said, true) as classes: 0 empty, 1.. the truth's labels, 255 in the truth where nothing is known."""
    to_class = np.array([truth.labels.index(n) + 1 if n in truth.labels else 0 for n in label_names] + [0])
    said = np.where(state == OCCUPIED, to_class[label_index], 0)
    true = np.where(truth.state == UNKNOWN, 255, np.where(truth.state == OCCUPIED, truth.label_index + 1, 0))
    return said.ravel(), true.ravel()


def ssc_metrics(said: np.ndarray, true: np.ndarray, num_classes: int) -> tuple[float, float]:
    """(scene completion IoU, mIoU) as SSCMetrics of MonoScene and EmbodiedOcc count them: class 0 is empty, 255 is
    left out, classes that are absent count as IoU 0, and 1e-5 is added below.
    """
    is_counted = true != 255
    said, true = said[is_counted], true[is_counted]
    both = ((said > 0) & (true > 0)).sum()
    completion = both / (((said > 0) | (true > 0)).sum() + EPSILON)
    per_class = [
        ((said == k) & (true == k)).sum() / (((said == k) | (true == k)).sum() + EPSILON)
        for k in range(1, num_classes)
    ]
    return float(completion), float(np.mean(per_class))


def surface_distances_cm(scored: ScoredMap, frames: Sequence[Frame]) -> tuple[float, float]:
    """(accuracy, completeness) in cm: mean distance from the map's surface to the true one, and back.

    The map's surface is where it ends the rays of every 8th pixel of the frames.
    """
    from scipy.spatial import cKDTree

    said = []
    for frame in frames:
        v_px, u_px = (
            g.ravel() for g in np.mgrid[4 : frame.camera.height_px : 8, 4 : frame.camera.width_px : 8]
        )
        depth_m = scored.depths_m(frame, u_px, v_px)
        ends = np.isfinite(depth_m)
        rays = np.zeros(frame.depth_m.shape, dtype=np.float32)
        rays[v_px[ends], u_px[ends]] = depth_m[ends]
        said.append(dataclasses.replace(frame, depth_m=rays))
    points, true = surface_points(said, 1), surface_points(frames, 7)
    accuracy, completeness = cKDTree(true).query(points)[0], cKDTree(points).query(true)[0]
    return 100.0 * float(accuracy.mean()), 100.0 * float(completeness.mean())
