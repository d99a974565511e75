"""The memory node's action, called by a real action client."""

import dataclasses

import pytest

from embodied_mem.messages import Query
from embodied_mem.replay import write_bag
from embodied_mem.testing import SyntheticRoom

pytestmark = pytest.mark.ros


class JobClient:
    """Sends long jobs to a node; it waits by letting the bench's client spin."""

    def __init__(self, robot):
        from rclpy.action import ActionClient

        from embodied_mem_interfaces.action import LongJob

        self.robot, self.goal_type = robot, LongJob.Goal
        self.client = ActionClient(robot.client._node, LongJob, "/memory_node/long_job")
        assert self.client.wait_for_server(10.0)
        self.feedback = []

    def start(self, job, path=""):
        goal = self.goal_type(job=job, path=str(path))
        handle = self.wait(self.client.send_goal_async(goal, lambda m: self.feedback.append(m.feedback)))
        assert handle.accepted
        return handle

    def result(self, handle):
        answer = self.wait(handle.get_result_async())
        return answer.status, answer.result

    def wait(self, future):
        self.robot.client._executor.spin_until_future_complete(future, timeout_sec=60.0)
        assert future.done()
        return future.result()

    def wait_for_feedback(self):
        for _ in range(200):
            self.robot.client.spin_for(0.05)
            if self.feedback:
                return
        pytest.fail("no feedback in 10 s")


@pytest.fixture
def robot_and_jobs(bench, tmp_path):
    robot = bench(path=str(tmp_path / "memory"))
    return robot, JobClient(robot)


def long_bag(path, num_frames):
    """A bag of frames that look around a room again and again."""
    views = list(SyntheticRoom(3).frames(10))
    period_ns = 100_000_000
    write_bag(
        path,
        (
            dataclasses.replace(views[i % 10], stamp_ns=(i + 1) * period_ns, received_ns=None)
            for i in range(num_frames)
        ),
    )
    return path


def test_a_replay_tells_its_progress_and_result_and_the_memory_has_it(robot_and_jobs, tmp_path):
    from action_msgs.msg import GoalStatus

    robot, jobs = robot_and_jobs
    handle = jobs.start("replay", long_bag(tmp_path / "bag", 150))
    jobs.wait_for_feedback()
    coming = handle.get_result_async()
    robot.client.recall(Query(kind="count", label="mug"))
    assert not coming.done()  # questions do not wait for the job
    status, result = jobs.result(handle)
    assert status == GoalStatus.STATUS_SUCCEEDED
    assert (result.success, result.done, result.skipped) == (True, 150, 0)
    assert {(f.step, f.total) for f in jobs.feedback} == {("replay", 150)}
    counts = [f.done for f in jobs.feedback]
    assert counts == sorted(counts)
    assert robot.client.recall(Query(kind="count", label="mug")).value == 2
    status, result = jobs.result(jobs.start("save"))
    assert (status, result.success) == (GoalStatus.STATUS_SUCCEEDED, True)
    assert "generations" in result.path


def test_a_cancelled_replay_stops_and_live_frames_go_on(robot_and_jobs, tmp_path):
    from action_msgs.msg import GoalStatus

    robot, jobs = robot_and_jobs
    handle = jobs.start("replay", long_bag(tmp_path / "bag", 1500))
    jobs.wait_for_feedback()
    jobs.wait(handle.cancel_goal_async())
    status, result = jobs.result(handle)
    assert status == GoalStatus.STATUS_CANCELED
    assert 0 < result.done < 1500
    robot.room.clock.advance(1000.0)  # after the recording
    robot.show(3)
    assert robot.client.status.frames_observed == 3


def test_a_bad_job_is_aborted_with_the_remedy(robot_and_jobs, tmp_path):
    from action_msgs.msg import GoalStatus

    _, jobs = robot_and_jobs
    wrong = {
        ("replai", ""): ("InvalidQuery", "Did you mean 'replay'"),
        ("replay", "/nowhere"): ("InvalidMessage", "does not exist"),
        ("replay", str(tmp_path)): ("UnsupportedEncoding", "groundtruth.txt"),
    }
    for (job, path), (error_type, words) in wrong.items():
        status, result = jobs.result(jobs.start(job, path))
        assert status == GoalStatus.STATUS_ABORTED
        assert (result.success, result.error_type) == (False, error_type)
        assert words in result.error


def test_a_node_that_ends_does_not_wait_for_a_long_replay(robot_and_jobs, tmp_path):
    robot, jobs = robot_and_jobs
    jobs.start("replay", long_bag(tmp_path / "bag", 1500))
    jobs.wait_for_feedback()
    robot.node.worker.stop()
    assert len(robot.node.memory.map_snapshot()) > 0
    assert robot.node.newest_frame_ns < 1500 * 100_000_000
