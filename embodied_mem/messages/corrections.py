"""What a pose graph says about where the robot has been, once it knows better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from embodied_mem.errors import InvalidMessage
from embodied_mem.geometry import check_rigid


@dataclass(frozen=True, kw_only=True)
class PoseCorrection:
    """A corrected trajectory: where a robot's camera was at rising stamps, as is now known (after a loop closure, say).

    Between two stamps poses are interpolated; what lies before the first or after the last one moves along with what is
    nearest. Poses of frames that come after a correction are taken to be in the corrected world.
    """

    stamps_ns: Int64[np.ndarray, "n"]
    T_world_camera: Float64[np.ndarray, "n 4 4"]
    robot: str = "robot"

    def __post_init__(self) -> None:
        if len(self.stamps_ns) == 0 or len(self.stamps_ns) != len(self.T_world_camera):
            raise InvalidMessage(
                f"PoseCorrection has {len(self.stamps_ns)} stamps and {len(self.T_world_camera)} poses; give as many "
                "poses as stamps, at least one."
            )
        if (np.diff(self.stamps_ns) <= 0).any():
            raise InvalidMessage("PoseCorrection.stamps_ns does not rise. Sort it, and drop repeated stamps.")
        for i, T in enumerate(self.T_world_camera):
            check_rigid(T, f"T_world_camera[{i}]")

    def pose_at(self, stamp_ns: int) -> Float64[np.ndarray, "4 4"] | None:
        """Where the camera was at that stamp; None before the first and after the last one."""
        after = int(np.searchsorted(self.stamps_ns, stamp_ns))
        if after < len(self.stamps_ns) and self.stamps_ns[after] == stamp_ns:
            return np.array(self.T_world_camera[after])
        if after in (0, len(self.stamps_ns)):
            return None
        first_ns, last_ns = int(self.stamps_ns[after - 1]), int(self.stamps_ns[after])
        share = (stamp_ns - first_ns) / (last_ns - first_ns)
        return _between(self.T_world_camera[after - 1], self.T_world_camera[after], share)


def _between(first: np.ndarray, last: np.ndarray, share: float) -> Float64[np.ndarray, "4 4"]:
    """`share` of the way from one pose to the other: along a straight line, turning evenly."""
    turned = first[:3, :3].T @ last[:3, :3]
    angle = float(np.arccos(np.clip((np.trace(turned) - 1.0) / 2.0, -1.0, 1.0)))
    T = np.eye(4)
    T[:3, 3] = (1.0 - share) * first[:3, 3] + share * last[:3, 3]
    if angle < 1e-9:
        T[:3, :3] = first[:3, :3]
        return T
    values, vectors = np.linalg.eigh((turned + turned.T) / 2.0)  # the axis is what the turn leaves as it is
    axis = vectors[:, int(values.argmax())]
    skew = np.array([[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    if np.trace(skew.T @ (turned - turned.T)) < 0.0:
        skew = -skew
    a = share * angle
    T[:3, :3] = first[:3, :3] @ (np.eye(3) + np.sin(a) * skew + (1.0 - np.cos(a)) * skew @ skew)
    return T
