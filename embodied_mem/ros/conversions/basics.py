"""Times, headers, points and poses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from geometry_msgs.msg import Pose as PoseMsg
from std_msgs.msg import Header

from embodied_mem.errors import InvalidMessage
from embodied_mem.geometry import pose_from_quaternion, quaternion_from_pose

Xyz = tuple[float, float, float]


def time_from_ns(stamp_ns: int | None) -> Time:
    """A ROS time; None becomes zero."""
    seconds, nanoseconds = divmod(stamp_ns or 0, 1_000_000_000)
    return Time(sec=seconds, nanosec=nanoseconds)


def ns_from_time(time: Any) -> int:
    """Nanoseconds of a ROS time.

    Raises:
        InvalidMessage: before zero, which no clock here can show.
    """
    if time.sec < 0:
        raise InvalidMessage(
            f"the stamp is {time.sec} s; it must not be negative. Check the publisher's clock."
        )
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)


def optional_ns(time: Any) -> int | None:
    """Nanoseconds of a ROS time, or None for zero."""
    return ns_from_time(time) or None


def header(stamp_ns: int, frame_id: str) -> Header:
    """A header."""
    return Header(stamp=time_from_ns(stamp_ns), frame_id=frame_id)


def point(xyz: Iterable[float]) -> Point:
    """A point from three numbers."""
    x, y, z = (float(value) for value in xyz)
    return Point(x=x, y=y, z=z)


def xyz_of(message: Any) -> Xyz:
    """Three numbers from a point or vector."""
    return (float(message.x), float(message.y), float(message.z))


def pose_from_msg(position: Any, orientation: Any) -> np.ndarray[Any, Any]:
    """A 4x4 transform from a position and an orientation; NaN or a quaternion that is not unit raises InvalidPose."""
    quaternion = np.array([orientation.x, orientation.y, orientation.z, orientation.w], dtype=np.float64)
    return pose_from_quaternion(np.array(xyz_of(position)), quaternion)


def pose_to_msg(T: np.ndarray[Any, Any]) -> PoseMsg:
    """A pose message from a 4x4 transform."""
    message = PoseMsg(position=point(T[:3, 3]))
    q = quaternion_from_pose(T)
    message.orientation.x, message.orientation.y, message.orientation.z, message.orientation.w = map(float, q)
    return message


# -- events ---------------------------------------------------------------------------------------------------
