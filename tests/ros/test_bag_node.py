"""A bag played to a memory node gives the memory that a direct replay of it gives."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from embodied_mem.geometry import invert, look_at, pose_from_quaternion, quaternion_from_pose
from embodied_mem.replay import RosBag, SevenScenesFolder, write_bag
from embodied_mem.replay.session import replay
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.testing import SyntheticRoom

pytestmark = pytest.mark.ros


def played(bag, folder):
    """The memory that a node in a process of its own has after another process has played `bag` to it."""
    from embodied_mem.ros.parameters import to_parameters
    from embodied_mem.ros.stream import node_process
    from embodied_mem.ros.transport import node_environment

    wanted = {f"input.{name}": value for name, value in to_parameters(RosBag(bag).input_config).items()}
    slow = {
        "input.reliability": "reliable",
        "input.pose_wait_s": 20.0,
    }  # a machine under load loses nothing either
    parameters = {**wanted, **slow, "path": str(folder / "live")}
    environment = node_environment()
    with node_process(
        "embodied_mem.ros.memory_node",
        parameters=parameters,
        environment=environment,
        log_path=folder / "memory.log",
    ):
        player = [
            sys.executable,
            "-m",
            "embodied_mem.ros.bag_node",
            "--ros-args",
            "-p",
            f"path:={bag}",
            "-p",
            "give_up_s:=120.0",
        ]
        done = subprocess.run(
            player, env=environment, capture_output=True, text=True, timeout=290, check=False
        )
        assert done.returncode == 0, done.stderr + (folder / "memory.log").read_text()
    return RobotMemory.load(folder / "live")  # saved when the node was ended


def check_same_map(one, other):
    """Both snapshots hold the same set of Gaussians, to the last bit of every field; their order means nothing."""
    assert len(one) == len(other)
    rows, other_rows = np.lexsort(one.means_world.T), np.lexsort(other.means_world.T)
    for name in (
        "means_world", "covariances_m2", "occupancy", "color_rgb", "label_share", "first_seen_ns", "last_seen_ns"
    ):  # fmt: skip
        np.testing.assert_array_equal(getattr(one, name)[rows], getattr(other, name)[other_rows], name)
    assert labels_of(one, rows) == labels_of(other, other_rows)


def labels_of(snapshot, rows):
    return [snapshot.labels[index] if index >= 0 else None for index in snapshot.label_index[rows]]


def test_a_bag_played_live_gives_the_same_map_and_things_as_its_direct_replay(tmp_path):
    write_bag(tmp_path / "bag", SyntheticRoom(0).frames(30, period_s=0.2))
    with RobotMemory.open(tmp_path / "direct") as direct, played(tmp_path / "bag", tmp_path) as live:
        assert replay(tmp_path / "bag", direct).num_frames == 30
        assert len(direct.map_snapshot()) > 1000
        check_same_map(direct.map_snapshot(), live.map_snapshot())
        assert live.entities() == direct.entities()


def with_tf(bag, path):
    """The bag at `bag` with /tf of the base and a mounting in /tf_static where it has odometry of the camera."""
    from rosbags.highlevel import AnyReader
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    T_base_camera = look_at(np.array([0.1, 0.0, 1.1]), np.array([1.1, 0.05, 0.9]))
    store = get_typestore(Stores.ROS2_HUMBLE)
    make = {name.rpartition("/")[2]: kind for name, kind in store.types.items()}

    def edge(header, child, T):
        x, y, z, w = quaternion_from_pose(T).tolist()
        transform = make["Transform"](
            translation=make["Vector3"](*T[:3, 3].tolist()), rotation=make["Quaternion"](x, y, z, w)
        )
        stamped = make["TransformStamped"](header=header, child_frame_id=child, transform=transform)
        return store.serialize_cdr(make["TFMessage"](transforms=[stamped]), "tf2_msgs/msg/TFMessage")

    with (
        AnyReader([bag], default_typestore=store) as reader,
        Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        topics = {
            name: writer.add_connection(name, "tf2_msgs/msg/TFMessage", typestore=store)
            for name in ("/tf", "/tf_static")
        }
        for connection, stamp_ns, data in reader.messages():
            if connection.topic == "/odom":
                odometry = reader.deserialize(data, connection.msgtype)
                position, q = odometry.pose.pose.position, odometry.pose.pose.orientation
                T = pose_from_quaternion(
                    np.array([position.x, position.y, position.z]), np.array([q.x, q.y, q.z, q.w])
                )
                header, camera = odometry.header, odometry.child_frame_id
                writer.write(topics["/tf"], stamp_ns, edge(header, "base", T @ invert(T_base_camera)))
                mounted = make["Header"](stamp=header.stamp, frame_id="base")
                writer.write(topics["/tf_static"], stamp_ns, edge(mounted, camera, T_base_camera))
                continue
            if connection.topic not in topics:
                topics[connection.topic] = writer.add_connection(
                    connection.topic, connection.msgtype, typestore=reader.typestore
                )
            writer.write(topics[connection.topic], stamp_ns, data)
    return path


def test_a_bag_with_tf_played_live_gives_the_same_map_as_its_direct_replay(tmp_path):
    write_bag(tmp_path / "odometry", SyntheticRoom(1).frames(12))
    bag = with_tf(tmp_path / "odometry", tmp_path / "bag")
    with RobotMemory.open() as direct, played(bag, tmp_path) as live:
        assert replay(bag, direct).num_frames == 12
        assert len(direct.map_snapshot()) > 1000
        check_same_map(direct.map_snapshot(), live.map_snapshot())
        assert live.entities() == direct.entities()


@pytest.mark.data
@pytest.mark.parametrize("num_frames", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_real_frames_played_live_give_the_same_map_as_their_direct_replay(num_frames, tmp_path, data_folder):
    folder = data_folder / "7scenes"
    if not folder.is_dir():
        pytest.skip(f"no 7-Scenes sequence at {folder}")
    write_bag(tmp_path / "bag", itertools.islice(SevenScenesFolder(folder), num_frames))
    with RobotMemory.open() as direct, played(tmp_path / "bag", tmp_path) as live:
        assert replay(tmp_path / "bag", direct).num_frames == num_frames
        check_same_map(direct.map_snapshot(), live.map_snapshot())


def test_a_player_that_nobody_listens_to_gives_up_and_says_what_to_check(tmp_path):
    import rclpy
    from rclpy.parameter import Parameter

    from embodied_mem.ros.bag_node import BagNode, MemoryStopped

    write_bag(tmp_path / "bag", SyntheticRoom(0).frames(1))
    given = {"path": str(tmp_path / "bag"), "give_up_s": 0.2}
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        player = BagNode(context=context, parameter_overrides=overrides)
        with pytest.raises(MemoryStopped, match=r"is not active: 0 depth images sent.*ROS_DOMAIN_ID"):
            player.play()
    finally:
        rclpy.try_shutdown(context=context)
