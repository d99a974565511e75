"""What can be told from one frame with a detector's labels: things with a colour's name and a place."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from embodied_mem.benchmarks.suite.protocol import Sighting
from embodied_mem.messages import Detection, Frame
from embodied_mem.perception.colors import surface_color

MIN_PIXELS = 6
WHITE = 150
IGNORED = frozenset({"table", "robot"})


def sightings_of(frame: Frame) -> list[Sighting]:
    """One sighting for each detection that shows enough pixels. The frame needs rgb and segmentation."""
    found = []
    for detection in frame.detections:
        if detection.label in IGNORED:
            continue
        seen = _sighting(frame, detection)
        if seen is not None:
            found.append(seen)
    return found


def _sighting(frame: Frame, detection: Detection) -> Sighting | None:
    assert frame.segmentation is not None, "a frame for the suite carries segmentation"
    assert frame.rgb is not None, "a frame for the suite carries rgb"
    v, u = np.nonzero((frame.segmentation == detection.instance) & (frame.depth_m > 0.0))
    if len(u) < MIN_PIXELS:
        return None
    points = _points_world(frame, u, v)
    low, high = np.percentile(points, 2, axis=0), np.percentile(points, 98, axis=0)
    pixels = frame.rgb[v, u]
    x, y, z = ((low + high) / 2).tolist()
    sx, sy, sz = (high - low).tolist()
    return Sighting(
        label=detection.label, color=surface_color(pixels), position_m=(x, y, z), size_m=(sx, sy, sz),
        from_ns=frame.stamp_ns, to_ns=frame.stamp_ns, white_width_m=_width_m(points[pixels.min(axis=1) > WHITE]),
    )  # fmt: skip


def _points_world(
    frame: Frame, u: Int64[np.ndarray, "n"], v: Int64[np.ndarray, "n"]
) -> Float64[np.ndarray, "n 3"]:
    camera, z = frame.camera, frame.depth_m[v, u].astype(np.float64)
    points = np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], axis=1)
    return np.asarray(points @ frame.T_world_camera[:3, :3].T + frame.T_world_camera[:3, 3])


def _width_m(points: Float64[np.ndarray, "n 3"]) -> float:
    return float(np.ptp(points[:, 1])) if len(points) else 0.0
