"""Frames for timing: a room with twenty things in view, and a hall with a thousand things to remember."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from embodied_mem.geometry import Box
from embodied_mem.messages import Detection, Frame, PinholeCamera
from embodied_mem.testing.synthetic_room import SyntheticRoom, Thing

GRID = (5, 4)
THINGS_PER_BAY = GRID[0] * GRID[1]
BAY_SIZE_M = (4.0, 3.0)
CAMERA_HEIGHT_M = 2.5
SHIFTS_M = (0.0, 0.5, -0.5)
"""Far enough apart for the looks to be from other viewpoints (11 degrees and more), near enough to see all things."""
THING_SIZE_M = (0.2, 0.2, 0.3)
LABELS = ("mug", "bottle", "bowl", "book", "can", "plant", "lamp", "clock", "toy", "box")
COLORS = ((200, 40, 40), (40, 60, 200), (40, 160, 60), (220, 200, 40))


def crowded_room(seed: int, num_frames: int) -> Iterator[Frame]:
    """640x480 frames of a synthetic room whose table carries twelve things more: twenty things in all."""
    room = SyntheticRoom(seed, width_px=640, height_px=480)
    table = room.things["table"].box
    for index in range(12):
        # Along the table's two long edges, where they hide each other and the rest as little as possible.
        x = table.min_m[0] + 0.1 + 0.24 * (index % 6)
        y = table.min_m[1] + 0.08 if index < 6 else table.max_m[1] - 0.08
        low = (x - 0.04, y - 0.04, table.max_m[2])
        box = Box(min_m=low, max_m=(x + 0.04, y + 0.04, table.max_m[2] + 0.10))
        room.things[f"extra {index}"] = Thing(
            label=("mug", "bottle", "bowl")[index % 3], color="white", box=box
        )
    yield from room.frames(num_frames, period_s=0.1)


def crowded_hall(num_things: int) -> Iterator[Frame]:
    """A camera that looks straight down on one bay of a hall after the other, each with twenty things.

    Only the tops of the things are seen, which is enough to fill a memory with `num_things` entities. On a second
    round the first thing of every bay is gone: one change in twenty.
    """
    camera = PinholeCamera(fx=160.0, fy=160.0, cx=159.5, cy=119.5, width_px=320, height_px=240)
    num_bays = -(-num_things // THINGS_PER_BAY)
    stamp_ns = 1_000_000_000
    for first in (0, 1):
        for bay in range(num_bays):
            for shift_m in SHIFTS_M:
                stamp_ns += 1_000_000_000
                yield _bay(camera, bay, stamp_ns, shift_m, first)


def _bay(camera: PinholeCamera, bay: int, stamp_ns: int, shift_m: float, first: int) -> Frame:
    """The things of a bay from number `first` on, seen from `shift_m` along x from above its middle."""
    columns = 10
    center = np.array([(bay % columns) * BAY_SIZE_M[0], (bay // columns) * BAY_SIZE_M[1], CAMERA_HEIGHT_M])
    T_world_camera = np.eye(4)
    T_world_camera[:3, :3] = np.diag([1.0, -1.0, -1.0])  # looking down, image right along world x
    T_world_camera[:3, 3] = center + np.array([shift_m, 0.0, 0.0])
    size = (camera.height_px, camera.width_px)
    depth_m = np.full(size, CAMERA_HEIGHT_M, dtype=np.float32)
    rgb = np.full((*size, 3), 150, dtype=np.uint8)
    segmentation = np.zeros(size, dtype=np.int32)
    detections = []
    top_m = CAMERA_HEIGHT_M - THING_SIZE_M[2]
    half_px = camera.fx * THING_SIZE_M[0] / 2 / top_m
    for index in range(first, THINGS_PER_BAY):
        u = camera.cx + camera.fx * ((index % GRID[0] - 2.0) * 0.7 - shift_m) / top_m
        v = camera.cy + camera.fy * (index // GRID[0] - 1.5) * 0.6 / top_m
        rows = slice(round(v - half_px), round(v + half_px))
        cols = slice(round(u - half_px), round(u + half_px))
        depth_m[rows, cols] = top_m
        rgb[rows, cols] = COLORS[(bay + index) % len(COLORS)]
        segmentation[rows, cols] = index + 1
        detections.append(Detection(label=LABELS[(bay + index) % len(LABELS)], instance=index + 1))
    return Frame(
        stamp_ns=stamp_ns, camera=camera, T_world_camera=T_world_camera, depth_m=depth_m, rgb=rgb,
        segmentation=segmentation, detections=tuple(detections),
    )  # fmt: skip
