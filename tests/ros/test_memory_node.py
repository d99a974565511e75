"""The memory node with real ROS 2 underneath: in this process, and as a process of its own."""

import os
import signal
import time

import numpy as np
import pytest

from embodied_mem.messages import Query

from .robot_bench import Bench

pytestmark = pytest.mark.ros

TRUTH_WORDS = ("truth", "simulator", "log")


def test_what_the_camera_saw_is_answered_over_the_service(bench):
    robot = bench()
    robot.show()
    answer = robot.where("red mug")
    truth = robot.room.things["red mug"].box.center
    assert answer.status == "known"
    assert np.linalg.norm(np.array(answer.value.placement.position_world_m) - truth) < 0.1
    status = robot.client.status
    assert (status.frames_observed, status.frames_dropped) == (12, 0)


def test_the_node_hears_no_truth(bench):
    robot = bench()
    names = {topic for topic in robot.node.intake.topics() if not topic.startswith("/tf")}
    sensors = {"camera_info", "depth", "depth_camera_info", "events", "odometry", "rgb", "segmentation"}
    assert names == {f"/{name}" for name in sensors}
    heard = robot.node.get_subscriber_names_and_types_by_node("memory_node", "/")
    assert not [topic for topic, _ in heard if any(word in topic for word in TRUTH_WORDS)]


def test_save_load_and_reset(bench, tmp_path):
    robot = bench(path=str(tmp_path / "memory"))
    robot.show()
    before = robot.where("red mug")
    assert "generations" in robot.client.save()
    robot.client.reset()
    assert robot.where("red mug").status == "unknown"
    assert robot.client.load() > 0
    assert robot.where("red mug").value == before.value


def test_errors_come_back_as_they_were_raised(bench):
    from embodied_mem.errors import InvalidQuery, StoreError, UnknownEntity

    robot = bench()
    robot.show(3)
    with pytest.raises(UnknownEntity, match="e999"):
        robot.where("e999")
    with pytest.raises(InvalidQuery, match="needs an entity"):
        robot.client.recall(Query(kind="where"))
    with pytest.raises(StoreError, match="RAM only"):
        robot.client.save()
    with pytest.raises(StoreError, match="no memory folder"):
        robot.client.load("/nowhere/at/all")
    assert robot.where("red mug").status == "known"


def test_a_question_during_a_load_is_refused_and_a_load_that_fails_changes_nothing(bench, tmp_path):
    from embodied_mem.errors import StoreError

    robot = bench(path=str(tmp_path / "memory"))
    robot.show()
    before = robot.where("red mug")
    with pytest.raises(StoreError, match="nothing was saved"):
        robot.client.load()
    assert robot.where("red mug").value == before.value
    memory, robot.node.memory = robot.node.memory, None  # as while the folder is being read
    with pytest.raises(StoreError, match="being loaded"):
        robot.where("red mug")
    robot.client.spin_for(1.2)  # the once-a-second status goes on
    robot.node.memory = memory
    assert robot.where("red mug").value == before.value


def test_poses_that_are_not_certain_and_gaps_in_poses_drop_the_frame(bench):
    from nav_msgs.msg import Odometry

    robot = bench(**{"input.pose_wait_s": 0.1})
    robot.show(4)
    (frame,) = robot.room.frames(1)
    robot.camera._odometry = type("Silent", (), {"publish": staticmethod(lambda message: None)})()
    robot.camera.publish(frame)
    robot.client.spin_for(0.5)
    assert robot.node.drops.counts() == {"pose: PoseNotYet": 1}

    from embodied_mem.ros.conversions.basics import header, pose_to_msg

    (frame,) = robot.room.frames(1)
    unsure = Odometry(header=header(frame.stamp_ns, "map"), child_frame_id="camera_optical")
    unsure.pose.pose = pose_to_msg(frame.T_world_camera)
    unsure.pose.covariance[0] = 100.0
    robot.publish(Odometry, "odometry", unsure)
    robot.camera.publish(frame)
    robot.client.spin_for(0.5)
    assert robot.node.drops.counts()["pose: PoseUncertain"] == 1
    assert robot.client.status.frames_observed == 4


def test_frames_without_a_camera_info_are_dropped_with_the_remedy(bench):
    robot = bench(**{"input.pose_wait_s": 0.1})
    robot.camera._info = type("Silent", (), {"publish": staticmethod(lambda message: None)})()
    while not robot.camera.has_listener():
        time.sleep(0.02)
    (frame,) = robot.room.frames(1)
    robot.camera.publish(frame)
    robot.client.spin_for(1.0)
    assert robot.node.drops.counts() == {"camera info: NoCameraInfo": 1}
    assert "remapped" in robot.node.drops.last_messages()["camera info: NoCameraInfo"]


def test_diagnostics_say_what_was_dropped_and_that_a_profile_is_missing(monkeypatch):
    from embodied_mem.errors import UnsupportedEncoding
    from embodied_mem.ros.drops import DropLog
    from embodied_mem.ros.health import diagnostics
    from embodied_mem.ros.transport import PROFILE_VARIABLE, transport_problem

    monkeypatch.delenv(PROFILE_VARIABLE)
    drops = DropLog(lambda text: None)
    drops.drop("depth image", UnsupportedEncoding("it is garbage; publish 16UC1"))
    message = diagnostics(
        "/memory_node", 5, drops=drops, intake={}, memory={}, transport_problem=transport_problem(), is_worker_alive=True
    )  # fmt: skip
    intake, memory, transport = message.status
    assert {pair.key: pair.value for pair in intake.values}[
        "dropped (depth image: UnsupportedEncoding)"
    ] == "1"
    assert "publish 16UC1" in intake.message
    assert PROFILE_VARIABLE in transport.message
    assert (intake.level, memory.level, transport.level) == (b"\x01", b"\x00", b"\x01")


def test_a_killed_node_answers_the_same_after_a_restart(tmp_path):
    from embodied_mem.ros.stream import node_process
    from embodied_mem.ros.transport import node_environment

    parameters = {
        "path": str(tmp_path / "memory"), "input.use_segmentation": True, "input.reliability": "reliable",
    }  # fmt: skip
    start = {"parameters": parameters, "environment": node_environment(), "log_path": tmp_path / "node.log"}
    with node_process("embodied_mem.ros.memory_node", **start) as process:
        robot = Bench()
        robot.show()
        before = robot.where("red mug")
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        robot.close()
    with node_process("embodied_mem.ros.memory_node", **start):
        robot = Bench()
        assert robot.where("red mug").value == before.value
        robot.close()
