"""A memory node in a process of its own that is sent everything bad: it warns, counts and keeps what it had."""

import dataclasses
import itertools
import re
import time

import pytest

from embodied_mem.messages import Query

from .robot_bench import Bench

pytestmark = pytest.mark.ros

WARNING = re.compile(r"\[WARN\] \[(\d+\.\d+)\] \[memory_node\]: (?:frame|message) dropped, ([^:]+): (.*)")
REMEDIES = {
    "camera info: NoCameraInfo": "Check that camera_info is published and remapped",
    "camera info: InvalidMessage": "calibrat",
    "depth image: UnsupportedEncoding": "Publish raw depth, or set depth_transport",
    "depth image: InvalidMessage": "Check the",
    "colour image: UnsupportedEncoding": "Convert it",
    "segmentation: InvalidMessage": "Fill all three lists",
    "depth stamp: InvalidMessage": "Check the publisher's clock",
    "matching: StampRunsBackwards": "reset the memory",
    "matching: StampFarAhead": "Check the driver's clock",
    "pose: PoseNotYet": "Publish odometry or /tf at least as often",
    "odometry: InvalidPose": "wait for a valid pose",
    "tf: InvalidPose": "Normalise it",
    "event: InvalidMessage": "both must be words",
}


class BadRobot(Bench):
    """A robot whose messages can be spoilt one by one."""

    def __init__(self):
        from diagnostic_msgs.msg import DiagnosticArray

        super().__init__()
        self.dropped = {}
        self.client._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_diagnostics(self, message):
        for status in message.status:
            if status.name.endswith(": intake"):
                pairs = {pair.key: pair.value for pair in status.values}
                found = {re.fullmatch(r"dropped \((.*)\)", key): value for key, value in pairs.items()}
                self.dropped = {match[1]: int(value) for match, value in found.items() if match}

    def send(self, *, without=(), **spoilt):
        """One frame; `depth={"encoding": "x"}` spoils a field of its depth image, `without` leaves topics out."""
        self.room.clock.advance(0.1)
        view = next(self.views)
        frame = dataclasses.replace(view, stamp_ns=self.room.clock.now_ns, received_ns=None)
        publishers = {name: getattr(self.camera, f"_{name}") for name in self.topics}
        for name, publisher in publishers.items():
            setattr(self.camera, f"_{name}", Spoiler(publisher, spoilt.get(name, {}), name in without))
        self.camera.publish(frame)
        for name, publisher in publishers.items():
            setattr(self.camera, f"_{name}", publisher)
        return frame.stamp_ns

    topics = ("depth", "rgb", "info", "segmentation", "odometry")

    def send_good(self, num_frames=12):
        """Frames that the memory observes, all of them."""
        observed = self.client.status.frames_observed
        for _ in range(num_frames):
            stamp_ns = self.send()
            self.client.spin_for(0.05)
        self.client.wait_until_done(stamp_ns)
        self.wait_for(lambda: self.client.status.frames_observed >= observed + num_frames)


class Spoiler:
    """A publisher that changes fields before it publishes, or keeps silent."""

    def __init__(self, publisher, changes, is_silent):
        self.publisher, self.changes, self.is_silent = publisher, changes, is_silent

    def publish(self, message):
        for name, value in self.changes.items():
            setattr(message, name, value)
        if not self.is_silent:
            self.publisher.publish(message)


@pytest.fixture
def bad_robot(tmp_path):
    from embodied_mem.ros.stream import node_process
    from embodied_mem.ros.transport import node_environment

    parameters = {"input.use_segmentation": True, "input.reliability": "reliable"}
    start = {"parameters": parameters, "environment": node_environment(), "log_path": tmp_path / "node.log"}
    with node_process("embodied_mem.ros.memory_node", **start) as process:
        robot = BadRobot()
        robot.views = itertools.cycle(list(robot.room.frames(12)))
        while not robot.camera.has_listener():
            time.sleep(0.02)
        yield robot
        assert process.poll() is None, (tmp_path / "node.log").read_text()
        robot.close()


def bad_things():
    """(cause, what sends it) for everything that a broken robot could send."""
    from nav_msgs.msg import Odometry
    from tf2_msgs.msg import TFMessage

    from embodied_mem.ros.conversions.basics import header
    from embodied_mem_interfaces.msg import Event

    def frame(**spoilt):
        return lambda robot: robot.send(**spoilt)

    def stamped(stamp_ns):
        return frame(depth={"header": header(stamp_ns, "camera_optical")}, without=("rgb", "segmentation"))

    def far_ahead(robot):
        stamped(10**18)(robot)
        robot.send()  # what comes after it shows that its stamp was wrong

    def odometry_of_nothing(robot):
        nan = Odometry(header=header(robot.room.clock.now_ns, "map"), child_frame_id="camera_optical")
        nan.pose.pose.position.x = float("nan")
        nan.pose.pose.orientation.w = 1.0
        robot.publish(Odometry, "odometry", nan, Odometry())

    wrong = header(0, "camera_optical")
    wrong.stamp.sec = -5
    return [
        ("depth image: UnsupportedEncoding", frame(depth={"encoding": "garbage"})),
        ("depth image: InvalidMessage", frame(depth={"height": 0, "width": 0, "data": b""})),
        ("depth image: InvalidMessage", frame(depth={"data": b"123"})),
        ("depth image: InvalidMessage", frame(depth={"width": 4_000_000_000, "height": 4_000_000_000})),
        ("colour image: UnsupportedEncoding", frame(rgb={"encoding": "yuv422"})),
        ("colour image: InvalidMessage", frame(rgb={"height": 0})),
        ("camera info: InvalidMessage", frame(info={"k": [0.0] * 9, "p": [0.0] * 12})),
        ("camera info: InvalidMessage", frame(info={"k": [float("nan")] * 9})),
        ("segmentation: InvalidMessage", frame(segmentation={"labels": ["one too many"] * 99})),
        ("matching: StampRunsBackwards", stamped(1)),
        ("matching: StampFarAhead", far_ahead),
        ("depth stamp: InvalidMessage", frame(depth={"header": wrong})),
        ("pose: PoseNotYet", frame(without=("odometry",))),
        ("odometry: InvalidPose", odometry_of_nothing),
        ("tf: InvalidPose", lambda robot: robot.publish(TFMessage, "/tf", TFMessage(transforms=[TransformOfNothing()]))),
        ("event: InvalidMessage", lambda robot: robot.publish(Event, "events", Event())),
    ]  # fmt: skip


def send_until_counted(robot, cause, send):
    """Send something bad; again when a loaded machine lost it on its way."""
    before = robot.dropped.get(cause, 0)
    for _ in range(10):
        send(robot)
        end_s = time.monotonic() + 3.0  # the counters come once a second
        while time.monotonic() < end_s:
            robot.client.spin_for(0.05)
            if robot.dropped.get(cause, 0) > before:
                return
    raise AssertionError(f"{cause} was never counted: {robot.dropped}")


def send_trash(robot):
    """Bytes that are no message, or the wrong one."""
    from sensor_msgs.msg import Image

    from embodied_mem.ros.conversions.basics import header

    good = bytes(serialized(Image(header=header(5, "camera_optical"), encoding="32FC1")))
    robot.publish(
        Image, "depth", good[:20], good.replace(b"32FC1", b"\xff\xfe\xfd\xfc\xfb"), b"\x00\x01\x00\x00"
    )


def TransformOfNothing():
    from geometry_msgs.msg import TransformStamped

    edge = TransformStamped(child_frame_id="base")
    edge.header.frame_id = "map"
    edge.transform.rotation.w = float("nan")
    return edge


def serialized(message):
    from rclpy.serialization import serialize_message

    return serialize_message(message)


def test_everything_bad_is_counted_and_warned_of_and_nothing_is_lost(bad_robot, tmp_path):
    send_until_counted(bad_robot, "camera info: NoCameraInfo", lambda robot: robot.send(without=("info",)))
    bad_robot.send_good()
    mug = Query(kind="where", entity="red mug")
    before, entities = bad_robot.client.recall(mug), bad_robot.client.status.num_entities
    for _ in range(25):  # longer than a second, to see that warnings are held back
        bad_robot.send(depth={"encoding": "garbage"})
        bad_robot.client.spin_for(0.06)
    for cause, send in bad_things():
        send_until_counted(bad_robot, cause, send)
    send_trash(bad_robot)
    bad_robot.send_good()  # good frames after bad ones are all taken
    assert set(REMEDIES) <= set(bad_robot.dropped)
    after = bad_robot.client.recall(mug)
    assert after.value.entity_id == before.value.entity_id
    assert bad_robot.client.status.num_entities >= entities > 0
    check_warnings((tmp_path / "node.log").read_text())


def check_warnings(log):
    """Each cause was warned of with its remedy, at most once a second."""
    lines = [(float(t), stage, text) for t, stage, text in WARNING.findall(log)]
    for cause, remedy in REMEDIES.items():
        stage = cause.partition(":")[0]
        times = [t for t, found, text in lines if found == stage and remedy in text]
        assert times, f"{cause} was never warned of with {remedy!r}:\n{log}"
        gaps_s = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert min(gaps_s, default=1.0) > 0.99, (cause, gaps_s)
    assert "more like it since the last warning" in log
    assert "Traceback" not in log
