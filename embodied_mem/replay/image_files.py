"""Images and numbers from files, refused with the file's name when they are damaged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from embodied_mem.errors import InvalidMessage, InvalidPose, UnsupportedEncoding

NO_RETURN_COUNT = 65535
"""What Kinect recordings (7-Scenes) write where nothing was measured, besides 0."""


def read_rgb(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """A colour image as RGB; grey ones get three equal channels."""
    image = _read(path, cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def read_depth_m(path: Path, *, counts_per_m: float) -> Float32[np.ndarray, "h w"]:
    """A 16-bit depth image in metres, 0.0 where nothing was measured."""
    counts = _read(path, cv2.IMREAD_UNCHANGED)
    if counts.dtype != np.uint16 or counts.ndim != 2:
        raise UnsupportedEncoding(
            f"{path} holds {counts.dtype} of shape {counts.shape}; a depth image must have one channel of 16 bits. "
            "Was it a preview, or saved as JPEG?"
        )
    depth_m = counts * np.float32(1.0 / counts_per_m)
    depth_m[counts == NO_RETURN_COUNT] = 0.0
    return np.asarray(depth_m)


def _read(path: Path, mode: int) -> np.ndarray:
    if not path.is_file():
        raise InvalidMessage(f"{path} is missing; every frame needs it. Copy the recording again.")
    data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    image = cv2.imdecode(data, mode) if len(data) else None
    if image is None:
        raise InvalidMessage(f"{path} ({len(data)} bytes) is no whole PNG or JPEG. Copy the recording again.")
    return np.asarray(image)


def read_numbers(path: Path, shape: tuple[int, int]) -> Float64[np.ndarray, "a b"]:
    """A matrix from a text file with that many rows and columns."""
    if not path.is_file():
        raise InvalidMessage(f"{path} is missing; it must hold {shape[0]} x {shape[1]} numbers.")
    try:
        values = np.array(path.read_text(encoding="utf-8").split(), dtype=np.float64)
    except ValueError as error:
        raise InvalidMessage(f"{path} holds something that is no number ({error}).") from error
    if values.size != shape[0] * shape[1]:
        raise InvalidMessage(f"{path} holds {values.size} numbers; it must hold {shape[0]} x {shape[1]}.")
    return values.reshape(shape)


def nearest_rotation(T: Float64[np.ndarray, "4 4"], name: str) -> Float64[np.ndarray, "4 4"]:
    """`T` with its rotation made orthonormal: text files round it. Off by more than 2 % it is refused."""
    if not np.isfinite(T).all():
        raise InvalidPose(f"{name} holds NaN or infinity: tracking was lost there. The frame cannot be used.")
    U, _, Vt = np.linalg.svd(T[:3, :3])
    rotation = U @ Vt
    error = float(np.abs(rotation - T[:3, :3]).max())
    if error > 0.02 or np.linalg.det(rotation) < 0:
        raise InvalidPose(
            f"{name} is no rigid motion (its rotation is off by {error:.3g}; 0.02 is allowed). Check that it is "
            "camera-to-world, row by row."
        )
    nearest = T.copy()
    nearest[:3, :3] = rotation
    return nearest
