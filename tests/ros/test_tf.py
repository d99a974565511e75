"""Frames placed by /tf and /tf_static instead of odometry, and what happens when /tf has gaps."""

import time

import numpy as np
import pytest

from embodied_mem.geometry import invert, look_at
from embodied_mem.messages import Query

pytestmark = pytest.mark.ros

T_BASE_CAMERA = look_at(np.array([0.1, 0.0, 1.1]), np.array([1.1, 0.05, 0.9]))
T_MAP_ODOM = look_at(np.array([0.5, -0.4, 0.2]), np.array([1.5, 0.3, 0.2]))


class Transforms:
    """Tells on /tf where base is in odom and odom in map, and on /tf_static how the camera is mounted."""

    def __init__(self, robot):
        from rclpy.qos import DurabilityPolicy, QoSProfile
        from tf2_msgs.msg import TFMessage

        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.message_type = TFMessage
        self.tf = robot.camera_node.create_publisher(TFMessage, "/tf", 100)
        self.tf_static = robot.camera_node.create_publisher(TFMessage, "/tf_static", latched)
        robot.camera._odometry = type("Silent", (), {"publish": staticmethod(lambda message: None)})()
        while not (self.tf.get_subscription_count() and self.tf_static.get_subscription_count()):
            time.sleep(0.02)
        self.tf_static.publish(self.message(0, ("base", "camera_optical", T_BASE_CAMERA)))

    def message(self, stamp_ns, *edges):
        from geometry_msgs.msg import TransformStamped

        from embodied_mem.ros.conversions.basics import header, pose_to_msg

        transforms = []
        for parent, child, T in edges:
            pose = pose_to_msg(T)
            edge = TransformStamped(header=header(stamp_ns, parent), child_frame_id=child)
            for axis in "xyz":
                setattr(edge.transform.translation, axis, getattr(pose.position, axis))
            edge.transform.rotation = pose.orientation
            transforms.append(edge)
        return self.message_type(transforms=transforms)

    def tell(self, frame):
        T_odom_base = invert(T_MAP_ODOM) @ frame.T_world_camera @ invert(T_BASE_CAMERA)
        edges = ("map", "odom", T_MAP_ODOM), ("odom", "base", T_odom_base)
        self.tf.publish(self.message(frame.stamp_ns, *edges))


def show(robot, transforms, num_frames):
    for frame in robot.room.frames(num_frames, period_s=0.2):
        transforms.tell(frame)
        robot.camera.publish(frame)
        last = frame
    robot.client.wait_until_done(last.stamp_ns)


def test_frames_are_placed_by_tf_through_three_frames(bench):
    robot = bench()
    show(robot, Transforms(robot), 12)
    answer = robot.client.recall(Query(kind="where", entity="red mug"))
    truth = robot.room.things["red mug"].box.center
    assert np.linalg.norm(np.array(answer.value.placement.position_world_m) - truth) < 0.1
    status = robot.client.status
    assert (status.frames_observed, status.frames_dropped) == (12, 0)


def test_gaps_in_tf_are_counted_and_warned_of_and_the_node_recovers(bench):
    robot = bench(**{"input.pose_wait_s": 1.0})
    warnings = []
    robot.node.drops._warn = warnings.append
    transforms = Transforms(robot)
    show(robot, transforms, 6)
    before = robot.where("red mug")
    for frame in robot.room.frames(5, period_s=0.2):  # /tf is silent
        robot.camera.publish(frame)
    robot.wait_for(lambda: robot.node.drops.num_frames == 5)
    assert robot.node.drops.counts() == {"pose: PoseNotYet": 5}
    assert len(warnings) == 1
    assert "Publish odometry or /tf at least as often" in warnings[0]
    waiting = list(robot.room.frames(3, period_s=0.2))
    for frame in waiting:  # these images lie in the gap when /tf comes back
        robot.camera.publish(frame)
    show(robot, transforms, 6)
    counts = robot.node.drops.counts()
    assert set(counts) == {"pose: PoseNotYet", "pose: PoseUnavailable"}
    assert counts["pose: PoseNotYet"] + counts["pose: PoseUnavailable"] == 8
    assert "has a gap" in robot.node.drops.last_messages()["pose: PoseUnavailable"]
    assert robot.client.status.frames_observed == 12
    assert robot.client.status.frames_dropped == 8
    after = robot.where("red mug")
    assert after.value.entity_id == before.value.entity_id


def test_our_tf_message_is_the_one_that_every_ros_node_knows(bench):
    from rosbags.typesys import Stores, get_typestore

    robot = bench()
    Transforms(robot)
    known = get_typestore(Stores.ROS2_KILTED).hash_rihs01("tf2_msgs/msg/TFMessage")
    (heard,) = robot.camera_node.get_subscriptions_info_by_topic("/tf")
    assert str(heard.topic_type_hash) == known
