"""Anybody's env as a source of frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embodied_mem.envs.sources import FrameSource, ObservationLayout
from embodied_mem.errors import ConfigError
from embodied_mem.messages import PinholeCamera
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.testing.synthetic_room import SyntheticRoom

CAMERA = PinholeCamera(fx=100.0, fy=100.0, cx=31.5, cy=23.5, width_px=64, height_px=48)


class SomebodysEnv:
    """A synthetic room in other people's conventions: millimetres, OpenGL cameras, nested keys."""

    def __init__(self) -> None:
        self._frames = list(SyntheticRoom(0).frames(4))

    def reset(self, *, seed: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        self._at = 0
        return self._seen(), {}

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        self._at += 1
        return self._seen(), 1.0, False, self._at == 3, {"n": self._at}

    def _seen(self) -> dict[str, Any]:
        frame = self._frames[self._at]
        camera = frame.camera
        return {
            "camera": {
                "rgb": frame.rgb,
                "depth": (frame.depth_m * 1000.0)[..., None],
                "ids": frame.segmentation,
            },
            "pose": (frame.T_world_camera @ np.diag([1.0, -1.0, -1.0, 1.0])).ravel(),
            "K": np.array([[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]]),
        }


def layout(**changes: Any) -> ObservationLayout:
    labels = {
        d.instance: d.label for frame in SyntheticRoom(0).frames(4) for d in frame.detections if d.instance
    }
    keys = {
        "rgb": "camera.rgb", "depth": "camera.depth", "ids": "camera.ids", "pose": "pose", "intrinsics": "K",
        "camera_axes": "opengl", "depth_scale": 0.001, "label_of": labels,
    }  # fmt: skip
    return ObservationLayout(**{**keys, **changes})


def test_frames_come_out_as_the_room_made_them_whatever_the_envs_conventions() -> None:
    source = FrameSource(SomebodysEnv(), layout(), period_ns=50, epoch_ns=7)
    found = [source.reset(seed=0)]
    is_over = False
    while not is_over:
        frame, reward, terminated, is_over, info = source.step(0)
        assert (reward, terminated) == (1.0, False)
        found.append(frame)
    assert info == {"n": 3}
    assert [frame.stamp_ns for frame in found] == [7, 57, 107, 157]
    for mine, theirs in zip(found, SyntheticRoom(0).frames(4), strict=True):
        np.testing.assert_allclose(mine.T_world_camera, theirs.T_world_camera, atol=1e-12)
        np.testing.assert_allclose(mine.depth_m, theirs.depth_m, rtol=1e-5)
        np.testing.assert_array_equal(mine.rgb, theirs.rgb)
        assert {d.label for d in mine.detections} == {d.label for d in theirs.detections}


def test_a_memory_remembers_what_somebodys_env_shows() -> None:
    source = FrameSource(SomebodysEnv(), layout(), period_ns=1_000_000_000)
    with RobotMemory.open() as memory:
        memory.observe(source.reset())
        for _ in range(3):
            memory.observe(source.step(0)[0])
        assert memory.entities()


def test_the_clock_goes_on_over_episodes() -> None:
    source = FrameSource(SomebodysEnv(), layout())
    first, second = source.reset(), source.reset()
    assert second.stamp_ns > first.stamp_ns


def test_a_key_that_is_not_there_is_named_with_the_nearest() -> None:
    source = FrameSource(SomebodysEnv(), layout(pose="poses"))
    with pytest.raises(ConfigError, match=r"no 'poses'.*Did you mean 'pose'"):
        source.reset()


def test_layouts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="either intrinsics"):
        ObservationLayout(depth="d", pose="p")
    with pytest.raises(ConfigError, match="either intrinsics"):
        ObservationLayout(depth="d", pose="p", intrinsics="K", camera=CAMERA)
    with pytest.raises(ConfigError, match="go together"):
        ObservationLayout(depth="d", pose="p", intrinsics="K", ids="i")


def test_a_camera_that_never_changes_is_given_once() -> None:
    seen = {"d": np.ones((48, 64)), "p": np.eye(4)}
    frame = ObservationLayout(depth="d", pose="p", camera=CAMERA).frame_of(seen, 3)
    assert (frame.camera, frame.stamp_ns, frame.rgb) == (CAMERA, 3, None)
