"""Images as arrays: no ROS needed, the messages are stand-ins with the same fields."""

import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_mem.errors import InvalidMessage, UnsupportedEncoding
from embodied_mem.sensing.images import (
    depth_from_compressed,
    depth_from_image,
    fill_image,
    ids_from_image,
    rgb_from_compressed,
    rgb_from_image,
)

RGB = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
DEPTH = np.random.default_rng(1).uniform(0.3, 4.0, (6, 8)).astype(np.float32)


def image(pixels, encoding, *, padding=0, is_bigendian=0):
    pixels = np.ascontiguousarray(pixels)
    rows = pixels.reshape(len(pixels), -1).view(np.uint8)
    data = np.pad(rows, ((0, 0), (0, padding))).tobytes()
    return SimpleNamespace(
        height=pixels.shape[0], width=pixels.shape[1], encoding=encoding, is_bigendian=is_bigendian,
        step=rows.shape[1] + padding, data=data,
    )  # fmt: skip


def test_every_colour_encoding_gives_the_same_rgb():
    alpha = np.full((6, 8, 1), 7, np.uint8)
    for encoding, pixels in {
        "rgb8": RGB,
        "bgr8": RGB[..., ::-1],
        "rgba8": np.concatenate([RGB, alpha], axis=2),
        "bgra8": np.concatenate([RGB[..., ::-1], alpha], axis=2),
    }.items():
        np.testing.assert_array_equal(rgb_from_image(image(pixels, encoding)), RGB, err_msg=encoding)


def test_grey_becomes_three_equal_channels():
    grey = RGB[..., 0]
    np.testing.assert_array_equal(rgb_from_image(image(grey, "mono8")), np.stack([grey] * 3, axis=2))


@given(padding=st.integers(0, 9))
def test_padding_at_the_end_of_rows_is_ignored(padding):
    np.testing.assert_array_equal(rgb_from_image(image(RGB, "rgb8", padding=padding)), RGB)


def test_depth_in_millimetres_and_in_metres_agree_to_half_a_millimetre():
    counts = np.rint(DEPTH * 1000).astype(np.uint16)
    np.testing.assert_allclose(depth_from_image(image(counts, "16UC1")), DEPTH, atol=0.00051)
    np.testing.assert_array_equal(depth_from_image(image(DEPTH, "32FC1")), DEPTH)


def test_big_endian_depth_is_read_as_such():
    counts = np.rint(DEPTH * 1000).astype(np.uint16)
    message = image(counts.astype(">u2").view(np.uint16), "16UC1", is_bigendian=1)
    np.testing.assert_array_equal(depth_from_image(message), depth_from_image(image(counts, "16UC1")))


def test_what_is_no_measurement_becomes_zero():
    depth = DEPTH.copy()
    depth[0, :4] = np.nan, np.inf, -np.inf, -1.0
    assert (depth_from_image(image(depth, "32FC1"))[0, :4] == 0).all()


@pytest.mark.parametrize("encoding", ["garbage", "", "yuv422", "rgb8"])
def test_depth_in_a_strange_encoding_is_refused_with_the_allowed_ones(encoding):
    with pytest.raises(UnsupportedEncoding, match="16UC1"):
        depth_from_image(image(DEPTH, encoding))


@pytest.mark.parametrize(("height", "width"), [(0, 0), (0, 8), (6, 0)])
def test_an_image_without_pixels_is_refused(height, width):
    message = SimpleNamespace(height=height, width=width, encoding="rgb8", is_bigendian=0, step=0, data=b"")
    with pytest.raises(InvalidMessage, match="above 0"):
        rgb_from_image(message)


def test_an_image_with_too_few_bytes_is_refused():
    message = image(RGB, "rgb8")
    message.data = message.data[:-1]
    with pytest.raises(InvalidMessage, match="need 24 a row and 144 in all"):
        rgb_from_image(message)


def test_png_colour_comes_back_as_it_was():
    png = cv2.imencode(".png", RGB[..., ::-1])[1].tobytes()
    np.testing.assert_array_equal(rgb_from_compressed(SimpleNamespace(format="png", data=png)), RGB)


def test_compressed_depth_is_read_in_both_codings():
    counts = np.rint(DEPTH * 1000).astype(np.uint16)
    png = cv2.imencode(".png", counts)[1].tobytes()
    integer = SimpleNamespace(format="16UC1; compressedDepth png", data=bytes(12) + png)
    np.testing.assert_allclose(depth_from_compressed(integer), DEPTH, atol=0.00051)
    a, b = 100.0, -5.0
    coded = np.rint(a / DEPTH + b).astype(np.uint16)
    inverse = cv2.imencode(".png", coded)[1].tobytes()
    message = SimpleNamespace(format="32FC1; compressedDepth", data=struct.pack("<iff", 0, a, b) + inverse)
    np.testing.assert_allclose(depth_from_compressed(message), DEPTH, rtol=0.03)


@pytest.mark.parametrize("data", [b"", b"garbage", bytes(12), bytes(40)])
def test_damaged_compressed_images_are_refused(data):
    with pytest.raises(InvalidMessage):
        rgb_from_compressed(SimpleNamespace(format="jpeg", data=data))
    with pytest.raises(InvalidMessage):
        depth_from_compressed(SimpleNamespace(format="16UC1; compressedDepth", data=data))


def test_what_fill_image_writes_is_read_back():
    ids = np.arange(48, dtype=np.int32).reshape(6, 8) * 1000
    np.testing.assert_array_equal(ids_from_image(fill_image(SimpleNamespace(), ids, "32SC1")), ids)
    np.testing.assert_array_equal(
        rgb_from_image(fill_image(SimpleNamespace(), RGB[:, ::2], "rgb8")), RGB[:, ::2]
    )
