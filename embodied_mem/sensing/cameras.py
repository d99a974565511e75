"""sensor_msgs/CameraInfo to the package's camera and back.."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from embodied_mem.errors import InvalidMessage
from embodied_mem.messages import PinholeCamera

DISTORTION_MODELS = ("plumb_bob", "rational_polynomial")
RECTIFY_REMEDY = "Rectify the images (image_proc), remap to image_rect and set images_are_rectified."


class CameraInfoMessage(Protocol):
    """The fields of sensor_msgs/CameraInfo that are read."""

    height: int
    width: int
    distortion_model: str
    d: Any
    k: Any
    p: Any
    binning_x: int
    binning_y: int
    roi: Any


def camera_from_info(info: CameraInfoMessage, *, is_rectified: bool) -> PinholeCamera:
    """The camera of the images that come with `info`, at their resolution (binning and region of interest applied).

    `is_rectified`: the images are image_rect, so P holds and the distortion is gone. Otherwise K and D hold.

    Raises:
        InvalidMessage: not calibrated (all zero), or a distortion model that cannot be removed here.
    """
    K = np.array(info.k, dtype=np.float64).reshape(3, 3)
    P = np.array(info.p, dtype=np.float64).reshape(3, 4)[:, :3]
    matrix = P if is_rectified and P.any() else K  # drivers of ideal cameras leave P empty
    binning_x, binning_y = max(1, info.binning_x), max(1, info.binning_y)
    return PinholeCamera(
        fx=float(matrix[0, 0]) / binning_x,
        fy=float(matrix[1, 1]) / binning_y,
        cx=_binned(float(matrix[0, 2]) - info.roi.x_offset, binning_x),
        cy=_binned(float(matrix[1, 2]) - info.roi.y_offset, binning_y),
        width_px=int((info.roi.width or info.width) // binning_x),
        height_px=int((info.roi.height or info.height) // binning_y),
        distortion=() if is_rectified else _distortion(info),
    )


def _binned(centre_px: float, binning: int) -> float:
    # Integer coordinates are pixel centres, so the image's corner lies at -0.5 before and after binning.
    return (centre_px + 0.5) / binning - 0.5


def _distortion(info: CameraInfoMessage) -> tuple[float, ...]:
    distortion = tuple(float(k) for k in info.d)
    if not any(distortion):
        return ()
    if info.distortion_model not in DISTORTION_MODELS:
        raise InvalidMessage(
            f"the camera info has distortion model {info.distortion_model!r}; only {list(DISTORTION_MODELS)} can be "
            f"removed here. {RECTIFY_REMEDY}"
        )
    return distortion


def fill_camera_info(message: Any, camera: PinholeCamera) -> Any:
    """Put `camera` into a sensor_msgs/CameraInfo and return it."""
    message.width, message.height = camera.width_px, camera.height_px
    message.distortion_model = "plumb_bob"
    message.d = list(camera.distortion) or [0.0] * 5
    message.k = [float(value) for value in camera.matrix.ravel()]
    message.r = [float(value) for value in np.eye(3).ravel()]
    message.p = [float(value) for value in np.hstack([camera.matrix, np.zeros((3, 1))]).ravel()]
    return message
