"""Which topics of a bag hold colour, depth, calibration, segmentation and poses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from embodied_mem.errors import ConfigError, UnsupportedEncoding, did_you_mean

IMAGE, COMPRESSED, INFO = (
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/CameraInfo",
)
ODOMETRY, TF, POSE = "nav_msgs/msg/Odometry", "tf2_msgs/msg/TFMessage", "geometry_msgs/msg/PoseStamped"
SEGMENTATION = "embodied_mem_interfaces/msg/InstanceSegmentation"


@dataclass(frozen=True, kw_only=True)
class BagConfig:
    """What to read from a bag; an empty topic is found by its type and what its first message holds."""

    depth_topic: str = ""
    rgb_topic: str = ""
    camera_info_topic: str = ""
    """Of the colour camera, or of the depth camera where there is no colour."""
    depth_camera_info_topic: str = ""
    segmentation_topic: str = ""
    odometry_topic: str = ""
    """Odometry or stamped poses of the camera; empty: the only such topic. /tf is read as well."""
    world_frame: str = ""
    """The frame that the memory lives in; empty: the one above all others."""
    camera_frame: str = ""
    """The optical frame of the camera; empty: the frame_id of its images."""
    static_transforms: tuple[str, ...] = ()
    """Mountings that the bag lacks: 'parent child x y z roll pitch yaw' or '... qx qy qz qw'."""
    depth_unit_m: float = 0.001
    """What one count of integer depth is."""
    images_are_rectified: bool = False
    """True for image_rect topics: their camera info's distortion was removed already."""
    depth_is_registered: bool = False
    """Depth and colour pixels coincide although their frame_ids differ."""
    slop_s: float = 0.02
    """How far apart images may be that belong together."""
    max_pose_gap_s: float = 0.5
    """How far apart two poses may be that one in between is interpolated from."""
    max_position_std_m: float = 0.5
    """Frames at poses that odometry calls less certain than this are left out; so is max_rotation_std_rad."""
    max_rotation_std_rad: float = 0.25


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A topic of a bag; `sample` is the encoding (or format) of its first image, `frame_id` that image's frame."""

    name: str
    type: str
    num_messages: int
    sample: str = ""
    frame_id: str = ""

    @property
    def is_depth(self) -> bool:
        if self.type == COMPRESSED:
            return (
                "compressedDepth" in self.sample
                or "16UC1" in self.sample
                or self.name.endswith("/compressedDepth")
            )
        return self.sample in ("16UC1", "mono16", "32FC1")

    @property
    def is_color(self) -> bool:
        if self.type == COMPRESSED:
            return not self.is_depth
        return self.sample in ("rgb8", "bgr8", "rgba8", "bgra8", "mono8", "8UC1", "8UC3")


@dataclass(frozen=True, kw_only=True)
class ChosenTopics:
    """The topics to read; None where the bag has none. `odometry` may be stamped poses of the camera."""

    depth: Topic
    camera_info: Topic
    depth_camera_info: Topic | None
    rgb: Topic | None
    segmentation: Topic | None
    odometry: Topic | None
    tf: tuple[Topic, ...]

    @property
    def camera_frame(self) -> str:
        """The optical frame of the camera that frames are seen from."""
        return (self.rgb or self.depth).frame_id

    def names(self) -> set[str]:
        """All of them by name."""
        single = (
            self.depth, self.camera_info, self.depth_camera_info, self.rgb, self.segmentation, self.odometry,
        )  # fmt: skip
        return {topic.name for topic in (*single, *self.tf) if topic is not None}


def choose_topics(topics: Sequence[Topic], config: BagConfig) -> ChosenTopics:
    """The topics that `config` names, and for those that it leaves empty the ones that fit best.

    Raises:
        UnsupportedEncoding: no depth image, or no camera info.
        ConfigError: a named topic that the bag has not, or several that fit equally.
    """
    by_name = {topic.name: topic for topic in topics if topic.num_messages}
    of_type = _by_type(by_name.values())
    images = of_type(IMAGE) + of_type(COMPRESSED)
    depth = _named(by_name, config.depth_topic) or _best_depth([t for t in images if t.is_depth])
    if depth is None:
        raise UnsupportedEncoding(
            f"the bag has no depth images (16UC1, 32FC1 or compressedDepth); it has {describe(topics)}. Record the "
            "depth topic, or name it with depth_topic."
        )
    rgb = _named(by_name, config.rgb_topic) or _nearest([t for t in images if t.is_color], depth)
    camera_info = _named(by_name, config.camera_info_topic) or _nearest(of_type(INFO), rgb or depth)
    if camera_info is None:
        raise UnsupportedEncoding(
            f"the bag has no camera info ({INFO}); it has {describe(topics)}. Record the camera_info topic too."
        )
    depth_camera_info = _named(by_name, config.depth_camera_info_topic) or _nearest(of_type(INFO), depth)
    return ChosenTopics(
        depth=depth, camera_info=camera_info, rgb=rgb,
        depth_camera_info=None if depth_camera_info == camera_info else depth_camera_info,
        segmentation=_named(by_name, config.segmentation_topic) or _only(of_type(SEGMENTATION), "segmentation_topic"),
        odometry=_named(by_name, config.odometry_topic) or _only(of_type(ODOMETRY) or of_type(POSE), "odometry_topic"),
        tf=tuple(of_type(TF)),
    )  # fmt: skip


def _by_type(topics: Iterable[Topic]) -> Callable[[str], list[Topic]]:
    known = list(topics)
    return lambda kind: [topic for topic in known if topic.type == kind]


def describe(topics: Sequence[Topic]) -> str:
    """The topics with their types, for messages to people."""
    return (
        ", ".join(f"{t.name} ({t.type.replace('/msg/', '/')}, {t.num_messages})" for t in topics)
        or "no topics"
    )


def _named(by_name: Mapping[str, Topic], name: str) -> Topic | None:
    if name and name not in by_name:
        raise ConfigError(
            f"the bag has no messages on {name!r}; it has {sorted(by_name)}.{did_you_mean(name, by_name)}"
        )
    return by_name.get(name)


def _best_depth(topics: list[Topic]) -> Topic | None:
    """Depth that is registered to colour goes first, then the raw image before its compressed copy."""
    registered = [t for t in topics if "aligned" in t.name or "registered" in t.name]
    candidates = registered or topics
    raw = [t for t in candidates if t.type == IMAGE]
    return _only(raw or candidates, "depth_topic")


def _only(topics: list[Topic], option: str) -> Topic | None:
    if len(topics) > 1:
        raise ConfigError(
            f"the bag has {len(topics)} topics that could be the {option}: {describe(topics)}. Set {option} to one."
        )
    return topics[0] if topics else None


def _nearest(topics: list[Topic], other: Topic) -> Topic | None:
    """The topic whose name shares the most leading parts with `other`'s; raw images before compressed ones."""

    def closeness(topic: Topic) -> tuple[int, bool, int]:
        parts = list(zip(topic.name.split("/"), other.name.split("/"), strict=False))
        shared = next((i for i, (a, b) in enumerate(parts) if a != b), len(parts))
        return shared, topic.type != COMPRESSED, -len(topic.name)

    return max(topics, key=closeness, default=None)
