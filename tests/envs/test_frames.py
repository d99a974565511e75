"""Observations of any env become messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embodied_mem.envs.frames import detections_of, to_events, to_frame
from embodied_mem.errors import InvalidMessage

NAMES = ("void", "wall", "mug")


def observation() -> dict[str, Any]:
    segmentation = np.zeros((4, 6), np.int32)
    segmentation[0, :3] = 1007
    segmentation[2:, 4:] = 2950
    segmentation[3, 0] = 2013
    return {
        "rgb": np.zeros((4, 6, 3), np.uint8),
        "depth": np.ones((4, 6), np.float32),
        "segmentation": segmentation,
        "intrinsics": np.array([[5.0, 0, 2.5], [0, 5.0, 1.5], [0, 0, 1]]),
        "T_world_camera": np.eye(4),
    }


def test_every_id_becomes_a_detection_with_its_category_and_void_does_not() -> None:
    found = detections_of(observation()["segmentation"], NAMES)
    assert {(d.label, d.instance) for d in found} == {("wall", 1007), ("mug", 2950), ("mug", 2013)}


def test_a_frame_carries_the_cameras_pixels_pose_and_clock() -> None:
    frame = to_frame(observation(), {"stamp_ns": 42, "events": []}, NAMES, robot="r2", received_ns=50)
    assert (frame.stamp_ns, frame.known_ns, frame.robot) == (42, 50, "r2")
    assert (frame.camera.fx, frame.camera.cx, frame.camera.width_px, frame.camera.height_px) == (
        5.0,
        2.5,
        6,
        4,
    )
    assert len(frame.detections) == 3


def test_a_bad_observation_is_refused_by_the_message_it_becomes() -> None:
    bad = observation()
    bad["depth"][0, 0] = -1.0
    with pytest.raises(InvalidMessage, match="depth_m"):
        to_frame(bad, {"stamp_ns": 1, "events": []}, NAMES)


def test_the_robots_own_actions_become_events_that_mention_what_and_where() -> None:
    record = {
        "kind": "pick",
        "category": "mug",
        "position_world": (1.0, 2.0, 0.8),
        "yaw_rad": 0.0,
        "start_ns": 10,
        "end_ns": 20,
        "outcome": "success",
    }
    failed = {**record, "position_world": None, "category": None, "outcome": "failed"}
    done, missed = to_events({"events": [record, failed]}, robot="r2")
    assert (done.kind, done.actor, done.outcome) == ("pick", "r2", "success")
    assert done.objects[0].label == "mug"  # type: ignore[union-attr]
    assert done.objects[0].position_world_m == (1.0, 2.0, 0.8)  # type: ignore[union-attr]
    assert missed.objects == ()
