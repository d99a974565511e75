"""What is followed by eye: what it shows now, how it looked in one view, and whether an instance may be it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from embodied_mem.geometry import Box
from embodied_mem.messages import Frame, ObservedInstance, Showing

NEAR_M, OF_SIZE = 0.05, 0.3
"""Something is where it was within this distance, or this share of its diagonal when that is larger."""
SAME_SIDE = math.cos(math.radians(20.0))
HIDDEN_M = 0.1
BEHIND_M = 1e-6


@dataclass(kw_only=True)
class Followed:
    """Something that is followed: what it shows now, its middle in the last view and where that showing began; and a
    view of it to compare with: looks, side, box.
    """

    showing: Showing
    center_world: tuple[float, float, float]
    rest_world: tuple[float, float, float]
    near_m: float
    looks: Float32[np.ndarray, "d"] | None
    side: tuple[float, float, float]
    box: Box
    key: int
    written_ns: int
    row: int = -1


class FollowedKind:
    """All that is followed of one label; where and when each was is kept in arrays, too, to be compared at once."""

    def __init__(self) -> None:
        self._all: list[Followed] = []
        self._places = np.zeros((4, 0))
        """x, y and z of where each one's showing began, and how far from there it still is where it was."""
        self._last_ns = np.zeros(0, dtype=np.int64)

    def __iter__(self) -> Iterator[Followed]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, one: Followed) -> None:
        """Follow one more."""
        one.row = len(self._all)
        if one.row == len(self._last_ns):
            spare = max(8, one.row)
            self._places = np.concatenate([self._places, np.zeros((4, spare))], axis=1)
            self._last_ns = np.concatenate([self._last_ns, np.zeros(spare, dtype=np.int64)])
        self._all.append(one)
        self.note(one)

    def note(self, one: Followed) -> None:
        """Take over where one is and when it was seen last."""
        self._places[:, one.row] = (*one.rest_world, one.near_m)
        self._last_ns[one.row] = one.showing.to_ns

    def keep(self, chosen: Sequence[Followed]) -> None:
        """Of all that are followed, go on with these only."""
        rows = [one.row for one in chosen]
        self._all, self._places, self._last_ns = list(chosen), self._places[:, rows], self._last_ns[rows]
        for row, one in enumerate(chosen):
            one.row = row

    def oldest_first(self) -> list[Followed]:
        """All, in order of when they were seen last."""
        return [self._all[row] for row in np.argsort(self._last_ns[: len(self._all)], kind="stable").tolist()]

    def near(self, seen_at: Float64[np.ndarray, "n 3"], since_ns: int) -> list[Followed]:
        """Those that rest at one of these points, or were seen since `since_ns` and may be anywhere near."""
        x_m, y_m, z_m, near_m = self._places[:, : len(self._all)]
        may_be = self._last_ns[: len(self._all)] >= since_ns
        for x, y, z in seen_at.tolist():
            may_be |= np.sqrt((x_m - x) ** 2 + (y_m - y) ** 2 + (z_m - z) ** 2) <= near_m
        return [self._all[row] for row in may_be.nonzero()[0].tolist()]


def resumed(key: int, showing: Showing) -> Followed:
    """What is known of something followed from its showing alone; how it looked is not."""
    box = showing.placement.box
    near_m = max(NEAR_M, OF_SIZE * math.dist(box.min_m, box.max_m))
    return Followed(
        showing=showing, center_world=box.center_m, rest_world=box.center_m, near_m=near_m, looks=None,
        side=(0.0, 0.0, 0.0), box=box, key=key, written_ns=showing.to_ns,
    )  # fmt: skip


def side_of(instance: ObservedInstance, frame: Frame) -> tuple[float, float, float]:
    """From which side the camera sees it."""
    (x, y, z), eye = instance.box.center_m, frame.T_world_camera[:3, 3].tolist()
    distance_m = max(math.dist((x, y, z), eye), 1e-9)
    return (x - eye[0]) / distance_m, (y - eye[1]) / distance_m, (z - eye[2]) / distance_m


def is_same_view(one: Followed, instance: ObservedInstance, frame: Frame) -> bool:
    """Whether it is seen from the same side, and the same part of it: then only a change of colour makes a difference."""
    if one.looks is None:
        return False
    if sum(a * b for a, b in zip(side_of(instance, frame), one.side, strict=True)) < SAME_SIDE:
        return False
    corners = zip(one.box.min_m + one.box.max_m, instance.box.min_m + instance.box.max_m, strict=True)
    return max(abs(a - b) for a, b in corners) < one.near_m


def alike(looks: Float32[np.ndarray, "d"] | None, instance: ObservedInstance) -> float:
    if looks is None or len(looks) != len(instance.appearance):
        return 1.0
    return float(np.dot(looks, instance.appearance))


def is_in_view(center_world: tuple[float, float, float], frame: Frame) -> bool:
    """Whether the camera sees a place: nothing nearer stands before it."""
    # Plain floats: one point at a time, asked for dozens of times a frame.
    rows, camera = frame.T_world_camera[:3].tolist(), frame.camera
    away = [one - row[3] for one, row in zip(center_world, rows, strict=True)]
    x, y, z = (sum(row[axis] * one for row, one in zip(rows, away, strict=True)) for axis in range(3))
    if z <= BEHIND_M:
        return False
    u, v = x / z * camera.fx + camera.cx, y / z * camera.fy + camera.cy
    height, width = frame.depth_m.shape
    if not (-0.5 <= u < width - 0.5 and -0.5 <= v < height - 0.5):
        return False
    measured_m = float(frame.depth_m[round(v), round(u)])
    return measured_m > 0.0 and measured_m > z - HIDDEN_M


def pixels_of(instance: ObservedInstance, frame: Frame) -> np.ndarray:
    """The colours of an instance's points; none in a frame without colour."""
    if frame.rgb is None:
        return np.zeros((0, 3), dtype=np.uint8)
    T, camera = frame.T_world_camera, frame.camera
    x, y, z = ((instance.points_world - T[:3, 3]) @ T[:3, :3]).T
    z = np.maximum(z, BEHIND_M)
    columns = np.rint(x / z * camera.fx + camera.cx).astype(np.int64)
    rows = np.rint(y / z * camera.fy + camera.cy).astype(np.int64)
    height, width = frame.depth_m.shape
    columns, rows = np.minimum(np.maximum(columns, 0), width - 1), np.minimum(np.maximum(rows, 0), height - 1)
    return np.asarray(frame.rgb[rows, columns])
