"""A synthetic room as a camera: publishes its frames at a fixed rate, to measure and to try out what listens."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import rclpy
from nav_msgs.msg import Odometry
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from embodied_mem.messages import Frame
from embodied_mem.ros.conversions.basics import header, pose_to_msg
from embodied_mem.ros.parameters import declare
from embodied_mem.sensing.cameras import fill_camera_info
from embodied_mem.sensing.images import fill_image
from embodied_mem.testing import SyntheticRoom
from embodied_mem_interfaces.msg import InstanceSegmentation

WORLD_FRAME, CAMERA_FRAME = "map", "camera_optical"


@dataclass(frozen=True, kw_only=True)
class RoomNodeConfig:
    """Parameters of `room_node`. `seconds`: it publishes for so long, then prints how many frames it sent."""

    width_px: int = 640
    height_px: int = 480
    hz: float = 15.0
    seconds: float = 60.0
    num_views: int = 12
    """Views rendered before the start, then repeated with new stamps."""
    seed: int = 0


class RgbdPublisher:
    """Publishes frames as a robot's camera would: colour, depth, camera info, segmentation and the camera's pose."""

    def __init__(self, node: Node, *, depth: int = 30) -> None:
        images = QoSProfile(depth=depth)
        self._rgb = node.create_publisher(Image, "rgb", images)
        self._depth = node.create_publisher(Image, "depth", images)
        self._info = node.create_publisher(CameraInfo, "camera_info", images)
        self._segmentation = node.create_publisher(InstanceSegmentation, "segmentation", images)
        self._odometry = node.create_publisher(Odometry, "odometry", QoSProfile(depth=100))

    def publish(self, frame: Frame) -> None:
        """Send one frame."""
        at = header(frame.stamp_ns, CAMERA_FRAME)
        odometry = Odometry(header=header(frame.stamp_ns, WORLD_FRAME), child_frame_id=CAMERA_FRAME)
        odometry.pose.pose = pose_to_msg(frame.T_world_camera)
        self._odometry.publish(odometry)
        self._info.publish(fill_camera_info(CameraInfo(header=at), frame.camera))
        if frame.segmentation is not None:
            self._segmentation.publish(segmentation_to_msg(frame))
        if frame.rgb is not None:
            self._rgb.publish(fill_image(Image(header=at), frame.rgb, "rgb8"))
        self._depth.publish(fill_image(Image(header=at), frame.depth_m, "32FC1"))

    def has_listener(self) -> bool:
        """Whether somebody subscribed to depth and odometry."""
        return bool(self._depth.get_subscription_count() and self._odometry.get_subscription_count())


def segmentation_to_msg(frame: Frame) -> InstanceSegmentation:
    """The message for a frame's segmentation and its detections."""
    assert frame.segmentation is not None, "only for frames that have a segmentation"
    at = header(frame.stamp_ns, CAMERA_FRAME)
    named = [detection for detection in frame.detections if detection.instance is not None]
    return InstanceSegmentation(
        header=at,
        ids=fill_image(Image(header=at), frame.segmentation, "32SC1"),
        instances=[detection.instance for detection in named],
        labels=[detection.label for detection in named],
        scores=[float(detection.score) for detection in named],
    )


def send(node: Node, config: RoomNodeConfig) -> int:
    """Publish for `seconds` at `hz` once somebody listens; how many frames were sent."""
    room = SyntheticRoom(config.seed, width_px=config.width_px, height_px=config.height_px)
    views = list(room.frames(config.num_views))
    publisher = RgbdPublisher(node)
    while rclpy.ok() and not publisher.has_listener():
        time.sleep(0.05)
    num_frames, start_s = round(config.seconds * config.hz), time.monotonic()
    first_ns, period_ns = node.get_clock().now().nanoseconds, round(1e9 / config.hz)
    num_sent = 0
    while rclpy.ok() and num_sent < num_frames:
        time.sleep(max(0.0, start_s + num_sent / config.hz - time.monotonic()))
        view = views[num_sent % len(views)]
        publisher.publish(replace(view, stamp_ns=int(first_ns + num_sent * period_ns), received_ns=None))
        num_sent += 1
    return num_sent


def main(arguments: list[str] | None = None) -> None:
    """Run the node until it has sent everything, then stay for the last frames to be taken."""
    rclpy.init(args=arguments)
    node = Node("room_node")
    try:
        num_sent = send(node, declare(node, RoomNodeConfig()))
        node.get_logger().info(f"SENT {num_sent}")
        time.sleep(1.0)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
