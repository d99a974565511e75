"""A policy on real ROS 2: images in, the memory node's context asked for, chunks out."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.messages import Budget

pytestmark = pytest.mark.ros


class Recorder:
    """A policy that notes what it was given."""

    made = None

    def __init__(self):
        Recorder.made = self
        self.given = []
        self.resets = 0

    def act(self, observation, context=None, instruction=""):
        from embodied_mem.policy import ActionChunk

        self.given.append((observation, context, instruction))
        actions = np.full((1, 3, 2), len(self.given), dtype=np.float32)
        return ActionChunk(
            stamp_ns=observation.stamp_ns, actions=actions, period_s=0.5, slots=observation.slots
        )

    def reset(self, slots=None):
        self.resets += 1


class PolicyBench:
    """A policy node in a thread of its own, and a robot that shows it pictures and hears its chunks."""

    def __init__(self, context, policy, **parameters):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.parameter import Parameter

        from embodied_mem.ros import policy_node
        from embodied_mem_interfaces.msg import ActionChunk

        original = policy_node.load_policy
        policy_node.load_policy = lambda config: policy
        try:
            overrides = [Parameter(name, value=value) for name, value in parameters.items()]
            self.node = policy_node.PolicyNode(context=context, parameter_overrides=overrides)
        finally:
            policy_node.load_policy = original
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self.executor.spin, daemon=True)
        self.thread.start()
        self.robot = rclpy.create_node("robot", context=context)
        self.robot_executor = SingleThreadedExecutor(context=context)
        self.robot_executor.add_node(self.robot)
        self.chunks = []
        self.robot.create_subscription(ActionChunk, "/policy_node/action_chunk", self.chunks.append, 10)
        self.publishers = {}

    def publish(self, kind, topic, message):
        if topic not in self.publishers:
            self.publishers[topic] = self.robot.create_publisher(kind, topic, 10)
        while not self.publishers[topic].get_subscription_count():
            time.sleep(0.02)
        self.publishers[topic].publish(message)

    def show(self, picture, second):
        from sensor_msgs.msg import Image

        from embodied_mem.ros.conversions.basics import header
        from embodied_mem.sensing.images import fill_image

        self.publish(Image, "rgb", fill_image(Image(header=header(second * 10**9, "front")), picture, "rgb8"))

    def wait_for(self, is_so, again=None):
        """Spin until it is so; every half second do `again`, as a message may be lost while endpoints find each other."""
        end_s, next_s = time.monotonic() + 120.0, time.monotonic()
        while not is_so():
            assert time.monotonic() < end_s, "what was waited for did not happen"
            if again is not None and time.monotonic() >= next_s:
                next_s = time.monotonic() + 0.5
                again()
            self.robot_executor.spin_once(timeout_sec=0.05)

    def call(self, kind, name, request):
        client = self.robot.create_client(kind, name)
        self.wait_for(client.service_is_ready)
        future = client.call_async(request)
        self.wait_for(future.done)
        return future.result()

    def close(self):
        self.executor.shutdown(2.0)
        self.thread.join(5.0)
        self.robot_executor.shutdown(2.0)


@pytest.fixture
def context():
    import rclpy

    made = rclpy.Context()
    rclpy.init(context=made)
    yield made
    rclpy.try_shutdown(context=made)


def test_a_decision_is_made_with_the_memory_nodes_context(bench):
    robot = bench()
    robot.show()
    recorder = Recorder()
    policy = PolicyBench(robot.context, recorder, instruction="bring the red mug", max_ms=5000.0)
    second = iter(range(100, 1000))
    try:
        picture = np.full((8, 8, 3), 7, dtype=np.uint8)
        given = recorder.given
        policy.wait_for(
            lambda: policy.chunks and given[-1][1] is not None, lambda: policy.show(picture, next(second))
        )
    finally:
        policy.close()
    observation, context, instruction = given[-1]
    assert instruction == "bring the red mug"
    assert context.entities.labels[0] == "red mug"
    assert "- red mug e" in context.text
    assert context.keyframes[0].image.shape[2] == 3
    assert np.array_equal(observation.images["front"][0], picture)
    own = robot.node.memory.context("bring the red mug", budget=Budget(tokens=512, ms=5000.0))
    assert context.sources == own.sources
    np.testing.assert_allclose(context.entities.positions_robot_m[0], own.entities.positions_robot_m[0])
    assert policy.chunks[0].width == 2
    assert len(policy.chunks[0].actions) == 6


def test_without_a_memory_node_it_decides_alone_and_resets(context):
    from sensor_msgs.msg import JointState
    from std_srvs.srv import Trigger

    recorder = Recorder()
    policy = PolicyBench(context, recorder, memory_node="", joints=["a", "b"])
    second = iter(range(1, 1000))
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    try:

        def sense():
            policy.publish(
                JointState, "joint_states", JointState(name=["b", "x", "a"], position=[2.0, 9.0, 1.0])
            )
            policy.show(picture, next(second))

        policy.wait_for(lambda: policy.chunks, sense)
        assert policy.call(Trigger, "/policy_node/reset", Trigger.Request()).success
    finally:
        policy.close()
    observation, memory, _ = recorder.given[0]
    assert memory is None
    assert observation.proprio.tolist() == [[1.0, 2.0]]
    assert recorder.resets == 1
    assert policy.chunks[0].period == 0.5


def test_bank_steps_are_a_service(context):
    import torch

    from embodied_mem.policy.flow_expert import FlowExpertConfig
    from embodied_mem.policy.memory_policy import MemoryPolicy, MemoryPolicyConfig
    from embodied_mem.ros.conversions.basics import header
    from embodied_mem_interfaces.srv import StepBank

    torch.manual_seed(0)
    small = MemoryPolicyConfig(capacity=3, expert=FlowExpertConfig(width=8, num_heads=1, num_blocks=1))
    served, alone = MemoryPolicy(small), MemoryPolicy(small)
    alone.load_state_dict(served.state_dict())
    config = alone.memory.perceptual.config
    policy = PolicyBench(context, served, memory_node="")
    try:
        for second in range(5):
            tokens = torch.randn(1, config.num_tokens, config.token_width)
            request = StepBank.Request(
                header=header(second * 10**9, ""), num_tokens=config.num_tokens, width=config.token_width,
                tokens=tokens.flatten().tolist(),
            )  # fmt: skip
            response = policy.call(StepBank, "/policy_node/step_bank", request)
            assert response.success, response.error
            with torch.no_grad():
                expected = alone.memory.perceptual.step(tokens, second * 10**9)
            np.testing.assert_allclose(np.array(response.tokens), expected.flatten().numpy(), atol=1e-6)
        good, late = request.tokens, header(0, "")
        unknown = [float("nan")] * len(good)
        for wrong, error_type in (
            ({"tokens": [1.0]}, "InvalidMessage"), ({"tokens": unknown}, "InvalidMessage"), ({"slot": 7}, "UnknownSlot"),
            ({"header": late}, "StampRunsBackwards"), ({"num_tokens": 0}, "InvalidMessage"),
        ):  # fmt: skip
            fields = {
                name: getattr(request, name) for name in ("header", "slot", "num_tokens", "width", "tokens")
            }
            refused = policy.call(StepBank, "/policy_node/step_bank", StepBank.Request(**{**fields, **wrong}))
            assert (refused.success, refused.error_type) == (False, error_type)
    finally:
        policy.close()
    remembered = dict(alone.memory.perceptual.named_buffers())
    for name, buffer in served.memory.perceptual.named_buffers():
        assert torch.allclose(buffer.double(), remembered[name].double(), atol=1e-6), name
    for name, buffer in served.memory.cognitive.clock.named_buffers():
        assert torch.equal(buffer, remembered[f"clock.{name}"])


class Answer:
    """A context's answer that comes when `come` is called."""

    def __init__(self):
        self.callbacks = []

    def add_done_callback(self, callback):
        self.callbacks.append(callback)

    def result(self):
        from embodied_mem_interfaces.srv import GetContext

        return GetContext.Response(success=False, error_type="InvalidQuery", error="it came late")

    def come(self):
        for callback in self.callbacks:
            callback(self)


class Contexts:
    """A memory node's service that can be gone."""

    is_there = True

    def __init__(self):
        self.answers = []

    def service_is_ready(self):
        return self.is_there

    def call_async(self, request):
        self.answers.append(Answer())
        return self.answers[-1]


def show(node, second):
    """An image comes to a node that nobody spins."""
    from sensor_msgs.msg import Image

    from embodied_mem.ros.conversions.basics import header
    from embodied_mem.sensing.images import fill_image

    picture = np.random.default_rng(second).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    node._on_image(fill_image(Image(header=header(second * 10**9, "front")), picture, "rgb8"))


def test_an_answer_that_comes_after_it_decided_alone_is_passed_over(context, monkeypatch):
    from embodied_mem.ros import policy_node

    recorder, contexts = Recorder(), Contexts()
    monkeypatch.setattr(policy_node, "load_policy", lambda config: recorder)
    node = policy_node.PolicyNode(context=context)
    node._contexts = contexts

    try:
        show(node, 1)
        node._asked_s = -np.inf  # no answer came for long
        contexts.is_there = False
        show(node, 2)
        assert len(recorder.given) == 1
        contexts.answers[0].come()
        assert len(recorder.given) == 1
        contexts.is_there = True
        show(node, 3)
        contexts.answers[1].come()
        assert [int(seen.stamp_ns[0]) // 10**9 for seen, _, _ in recorder.given] == [2, 3]
    finally:
        node.destroy_node()


def small_policy(**options):
    import torch

    from embodied_mem.policy.flow_expert import FlowExpertConfig
    from embodied_mem.policy.memory_policy import MemoryPolicy, MemoryPolicyConfig

    torch.manual_seed(0)
    expert = FlowExpertConfig(width=8, num_heads=1, num_blocks=1)
    return MemoryPolicy(MemoryPolicyConfig(capacity=3, proprio_width=0, expert=expert, **options))


def test_a_node_that_was_stopped_goes_on_as_if_it_had_not(context, monkeypatch, tmp_path):
    from std_srvs.srv import Trigger

    from embodied_mem.ros import policy_node

    monkeypatch.setattr(policy_node, "load_policy", lambda config: small_policy())

    def actions(seconds, memory_file, is_reset=False):
        """What a node decides in its life."""
        from rclpy.parameter import Parameter

        parameters = {"memory_node": "", "memory_file": memory_file}
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        node = policy_node.PolicyNode(context=context, parameter_overrides=overrides)
        chunks = []
        node._chunks_out = SimpleNamespace(publish=lambda chunk: chunks.append(list(chunk.actions)))
        try:
            for second in seconds:
                show(node, second)
            if is_reset:
                assert node._on_reset(Trigger.Request(), Trigger.Response()).success
            else:
                node.save_memory()
        finally:
            node.destroy_node()
        return chunks

    file = str(tmp_path / "memory.npz")
    expected = actions(range(8), "")
    assert len(expected) == 8
    assert actions(range(5), file) + actions(range(5, 8), file) == expected
    actions([9], file, is_reset=True)
    assert len(actions([0], file)) == 1  # time would run backwards in the episode before


def test_only_our_own_policy_keeps_what_it_remembers_in_a_file(tmp_path):
    from embodied_mem.errors import DamagedStore
    from embodied_mem.ros.policy_node import PolicyNodeConfig, kept_policy, load_policy

    file = tmp_path / "memory.npz"
    file.write_bytes(b"none of ours")
    with pytest.raises(ConfigError, match="its own memory"):
        kept_policy(Recorder(), str(file))
    with pytest.raises(DamagedStore, match="Delete it"):
        kept_policy(small_policy(), str(file))
    assert kept_policy(Recorder(), "") is None
    with pytest.raises(ConfigError, match=r"compute is 0\.5"):
        load_policy(PolicyNodeConfig(policy="embodied_mem.testing:FakeClock", compute=0.5))


def test_a_policy_is_named_by_exactly_one_parameter():
    from embodied_mem.ros.policy_node import PolicyNodeConfig, load_policy

    with pytest.raises(ConfigError, match="exactly one"):
        load_policy(PolicyNodeConfig())
    with pytest.raises(ConfigError, match="module:function"):
        load_policy(PolicyNodeConfig(policy="embodied_mem.nothing:make"))
    with pytest.raises(ConfigError, match="act"):
        load_policy(PolicyNodeConfig(policy="embodied_mem.testing:FakeClock"))


def test_a_joint_that_is_missing_is_named():
    from sensor_msgs.msg import JointState

    from embodied_mem.ros.policy_node import proprioception

    with pytest.raises(InvalidMessage, match="elbow"):
        proprioception(JointState(name=["wrist"], position=[1.0]), ("elbow",))
