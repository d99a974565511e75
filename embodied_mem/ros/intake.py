"""What a robot publishes, gathered into frames: subscriptions, matching by time, poses, the queue to the memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nav_msgs.msg import Odometry
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from embodied_mem.errors import EmbodiedMemError, InvalidMessage
from embodied_mem.messages import Event
from embodied_mem.ros.conversions.basics import ns_from_time, pose_from_msg
from embodied_mem.ros.conversions.events import check_frame, event_from_msg
from embodied_mem.ros.drops import DropLog
from embodied_mem.sensing.input_config import InputConfig
from embodied_mem.sensing.rgbd import RgbdSet, needs_registration
from embodied_mem.sensing.sync import ImageSet, ImageSynchronizer
from embodied_mem.sensing.transforms import Edge, PoseNotYet, TransformTree, parse_static_transform
from embodied_mem_interfaces.msg import Event as EventMsg
from embodied_mem_interfaces.msg import InstanceSegmentation

POSE_RETRY_S = 0.05


class NoCameraInfo(EmbodiedMemError):
    """No camera info has come: at the start it may still, as long as a frame waits for its pose."""


def tf_message_type() -> Any | None:
    """tf2_msgs/TFMessage, or None where it is not installed (there is no wheel of it; apt has it)."""
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError:
        return None
    return TFMessage


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    """A set of images whose pose is not known yet, since when it waits (monotonic), when it came (node clock)."""

    images: ImageSet
    received_ns: int
    since_s: float


class FrameIntake:
    """Subscribes to a robot's sensors and hands over sets that are complete, in order of their stamps.

    `on_set` gets each set, `on_event` each of the robot's own actions; both are called on the executor's thread.
    Nothing is handed over while `is_active` is False. What cannot be used goes to `drops`.
    """

    def __init__(
        self,
        node: Any,
        config: InputConfig,
        drops: DropLog,
        *,
        on_set: Callable[[RgbdSet], None],
        on_event: Callable[[Event], None],
    ) -> None:
        self._node, self._config, self._drops = node, config, drops
        self._on_set, self._on_event = on_set, on_event
        streams = ["depth"] + ["rgb"] * config.use_rgb + ["segmentation"] * config.use_segmentation
        self._sync = ImageSynchronizer(
            streams, slop_ns=round(config.slop_s * 1e9), capacity=config.queue_size
        )
        self._tree = TransformTree(max_gap_ns=round(config.max_pose_gap_s * 1e9))
        for text in config.static_transforms:
            self._tree.add_fixed(parse_static_transform(text))
        self._infos: dict[str, Any] = {}
        self._waiting: deque[_Waiting] = deque()
        self.is_active = False
        self.num_depth_images = 0
        self.newest_ns = 0
        self._newest_used_ns = -1
        self._subscriptions = self._subscribe(streams)
        # A steady clock: with use_sim_time the node's own clock stands still when the simulator does.
        self._timer = node.create_timer(
            POSE_RETRY_S, self._release, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    @property
    def num_waiting(self) -> int:
        """Sets that wait for their pose."""
        return len(self._waiting)

    def topics(self) -> list[str]:
        """The topics that are listened to, resolved."""
        return sorted(subscription.topic_name for subscription in self._subscriptions)

    def clear(self) -> None:
        """Forget images that wait, and accept stamps from anywhere again."""
        self._sync.clear()
        self._waiting.clear()
        self._newest_used_ns = -1

    def destroy(self) -> None:
        """End the subscriptions."""
        self.is_active = False
        self._node.destroy_timer(self._timer)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    # -- subscriptions --------------------------------------------------------------------------------------------

    def _subscribe(self, streams: list[str]) -> list[Any]:
        config = self._config
        types = {
            "depth": Image if config.depth_transport == "raw" else CompressedImage,
            "rgb": Image if config.rgb_transport == "raw" else CompressedImage,
            "segmentation": InstanceSegmentation,
        }
        sensor = self._qos(config.queue_size)
        wanted: list[tuple[Any, str, Callable[[Any], None], QoSProfile]] = [
            (types[stream], stream, self._image_callback(stream), sensor) for stream in streams
        ]
        wanted += [
            (CameraInfo, "camera_info", self._info_callback("camera_info"), sensor),
            (CameraInfo, "depth_camera_info", self._info_callback("depth_camera_info"), sensor),
            (Odometry, "odometry", self._on_odometry, self._qos(200)),
            (EventMsg, "events", self._on_event_msg, QoSProfile(depth=100)),
        ]
        wanted += self._tf_subscriptions()
        return [self._node.create_subscription(*one) for one in wanted]

    def _tf_subscriptions(self) -> list[tuple[Any, str, Callable[[Any], None], QoSProfile]]:
        if not self._config.use_tf:
            return []
        message_type = tf_message_type()
        if message_type is None:
            self._node.get_logger().info(
                "tf2_msgs is not installed: poses come from odometry and static_transforms only."
            )
            return []
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        return [
            (message_type, "/tf", self._on_tf, QoSProfile(depth=200)),
            (message_type, "/tf_static", self._on_tf_static, latched),
        ]

    def _qos(self, depth: int) -> QoSProfile:
        reliable = self._config.reliability == "reliable"
        return QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=depth,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        )

    # -- images ---------------------------------------------------------------------------------------------------

    def _image_callback(self, stream: str) -> Callable[[Any], None]:
        def on_image(message: Any) -> None:
            if not self.is_active:
                return
            self.num_depth_images += stream == "depth"
            try:
                stamp_ns = ns_from_time(message.header.stamp)
            except EmbodiedMemError as error:
                self._drops.drop(f"{stream} stamp", error, is_frame=stream == "depth")
                return
            if stream == "depth":
                self.newest_ns = max(self.newest_ns, stamp_ns)
            matched = self._sync.add(stream, stamp_ns, message)
            for refusal in matched.refused:
                self._drops.drop("matching", refusal)
            for images in matched.sets:
                self._waiting.append(
                    _Waiting(images=images, received_ns=self._now_ns(), since_s=time.monotonic())
                )
            if matched.sets:
                self._release()

        return on_image

    def _info_callback(self, name: str) -> Callable[[Any], None]:
        def on_info(message: Any) -> None:
            self._infos[name] = message

        return on_info

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    # -- poses ----------------------------------------------------------------------------------------------------

    def _on_odometry(self, message: Any) -> None:
        try:
            self._tree.add_sample(
                message.header.frame_id,
                message.child_frame_id,
                ns_from_time(message.header.stamp),
                pose_from_msg(message.pose.pose.position, message.pose.pose.orientation),
                is_trusted=self._config.trusts(message.pose.covariance),
            )
        except EmbodiedMemError as error:
            self._drops.drop("odometry", error, is_frame=False)
            return
        self._release()

    def _on_tf(self, message: Any) -> None:
        for transform in message.transforms:
            try:
                self._tree.add_sample(
                    transform.header.frame_id,
                    transform.child_frame_id,
                    ns_from_time(transform.header.stamp),
                    pose_from_msg(transform.transform.translation, transform.transform.rotation),
                )
            except EmbodiedMemError as error:
                self._drops.drop("tf", error, is_frame=False)
        self._release()

    def _on_tf_static(self, message: Any) -> None:
        for transform in message.transforms:
            try:
                pose = pose_from_msg(transform.transform.translation, transform.transform.rotation)
                edge = Edge(
                    parent=transform.header.frame_id, child=transform.child_frame_id, T_parent_child=pose
                )
                self._tree.add_fixed(edge)
            except EmbodiedMemError as error:
                self._drops.drop("tf", error, is_frame=False)

    # -- handing over ---------------------------------------------------------------------------------------------

    def _release(self) -> None:
        """Hand over the sets whose pose is known now, in order; give up those that waited too long."""
        while self._waiting and self.is_active:
            waiting = self._waiting[0]
            try:
                rgbd = self._with_pose(waiting)
            except (PoseNotYet, NoCameraInfo) as error:
                if time.monotonic() - waiting.since_s < self._config.pose_wait_s:
                    return
                self._give_up(error)
            except EmbodiedMemError as error:
                self._give_up(error)
            else:
                self._waiting.popleft()
                self._newest_used_ns = rgbd.stamp_ns
                self._on_set(rgbd)

    def _give_up(self, error: EmbodiedMemError) -> None:
        self._waiting.popleft()
        if not self._waiting:  # a wrong stamp in the future must not shut out the images that follow
            self._sync.go_back_to(self._newest_used_ns)
        self._drops.drop("camera info" if isinstance(error, NoCameraInfo) else "pose", error)

    def _with_pose(self, waiting: _Waiting) -> RgbdSet:
        images, stamp_ns = waiting.images.images, waiting.images.stamp_ns
        if "camera_info" not in self._infos:
            raise NoCameraInfo(
                "no camera info has come yet. Check that camera_info is published and remapped (ros2 topic echo)."
            )
        main = images.get("rgb", images["depth"])
        camera_frame = self._config.camera_frame or main.header.frame_id
        if not camera_frame:
            raise InvalidMessage(
                "the images have no frame_id. Set it in the driver, or name the optical frame in input.camera_frame."
            )
        T_color_depth = None
        if needs_registration(self._config, images):
            T_color_depth = self._tree.lookup(camera_frame, images["depth"].header.frame_id, stamp_ns)
        return RgbdSet(
            stamp_ns=stamp_ns,
            received_ns=waiting.received_ns,
            images=images,
            camera_info=self._infos["camera_info"],
            depth_camera_info=self._infos.get("depth_camera_info"),
            T_world_camera=self._tree.lookup(self._config.world_frame, camera_frame, stamp_ns),
            T_color_depth=T_color_depth,
        )

    def _on_event_msg(self, message: Any) -> None:
        if not self.is_active:
            return
        try:
            check_frame(message, self._config.world_frame)
            event = event_from_msg(message)
        except EmbodiedMemError as error:
            self._drops.drop("event", error, is_frame=False)
            return
        self._on_event(event)
