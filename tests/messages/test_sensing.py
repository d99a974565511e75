from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_mem.errors import InvalidMessage, InvalidPose
from embodied_mem.messages import Detection, Frame, PinholeCamera

CAMERA = PinholeCamera(fx=40.0, fy=40.0, cx=15.5, cy=11.5, width_px=32, height_px=24)


def frame(**changes: Any) -> Frame:
    fields: dict[str, Any] = {
        "stamp_ns": 1_000,
        "camera": CAMERA,
        "T_world_camera": np.eye(4),
        "depth_m": np.ones((24, 32), np.float32),
        "rgb": np.zeros((24, 32, 3), np.uint8),
        "segmentation": np.zeros((24, 32), np.int32),
    }
    return Frame(**(fields | changes))


def depth_with(value: float) -> np.ndarray:
    depth_m = np.ones((24, 32), np.float32)
    depth_m[3, 4] = value
    return depth_m


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"depth_m": np.ones((24, 31), np.float32)}, r"\(24, 31\).*must be float32 of shape \(24, 32\)"),
        ({"depth_m": np.ones((24, 32), np.float64)}, "float64.*must be float32"),
        ({"depth_m": [[1.0]]}, "list.*numpy array"),
        ({"depth_m": depth_with(np.nan)}, "1 pixels that are NaN.*nan_to_num"),
        ({"depth_m": depth_with(np.inf)}, "1 pixels"),
        ({"depth_m": depth_with(-0.5)}, "1 pixels.*negative"),
        ({"rgb": np.zeros((24, 32), np.uint8)}, r"must be uint8 of shape \(24, 32, 3\)"),
        ({"segmentation": np.zeros((24, 32), np.int64)}, "int64.*must be int32"),
        ({"stamp_ns": -1}, "-1.*whole number of nanoseconds"),
        ({"stamp_ns": 1.5}, r"1\.5.*round\(seconds"),
        ({"received_ns": 2**63}, "Frame.received_ns"),
        ({"detections": (Detection(label="mug", mask=np.ones((5, 5), bool)),)}, r"\(5, 5\).*Resize the mask"),
        ({"detections": (Detection(label="mug", instance=4),), "segmentation": None}, "no segmentation"),
    ],
)
def test_a_frame_that_cannot_be_true_is_refused_with_the_remedy(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidMessage, match=says):
        frame(**changes)


@pytest.mark.parametrize(
    "T",
    [
        np.eye(3),
        np.diag([2.0, 2.0, 2.0, 1.0]),
        np.diag([1.0, 1.0, -1.0, 1.0]),
        np.full((4, 4), np.nan),
        np.eye(4) * 2,
    ],
)
def test_a_pose_that_is_not_rigid_is_refused(T: np.ndarray) -> None:
    with pytest.raises(InvalidPose, match="T_world_camera"):
        frame(T_world_camera=T)


def test_a_frame_is_frozen_and_its_arrays_are_read_only() -> None:
    good = frame()
    with pytest.raises(AttributeError):
        good.stamp_ns = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        good.depth_m[0, 0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        good.T_world_camera[0, 0] = 2.0


def test_the_memory_knows_a_frame_when_it_received_it() -> None:
    assert frame().known_ns == 1_000
    assert frame(received_ns=5_000).known_ns == 5_000


@pytest.mark.parametrize(
    "changes",
    [
        {"fx": 0.0},
        {"fx": float("nan")},
        {"width_px": 0},
        {"height_px": 10**6},
        {"distortion": (float("inf"),)},
    ],
)
def test_a_camera_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    fields = {"fx": 1.0, "fy": 1.0, "cx": 0.0, "cy": 0.0, "width_px": 4, "height_px": 4}
    with pytest.raises(InvalidMessage, match="PinholeCamera"):
        PinholeCamera(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"label": "", "instance": 1}, "label is empty"),
        ({"score": 1.5, "instance": 1}, r"1\.5.*0\.\.1"),
        ({}, "exactly one of instance, mask, box_px"),
        ({"instance": 1, "box_px": (0.0, 0.0, 1.0, 1.0)}, "exactly one"),
        ({"box_px": (5.0, 0.0, 1.0, 1.0)}, "min < max"),
        ({"mask": np.ones((3, 3), np.uint8)}, "must be bool"),
        ({"instance": 1, "embedding": np.array([np.nan], np.float32)}, "finite vector"),
    ],
)
def test_a_detection_that_cannot_be_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidMessage, match=says):
        Detection(**({"label": "mug"} | changes))


@given(fx=st.floats(1, 1e4), fy=st.floats(1, 1e4), cx=st.floats(0, 1e4), cy=st.floats(0, 1e4))
def test_a_camera_survives_its_matrix(fx: float, fy: float, cx: float, cy: float) -> None:
    camera = PinholeCamera(fx=fx, fy=fy, cx=cx, cy=cy, width_px=8, height_px=6)
    assert PinholeCamera.from_matrix(camera.matrix, width_px=8, height_px=6) == camera
