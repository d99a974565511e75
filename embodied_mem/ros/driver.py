"""A policy that drives a robot by its odometry and joints, one command for each observation; ends when it is done.

It waits while the memory is behind, so that an episode in lockstep is observed whole on any machine.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import rclpy
from nav_msgs.msg import Odometry
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String

from embodied_mem.errors import ConfigError
from embodied_mem.geometry import pose_from_quaternion
from embodied_mem.ros.conversions.basics import header, ns_from_time
from embodied_mem.ros.parameters import declare
from embodied_mem.ros.sim_node import BASE_FRAME, HEAD_JOINTS, LATCHED, QUIET_TOPIC, SimNodeConfig, make_env
from embodied_mem_interfaces.msg import MemoryStatus, RobotCommand

REPEAT_S = 1.0
"""A command that brought no new observation for so long is sent again; the simulator ignores it if it had it."""


@dataclass(frozen=True, kw_only=True)
class DriverConfig:
    """Parameters of `driver_node`. `env`, `env_options` and `seed` say which floor plan the policy is given."""

    env: str = "EmbodiedMem/Household-v0"
    env_options: str = "{}"
    seed: int = 0
    policy: str = "embodied_mem.envs.mujoco.tour:TourPolicy"
    """`module:Class`, built as `Class(plan, may_return=...)` from the floor plan, with `act(observation, info)`,
    `reset(seed)`, `done` and `phase`. `may_return()` is whether the simulator has said that nothing is scheduled any more.
    """
    memory_node: str = "/memory_node"
    """Whose status is waited for; empty: nobody's."""
    max_behind_s: float = 0.5
    """How far the memory may be behind the newest observation before the next command waits."""
    give_up_s: float = 60.0
    """Without anything new from simulator or memory for so long, the driver ends with exit code 1."""


class DriverNode(Node):
    """Answers each observation with the policy's command."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("driver_node", **node_options)
        self.config = declare(self, DriverConfig())
        self._is_quiet = False
        self._policy = load_policy(self.config, lambda: self._is_quiet)
        self._policy.reset(self.config.seed)
        self._base: Odometry | None = None
        self._joints: JointState | None = None
        self._answered_ns = -1
        self._observed_ns = 0 if self.config.memory_node else None
        self._command: RobotCommand | None = None
        self._sent_s = self._progress_s = time.monotonic()
        self.exit_code: int | None = None
        self.num_commands = 0
        self._phase = ""
        self._commands_out = self.create_publisher(RobotCommand, "command", QoSProfile(depth=10))
        self._phase_out = self.create_publisher(String, "phase", QoSProfile(depth=10))
        self.create_subscription(Odometry, "base_odometry", self._on_base, QoSProfile(depth=100))
        self.create_subscription(JointState, "joint_states", self._on_joints, QoSProfile(depth=100))
        if self.config.memory_node:
            status = f"{self.config.memory_node}/status"
            self.create_subscription(MemoryStatus, status, self._on_status, QoSProfile(depth=10))
        self.create_subscription(Bool, QUIET_TOPIC, self._on_quiet, LATCHED)
        self.create_timer(0.5, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_base(self, message: Odometry) -> None:
        if message.child_frame_id == BASE_FRAME:
            self._base = message
            self._act()

    def _on_joints(self, message: JointState) -> None:
        self._joints = message
        self._act()

    def _on_quiet(self, message: Bool) -> None:
        self._is_quiet = bool(message.data)

    def _on_status(self, message: MemoryStatus) -> None:
        if message.state == "active":
            newest_ns = ns_from_time(message.header.stamp)
            # Before its first frame an active memory has nothing to be behind with.
            self._observed_ns = max(newest_ns, self._observed_ns or 1)
            self._progress_s = time.monotonic()
            self._act()

    def _act(self) -> None:
        """Send the next command, if there is an observation to answer and the memory is near enough."""
        if self._base is None or self._joints is None or self.exit_code is not None:
            return
        stamp_ns = ns_from_time(self._base.header.stamp)
        if stamp_ns != ns_from_time(self._joints.header.stamp) or stamp_ns <= self._answered_ns:
            return
        if not self._is_memory_near(stamp_ns):
            return
        observation = {"proprio": proprioception(self._base, self._joints)}
        action = self._policy.act(observation, {"stamp_ns": stamp_ns, "events": []})
        self._tell_phase()
        if self._policy.done:
            self.get_logger().info(f"done after {self.num_commands} commands")
            self.exit_code = 0
            return
        self._answered_ns = stamp_ns
        self._command = _command(action, stamp_ns)
        self._send()
        self.num_commands += 1

    def _is_memory_near(self, stamp_ns: int) -> bool:
        if self._observed_ns is None:
            return True
        if self.num_commands < 2:  # the first images may have been sent before the memory listened
            return self._observed_ns > 0
        return stamp_ns - self._observed_ns <= self.config.max_behind_s * 1e9

    def _send(self) -> None:
        self._commands_out.publish(self._command)
        self._sent_s = self._progress_s = time.monotonic()

    def _tell_phase(self) -> None:
        phase = str(self._policy.phase)
        if phase != self._phase:
            self._phase = phase
            self.get_logger().info(f"phase: {phase} (after {self.num_commands} commands)")
            self._phase_out.publish(String(data=phase))

    def _watch(self) -> None:
        now_s = time.monotonic()
        if self._command is not None and now_s - self._sent_s > REPEAT_S and self._is_unanswered():
            repeated_s = self._progress_s
            self._send()
            self._progress_s = repeated_s
        if now_s - self._progress_s > self.config.give_up_s:
            self.get_logger().error(
                f"nothing new from the simulator or {self.config.memory_node or 'nobody'} for "
                f"{self.config.give_up_s:g} s. Check that both run in the same ROS_DOMAIN_ID, and their logs."
            )
            self.exit_code = 1

    def _is_unanswered(self) -> bool:
        return self._base is None or ns_from_time(self._base.header.stamp) <= self._answered_ns


def proprioception(base: Odometry, joints: JointState) -> np.ndarray[Any, Any]:
    """What the robot feels, as the environment gives it: x, y, yaw, v, w, pan, tilt, holding."""
    pose = base.pose.pose
    orientation = np.array([pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w])
    T_world_base = pose_from_quaternion(
        np.array([pose.position.x, pose.position.y, pose.position.z]), orientation
    )
    yaw_rad = float(np.arctan2(T_world_base[1, 0], T_world_base[0, 0]))
    position_of = dict(zip(joints.name, joints.position, strict=False))
    head = [float(position_of.get(name, 0.0)) for name in HEAD_JOINTS]
    twist = base.twist.twist
    values = [pose.position.x, pose.position.y, yaw_rad, twist.linear.x, twist.angular.z, *head]
    return np.array(values, dtype=np.float32)


def load_policy(config: DriverConfig, may_return: Callable[[], bool]) -> Any:
    """The policy that the parameters name, built from the environment's floor plan; it asks `may_return` when it waits.

    Raises:
        ConfigError: no such class, or an environment without a floor plan.
    """
    module_name, _, class_name = config.policy.partition(":")
    try:
        policy_class = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"policy is {config.policy!r}; it must name an importable 'module:Class' ({error})."
        ) from error
    env = make_env(SimNodeConfig(env=config.env, env_options=config.env_options, seed=config.seed))
    try:
        env.reset(seed=config.seed)
        plan = getattr(env.unwrapped, "plan", None)
    finally:
        env.close()
    if plan is None:
        raise ConfigError(f"environment {config.env!r} has no floor plan; drive it with cmd_vel instead.")
    return policy_class(plan, may_return=may_return)


def _command(action: dict[str, Any], stamp_ns: int) -> RobotCommand:
    message = RobotCommand(header=header(stamp_ns, BASE_FRAME), hand=int(action["hand"]))
    message.base.linear.x, message.base.angular.z = (float(value) for value in action["base"])
    message.head = [float(value) for value in action["head"]]
    return message


def main(arguments: list[str] | None = None) -> None:
    """Drive until the policy is done; the exit code is 0 then."""
    rclpy.init(args=arguments)
    node = DriverNode()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while node.exit_code is None:
            executor.spin_once(timeout_sec=0.5)
    except (KeyboardInterrupt, ExternalShutdownException):
        node.exit_code = 1
    finally:
        rclpy.try_shutdown()
    sys.exit(node.exit_code)


if __name__ == "__main__":
    main()
