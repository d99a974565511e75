"""What a surface looks like: a colour word, and a histogram of colours as a unit vector."""

from __future__ import annotations

import colorsys
import math
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

COLOR_NAMES = (
    "black", "gray", "white", "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown",
)  # fmt: skip

# Upper end of each hue's range in degrees (HSV); reds wrap around.
_HUES = (
    (14, "red"),
    (40, "orange"),
    (70, "yellow"),
    (165, "green"),
    (205, "cyan"),
    (262, "blue"),
    (305, "purple"),
)

MIDDLE_GRAY = 0.525
"""Light only darkens: what is brighter than middle gray (128 of 255, and its tints) was painted brighter."""

DARK = 0.5
"""Brown is orange, and a dull orange red, of less than this."""

BITS = 4
"""Bits per channel that the histogram looks at; below that is sensor noise."""

SOFTNESS = 22.0
"""How far (CIELAB units) a pixel spreads over its neighbouring bins, so that a change of light moves little."""


def color_name(color_rgb: tuple[float, float, float]) -> str:
    """One of `COLOR_NAMES` for a colour in 0..255; an empty string when it is not known (NaN).

    Shading darkens a colour but keeps its hue, so hue decides wherever there is any.
    """
    if any(math.isnan(channel) for channel in color_rgb):
        return ""
    hue, saturation, value = colorsys.rgb_to_hsv(*(min(max(c, 0.0), 255.0) / 255.0 for c in color_rgb))
    chroma = saturation * value
    if value < 0.16 or (chroma < 0.07 and value < 0.24):
        return "black"
    if chroma < 0.09 or saturation < 0.15:
        return "white" if value > MIDDLE_GRAY else "gray"
    return _hue_name(hue * 360.0, saturation, value)


def surface_color(pixels: UInt8[np.ndarray, "n 3"]) -> str:
    """The colour's name of the more colourful half of some pixels: a lamp is not as dark as the plate that it stands on.

    An empty string when there are none.
    """
    if not len(pixels):
        return ""
    red, green, blue = pixels.T
    chroma = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    ordered = np.sort(chroma)
    median = (float(ordered[(len(ordered) - 1) // 2]) + float(ordered[len(ordered) // 2])) / 2
    r, g, b = pixels[chroma >= median].mean(axis=0).tolist()
    return color_name((r, g, b))


def _hue_name(hue_deg: float, saturation: float, value: float) -> str:
    is_pale = saturation < 0.6 and value > 0.55
    if 6 <= hue_deg < 14 and saturation < 0.75 and value < DARK:
        return "brown"
    if hue_deg >= 345 or hue_deg < 14:
        return "pink" if is_pale and (hue_deg >= 300 or saturation < 0.45) else "red"
    if hue_deg >= 305:
        return "pink" if value > 0.4 else "purple"
    if 10 <= hue_deg < 45 and (value < DARK or saturation < 0.5):
        return "brown"
    return next(name for limit, name in _HUES if hue_deg < limit)


def color_histograms(rgb: UInt8[np.ndarray, "k m 3"]) -> Float32[np.ndarray, "k d"]:
    """For each of k sets of pixels a unit vector; their dot product is the Bhattacharyya coefficient.

    A histogram over CIELAB (black, gray, white, twelve hues dark and light), softly binned.
    """
    num_sets, num_pixels = rgb.shape[:2]
    fine = (rgb >> (8 - BITS)).astype(np.int64)
    codes: Int64[np.ndarray, "k m"] = (fine[..., 0] << (2 * BITS)) | (fine[..., 1] << BITS) | fine[..., 2]
    # Not a matrix product of counts: BLAS would wake its threads for it, and burn twice the CPU of all the rest.
    sums = np.add.reduceat(_soft_bins()[codes.ravel()], np.arange(num_sets) * num_pixels, axis=0)
    vectors = np.sqrt(sums)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def colorless_vector() -> Float32[np.ndarray, "d"]:
    """The vector of a thing whose colour is unknown: the same for all, so that it tells none apart."""
    size = _soft_bins().shape[1]
    return np.full(size, 1.0 / np.sqrt(size), dtype=np.float32)


@lru_cache(maxsize=1)
def _soft_bins() -> Float32[np.ndarray, "cells d"]:
    """The weight of every coarse colour in every bin; rows sum to 1."""
    levels = (np.arange(1 << BITS) + 0.5) / (1 << BITS)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    grays = [(v, v, v) for v in (0.08, 0.45, 0.9)]
    hues = [colorsys.hsv_to_rgb(h / 12, 0.85, v) for h in range(12) for v in (0.45, 0.9)]
    distance = np.linalg.norm(_lab(cube)[:, None] - _lab(np.array(grays + hues))[None], axis=2)
    weights = np.exp(-0.5 * (distance / SOFTNESS) ** 2) + 1e-9
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def linear_rgb(srgb: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3"]:
    """Amounts of light (0..1) of sRGB in 0..1 (IEC 61966-2-1)."""
    return np.asarray(np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4))


def _lab(srgb: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3"]:
    """CIELAB (D65) of sRGB in 0..1."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = linear_rgb(srgb) @ to_xyz.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
