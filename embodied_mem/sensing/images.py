"""ROS images to arrays and back: encodings, padding, byte order, compression..

Whatever cannot be read is refused with UnsupportedEncoding or InvalidMessage, which say what is allowed.
"""

from __future__ import annotations

import array
import struct
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from embodied_mem.errors import InvalidMessage, UnsupportedEncoding

COLOR_ENCODINGS = ("rgb8", "bgr8", "rgba8", "bgra8", "mono8", "8UC1", "8UC3")
DEPTH_ENCODINGS = ("16UC1", "mono16", "32FC1")
ID_ENCODINGS = ("32SC1", "16UC1", "mono16", "8UC1", "mono8")
COMPRESSED_DEPTH_HEADER = struct.Struct("<iff")
"""compressed_depth_transport's header before the PNG: format, and the two parameters of inverse-depth coding."""

_DTYPES = {"8U": np.uint8, "16U": np.uint16, "32S": np.int32, "32F": np.float32}
_LAYOUTS: dict[str, tuple[type[np.generic], int]] = {
    "rgb8": (np.uint8, 3),
    "bgr8": (np.uint8, 3),
    "8UC3": (np.uint8, 3),
    "rgba8": (np.uint8, 4),
    "bgra8": (np.uint8, 4),
    "mono8": (np.uint8, 1),
    "8UC1": (np.uint8, 1),
    "mono16": (np.uint16, 1),
    "16UC1": (np.uint16, 1),
    "32SC1": (np.int32, 1),
    "32FC1": (np.float32, 1),
}


class ImageMessage(Protocol):
    """The fields of sensor_msgs/Image."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedMessage(Protocol):
    """The fields of sensor_msgs/CompressedImage."""

    format: str
    data: Any


def _pixels(message: ImageMessage, what: str, allowed: tuple[str, ...], remedy: str) -> np.ndarray[Any, Any]:
    """The image as (h, w) or (h, w, channels) in its own dtype; a view where the byte order allows."""
    if message.encoding not in allowed:
        raise UnsupportedEncoding(
            f"{what} has encoding {message.encoding!r}; it must be one of {list(allowed)}. {remedy}"
        )
    dtype, channels = _LAYOUTS[message.encoding]
    row_bytes = message.width * channels * np.dtype(dtype).itemsize
    num_bytes = len(message.data)
    if message.height <= 0 or message.width <= 0:
        raise InvalidMessage(
            f"{what} is {message.width} x {message.height} pixels; both must be above 0. Check the camera driver."
        )
    if message.step < row_bytes or num_bytes < message.step * message.height:
        raise InvalidMessage(
            f"{what} has {num_bytes} bytes in rows of {message.step}; {message.width} x {message.height} pixels of "
            f"{message.encoding} need {row_bytes} a row and {row_bytes * message.height} in all. Check the driver."
        )
    flat = np.frombuffer(message.data, dtype=np.uint8, count=message.step * message.height)
    rows = flat.reshape(message.height, message.step)[:, :row_bytes]
    values = np.ascontiguousarray(rows).view(
        np.dtype(dtype).newbyteorder(">" if message.is_bigendian else "<")
    )
    shape = (message.height, message.width) if channels == 1 else (message.height, message.width, channels)
    return values.reshape(shape).astype(dtype, copy=False)


def rgb_from_image(message: ImageMessage) -> UInt8[np.ndarray, "h w 3"]:
    """Colour as RGB; grey images get three equal channels, alpha is dropped."""
    pixels = _pixels(
        message, "the colour image", COLOR_ENCODINGS, "Convert it (image_proc, or the driver's option)."
    )
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    if message.encoding in ("bgr8", "bgra8", "8UC3"):
        return np.ascontiguousarray(pixels[:, :, 2::-1])
    return np.ascontiguousarray(pixels[:, :, :3])


def depth_from_image(message: ImageMessage, *, unit_m: float = 0.001) -> Float32[np.ndarray, "h w"]:
    """Depth in metres, 0.0 where nothing was measured (REP-118: 0, NaN or infinite).

    Integer depth counts `unit_m`; float depth is metres already.
    """
    remedy = "Publish raw depth, or set depth_transport to compressedDepth."
    return depth_in_metres(_pixels(message, "the depth image", DEPTH_ENCODINGS, remedy), unit_m=unit_m)


def depth_in_metres(pixels: np.ndarray[Any, Any], *, unit_m: float) -> Float32[np.ndarray, "h w"]:
    """Depth counts or float metres as metres, with 0.0 for everything that is no measurement."""
    if pixels.dtype == np.uint16:
        return np.asarray(pixels * np.float32(unit_m), dtype=np.float32)
    return np.where(np.isfinite(pixels) & (pixels > 0), pixels, np.float32(0.0)).astype(
        np.float32, copy=False
    )


def ids_from_image(message: ImageMessage) -> Int32[np.ndarray, "h w"]:
    """Instance ids, one per pixel, 0 = nothing."""
    remedy = "Publish the instance ids as 32SC1."
    return _pixels(message, "the segmentation image", ID_ENCODINGS, remedy).astype(np.int32, copy=False)


def _decode(data: Any, what: str, format_: str) -> np.ndarray[Any, Any]:
    import cv2

    buffer = np.frombuffer(data, dtype=np.uint8)
    pixels = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED) if buffer.size else None
    if pixels is None:
        raise UnsupportedEncoding(
            f"{what} (format {format_!r}, {buffer.size} bytes) cannot be decoded; it must be a whole JPEG or PNG. "
            "Check the publisher's image transport."
        )
    return np.asarray(pixels)


def rgb_from_compressed(message: CompressedMessage) -> UInt8[np.ndarray, "h w 3"]:
    """Colour of a JPEG or PNG as RGB."""
    pixels = _decode(message.data, "the compressed colour image", message.format)
    if pixels.dtype != np.uint8:
        raise UnsupportedEncoding(
            f"the compressed colour image holds {pixels.dtype}; it must be 8 bits a channel."
        )
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, 2::-1])


def depth_from_compressed(message: CompressedMessage, *, unit_m: float = 0.001) -> Float32[np.ndarray, "h w"]:
    """Depth in metres from compressed_depth_transport (16UC1 or inverse-depth coded 32FC1) or a plain 16-bit PNG."""
    data = bytes(message.data)
    if "compressedDepth" not in message.format:
        return _png_depth(_decode(data, "the compressed depth image", message.format), message.format, unit_m)
    if len(data) <= COMPRESSED_DEPTH_HEADER.size:
        raise InvalidMessage(
            f"the compressedDepth image has {len(data)} bytes; it must have a header of "
            f"{COMPRESSED_DEPTH_HEADER.size} and a PNG. Check the publisher's image transport."
        )
    _, quant_a, quant_b = COMPRESSED_DEPTH_HEADER.unpack_from(data)
    pixels = _decode(data[COMPRESSED_DEPTH_HEADER.size :], "the compressedDepth image", message.format)
    if not message.format.startswith("32FC1"):
        return _png_depth(pixels, message.format, unit_m)
    inverse = pixels.astype(np.float32) - np.float32(quant_b)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(pixels > 0, np.float32(quant_a) / inverse, np.float32(0.0))
    return depth_in_metres(depth.astype(np.float32), unit_m=unit_m)


def _png_depth(pixels: np.ndarray[Any, Any], format_: str, unit_m: float) -> Float32[np.ndarray, "h w"]:
    if pixels.dtype != np.uint16 or pixels.ndim != 2:
        raise UnsupportedEncoding(
            f"the compressed depth image (format {format_!r}) holds {pixels.dtype} of shape {pixels.shape}; it must be "
            "one channel of 16 bits. JPEG cannot carry depth: use compressedDepth."
        )
    return depth_in_metres(pixels, unit_m=unit_m)


def fill_image(message: Any, pixels: np.ndarray[Any, Any], encoding: str) -> Any:
    """Put `pixels` into a sensor_msgs/Image and return it; one copy.

    An array.array filled by frombytes is what rclpy takes fastest: 0.05 ms for 0.9 MB, against 50-130 ms for numpy.
    """
    contiguous = np.ascontiguousarray(pixels)
    message.height, message.width = contiguous.shape[:2]
    message.encoding = encoding
    message.is_bigendian = 0
    message.step = contiguous.strides[0]
    data = array.array("B")
    data.frombytes(contiguous.data.cast("B"))
    message.data = data
    return message
