"""Anybody's Gymnasium env as a source of Frames: say once which keys hold what, and the memory can watch it.

source = FrameSource(env, ObservationLayout(rgb="image", depth="depth", pose="cam_pose", camera_axes="opengl"))
frame = source.reset(seed=0)
frame, reward, terminated, truncated, info = source.step(action)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from embodied_mem.errors import ConfigError, did_you_mean
from embodied_mem.messages import Detection, Frame, PinholeCamera

FLIP_YZ = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class ObservationLayout:
    """Which keys of an observation hold what; dots go into nested dictionaries (`camera.front.rgb`).

    pose: a 4x4 matrix, camera to world, in axes as `camera_axes` says (opencv: z forward, y down; opengl: z backward, y
    up). intrinsics: a 3x3 matrix; leave it out and give `camera` where it never changes. depth_scale: metres of one unit
    of depth. ids: an image of ids, with what `label_of` calls them; ids that it has not are left out.
    """

    depth: str
    pose: str
    rgb: str | None = None
    intrinsics: str | None = None
    camera: PinholeCamera | None = None
    camera_axes: Literal["opencv", "opengl"] = "opencv"
    depth_scale: float = 1.0
    ids: str | None = None
    label_of: Mapping[int, str] | None = None

    def __post_init__(self) -> None:
        if (self.intrinsics is None) == (self.camera is None):
            raise ConfigError(
                "give either intrinsics (a key) or camera (a PinholeCamera), not both and not neither."
            )
        if (self.ids is None) != (self.label_of is None):
            raise ConfigError("ids and label_of go together: an image of ids needs names for them.")

    def frame_of(self, observation: Mapping[str, Any], stamp_ns: int) -> Frame:
        """An observation as a Frame.

        Raises:
            ConfigError: a key is not there; the message has the nearest one.
        """
        depth_m = (
            np.squeeze(np.asarray(value_at(observation, self.depth), dtype=np.float32)) * self.depth_scale
        )
        height, width = depth_m.shape
        T = np.asarray(value_at(observation, self.pose), dtype=np.float64).reshape(4, 4)
        ids = (
            None
            if self.ids is None
            else np.squeeze(np.asarray(value_at(observation, self.ids), dtype=np.int32))
        )
        return Frame(
            stamp_ns=stamp_ns,
            camera=self._camera_of(observation, width, height),
            T_world_camera=T @ FLIP_YZ if self.camera_axes == "opengl" else T,
            depth_m=depth_m.astype(np.float32),
            rgb=None if self.rgb is None else np.asarray(value_at(observation, self.rgb), dtype=np.uint8),
            segmentation=ids,
            detections=() if ids is None else self._detections(ids),
        )

    def _camera_of(self, observation: Mapping[str, Any], width: int, height: int) -> PinholeCamera:
        if self.camera is not None:
            return self.camera
        assert self.intrinsics is not None
        K = np.asarray(value_at(observation, self.intrinsics), dtype=np.float64).reshape(3, 3)
        return PinholeCamera.from_matrix(K, width_px=width, height_px=height)

    def _detections(self, ids: np.ndarray) -> tuple[Detection, ...]:
        labels = self.label_of or {}
        return tuple(
            Detection(label=labels[i], instance=i) for i in np.unique(ids).tolist() if i > 0 and i in labels
        )


class FrameSource:
    """An env whose observations come out as Frames. Stamps rise by `period_ns` from `epoch_ns` at each step."""

    def __init__(
        self,
        env: Any,
        layout: ObservationLayout,
        *,
        period_ns: int = 100_000_000,
        epoch_ns: int = 1_000_000_000,
    ) -> None:
        self.env, self.layout = env, layout
        self._period_ns, self._epoch_ns = period_ns, epoch_ns
        self._num_steps = 0
        self.observation: Mapping[str, Any] = {}
        """The env's own, of the last frame."""

    def reset(self, *, seed: int | None = None) -> Frame:
        """The first frame of a new episode. The clock goes on, so that one memory may watch several episodes."""
        observation, _ = self.env.reset(seed=seed)
        return self._next(observation)

    def step(self, action: Any) -> tuple[Frame, float, bool, bool, dict[str, Any]]:
        """As the env's, with a frame in place of the observation."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._next(observation), float(reward), bool(terminated), bool(truncated), info

    def _next(self, observation: Mapping[str, Any]) -> Frame:
        frame = self.layout.frame_of(observation, self._epoch_ns + self._num_steps * self._period_ns)
        self._num_steps += 1
        self.observation = observation
        return frame


def value_at(observation: Mapping[str, Any], key: str) -> Any:
    """What stands at a key, or at a dotted path of keys.

    Raises:
        ConfigError: nothing does.
    """
    if key in observation:
        return observation[key]
    first, _, rest = key.partition(".")
    if not rest or not isinstance(observation.get(first), Mapping):
        have = sorted(map(str, observation))
        raise ConfigError(f"the observation has no {key!r}; it has {have}.{did_you_mean(key, have)}")
    return value_at(observation[first], rest)
