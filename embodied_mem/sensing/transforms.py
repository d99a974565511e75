"""Where the camera was at a stamp: a tree of frames, fed by odometry, /tf and fixed mountings.."""

from __future__ import annotations

import bisect
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from embodied_mem.errors import ConfigError, EmbodiedMemError, InvalidPose
from embodied_mem.geometry import check_rigid, invert, pose_from_quaternion, quaternion_from_pose

Pose = Float64[np.ndarray, "4 4"]


class PoseUnavailable(EmbodiedMemError):
    """No pose can be given for a frame at its stamp, and none will come."""


class PoseNotYet(PoseUnavailable):
    """The pose is not known yet: a newer sample may still bring it."""


class PoseUncertain(PoseUnavailable):
    """The pose is known, but its covariance is above what was allowed."""


@dataclass(kw_only=True)
class _Track:
    """The samples of one moving frame in its parent, by rising stamp."""

    max_samples: int = 2000
    stamps_ns: deque[int] = field(default_factory=deque)
    poses: deque[Pose] = field(default_factory=deque)
    trusted: deque[bool] = field(default_factory=deque)

    def add(self, stamp_ns: int, pose: Pose, is_trusted: bool) -> None:
        if self.stamps_ns and stamp_ns <= self.stamps_ns[-1]:
            if stamp_ns == self.stamps_ns[-1]:
                return
            # The clock went back (a bag that loops, a simulator that was reset): older samples are of another time.
            if self.stamps_ns[-1] - stamp_ns < 1_000_000_000:
                return
            self.clear()
        self.stamps_ns.append(stamp_ns)
        self.poses.append(pose)
        self.trusted.append(is_trusted)
        if len(self.stamps_ns) > self.max_samples:
            self.stamps_ns.popleft()
            self.poses.popleft()
            self.trusted.popleft()

    def clear(self) -> None:
        self.stamps_ns.clear()
        self.poses.clear()
        self.trusted.clear()


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A fixed transform `T_parent_child`, such as a camera's mounting."""

    parent: str
    child: str
    T_parent_child: Pose


def parse_static_transform(text: str) -> Edge:
    """`parent child x y z roll pitch yaw` or `parent child x y z qx qy qz qw` (metres, radians) as an edge.

    Raises:
        ConfigError: another number of words, or words that are no numbers.
    """
    words = text.split()
    try:
        numbers = [float(word) for word in words[2:]]
    except ValueError:
        numbers = []
    if len(numbers) not in (6, 7):
        raise ConfigError(
            f"static transform {text!r} must read 'parent child x y z roll pitch yaw' or "
            "'parent child x y z qx qy qz qw', in metres and radians."
        )
    if len(numbers) == 7:
        pose = pose_from_quaternion(np.array(numbers[:3]), np.array(numbers[3:]))
    else:
        pose = pose_from_rpy(np.array(numbers[:3]), *numbers[3:])
    return Edge(parent=words[0], child=words[1], T_parent_child=pose)


def pose_from_rpy(position_m: Float64[np.ndarray, "3"], roll: float, pitch: float, yaw: float) -> Pose:
    """A transform from fixed-axis roll, pitch, yaw in radians, ROS's convention (REP-103)."""
    cr, sr, cp, sp, cy, sy = (
        np.cos(roll),
        np.sin(roll),
        np.cos(pitch),
        np.sin(pitch),
        np.cos(yaw),
        np.sin(yaw),
    )
    T = np.eye(4)
    T[:3, :3] = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    T[:3, 3] = position_m
    return check_rigid(T, "static transform")


def interpolate(before: Pose, after: Pose, fraction: float) -> Pose:
    """The pose between two others: position along the line, rotation along the shortest arc (slerp)."""
    q_before, q_after = quaternion_from_pose(before), quaternion_from_pose(after)
    dot = float(q_before @ q_after)
    if dot < 0.0:
        q_after, dot = -q_after, -dot
    angle = float(np.arccos(min(1.0, dot)))
    if angle < 1e-6:
        quaternion = q_before + fraction * (q_after - q_before)
    else:
        quaternion = (
            np.sin((1 - fraction) * angle) * q_before + np.sin(fraction * angle) * q_after
        ) / np.sin(angle)
    position = (1 - fraction) * before[:3, 3] + fraction * after[:3, 3]
    return pose_from_quaternion(position, quaternion / np.linalg.norm(quaternion))


def _plain(frame: str) -> str:
    return frame.strip().lstrip("/")


def _named(parent: str, child: str) -> tuple[str, str]:
    parent, child = _plain(parent), _plain(child)
    if not parent or not child or parent == child:
        raise InvalidPose(
            f"a transform from {parent!r} to {child!r}: both frames must have names, and not the same one. "
            "Set header.frame_id and child_frame_id."
        )
    return parent, child


class TransformTree:
    """Frames with one parent each, as in tf: fixed or moving with samples that are interpolated.

    `max_gap_ns` is how far apart two samples may be that a pose is interpolated between.
    """

    def __init__(self, *, max_gap_ns: int) -> None:
        self._max_gap_ns = max_gap_ns
        self._parent: dict[str, str] = {}
        self._fixed: dict[str, Pose] = {}
        self._moving: dict[str, _Track] = {}

    def add_fixed(self, edge: Edge) -> None:
        """Set a transform that holds for all times; samples of the same frame are ignored from then on.

        Raises:
            InvalidPose: not rigid, NaN, or a frame that is its own parent.
        """
        parent, child = _named(edge.parent, edge.child)
        self._fixed[child] = check_rigid(edge.T_parent_child, f"transform {parent} -> {child}")
        self._parent[child] = parent

    def add_sample(
        self, parent: str, child: str, stamp_ns: int, T_parent_child: Pose, *, is_trusted: bool = True
    ) -> None:
        """Add where `child` was in `parent` at `stamp_ns`; a frame known as fixed stays fixed.

        Raises:
            InvalidPose: not rigid, NaN, or a frame that is its own parent.
        """
        parent, child = _named(parent, child)
        pose = check_rigid(T_parent_child, f"transform {parent} -> {child}")
        if child in self._fixed:
            return
        if self._parent.get(child, parent) != parent:
            self._moving.pop(child)
        self._parent[child] = parent
        self._moving.setdefault(child, _Track()).add(stamp_ns, pose, is_trusted)

    def lookup(self, target: str, source: str, stamp_ns: int) -> Pose:
        """`T_target_source` at `stamp_ns`.

        Raises:
            PoseNotYet: the frames are not connected, or one on the way has no sample as new as the stamp.
            PoseUncertain: a sample on the way was marked as not to be trusted.
            PoseUnavailable: the stamp lies in a gap or before all samples.
        """
        target, source = _plain(target), _plain(source)
        target_chain, source_chain = self._chain(target), self._chain(source)
        common = next((frame for frame in source_chain if frame in target_chain), None)
        if common is None:
            raise PoseNotYet(  # at the start images often come before the first odometry
                f"no transform connects {source!r} to {target!r}; known are {self.describe()}. Publish odometry or /tf "
                "for it, add a static_transforms entry, or set world_frame to a frame that is known."
            )
        T_common_source = self._product(source_chain[: source_chain.index(common)], stamp_ns)
        T_common_target = self._product(target_chain[: target_chain.index(common)], stamp_ns)
        return check_rigid(invert(T_common_target) @ T_common_source, f"pose of {source} in {target}")

    def describe(self) -> str:
        """Every edge that is known, for messages to people."""
        return (
            ", ".join(f"{parent} -> {child}" for child, parent in sorted(self._parent.items()))
            or "none at all"
        )

    def _chain(self, frame: str) -> list[str]:
        chain = [frame]
        while chain[-1] in self._parent and len(chain) <= len(self._parent):
            chain.append(self._parent[chain[-1]])
        return chain

    def _product(self, chain: list[str], stamp_ns: int) -> Pose:
        T_up = np.eye(4)
        for frame in chain:
            T_up = self._pose_in_parent(frame, stamp_ns) @ T_up
        return T_up

    def _pose_in_parent(self, frame: str, stamp_ns: int) -> Pose:
        if frame in self._fixed:
            return self._fixed[frame]
        track = self._moving[frame]
        stamps = track.stamps_ns
        where = f"{self._parent[frame]!r} to {frame!r}"
        if stamp_ns > stamps[-1]:
            raise PoseNotYet(
                f"the newest transform from {where} is {(stamp_ns - stamps[-1]) / 1e9:.3f} s older than the image. "
                "Publish odometry or /tf at least as often as images, with stamps of the same clock."
            )
        index = bisect.bisect_left(stamps, stamp_ns)
        if stamps[index] == stamp_ns:
            before, fraction = index, 0.0
        elif index == 0:
            raise PoseUnavailable(
                f"the image is {(stamps[0] - stamp_ns) / 1e9:.3f} s older than the first transform from {where}. "
                "Images from before the start are dropped; if it goes on, compare the clocks of camera and odometry."
            )
        else:
            before, fraction = index - 1, (stamp_ns - stamps[index - 1]) / (stamps[index] - stamps[index - 1])
            if stamps[index] - stamps[index - 1] > self._max_gap_ns:
                raise PoseUnavailable(
                    f"the transform from {where} has a gap of {(stamps[index] - stamps[index - 1]) / 1e9:.3f} s at the "
                    f"image's stamp; allowed is {self._max_gap_ns / 1e9:.3f} s. Find what stopped it, or raise "
                    "max_pose_gap_s."
                )
        after = min(before + (1 if fraction else 0), len(stamps) - 1)
        if not (track.trusted[before] and track.trusted[after]):
            raise PoseUncertain(
                f"the covariance of {where} at the image's stamp is above max_position_std_m or max_rotation_std_rad. "
                "The frame is left out of the memory; raise them if the localisation is better than it says."
            )
        return (
            interpolate(track.poses[before], track.poses[after], fraction)
            if fraction
            else track.poses[before]
        )
