"""Messages of a bag, in the order of recording, to frames: by the very steps that `memory_node` takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from embodied_mem.errors import EmbodiedMemError, InvalidMessage
from embodied_mem.geometry import pose_from_quaternion
from embodied_mem.messages import Frame
from embodied_mem.replay.bag_topics import COMPRESSED, BagConfig, ChosenTopics, Topic
from embodied_mem.replay.recording import OnSkip, Skipped
from embodied_mem.sensing.input_config import InputConfig
from embodied_mem.sensing.rgbd import RgbdSet, StageFailed, build_frame, needs_registration
from embodied_mem.sensing.sync import ImageSet, ImageSynchronizer, Matched
from embodied_mem.sensing.transforms import Edge, PoseNotYet, TransformTree, parse_static_transform

MAX_WAITING = 100
"""Image sets that wait for a pose; beyond, the oldest is given up."""


class FrameAssembler:
    """Takes the messages of a bag one by one and gives the frames that are complete."""

    def __init__(self, topics: ChosenTopics, config: BagConfig, world_frame: str, on_skip: OnSkip) -> None:
        self._topics, self._on_skip = topics, on_skip
        self._input = input_config(topics, config, world_frame)
        self._camera_frame = config.camera_frame or topics.camera_frame
        streams = ["depth"] + [name for name in ("rgb", "segmentation") if getattr(topics, name)]
        self._stream_of = {getattr(topics, name).name: name for name in streams}
        self._sync = ImageSynchronizer(streams, slop_ns=round(config.slop_s * 1e9))
        self._tree = TransformTree(max_gap_ns=round(config.max_pose_gap_s * 1e9))
        for text in config.static_transforms:
            self._tree.add_fixed(parse_static_transform(text))
        self._waiting: deque[ImageSet] = deque()
        self._infos: dict[str, Any] = {}

    def add_fixed(self, message: Any) -> None:
        """Take in mountings from /tf_static, which hold for the whole bag."""
        for parent, child, _, pose in poses_of(message, ""):
            self._tree.add_fixed(Edge(parent=parent, child=child, T_parent_child=pose))

    def add(self, topic: str, message: Any) -> Iterator[Frame]:
        """Take in one message; yields the frames that it completes."""
        try:
            if topic in self._stream_of:
                self._queue(self._sync.add(self._stream_of[topic], stamp_of(message), message))
            elif "CameraInfo" in message.__msgtype__:
                self._infos[topic] = message
            else:
                is_trusted = "Odometry" not in message.__msgtype__ or self._input.trusts(
                    message.pose.covariance
                )
                for parent, child, stamp_ns, pose in poses_of(message, self._camera_frame):
                    self._tree.add_sample(parent, child, stamp_ns, pose, is_trusted=is_trusted)
        except EmbodiedMemError as error:
            self._on_skip(Skipped(source=topic, error=error))
        yield from self._ready(is_last=False)

    def finish(self) -> Iterator[Frame]:
        """The frames that still waited for something newer, which will not come."""
        self._queue(self._sync.flush())
        yield from self._ready(is_last=True)

    def _queue(self, matched: Matched) -> None:
        for refusal in matched.refused:
            self._on_skip(Skipped(source=self._topics.depth.name, error=refusal))
        self._waiting.extend(matched.sets)

    def _ready(self, *, is_last: bool) -> Iterator[Frame]:
        while self._waiting:
            try:
                frame = self._frame(self._waiting[0])
            except PoseNotYet as error:
                if not is_last and len(self._waiting) <= MAX_WAITING:
                    return
                self._skip(error)
            except StageFailed as failed:
                self._skip(failed.error)
            except EmbodiedMemError as error:
                self._skip(error)
            else:
                self._waiting.popleft()
                yield frame

    def _skip(self, error: EmbodiedMemError) -> None:
        stamp_ns = self._waiting.popleft().stamp_ns
        self._on_skip(Skipped(source=f"{self._topics.depth.name} at {stamp_ns} ns", error=error))

    def _frame(self, found: ImageSet) -> Frame:
        images, stamp_ns = found.images, found.stamp_ns
        camera_frame = self._input.camera_frame or images.get("rgb", images["depth"]).header.frame_id
        T_color_depth = None
        if needs_registration(self._input, images):
            T_color_depth = self._tree.lookup(camera_frame, images["depth"].header.frame_id, stamp_ns)
        rgbd = RgbdSet(
            stamp_ns=stamp_ns,
            received_ns=stamp_ns,
            images=images,
            camera_info=self._info(self._topics.camera_info),
            depth_camera_info=self._info(self._topics.depth_camera_info),
            T_world_camera=self._tree.lookup(self._input.world_frame, camera_frame, stamp_ns),
            T_color_depth=T_color_depth,
        )
        return build_frame(rgbd, self._input)

    def _info(self, topic: Topic | None) -> Any | None:
        return self._infos.get(topic.name) if topic else None


def input_config(topics: ChosenTopics, config: BagConfig, world_frame: str) -> InputConfig:
    """The parameters with which `memory_node` would hear the same topics in the same way."""
    rgb_transport: Literal["raw", "compressed"] = (
        "compressed" if topics.rgb and topics.rgb.type == COMPRESSED else "raw"
    )
    return InputConfig(
        use_rgb=topics.rgb is not None,
        use_segmentation=topics.segmentation is not None,
        rgb_transport=rgb_transport,
        depth_transport="compressedDepth" if topics.depth.type == COMPRESSED else "raw",
        images_are_rectified=config.images_are_rectified,
        depth_is_registered=config.depth_is_registered,
        depth_unit_m=config.depth_unit_m,
        slop_s=config.slop_s,
        world_frame=world_frame,
        camera_frame=config.camera_frame,
        static_transforms=config.static_transforms,
        max_pose_gap_s=config.max_pose_gap_s,
        max_position_std_m=config.max_position_std_m,
        max_rotation_std_rad=config.max_rotation_std_rad,
    )


def stamp_of(message: Any) -> int:
    """Nanoseconds of a message's header."""
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


def poses_of(message: Any, camera_frame: str) -> Iterator[tuple[str, str, int, np.ndarray]]:
    """(parent, child, stamp, T_parent_child) of each pose that a message carries. A stamped pose, which names no
    child, is that of `camera_frame`.
    """
    kind = message.__msgtype__.rsplit("/", 1)[-1]
    if kind == "TFMessage":
        for edge in message.transforms:
            pose = _pose(edge.transform.translation, edge.transform.rotation)
            yield edge.header.frame_id, edge.child_frame_id, stamp_of(edge), pose
    elif kind == "Odometry":
        pose = _pose(message.pose.pose.position, message.pose.pose.orientation)
        yield message.header.frame_id, message.child_frame_id, stamp_of(message), pose
    elif kind == "PoseStamped":
        pose = _pose(message.pose.position, message.pose.orientation)
        yield message.header.frame_id, camera_frame, stamp_of(message), pose
    else:
        raise InvalidMessage(f"a {message.__msgtype__} carries no pose; odometry, stamped poses and /tf do.")


def _pose(position: Any, orientation: Any) -> np.ndarray:
    quaternion = np.array([orientation.x, orientation.y, orientation.z, orientation.w])
    return pose_from_quaternion(np.array([position.x, position.y, position.z]), quaternion)
