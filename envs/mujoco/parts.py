"""Solid shapes that furniture and objects are composed of, and axis-aligned rectangles on the floor."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

Colour = tuple[float, float, float]
Vector3 = tuple[float, float, float]
SHAPES = ("box", "cylinder", "sphere", "ellipsoid")
POINTS_AT_ONCE = 256
"""So many points' distances to a home's walls and furniture fit a core's cache."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One solid. `size_m` are full extents along x, y, z; a cylinder's axis is z.

    `colour` None means: the colour of the instance, brightened or darkened by `shade`.
    """

    shape: str
    size_m: Vector3
    offset_m: Vector3 = (0.0, 0.0, 0.0)
    colour: Colour | None = None
    shade: float = 1.0

    def painted(self, instance_colour: Colour) -> Colour:
        base = self.colour if self.colour is not None else instance_colour
        return (
            min(1.0, base[0] * self.shade),
            min(1.0, base[1] * self.shade),
            min(1.0, base[2] * self.shade),
        )


def box(
    size: Vector3, at: Vector3 = (0.0, 0.0, 0.0), colour: Colour | None = None, shade: float = 1.0
) -> Part:
    return Part(shape="box", size_m=size, offset_m=at, colour=colour, shade=shade)


def cylinder(
    diameter: float,
    height: float,
    at: Vector3 = (0.0, 0.0, 0.0),
    colour: Colour | None = None,
    shade: float = 1.0,
) -> Part:
    size = (diameter, diameter, height)
    return Part(shape="cylinder", size_m=size, offset_m=at, colour=colour, shade=shade)


def ellipsoid(
    size: Vector3, at: Vector3 = (0.0, 0.0, 0.0), colour: Colour | None = None, shade: float = 1.0
) -> Part:
    return Part(shape="ellipsoid", size_m=size, offset_m=at, colour=colour, shade=shade)


def bounding_box(parts: Iterable[Part]) -> tuple[Vector3, Vector3]:
    """Centre and full extents of the smallest axis-aligned box around all parts, in their own frame."""
    listed = list(parts)
    half = np.array([p.size_m for p in listed]) / 2.0
    offset = np.array([p.offset_m for p in listed])
    low, high = (offset - half).min(axis=0), (offset + half).max(axis=0)
    centre, size = (low + high) / 2.0, high - low
    return (
        (float(centre[0]), float(centre[1]), float(centre[2])),
        (float(size[0]), float(size[1]), float(size[2])),
    )


def centred(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The same parts moved so that the centre of their bounding box is the origin."""
    listed = tuple(parts)
    (cx, cy, cz), _ = bounding_box(listed)
    return tuple(
        replace(p, offset_m=(p.offset_m[0] - cx, p.offset_m[1] - cy, p.offset_m[2] - cz)) for p in listed
    )


@dataclass(frozen=True, kw_only=True)
class Rectangle:
    """An axis-aligned rectangle on the floor, in metres, world frame."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def centre(self) -> tuple[float, float]:
        return ((self.x0 + self.x1) / 2.0, (self.y0 + self.y1) / 2.0)

    @property
    def size_m(self) -> tuple[float, float]:
        return (self.x1 - self.x0, self.y1 - self.y0)

    def contains(self, x: float, y: float) -> bool:
        return self.x0 <= x <= self.x1 and self.y0 <= y <= self.y1

    def covers(self, other: Rectangle) -> bool:
        return self.x0 <= other.x0 and self.y0 <= other.y0 and self.x1 >= other.x1 and self.y1 >= other.y1

    def overlaps(self, other: Rectangle) -> bool:
        return self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1

    def grown(self, margin_m: float) -> Rectangle:
        return Rectangle(
            x0=self.x0 - margin_m, y0=self.y0 - margin_m, x1=self.x1 + margin_m, y1=self.y1 + margin_m
        )

    @staticmethod
    def around(x: float, y: float, width_m: float, depth_m: float) -> Rectangle:
        return Rectangle(x0=x - width_m / 2, y0=y - depth_m / 2, x1=x + width_m / 2, y1=y + depth_m / 2)


def rectangle_array(rectangles: Iterable[Rectangle]) -> Float64[np.ndarray, "n 4"]:
    """Rows x0, y0, x1, y1."""
    rows = [(r.x0, r.y0, r.x1, r.y1) for r in rectangles]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def distance_to_nearest(
    points_m: Float64[np.ndarray, "p 2"], rectangles: Float64[np.ndarray, "n 4"]
) -> Float64[np.ndarray, "p"]:
    """Distance from each point to the nearest rectangle, 0 inside of one."""
    distances = np.empty(len(points_m))
    for first in range(0, len(points_m), POINTS_AT_ONCE):
        part = slice(first, first + POINTS_AT_ONCE)
        distances[part] = _distance_to_nearest(points_m[part], rectangles)
    return distances


def _distance_to_nearest(
    points_m: Float64[np.ndarray, "p 2"], rectangles: Float64[np.ndarray, "n 4"]
) -> Float64[np.ndarray, "p"]:
    x, y = points_m[:, :1], points_m[:, 1:]
    dx = np.maximum(np.maximum(rectangles[:, 0] - x, x - rectangles[:, 2]), 0.0)
    dy = np.maximum(np.maximum(rectangles[:, 1] - y, y - rectangles[:, 3]), 0.0)
    squares = dx * dx + dy * dy
    may_be_nearest = squares <= squares.min(axis=1, keepdims=True) * (1.0 + 1e-9)
    distances = np.full(squares.shape, np.inf)
    np.hypot(dx, dy, out=distances, where=may_be_nearest)  # it takes longer than all the rest
    return np.asarray(distances.min(axis=1))


def turn_quarters(x: float, y: float, quarters: int) -> tuple[float, float]:
    """Rotate a floor vector by `quarters` times 90 degrees counter-clockwise, exactly."""
    for _ in range(quarters % 4):
        x, y = -y, x
    return x, y


def wrap_angle(angle_rad: float) -> float:
    """The same angle in (-pi, pi]."""
    return math.pi - (math.pi - angle_rad) % (2.0 * math.pi)
