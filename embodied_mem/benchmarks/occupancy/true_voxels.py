"""What is truly there, from exact depth: voxels that surfaces pass through, and voxels that every ray saw through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embodied_mem.geometry import Box, back_project, invert, project, transform
from embodied_mem.layers.occupancy import FREE, OCCUPIED, UNKNOWN
from embodied_mem.messages import Frame

MIN_POINTS = 3
"""Points of exact depth that a voxel must hold to be occupied: fewer are a corner that pokes into it."""
VOID = ""


@dataclass(frozen=True, kw_only=True)
class TrueVoxels:
    """Cubes of side `voxel_m` from `box`'s lowest corner. `state` is OCCUPIED, FREE, or UNKNOWN where no exact depth
    looked; `label_index` into `labels` for the occupied ones, -1 elsewhere."""

    box: Box
    voxel_m: float
    state: np.ndarray
    label_index: np.ndarray
    labels: tuple[str, ...]

    @property
    def centers_world(self) -> np.ndarray:
        index = np.stack(np.meshgrid(*(np.arange(n) for n in self.state.shape), indexing="ij"), axis=-1)
        return np.asarray(np.array(self.box.min_m) + (index + 0.5) * self.voxel_m)


def true_voxels(frames: Sequence[Frame], box: Box, voxel_m: float) -> TrueVoxels:
    """The voxels of `box` as all pixels of `frames`, whose depth is exact, show them.

    A voxel is free when a frame looked through all of it (its half diagonal before the measured depth) and no frame
    has three points in it.
    """
    shape = tuple(np.ceil(box.size / voxel_m - 0.01).astype(int).tolist())
    labels = tuple(sorted({detection.label for frame in frames for detection in frame.detections}))
    votes = np.zeros((int(np.prod(shape)), len(labels) + 1), dtype=np.int32)
    is_free = np.zeros(int(np.prod(shape)), dtype=bool)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1).reshape(-1, 3)
    centers = np.array(box.min_m) + (index + 0.5) * voxel_m
    for frame in frames:
        points, label = _labelled_points(frame, labels)
        cell = np.floor((points - np.array(box.min_m)) / voxel_m).astype(int)
        is_inside = ((cell >= 0) & (cell < shape)).all(axis=1)
        flat = np.ravel_multi_index(tuple(cell[is_inside].T), shape)
        which, count = np.unique(flat * votes.shape[1] + label[is_inside], return_counts=True)
        votes.reshape(-1)[which] += count.astype(np.int32)
        view = Box.around(np.vstack([points, frame.T_world_camera[:3, 3]]))
        asked = np.flatnonzero(~is_free & view.contains(centers))
        is_free[asked] = _seen_through(frame, centers[asked], 0.87 * voxel_m)
    is_occupied = votes.sum(axis=1) >= MIN_POINTS
    state = np.where(is_occupied, OCCUPIED, np.where(is_free, FREE, UNKNOWN)).astype(np.int8)
    unnamed = len(labels)
    named = votes.argmax(axis=1)
    winner = np.where(is_occupied & (named != unnamed), named, -1)
    return TrueVoxels(
        box=box, voxel_m=voxel_m, state=state.reshape(shape), label_index=winner.reshape(shape), labels=labels
    )


def surface_points(frames: Sequence[Frame], every: int) -> np.ndarray:
    """Every `every`-th point (n, 3) of exact depth, in world."""
    return np.concatenate([_labelled_points(frame, ())[0][::every] for frame in frames])


def _labelled_points(frame: Frame, labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    v_px, u_px = np.nonzero(frame.depth_m > 0.0)
    points_camera = back_project(
        frame.camera, frame.depth_m[v_px, u_px], u_px.astype(float), v_px.astype(float)
    )
    label = np.full(len(v_px), len(labels))
    if frame.segmentation is not None:
        of_id = {d.instance: labels.index(d.label) for d in frame.detections if d.label in labels}
        ids, inverse = np.unique(frame.segmentation[v_px, u_px], return_inverse=True)
        label = np.array([of_id.get(int(i), len(labels)) for i in ids])[inverse]
    return transform(frame.T_world_camera, points_camera.astype(np.float64)), label


def _seen_through(frame: Frame, centers_world: np.ndarray, clearance_m: float) -> np.ndarray:
    p = transform(invert(frame.T_world_camera), centers_world)
    pixel = np.nan_to_num(np.rint(project(frame.camera, p)), nan=-1.0).astype(int)
    size = np.array([frame.camera.width_px, frame.camera.height_px])
    is_inside = ((pixel >= 0) & (pixel < size)).all(axis=1)
    column, row = np.where(is_inside[:, None], pixel, 0).T
    return np.asarray(is_inside & (frame.depth_m[row, column] > p[:, 2] + clearance_m))
