"""Perception at its worse: detections missed or mislabelled, poses and depths off, from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from embodied_mem.messages import Frame

STRUCTURE = ("wall", "floor", "ceiling", "rug", "person", "robot", "door", "drawer")


@dataclass(frozen=True, kw_only=True)
class Condition:
    """How a memory's percepts differ from perfect ones. Rates in 0..1, lengths in metres.

    `miss_rate` of the detections are left out, `label_noise` of the rest are called something else, the camera's
    position is off by a normal error of `pose_m` on each axis, depth by one of `depth_m` at one metre (growing with
    the square of the distance).
    """

    name: str = "perfect"
    miss_rate: float = 0.0
    label_noise: float = 0.0
    pose_m: float = 0.0
    depth_m: float = 0.0

    @property
    def is_perfect(self) -> bool:
        return self.miss_rate == self.label_noise == self.pose_m == self.depth_m == 0.0


PERFECT = Condition()
HEADLINE = Condition(name="headline", miss_rate=0.2, label_noise=0.1, pose_m=0.03)


def degraded(frame: Frame, condition: Condition, labels: Sequence[str], rng: np.random.Generator) -> Frame:
    """The frame as it would be under a condition; structure (walls, floors, doors, people) keeps its labels."""
    if condition.is_perfect:
        return frame
    detections = []
    for detection in frame.detections:
        if detection.label in STRUCTURE:
            detections.append(detection)
            continue
        if rng.random() < condition.miss_rate:
            continue
        is_wrong = rng.random() < condition.label_noise
        label = str(labels[int(rng.integers(len(labels)))]) if is_wrong else detection.label
        detections.append(replace(detection, label=label))
    T_world_camera = frame.T_world_camera.copy()
    T_world_camera[:3, 3] += rng.normal(0.0, 1.0, 3) * condition.pose_m
    depth_m = frame.depth_m
    if condition.depth_m > 0.0:
        noise = rng.normal(0.0, condition.depth_m, depth_m.shape).astype(np.float32) * depth_m**2
        depth_m = np.where(depth_m > 0.0, np.maximum(depth_m + noise, 0.0), 0.0).astype(np.float32)
    return replace(frame, detections=tuple(detections), T_world_camera=T_world_camera, depth_m=depth_m)
