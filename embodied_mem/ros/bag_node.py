"""A bag as a robot: its messages, unchanged, on the memory node's inputs, never faster than the memory takes them.

`ros2 bag play` sends at the recorded pace whether or not somebody keeps up. This player counts: a depth image is sent
only while few of those before it are unanswered in the memory's `~/status`, so that every frame is observed and the
memory becomes the one that `embodied-mem replay` makes of the same bag.
"""

from __future__ import annotations

import importlib
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock as ClockMsg

from embodied_mem.errors import ConfigError, EmbodiedMemError
from embodied_mem.replay.bag import STATIC, RawMessage, RosBag
from embodied_mem.replay.bag_topics import BagConfig
from embodied_mem.ros.conversions.basics import time_from_ns
from embodied_mem.ros.parameters import declare
from embodied_mem_interfaces.msg import MemoryStatus

LISTENERS_S = 3.0
"""So long after depth has a listener, inputs without one are taken as not wanted."""
SETTLE_S = 0.3
"""Listeners learn of a publisher a little later than it of them."""
CLOCK_STEP_NS = 10_000_000


@dataclass(frozen=True, kw_only=True)
class BagNodeConfig:
    """Parameters of `bag_node`. `path` is the bag; `bag` says which of its topics are read."""

    path: str = ""
    rate: float = 0.0
    """Recorded seconds a second, where the memory keeps up; 0 is as fast as it does."""
    memory_node: str = "/memory_node"
    """Whose status says how far it is."""
    max_unanswered: int = 8
    """Depth images that may be sent before the memory has observed or refused them; less than its queue holds."""
    give_up_s: float = 60.0
    """Without a listener or an answer for so long, the player ends with exit code 1."""
    bag: BagConfig = field(default_factory=BagConfig)

    def __post_init__(self) -> None:
        if self.rate < 0 or self.max_unanswered < 1 or not self.give_up_s > 0:
            raise ConfigError(
                f"rate is {self.rate}, max_unanswered {self.max_unanswered} and give_up_s {self.give_up_s}; they must be "
                "at least 0, at least 1 and above 0."
            )


class MemoryStopped(EmbodiedMemError):
    """The memory node does not take what is sent."""


class BagNode(Node):
    """Publishes a bag to a memory node."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("bag_node", **node_options)
        self.config = declare(self, BagNodeConfig())
        if not self.config.path:
            raise ConfigError("path is empty; it must name a rosbag2 folder or file.")
        self.recording = RosBag(self.config.path, self.config.bag)
        self.num_sent = 0
        self._status: MemoryStatus | None = None
        self._num_answered_before = 0
        self._clock_ns = -CLOCK_STEP_NS
        self._outputs = {
            name: self._output(name, topic.type) for name, topic in self.recording.inputs.items()
        }
        self._clock_out = self.create_publisher(ClockMsg, "/clock", QoSProfile(depth=10))
        status = f"{self.config.memory_node}/status"
        self.create_subscription(MemoryStatus, status, self._on_status, QoSProfile(depth=10))
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self)

    def play(self) -> None:
        """Send everything; returns when the memory has answered all of it.

        Raises:
            MemoryStopped: nobody listens, or the memory answered nothing for `give_up_s`.
        """
        self._wait(lambda: self._status is not None and self._status.state == "active", "is not active")
        self._wait(lambda: self._outputs["depth"].get_subscription_count() > 0, "does not listen to depth")
        end_s = time.monotonic() + LISTENERS_S
        while self._unheard() and time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.05)
        if self._unheard():
            self.get_logger().info(f"nobody listens to {', '.join(self._unheard())}")
        self._spin_until(time.monotonic() + SETTLE_S)
        self._num_answered_before = self._num_answered()
        start_s, first_ns = time.monotonic(), -1
        for message in self.recording.raw_messages():
            first_ns = message.recorded_ns if first_ns < 0 else first_ns
            if self.config.rate > 0:
                due_s = start_s + (message.recorded_ns - first_ns) / 1e9 / self.config.rate
                self._spin_until(due_s)
            self._send(message)
        self._wait(lambda: self._num_unanswered() <= 0, "did not answer everything")

    def _send(self, message: RawMessage) -> None:
        if message.input == "depth":
            self._wait(lambda: self._num_unanswered() < self.config.max_unanswered, "answers no more")
            self.num_sent += 1
        if message.recorded_ns - self._clock_ns >= CLOCK_STEP_NS:
            self._clock_ns = message.recorded_ns
            self._clock_out.publish(ClockMsg(clock=time_from_ns(message.recorded_ns)))
        self._outputs[message.input].publish(message.cdr)
        self._executor.spin_once(timeout_sec=0.0)

    # -- what is sent to whom ---------------------------------------------------------------------------------------

    def _output(self, name: str, type_name: str) -> Any:
        package, _, message = type_name.partition("/msg/")
        message_type = getattr(importlib.import_module(f"{package}.msg"), message)
        durability = DurabilityPolicy.TRANSIENT_LOCAL if name == STATIC else DurabilityPolicy.VOLATILE
        return self.create_publisher(message_type, name, QoSProfile(depth=200, durability=durability))

    def _unheard(self) -> list[str]:
        return sorted(name for name, out in self._outputs.items() if not out.get_subscription_count())

    # -- how far the memory is --------------------------------------------------------------------------------------

    def _on_status(self, message: MemoryStatus) -> None:
        self._status = message

    def _num_answered(self) -> int:
        status = self._status
        return int(status.frames_observed) + int(status.frames_dropped) if status is not None else 0

    def _num_unanswered(self) -> int:
        return self.num_sent - (self._num_answered() - self._num_answered_before)

    def _spin_until(self, due_s: float) -> None:
        while (left_s := due_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def _wait(self, is_so: Any, otherwise: str) -> None:
        """Wait until `is_so()`, as long as the memory goes on answering."""
        answered, end_s = self._num_answered(), time.monotonic() + self.config.give_up_s
        while not is_so():
            self._executor.spin_once(timeout_sec=0.05)
            if self._num_answered() != answered:
                answered, end_s = self._num_answered(), time.monotonic() + self.config.give_up_s
            if time.monotonic() > end_s:
                raise MemoryStopped(
                    f"{self.config.memory_node} {otherwise}: {self.num_sent} depth images sent, "
                    f"{self._num_unanswered()} of them unanswered for {self.config.give_up_s:g} s. Check that it runs in "
                    "the same ROS_DOMAIN_ID with input.reliability reliable, and its diagnostics."
                )


def main(arguments: list[str] | None = None) -> None:
    """Play the bag; the exit code is 0 when the memory has taken all of it."""
    rclpy.init(args=arguments)
    exit_code = 1
    try:
        node = BagNode()
        node.play()
        node.get_logger().info(f"SENT {node.num_sent}")
        exit_code = 0
    except EmbodiedMemError as error:
        rclpy.logging.get_logger("bag_node").error(str(error))
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
