"""What an environment gives, as messages: the one place where observation dictionaries are read.

Works for every env of this package: keys rgb, depth, segmentation, intrinsics, T_world_camera; `info` with
`stamp_ns` and `events`, the robot's own actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from embodied_mem.messages import Detection, Event, Frame, ObjectMention, PinholeCamera

ID_DIVISOR = 1000


def to_frame(
    observation: Mapping[str, Any],
    info: Mapping[str, Any],
    category_names: Sequence[str],
    *,
    robot: str = "robot",
    sensor: str = "camera",
    received_ns: int | None = None,
) -> Frame:
    """One observation as a Frame, with one Detection for each id of its segmentation.

    `category_names` is `env.unwrapped.category_names`: an id is category index * 1000 + instance number, 0 is void.
    """
    height, width = observation["depth"].shape
    segmentation = observation.get("segmentation")
    detections = () if segmentation is None else detections_of(segmentation, category_names)
    return Frame(
        stamp_ns=int(info["stamp_ns"]),
        received_ns=received_ns,
        camera=PinholeCamera.from_matrix(observation["intrinsics"], width_px=width, height_px=height),
        T_world_camera=observation["T_world_camera"],
        depth_m=observation["depth"],
        rgb=observation.get("rgb"),
        segmentation=segmentation,
        detections=detections,
        robot=robot,
        sensor=sensor,
    )


def detections_of(segmentation: np.ndarray, category_names: Sequence[str]) -> tuple[Detection, ...]:
    """One certain detection for each id in a panoptic id image, void left out."""
    ids = np.flatnonzero(np.bincount(segmentation.ravel()))
    return tuple(Detection(label=category_names[int(i) // ID_DIVISOR], instance=int(i)) for i in ids if i > 0)


def to_events(info: Mapping[str, Any], *, robot: str = "robot") -> tuple[Event, ...]:
    """The robot's own actions of the last step."""
    return tuple(_event(record, robot) for record in info["events"])


def _event(record: Mapping[str, Any], robot: str) -> Event:
    position = record["position_world"]
    mention = (
        ()
        if position is None
        else (ObjectMention(label=record["category"], position_world_m=tuple(position)),)
    )
    return Event(
        kind=record["kind"],
        actor=robot,
        objects=mention,
        start_ns=record["start_ns"],
        end_ns=record["end_ns"],
        outcome=record["outcome"],
    )
