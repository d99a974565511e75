"""What of a robot's sensors is used, and when it is left out: one schema for the node's parameters and for bags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from embodied_mem.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """What comes in, and when it is left out."""

    use_rgb: bool = True
    """Wait for a colour image for each depth image. Without colour, set it to false."""
    use_segmentation: bool = False
    """Wait for an InstanceSegmentation for each depth image; without it the memory has a map but no things."""
    use_tf: bool = True
    """Listen to /tf and /tf_static as well as to odometry, where tf2_msgs is installed."""
    rgb_transport: Literal["raw", "compressed"] = "raw"
    depth_transport: Literal["raw", "compressedDepth"] = "raw"
    reliability: Literal["best_effort", "reliable"] = "best_effort"
    """best_effort hears every publisher; reliable hears reliable publishers only, and waits for what was lost."""
    images_are_rectified: bool = False
    """The topics carry image_rect: the distortion in the camera info is gone already."""
    depth_is_registered: bool = False
    """Depth and colour pixels coincide although their frame_ids differ."""
    depth_unit_m: float = 0.001
    """What one count of 16-bit depth means."""
    slop_s: float = 0.02
    """How far apart images may be that belong together."""
    queue_size: int = 30
    """Frames that may wait while the memory is busy; then the oldest is dropped and counted."""
    world_frame: str = "map"
    """The frame that the memory lives in: map, or odom where nothing corrects the odometry."""
    camera_frame: str = ""
    """The optical frame of the camera; empty takes the frame_id of its images."""
    static_transforms: tuple[str, ...] = ()
    """Mountings without /tf: 'parent child x y z roll pitch yaw' or '... qx qy qz qw'; camera frames are optical."""
    max_pose_gap_s: float = 0.5
    """Poses are interpolated between samples at most so far apart."""
    pose_wait_s: float = 0.5
    """How long a frame waits for the pose at its stamp, before it is dropped."""
    max_position_std_m: float = 0.5
    """Frames at poses that odometry calls less certain than this are dropped; so is max_rotation_std_rad."""
    max_rotation_std_rad: float = 0.25
    robot: str = "robot"
    sensor: str = "camera"

    def trusts(self, covariance: Sequence[float]) -> bool:
        """Whether a pose with this 6x6 covariance (row by row; m, rad) is certain enough to be used.

        Zeros and a negative first entry mean that nobody knows (REP-103): such a pose is used.
        """
        variances = np.array(covariance, dtype=np.float64).reshape(6, 6).diagonal()
        if variances[0] < 0 or not variances.any():
            return True
        position_std_m, rotation_std_rad = np.sqrt(variances[:3].max()), np.sqrt(variances[3:].max())
        return bool(
            position_std_m <= self.max_position_std_m and rotation_std_rad <= self.max_rotation_std_rad
        )

    def __post_init__(self) -> None:
        for name in ("depth_unit_m", "slop_s", "queue_size", "max_pose_gap_s", "pose_wait_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"input.{name} is {getattr(self, name)}; it must be above 0.")
        if not self.world_frame:
            raise ConfigError("input.world_frame is empty; it must name a frame, such as 'map' or 'odom'.")
