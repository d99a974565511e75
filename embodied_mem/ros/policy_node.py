"""A policy on a robot: colour and joints in, a memory node's context asked for, action chunks out.

Decisions run on the node's one thread: an image that comes while one is made is taken when it is done, older ones are passed over. The
policy's bank can be stepped as a service, too, by whoever has an encoder of its own.
"""

from __future__ import annotations

import importlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import torch
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from embodied_mem.errors import ConfigError, EmbodiedMemError, InvalidMessage, InvalidQuery, StoreError
from embodied_mem.messages import Context
from embodied_mem.policy.memory_policy import MemoryPolicy
from embodied_mem.policy.policy_memory import PolicyMemory
from embodied_mem.policy.saved_memory import load_memory, save_memory
from embodied_mem.policy.seam import Observation, Policy
from embodied_mem.ros.conversions.basics import ns_from_time
from embodied_mem.ros.conversions.contexts import chunk_to_msg, context_from_response, tokens_from_request
from embodied_mem.ros.drops import DropLog
from embodied_mem.ros.parameters import declare
from embodied_mem.sensing.images import rgb_from_image
from embodied_mem_interfaces.msg import ActionChunk as ActionChunkMsg
from embodied_mem_interfaces.srv import GetContext, StepBank

ANSWER_WITHIN_S = 1.0
"""A context that takes longer is not waited for: the next image asks anew."""


@dataclass(frozen=True, kw_only=True)
class PolicyNodeConfig:
    """Parameters of `policy_node`."""

    checkpoint: str = ""
    """Of our own policy (`embodied-mem train`); else name one in `policy`."""
    policy: str = ""
    """`module:function` that takes no argument and gives a `Policy`."""
    memory_node: str = "/memory_node"
    """Whose context is asked for before each decision; empty: nobody's."""
    instruction: str = ""
    """The task until another one comes on the topic `instruction`."""
    camera: str = "front"
    """The name under which the policy knows the pictures on `rgb`."""
    max_tokens: int = 512
    max_ms: float = 20.0
    memory_file: str = ""
    """Where our own policy keeps what it remembers, to go on after a restart; empty: nowhere."""
    compute: float = 1.0
    """What part of the expert's blocks a decision of the checkpoint costs; found by `embodied-mem eval compute= keep_exits=true`."""
    joints: tuple[str, ...] = ()
    """Which joints of `joint_states` are proprioception, in this order; empty: all, as they come."""


class PolicyNode(Node):
    """`rgb`, `joint_states`, `instruction` in; `~/action_chunk` out; `~/reset` and `~/step_bank` as services."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("policy_node", **node_options)
        self.config = declare(self, PolicyNodeConfig())
        self.drops = DropLog(self.get_logger().warning)
        self.policy = load_policy(self.config)
        self._kept = kept_policy(self.policy, self.config.memory_file)
        self.instruction = self.config.instruction
        self._proprio: np.ndarray[Any, Any] | None = None
        self._waiting: Observation | None = None
        self._asked: Any = None
        self._asked_s = 0.0
        self.num_decisions = 0
        newest = QoSProfile(depth=1)
        self._chunks_out = self.create_publisher(ActionChunkMsg, "~/action_chunk", QoSProfile(depth=10))
        self.create_subscription(Image, "rgb", self._on_image, newest)
        self.create_subscription(JointState, "joint_states", self._on_joints, newest)
        self.create_subscription(String, "instruction", self._on_instruction, QoSProfile(depth=1))
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_service(StepBank, "~/step_bank", self._on_step_bank)
        self._contexts = (
            self.create_client(GetContext, f"{self.config.memory_node}/get_context")
            if self.config.memory_node
            else None
        )

    def _on_joints(self, message: JointState) -> None:
        try:
            self._proprio = proprioception(message, self.config.joints)
        except InvalidMessage as error:
            self.drops.drop("joints", error, is_frame=False)

    def _on_instruction(self, message: String) -> None:
        self.instruction = str(message.data)

    def _on_image(self, message: Image) -> None:
        if self._proprio is None and self.config.joints:
            missing = InvalidMessage(
                f"no joint state yet; publish {list(self.config.joints)} on joint_states."
            )
            self.drops.drop("joints", missing)
            return
        proprio = np.zeros(0, dtype=np.float32) if self._proprio is None else self._proprio
        try:
            observation = Observation(
                stamp_ns=np.array([ns_from_time(message.header.stamp)]), proprio=proprio[None],
                images={self.config.camera: rgb_from_image(message)[None]}, slots=np.zeros(1, dtype=np.int64),
            )  # fmt: skip
        except EmbodiedMemError as error:
            self.drops.drop("image", error)
            return
        self._waiting = observation
        if self._asked is None or time.monotonic() - self._asked_s > ANSWER_WITHIN_S:
            self._ask()

    def _ask(self) -> None:
        """Ask for the context that goes with the newest observation; without a memory node decide at once."""
        if self._contexts is None:
            self._decide(None)
            return
        if not self._contexts.service_is_ready():
            self._decide_alone(
                f"{self.config.memory_node}/get_context is not there; decided without context."
            )
            return
        request = GetContext.Request(
            instruction=self.instruction, max_tokens=self.config.max_tokens, max_ms=self.config.max_ms
        )
        self._asked_s = time.monotonic()
        self._asked = self._contexts.call_async(request)
        self._asked.add_done_callback(self._on_context)

    def _on_context(self, future: Any) -> None:
        # It came too late: another was asked for, or the decision was made alone.
        if future is not self._asked:
            return
        self._asked = None
        response = future.result()
        if not response.success:
            self._decide_alone(f"{response.error_type}: {response.error}")
            return
        self._decide(context_from_response(response, self.instruction))

    def _decide_alone(self, why: str) -> None:
        self._asked = None
        self.drops.drop("context", InvalidQuery(why), is_frame=False)
        self._decide(None)

    def _decide(self, context: Context | None) -> None:
        observation, self._waiting = self._waiting, None
        assert observation is not None, "a decision is made for an observation"
        try:
            chunk = self.policy.act(observation, context, self.instruction)
        except EmbodiedMemError as error:
            self.drops.drop("policy", error)
            return
        self.num_decisions += 1
        self._chunks_out.publish(chunk_to_msg(chunk, 0, self.config.camera))

    def _on_reset(self, request: Any, response: Any) -> Any:
        self.policy.reset([0])
        self.save_memory()
        response.success, response.message = True, "a new episode begins"
        return response

    def save_memory(self) -> None:
        """Keep what the policy remembers in its file, if it has one; done at every reset, and when the node ends."""
        if self._kept is None:
            return
        try:
            save_memory(self._kept, Path(self.config.memory_file))
        except StoreError as error:
            self.get_logger().warning(str(error))

    def _on_step_bank(self, request: Any, response: Any) -> Any:
        try:
            tokens = torch.from_numpy(tokens_from_request(request))
            with torch.no_grad():
                fused = memory_of(self.policy).step_perceptual(
                    tokens, ns_from_time(request.header.stamp), [int(request.slot)]
                )
            response.tokens, response.success = fused.flatten().tolist(), True
        except EmbodiedMemError as error:
            response.success, response.error_type, response.error = False, type(error).__name__, str(error)
        return response


def load_policy(config: PolicyNodeConfig) -> Policy:
    """The policy that the parameters name.

    Raises:
        ConfigError: neither or both are named, or there is none of that name.
    """
    if bool(config.checkpoint) == bool(config.policy):
        raise ConfigError(
            f"checkpoint is {config.checkpoint!r} and policy {config.policy!r}; give exactly one of them, such as "
            "-p checkpoint:=outputs/train/checkpoint.pt."
        )
    if config.checkpoint:
        from embodied_mem.policy.checkpoints import load_policy as load_checkpoint

        return load_checkpoint(Path(config.checkpoint), compute=config.compute)
    if config.compute != 1.0:
        raise ConfigError(f"compute is {config.compute}; only a checkpoint leaves its expert early.")
    module_name, _, function = config.policy.partition(":")
    try:
        made = getattr(importlib.import_module(module_name), function)()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"policy is {config.policy!r}; it must name a 'module:function' ({error})."
        ) from error
    if not isinstance(made, Policy):
        raise ConfigError(
            f"{config.policy} gives a {type(made).__name__}; a policy has act(...) and reset(...)."
        )
    return made


def kept_policy(policy: Policy, memory_file: str) -> MemoryPolicy | None:
    """Our own policy with what is in the file; None where it is to keep nothing.

    Raises:
        ConfigError: the policy is another one.
        StoreError: the file cannot be read.
    """
    if not memory_file:
        return None
    if not isinstance(policy, MemoryPolicy):
        raise ConfigError(
            f"memory_file is {memory_file!r}, but a {type(policy).__name__} keeps its own memory; leave it empty."
        )
    load_memory(policy, Path(memory_file))
    return policy


def memory_of(policy: Policy) -> PolicyMemory:
    """The banks of our own policy.

    Raises:
        ConfigError: it is another one's, or has none.
    """
    memory = policy.memory if isinstance(policy, MemoryPolicy) else None
    if not isinstance(memory, PolicyMemory) or not memory.keeps_entries:
        raise ConfigError(
            f"a {type(policy).__name__} without perceptual bank cannot be stepped; start the node with a checkpoint whose "
            "bank is one that keeps entries, such as 'merge'."
        )
    return memory


def proprioception(message: Any, joints: tuple[str, ...]) -> np.ndarray[Any, Any]:
    """The positions of these joints, in this order.

    Raises:
        InvalidMessage: one of them is not in the message.
    """
    if not joints:
        return np.array(message.position, dtype=np.float32)
    positions = dict(zip(message.name, message.position, strict=False))
    missing = [name for name in joints if name not in positions]
    if missing:
        raise InvalidMessage(
            f"joint_states lacks {missing}; it has {list(message.name)}. Set the parameter joints."
        )
    return np.array([positions[name] for name in joints], dtype=np.float32)


def main(arguments: list[str] | None = None) -> None:
    """Decide until interrupted."""
    rclpy.init(args=arguments)
    try:
        node = PolicyNode()
    except EmbodiedMemError as error:
        rclpy.try_shutdown()
        sys.exit(f"policy_node: {type(error).__name__}: {error}")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        node.get_logger().info(f"ended after {node.num_decisions} decisions")
    finally:
        node.save_memory()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
