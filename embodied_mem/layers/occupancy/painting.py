"""What a frame says of how places look: embeddings, and the points that each of them is of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int32

from embodied_mem.geometry import back_project, transform
from embodied_mem.messages import Frame, Percept


@dataclass(frozen=True)
class Paint:
    """Points in world, and for each which of the embeddings it gets."""

    points_world: Float64[np.ndarray, "n 3"]
    owner: Int32[np.ndarray, "n"]
    embeddings: Float[np.ndarray, "m d"]


def paints_of(percept: Percept, num_dims: int, stride_px: int) -> Iterator[Paint]:
    """Instances whose appearance has `num_dims` numbers (others have colour statistics), then the frame's features, which
    tell parts of a thing apart."""
    seen = [one for one in percept.instances if len(one.appearance) == num_dims]
    if seen:
        counts = [len(one.points_world) for one in seen]
        yield Paint(
            np.concatenate([one.points_world for one in seen]).astype(np.float64),
            np.repeat(np.arange(len(seen), dtype=np.int32), counts),
            np.stack([one.appearance for one in seen]),
        )
    if percept.frame.features is not None:
        yield _of_features(percept.frame, percept.frame.features, stride_px)


def _of_features(frame: Frame, features: np.ndarray, stride_px: int) -> Paint:
    """Every `stride_px`-th pixel's point with the feature of the field that it lies in."""
    camera, half = frame.camera, stride_px // 2
    used_px = np.mgrid[half : camera.height_px : stride_px, half : camera.width_px : stride_px]
    v_px, u_px = used_px.reshape(2, -1)
    rows, columns = features.shape[:2]
    field = v_px * rows // camera.height_px * columns + u_px * columns // camera.width_px
    vectors, depth_m = features.reshape(rows * columns, -1), frame.depth_m[v_px, u_px]
    is_told = np.asarray((vectors != 0.0).any(axis=1))
    is_used = (depth_m > 0.0) & is_told[field]
    points = back_project(camera, depth_m[is_used], u_px[is_used], v_px[is_used]).astype(np.float64)
    return Paint(transform(frame.T_world_camera, points), field[is_used].astype(np.int32), vectors)
