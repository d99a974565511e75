"""Frames written as a bag of standard messages: to play them to `memory_node`, or to share them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from embodied_mem.errors import InvalidMessage
from embodied_mem.geometry import quaternion_from_pose
from embodied_mem.messages import Frame, PinholeCamera
from embodied_mem.replay.bag_topics import IMAGE, INFO, ODOMETRY, SEGMENTATION

TOPICS = {
    "rgb": ("/camera/color/image_raw", IMAGE),
    "camera_info": ("/camera/color/camera_info", INFO),
    "depth": ("/camera/aligned_depth_to_color/image_raw", IMAGE),
    "segmentation": ("/camera/segmentation", SEGMENTATION),
    "odometry": ("/odom", ODOMETRY),
}
"""What is written where; depth is registered to colour, odometry is that of the camera itself."""

WORLD_FRAME, CAMERA_FRAME = "map", "camera_color_optical_frame"

# As in embodied_mem_interfaces/msg/InstanceSegmentation.msg, which a machine without ROS lacks.
SEGMENTATION_DEFINITION = """\
std_msgs/Header header
sensor_msgs/Image ids
int32[] instances
string[] labels
float32[] scores
"""


def write_bag(
    path: str | Path, frames: Iterable[Frame], *, storage: Literal["mcap", "sqlite3"] = "mcap"
) -> int:
    """Write `frames` to a new bag at `path` and return how many; nothing is lost but detections without ids.

    Depth is 32FC1 in metres. Messages of a frame carry its stamp, the pose first, so that a reader that is fed in
    order knows where the camera was when the images come.

    Raises:
        InvalidMessage: `path` exists, or a frame's camera is distorted.
    """
    if Path(path).exists():
        raise InvalidMessage(f"{path} exists already; name a new folder for the bag.")
    plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
    with Writer(Path(path), version=8, storage_plugin=plugin) as writer:
        bag = _BagWriter(writer)
        return sum(bag.write(frame) for frame in frames)


class _BagWriter:
    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._store = get_typestore(Stores.ROS2_HUMBLE)
        self._store.register(get_types_from_msg(SEGMENTATION_DEFINITION, SEGMENTATION))
        self._connections: dict[str, Any] = {}

    def write(self, frame: Frame) -> int:
        header = self._header(frame.stamp_ns, CAMERA_FRAME)
        self._put("odometry", frame.stamp_ns, self._odometry(frame))
        self._put("camera_info", frame.stamp_ns, self._camera_info(frame.camera, header))
        if frame.rgb is not None:
            self._put("rgb", frame.stamp_ns, self._image(frame.rgb, "rgb8", header))
        if frame.segmentation is not None:
            self._put("segmentation", frame.stamp_ns, self._segmentation(frame, header))
        self._put("depth", frame.stamp_ns, self._image(frame.depth_m, "32FC1", header))
        return 1

    def _put(self, name: str, stamp_ns: int, message: Any) -> None:
        topic, kind = TOPICS[name]
        if name not in self._connections:
            self._connections[name] = self._writer.add_connection(
                topic, kind, typestore=self._store, offered_qos_profiles=[_RELIABLE]
            )
        self._writer.write(self._connections[name], stamp_ns, self._store.serialize_cdr(message, kind))

    def _make(self, kind: str, **fields: Any) -> Any:
        return self._store.types[kind](**fields)

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
        time = self._make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
        return self._make("std_msgs/msg/Header", stamp=time, frame_id=frame_id)

    def _image(self, pixels: np.ndarray, encoding: str, header: Any) -> Any:
        flat = np.ascontiguousarray(pixels)
        return self._make(
            IMAGE, header=header, height=flat.shape[0], width=flat.shape[1], encoding=encoding, is_bigendian=0,
            step=flat.strides[0], data=flat.view(np.uint8).ravel(),
        )  # fmt: skip

    def _camera_info(self, camera: PinholeCamera, header: Any) -> Any:
        if camera.is_distorted:
            raise InvalidMessage(
                f"the camera has distortion {camera.distortion}; write rectified frames (perception.rectification)."
            )
        projection = np.zeros((3, 4))
        projection[:, :3] = camera.matrix
        everything = self._make(
            "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        return self._make(
            INFO, header=header, height=camera.height_px, width=camera.width_px, distortion_model="plumb_bob",
            d=np.zeros(5), k=camera.matrix.ravel(), r=np.eye(3).ravel(), p=projection.ravel(), binning_x=0, binning_y=0,
            roi=everything,
        )  # fmt: skip

    def _segmentation(self, frame: Frame, header: Any) -> Any:
        assert frame.segmentation is not None
        named = [d for d in frame.detections if d.instance is not None]
        return self._make(
            SEGMENTATION, header=header, ids=self._image(frame.segmentation, "32SC1", header),
            instances=np.array([d.instance for d in named], dtype=np.int32), labels=[d.label for d in named],
            scores=np.array([d.score for d in named], dtype=np.float32),
        )  # fmt: skip

    def _odometry(self, frame: Frame) -> Any:
        T = frame.T_world_camera
        x, y, z, w = quaternion_from_pose(T).tolist()
        pose = self._make(
            "geometry_msgs/msg/Pose",
            position=self._make(
                "geometry_msgs/msg/Point", x=float(T[0, 3]), y=float(T[1, 3]), z=float(T[2, 3])
            ),
            orientation=self._make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
        )
        still = self._make("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0)
        return self._make(
            ODOMETRY,
            header=self._header(frame.stamp_ns, WORLD_FRAME),
            child_frame_id=CAMERA_FRAME,
            pose=self._make("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)),
            twist=self._make(
                "geometry_msgs/msg/TwistWithCovariance",
                twist=self._make("geometry_msgs/msg/Twist", linear=still, angular=still),
                covariance=np.zeros(36),
            ),
        )


_RELIABLE = Qos(
    history=QosHistory.KEEP_LAST,
    depth=10,
    reliability=QosReliability.RELIABLE,
    durability=QosDurability.VOLATILE,
    deadline=QosTime(sec=0, nsec=0),
    lifespan=QosTime(sec=0, nsec=0),
    liveliness=QosLiveliness.SYSTEM_DEFAULT,
    liveliness_lease_duration=QosTime(sec=0, nsec=0),
    avoid_ros_namespace_conventions=False,
)
