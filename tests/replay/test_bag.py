import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from embodied_mem.errors import ConfigError, InvalidMessage, UnsupportedEncoding
from embodied_mem.geometry import look_at, quaternion_from_pose
from embodied_mem.replay import BagConfig, RosBag, Skipped, open_recording, write_bag
from embodied_mem.replay.bag_topics import COMPRESSED, IMAGE, INFO, ODOMETRY, POSE, TF
from embodied_mem.replay.bag_writer import SEGMENTATION_DEFINITION, _BagWriter

from .made_up import CAMERA, check_same, room_frame

OPTICAL = look_at(np.zeros(3), np.array([1.0, 0.0, 0.0]))
"""Camera axes on a base that looks along x."""


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_what_is_written_comes_back(tmp_path: Path, storage: Literal["mcap", "sqlite3"]) -> None:
    assert (
        write_bag(tmp_path / "bag", [room_frame(i, with_things=True) for i in range(4)], storage=storage) == 4
    )
    recording = open_recording(tmp_path / "bag")
    assert len(recording) == 4
    for index, frame in enumerate(recording):
        wanted = room_frame(index, with_things=True)
        check_same(frame, wanted)
        assert frame.stamp_ns == wanted.stamp_ns
        np.testing.assert_array_equal(frame.segmentation, wanted.segmentation)
        assert frame.detections == wanted.detections


def test_a_single_mcap_file_needs_no_metadata(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", [room_frame(0)])
    (file,) = (tmp_path / "bag").glob("*.mcap")
    (tmp_path / "bag" / "metadata.yaml").unlink()
    (frame,) = open_recording(file)
    check_same(frame, room_frame(0))


def test_the_segmentation_is_the_message_of_the_interfaces_package() -> None:
    file = Path(__file__).parents[2] / "embodied_mem_interfaces/msg/InstanceSegmentation.msg"
    fields = [line.split("#")[0].split() for line in file.read_text().splitlines()]
    assert [f for f in fields if f] == [line.split() for line in SEGMENTATION_DEFINITION.splitlines()]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    with pytest.raises(InvalidMessage, match="exists already"):
        write_bag(tmp_path, [room_frame(0)])


def test_distorted_frames_are_not_written(tmp_path: Path) -> None:
    bent = dataclasses.replace(CAMERA, distortion=(0.1, 0.0, 0.0, 0.0))
    with pytest.raises(InvalidMessage, match="rectified"):
        write_bag(tmp_path / "bag", [dataclasses.replace(room_frame(0), camera=bent)])


def test_a_cut_off_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", [room_frame(i) for i in range(3)])
    (file,) = (tmp_path / "bag").glob("*.mcap")
    file.write_bytes(file.read_bytes()[:-4000])
    with pytest.raises(InvalidMessage, match="mcap recover"):
        open_recording(tmp_path / "bag")


class Bag:
    """Writes a bag message by message, as drivers would: any topic, any order."""

    def __init__(self, path: Path) -> None:
        self._writer = Writer(path, version=8, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self.make = _BagWriter(self._writer)
        self._connections: dict[str, Any] = {}

    def put(self, topic: str, kind: str, stamp_ns: int, message: Any) -> None:
        store = self.make._store
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, kind, typestore=store)
        self._writer.write(self._connections[topic], stamp_ns, store.serialize_cdr(message, kind))

    def tf(self, topic: str, stamp_ns: int, parent: str, child: str, T: np.ndarray) -> None:
        make = self.make._make
        x, y, z, w = quaternion_from_pose(T).tolist()
        transform = make(
            "geometry_msgs/msg/Transform",
            translation=make(
                "geometry_msgs/msg/Vector3", x=float(T[0, 3]), y=float(T[1, 3]), z=float(T[2, 3])
            ),
            rotation=make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
        )
        header = self.make._header(stamp_ns, parent)
        edge = make(
            "geometry_msgs/msg/TransformStamped", header=header, child_frame_id=child, transform=transform
        )
        self.put(topic, TF, stamp_ns, make(TF, transforms=[edge]))

    def image(
        self, topic: str, stamp_ns: int, pixels: np.ndarray, encoding: str, frame: str = "optical"
    ) -> None:
        header = self.make._header(stamp_ns, frame)
        self.put(topic, IMAGE, stamp_ns, self.make._image(pixels, encoding, header))

    def compressed(self, topic: str, stamp_ns: int, data: bytes, format_: str) -> None:
        message = self.make._make(
            COMPRESSED, header=self.make._header(stamp_ns, "optical"), format=format_,
            data=np.frombuffer(data, dtype=np.uint8),
        )  # fmt: skip
        self.put(topic, COMPRESSED, stamp_ns, message)

    def info(self, topic: str, stamp_ns: int) -> None:
        self.put(
            topic, INFO, stamp_ns, self.make._camera_info(CAMERA, self.make._header(stamp_ns, "optical"))
        )

    def close(self) -> None:
        self._writer.close()


def driver_bag(path: Path, poses: Callable[[Bag, int], None], num_frames: int = 3) -> Path:
    """Integer depth and bgr colour from a driver, with `poses(bag, index)` in between."""
    bag = Bag(path)
    for index in range(num_frames):
        frame = room_frame(index)
        assert frame.rgb is not None
        bag.info("/cam/depth/camera_info", frame.stamp_ns)
        bag.image(
            "/cam/depth/image_rect", frame.stamp_ns, np.rint(frame.depth_m * 1000).astype(np.uint16), "16UC1"
        )
        bag.image("/cam/rgb/image_rect", frame.stamp_ns + 3_000_000, frame.rgb[:, :, ::-1], "bgr8")
        poses(bag, index)
    bag.close()
    return path


def test_poses_come_from_tf_through_the_mounting(tmp_path: Path) -> None:
    def poses(bag: Bag, index: int) -> None:
        frame = room_frame(index)
        if index == 0:
            bag.tf("/tf_static", frame.stamp_ns, "base", "optical", OPTICAL)
        bag.tf("/tf", frame.stamp_ns, "map", "odom", np.eye(4))
        bag.tf("/tf", frame.stamp_ns, "odom", "base", frame.T_world_camera @ np.linalg.inv(OPTICAL))

    recording = RosBag(driver_bag(tmp_path / "bag", poses))
    assert recording.world_frame == "map"
    for index, frame in enumerate(recording):
        check_same(frame, room_frame(index))


def test_poses_between_samples_are_interpolated(tmp_path: Path) -> None:
    def poses(bag: Bag, index: int) -> None:
        frame = room_frame(index)
        for offset_ns, share in ((-40_000_000, -1.0), (40_000_000, 1.0)):
            T = np.array(frame.T_world_camera)
            T[0, 3] += 0.01 * share
            bag.tf("/tf", frame.stamp_ns + offset_ns, "odom", "optical", T)

    for index, frame in enumerate(RosBag(driver_bag(tmp_path / "bag", poses))):
        check_same(frame, room_frame(index), pose_m=1e-6)


def test_stamped_poses_are_those_of_the_camera(tmp_path: Path) -> None:
    def poses(bag: Bag, index: int) -> None:
        odometry = bag.make._odometry(room_frame(index))
        message = bag.make._make(POSE, header=odometry.header, pose=odometry.pose.pose)
        bag.put("/vicon/camera", POSE, room_frame(index).stamp_ns, message)

    for index, frame in enumerate(RosBag(driver_bag(tmp_path / "bag", poses))):
        check_same(frame, room_frame(index))


def odometry_of_base(bag: Bag, index: int) -> None:
    frame = room_frame(index)
    base = dataclasses.replace(frame, T_world_camera=frame.T_world_camera @ np.linalg.inv(OPTICAL))
    message = bag.make._odometry(base)
    message.child_frame_id = "base"
    bag.put("/odom", ODOMETRY, frame.stamp_ns, message)


def test_a_mounting_that_the_bag_lacks_can_be_given(tmp_path: Path) -> None:
    path = driver_bag(tmp_path / "bag", odometry_of_base)
    skipped: list[Skipped] = []
    assert list(RosBag(path).frames(skipped.append)) == []
    assert "static_transforms" in str(skipped[0].error)
    x, y, z, w = quaternion_from_pose(OPTICAL)
    config = BagConfig(static_transforms=(f"base optical 0 0 0 {x} {y} {z} {w}",))
    frames = list(RosBag(path, config))
    assert len(frames) == 3
    check_same(frames[2], room_frame(2), pose_m=1e-6)


def test_compressed_images_are_read(tmp_path: Path) -> None:
    bag = Bag(tmp_path / "bag")
    frame = room_frame(0)
    assert frame.rgb is not None
    _, color = cv2.imencode(".png", frame.rgb[:, :, ::-1])
    _, depth = cv2.imencode(".png", np.rint(frame.depth_m * 1000).astype(np.uint16))
    bag.info("/cam/camera_info", frame.stamp_ns)
    bag.put("/odom", ODOMETRY, frame.stamp_ns, _camera_odometry(bag))
    bag.compressed("/cam/rgb/compressed", frame.stamp_ns, color.tobytes(), "rgb8; png compressed bgr8")
    bag.compressed(
        "/cam/depth/compressedDepth",
        frame.stamp_ns,
        bytes(12) + depth.tobytes(),
        "16UC1; compressedDepth png",
    )
    bag.close()
    (read,) = RosBag(tmp_path / "bag")
    check_same(read, frame)


def _camera_odometry(bag: Bag) -> Any:
    message = bag.make._odometry(room_frame(0))
    message.child_frame_id = "optical"
    return message


def test_frames_without_a_pose_are_skipped_with_the_reason(tmp_path: Path) -> None:
    def poses(bag: Bag, index: int) -> None:
        if index < 2:
            bag.tf("/tf", room_frame(index).stamp_ns, "odom", "optical", room_frame(index).T_world_camera)

    skipped: list[Skipped] = []
    assert len(list(RosBag(driver_bag(tmp_path / "bag", poses)).frames(skipped.append))) == 2
    assert [s.cause for s in skipped] == ["PoseNotYet"]


def test_a_bag_without_depth_says_what_it_has(tmp_path: Path) -> None:
    bag = Bag(tmp_path / "bag")
    bag.image("/cam/rgb", 1, np.zeros((4, 4, 3), dtype=np.uint8), "rgb8")
    bag.close()
    with pytest.raises(UnsupportedEncoding, match=r"no depth images.*/cam/rgb \(sensor_msgs/Image, 1\)"):
        RosBag(tmp_path / "bag")


def test_a_bag_without_poses_says_so(tmp_path: Path) -> None:
    path = driver_bag(tmp_path / "bag", lambda bag, index: None)
    with pytest.raises(UnsupportedEncoding, match="no poses"):
        RosBag(path)


def test_two_depth_cameras_must_be_told_apart(tmp_path: Path) -> None:
    def second(bag: Bag, index: int) -> None:
        odometry_of_base(bag, index)
        bag.image("/rear/depth", room_frame(index).stamp_ns, room_frame(index).depth_m, "32FC1")

    path = driver_bag(tmp_path / "bag", second)
    with pytest.raises(ConfigError, match="Set depth_topic to one"):
        RosBag(path)
    assert RosBag(path, BagConfig(depth_topic="/rear/depth")).topics.depth.name == "/rear/depth"
    with pytest.raises(ConfigError, match="Did you mean '/rear/depth'"):
        RosBag(path, BagConfig(depth_topic="/rear/depht"))


def test_raw_messages_are_those_of_the_nodes_inputs_mountings_first(tmp_path: Path) -> None:
    def poses(bag: Bag, index: int) -> None:
        stamp_ns = room_frame(index).stamp_ns
        bag.tf("/tf", stamp_ns, "map", "base", room_frame(index).T_world_camera)
        bag.tf("/tf_static", stamp_ns, "base", "optical", np.eye(4))

    recording = RosBag(driver_bag(tmp_path / "bag", poses, num_frames=2))
    messages = list(recording.raw_messages())
    per_frame = ["camera_info", "depth", "/tf", "rgb"]  # colour is recorded 3 ms after the rest
    assert [m.input for m in messages][:2] == ["/tf_static"] * 2
    assert sorted(m.input for m in messages[2:6]) == sorted(per_frame)
    assert len(messages) == 2 + 2 * len(per_frame)
    assert recording.input_config.world_frame == "map"
    with recording._open() as reader:
        read = [bytes(data) for connection, _, data in reader.messages() if connection.topic.endswith("tf")]
    assert [m.cdr for m in messages if m.input == "/tf"] == read


def test_poses_that_no_node_hears_are_not_played(tmp_path: Path) -> None:
    def poses(bag: Bag, index: int) -> None:
        odometry = bag.make._odometry(room_frame(index))
        message = bag.make._make(POSE, header=odometry.header, pose=odometry.pose.pose)
        bag.put("/vicon/camera", POSE, room_frame(index).stamp_ns, message)

    recording = RosBag(driver_bag(tmp_path / "bag", poses))
    with pytest.raises(UnsupportedEncoding, match="PoseStamped; a memory node hears"):
        next(recording.raw_messages())


def test_poses_that_odometry_calls_uncertain_are_left_out_as_the_node_does(tmp_path: Path) -> None:
    def poses(bag: Bag, index: int) -> None:
        message = bag.make._odometry(room_frame(index))
        message.child_frame_id = "optical"
        message.pose.covariance[0] = 4.0 if index == 1 else 0.01
        bag.put("/odom", ODOMETRY, room_frame(index).stamp_ns, message)

    path, skipped = driver_bag(tmp_path / "bag", poses), list[Skipped]()
    assert len(list(RosBag(path).frames(skipped.append))) == 2
    assert [one.cause for one in skipped] == ["PoseUncertain"]
    assert len(list(RosBag(path, BagConfig(max_position_std_m=2.0)))) == 3
