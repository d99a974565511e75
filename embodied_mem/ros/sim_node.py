"""Any registered Gymnasium environment as a robot: sensors, odometry and /clock out; velocity commands in.

The environment must give the observations and take the actions of `EmbodiedMem/Household-v0` (docs/ros_interface.md).
Nothing that is published is the simulator's truth: `info["truth"]` stays inside.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import rclpy
import yaml
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock as ClockMsg
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Bool

from embodied_mem.errors import ConfigError
from embodied_mem.messages import Event, ObjectMention, PinholeCamera
from embodied_mem.ros.conversions.basics import header, ns_from_time, pose_to_msg, time_from_ns
from embodied_mem.ros.conversions.events import event_to_msg
from embodied_mem.ros.parameters import declare
from embodied_mem.sensing.cameras import fill_camera_info
from embodied_mem.sensing.images import fill_image
from embodied_mem.sensing.transforms import pose_from_rpy
from embodied_mem_interfaces.msg import Event as EventMsg
from embodied_mem_interfaces.msg import InstanceSegmentation, RobotCommand

WORLD_FRAME, BASE_FRAME, CAMERA_FRAME = "map", "base_link", "camera_optical"
HEAD_JOINTS = ("head_pan", "head_tilt", "hand")
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
QUIET_TOPIC = "quiet"
"""Whether nothing is scheduled in the home any more: all that a waiting policy is told, not what was done or where."""
COMMAND_TIMEOUT_S = 0.5
"""A robot that hears no command for so long stands still."""


@dataclass(frozen=True, kw_only=True)
class SimNodeConfig:
    """Parameters of `sim_node`. `env_options` is YAML for the environment's keywords, such as `{script: demo}`."""

    env: str = "EmbodiedMem/Household-v0"
    env_options: str = "{}"
    seed: int = 0
    lockstep: bool = False
    """One step for each command, as fast as commands come; otherwise time runs at `realtime_factor`."""
    realtime_factor: float = 1.0
    control_hz: float = 10.0
    """Steps a second of simulated time; must be the environment's own rate."""
    steps_per_frame: int = 1
    """Images are published at every so many steps; odometry at each."""

    def __post_init__(self) -> None:
        for name in ("realtime_factor", "control_hz", "steps_per_frame"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be above 0.")


class SimNode(Node):
    """Steps the environment and publishes what the robot senses."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("sim_node", **node_options)
        self.config = declare(self, SimNodeConfig())
        self._env = make_env(self.config)
        names = getattr(self._env.unwrapped, "category_names", ())
        self._category_names: tuple[str, ...] = tuple(names)
        self._create_publishers()
        self._twist, self._twist_s = Twist(), -COMMAND_TIMEOUT_S
        self._head: tuple[float, ...] = ()
        self._hand = 0
        self._num_steps = 0
        self._is_quiet: bool | None = None
        self.is_over = False
        self._observation, info = self._env.reset(seed=self.config.seed)
        self._stamp_ns = int(info["stamp_ns"])
        self.create_subscription(RobotCommand, "command", self._on_command, QoSProfile(depth=10))
        self.create_subscription(Twist, "cmd_vel", self._on_twist, QoSProfile(depth=10))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        if self.config.lockstep:
            # Until the first command comes, the first observation is repeated, so that late listeners get it.
            self._timer = self.create_timer(0.2, self._repeat_first, clock=steady)
        else:
            period_s = 1.0 / (self.config.control_hz * self.config.realtime_factor)
            self._timer = self.create_timer(period_s, self._tick, clock=steady)
        self._publish({})

    def close(self) -> None:
        """Give the simulator back, which also completes its log."""
        self._env.close()

    # -- commands ---------------------------------------------------------------------------------------------------

    def _on_twist(self, message: Twist) -> None:
        self._twist, self._twist_s = message, time.monotonic()
        if self.config.lockstep:
            self._step()

    def _on_command(self, message: RobotCommand) -> None:
        answered_ns = ns_from_time(message.header.stamp)
        if self.config.lockstep and answered_ns not in (0, self._stamp_ns):
            return  # a repeated answer to an observation that was answered already
        self._twist, self._twist_s = message.base, time.monotonic()
        self._head, self._hand = tuple(message.head), message.hand
        if self.config.lockstep:
            self._step()

    def _repeat_first(self) -> None:
        if self._num_steps == 0:
            self._publish_robot()
            return
        self._timer.cancel()

    def _tick(self) -> None:
        if time.monotonic() - self._twist_s > COMMAND_TIMEOUT_S:
            self._twist, self._head = Twist(), ()
        self._step()

    def _step(self) -> None:
        if self.is_over:
            return
        self._observation, _, terminated, truncated, info = self._env.step(self._action())
        self._hand = 0  # an action of the hand happens once; velocities hold until the next command
        self._num_steps += 1
        self._stamp_ns = int(info["stamp_ns"])
        self._publish(info)
        if terminated or truncated:
            self.is_over = True
            self.get_logger().info(f"the episode is over after {self._num_steps} steps")

    def _action(self) -> dict[str, Any]:
        spaces = self._env.action_space
        base = np.array([self._twist.linear.x, self._twist.angular.z], dtype=np.float32)
        head = np.zeros(2, dtype=np.float32)
        head[: len(self._head[:2])] = self._head[:2]
        return {
            "base": np.clip(np.nan_to_num(base), spaces["base"].low, spaces["base"].high),
            "head": np.clip(np.nan_to_num(head), spaces["head"].low, spaces["head"].high),
            "hand": int(np.clip(self._hand, 0, spaces["hand"].n - 1)),
        }

    # -- sensors ----------------------------------------------------------------------------------------------------

    def _create_publishers(self) -> None:
        images = QoSProfile(depth=30)
        self._clock_out = self.create_publisher(ClockMsg, "/clock", QoSProfile(depth=10))
        self._rgb_out = self.create_publisher(Image, "rgb", images)
        self._depth_out = self.create_publisher(Image, "depth", images)
        self._info_out = self.create_publisher(CameraInfo, "camera_info", LATCHED)
        self._quiet_out = self.create_publisher(Bool, QUIET_TOPIC, LATCHED)
        self._segmentation_out = self.create_publisher(InstanceSegmentation, "segmentation", images)
        self._camera_pose_out = self.create_publisher(Odometry, "odometry", QoSProfile(depth=100))
        self._base_out = self.create_publisher(Odometry, "base_odometry", QoSProfile(depth=100))
        self._joints_out = self.create_publisher(JointState, "joint_states", QoSProfile(depth=100))
        self._events_out = self.create_publisher(EventMsg, "events", QoSProfile(depth=100))

    def _publish(self, info: dict[str, Any]) -> None:
        self._clock_out.publish(ClockMsg(clock=time_from_ns(self._stamp_ns)))
        for event in info.get("events", ()):
            self._events_out.publish(self._event(event))
        self._publish_quiet()
        if self._num_steps % self.config.steps_per_frame == 0:
            self._publish_images()
        self._publish_robot()

    def _publish_quiet(self) -> None:
        is_quiet = bool(getattr(self._env.unwrapped, "script_is_over", True))
        if is_quiet != self._is_quiet:
            self._is_quiet = is_quiet
            self._quiet_out.publish(Bool(data=is_quiet))

    def _publish_images(self) -> None:
        observation, stamp_ns = self._observation, self._stamp_ns
        at = header(stamp_ns, CAMERA_FRAME)
        height_px, width_px = observation["depth"].shape
        camera = PinholeCamera.from_matrix(observation["intrinsics"], width_px=width_px, height_px=height_px)
        self._info_out.publish(fill_camera_info(CameraInfo(header=at), camera))
        odometry = Odometry(header=header(stamp_ns, WORLD_FRAME), child_frame_id=CAMERA_FRAME)
        odometry.pose.pose = pose_to_msg(observation["T_world_camera"])
        self._camera_pose_out.publish(odometry)
        self._rgb_out.publish(fill_image(Image(header=at), observation["rgb"], "rgb8"))
        self._segmentation_out.publish(self._segmentation(observation["segmentation"], at))
        self._depth_out.publish(fill_image(Image(header=at), observation["depth"], "32FC1"))

    def _segmentation(self, ids: np.ndarray[Any, Any], at: Any) -> InstanceSegmentation:
        present = [int(value) for value in np.unique(ids) if value > 0]
        return InstanceSegmentation(
            header=at,
            ids=fill_image(Image(header=at), ids, "32SC1"),
            instances=present,
            labels=[self._category_names[value // 1000] for value in present],
            scores=[1.0] * len(present),
        )

    def _publish_robot(self) -> None:
        """Where the base and the head are, from the robot's own encoders; the last message of each step."""
        x, y, yaw, speed, turn, pan, tilt, is_holding = (
            float(value) for value in self._observation["proprio"]
        )
        at = header(self._stamp_ns, WORLD_FRAME)
        self._joints_out.publish(
            JointState(header=at, name=list(HEAD_JOINTS), position=[pan, tilt, is_holding])
        )
        base = Odometry(header=at, child_frame_id=BASE_FRAME)
        base.pose.pose = pose_to_msg(pose_from_rpy(np.array([x, y, 0.0]), 0.0, 0.0, yaw))
        base.twist.twist.linear.x, base.twist.twist.angular.z = speed, turn
        self._base_out.publish(base)

    def _event(self, event: dict[str, Any]) -> EventMsg:
        """The robot's own action: what it handled, by category and place, as its hand felt and saw it."""
        position, category = event.get("position_world"), event.get("category")
        objects: tuple[ObjectMention, ...] = ()
        if position is not None and category:
            x, y, z = (float(value) for value in position)
            objects = (ObjectMention(label=category, position_world_m=(x, y, z)),)
        own = Event(
            kind=event["kind"],
            actor="robot",
            objects=objects,
            start_ns=int(event["start_ns"]),
            end_ns=int(event["end_ns"]),
            outcome=event.get("outcome"),
        )
        return event_to_msg(own, WORLD_FRAME)


def make_env(config: SimNodeConfig) -> Any:
    """The environment that the parameters name.

    Raises:
        ConfigError: `env_options` is no YAML mapping, or no environment has that id.
    """
    import gymnasium

    from embodied_mem import envs

    envs.register_all()
    options = yaml.safe_load(config.env_options) or {}
    if not isinstance(options, dict):
        raise ConfigError(
            f"env_options is {config.env_options!r}; it must be a YAML mapping such as '{{script: demo}}'."
        )
    try:
        return gymnasium.make(config.env, **options)
    except gymnasium.error.Error as error:
        raise ConfigError(f"cannot make environment {config.env!r}: {error}") from error


def main(arguments: list[str] | None = None) -> None:
    """Run the node until it is told to stop."""
    rclpy.init(args=arguments)
    node = SimNode()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.close()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
