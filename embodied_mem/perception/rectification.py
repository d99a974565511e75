"""Frames as an ideal pinhole camera would have seen them: lens distortion removed, depth registered to colour."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from embodied_mem.errors import InvalidMessage
from embodied_mem.geometry import back_project, check_rigid, project, transform
from embodied_mem.messages import Detection, Frame, PinholeCamera

DISTORTION_LENGTHS = (4, 5, 8, 12, 14)
"""How many coefficients OpenCV's plumb_bob and rational models have."""


def rectify(frame: Frame) -> Frame:
    """The frame with its lens distortion removed; the same intrinsics, `distortion=()`.

    Colour is interpolated; depth, ids and masks take the nearest pixel, so that nothing between two surfaces is
    made up. Pixels that the lens never saw become black, without return and without id. A frame without distortion
    comes back as it is.

    Raises:
        InvalidMessage: a number of distortion coefficients that OpenCV does not know.
    """
    if not frame.camera.is_distorted:
        return frame
    if len(frame.camera.distortion) not in DISTORTION_LENGTHS:
        raise InvalidMessage(
            f"the camera has {len(frame.camera.distortion)} distortion coefficients; plumb_bob and rational cameras "
            f"have {DISTORTION_LENGTHS}. A fisheye camera must be rectified by its own driver."
        )
    smooth, nearest = _maps(frame.camera, cv2.INTER_LINEAR), _maps(frame.camera, cv2.INTER_NEAREST)
    return dataclasses.replace(
        frame,
        camera=dataclasses.replace(frame.camera, distortion=()),
        depth_m=_look_up(frame.depth_m, nearest),
        rgb=None if frame.rgb is None else cv2.remap(frame.rgb, *smooth, cv2.INTER_LINEAR),
        segmentation=None if frame.segmentation is None else _look_up(frame.segmentation, nearest),
        detections=tuple(_rectify_detection(frame.camera, d, nearest) for d in frame.detections),
    )


@lru_cache(maxsize=8)
def _maps(camera: PinholeCamera, interpolation: int) -> tuple[np.ndarray, np.ndarray]:
    size = (camera.width_px, camera.height_px)
    kind = cv2.CV_16SC2 if interpolation == cv2.INTER_LINEAR else cv2.CV_32FC1
    maps = cv2.initUndistortRectifyMap(
        camera.matrix, np.array(camera.distortion), None, camera.matrix, size, kind
    )
    return maps[0], maps[1]


def _look_up(image: np.ndarray, maps: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The nearest pixel of `image` under each pixel of the rectified one, 0 outside (any dtype, ids stay whole)."""
    columns, rows = np.rint(maps[0]).astype(np.int64), np.rint(maps[1]).astype(np.int64)
    is_inside = (columns >= 0) & (columns < image.shape[1]) & (rows >= 0) & (rows < image.shape[0])
    found = image[rows.clip(0, image.shape[0] - 1), columns.clip(0, image.shape[1] - 1)]
    return np.asarray(np.where(is_inside, found, np.zeros((), dtype=image.dtype)))


def _rectify_detection(
    camera: PinholeCamera, detection: Detection, maps: tuple[np.ndarray, np.ndarray]
) -> Detection:
    if detection.mask is not None:
        return dataclasses.replace(detection, mask=_look_up(detection.mask, maps))
    if detection.box_px is None:
        return detection
    u_min, v_min, u_max, v_max = detection.box_px
    # A straight side bends: follow the box's outline, not only its corners.
    side = np.linspace(0.0, 1.0, 9)
    u, v = u_min + (u_max - u_min) * side, v_min + (v_max - v_min) * side
    outline = np.concatenate(
        [np.stack([u, np.full(9, y)], 1) for y in (v_min, v_max)]
        + [np.stack([np.full(9, x), v], 1) for x in (u_min, u_max)]
    )
    straight = cv2.undistortPoints(
        outline[:, None], camera.matrix, np.array(camera.distortion), P=camera.matrix
    )[:, 0]
    low, high = straight.min(axis=0), straight.max(axis=0)
    return dataclasses.replace(
        detection, box_px=(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    )


def register_depth(
    depth_m: Float32[np.ndarray, "h w"],
    depth_camera: PinholeCamera,
    color_camera: PinholeCamera,
    T_color_depth: Float64[np.ndarray, "4 4"],
) -> Float32[np.ndarray, "a b"]:
    """Depth as seen from the colour camera, at its resolution; the nearest surface wins where several fall together.

    Both cameras must be free of distortion (`rectify` first). Pixels that the depth camera did not see stay 0.

    Raises:
        InvalidMessage: a distorted camera, or depth of another size than its camera.
        InvalidPose: `T_color_depth` is not rigid.
    """
    for name, camera in (("depth_camera", depth_camera), ("color_camera", color_camera)):
        if camera.is_distorted:
            raise InvalidMessage(
                f"{name} has distortion {camera.distortion}; it must have none. Rectify first."
            )
    size = (depth_camera.height_px, depth_camera.width_px)
    if depth_m.shape != size:
        raise InvalidMessage(
            f"depth is {depth_m.shape}; its camera is {size}. Pass the camera info of the depth image."
        )
    rows, columns = np.nonzero(depth_m)
    points = back_project(
        depth_camera, depth_m[rows, columns], columns.astype(np.float64), rows.astype(np.float64)
    )
    points = transform(check_rigid(T_color_depth, "T_color_depth"), points)
    points = points[points[:, 2] > 1e-6]
    pixels = project(color_camera, points)
    # A coarser depth image would leave a sieve: each of its pixels covers this many of the colour image.
    reach = max(
        1, int(np.ceil(max(color_camera.fx / depth_camera.fx, color_camera.fy / depth_camera.fy) - 1e-6))
    )
    first = np.rint(pixels - (reach - 1) / 2).astype(np.int64)
    registered = np.full((color_camera.height_px, color_camera.width_px), np.inf, dtype=np.float32)
    for d_row in range(reach):
        for d_column in range(reach):
            _keep_nearest(registered, first[:, 1] + d_row, first[:, 0] + d_column, points[:, 2])
    registered[np.isinf(registered)] = 0.0
    return registered


def _keep_nearest(
    image: Float32[np.ndarray, "a b"],
    rows: np.ndarray,
    columns: np.ndarray,
    depth_m: Float32[np.ndarray, "n"],
) -> None:
    is_inside = (rows >= 0) & (rows < image.shape[0]) & (columns >= 0) & (columns < image.shape[1])
    np.minimum.at(image, (rows[is_inside], columns[is_inside]), depth_m[is_inside])
