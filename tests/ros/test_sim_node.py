"""A tiny environment as a robot, and a policy that drives it over ROS in lockstep."""

import sys
import time
import types

import gymnasium
import numpy as np
import pytest

pytestmark = pytest.mark.ros

QUIET_AFTER = 12
STEPS_BEFORE_WAITING, STEPS_AFTER = 3, 2


class TinyHome(gymnasium.Env):
    """A robot before a wall; the person who moves things behind its back is done after QUIET_AFTER steps."""

    category_names = ("void", "wall")
    plan = "the floor plan"
    action_space = gymnasium.spaces.Dict(
        {
            "base": gymnasium.spaces.Box(-1.0, 1.0, (2,)),
            "head": gymnasium.spaces.Box(-1.0, 1.0, (2,)),
            "hand": gymnasium.spaces.Discrete(4),
        }
    )
    observation_space = gymnasium.spaces.Dict()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.actions = []
        return self._observation(), self._info()

    def step(self, action):
        self.actions.append(action)
        return self._observation(), 0.0, False, False, self._info()

    @property
    def script_is_over(self):
        return len(self.actions) >= QUIET_AFTER

    def _observation(self):
        return {
            "rgb": np.zeros((4, 6, 3), np.uint8),
            "depth": np.full((4, 6), 2.0, np.float32),
            "segmentation": np.full((4, 6), 1007, np.int32),
            "intrinsics": np.array([[5.0, 0, 2.5], [0, 5.0, 1.5], [0, 0, 1]]),
            "T_world_camera": np.eye(4),
            "proprio": np.array([len(self.actions), 0, 0, 0, 0, 0, 0, 0], np.float32),
        }

    def _info(self):
        return {"stamp_ns": 1_000_000_000 + 100_000_000 * len(self.actions), "events": [], "truth": "secret"}


class WaitingPolicy:
    """Drives a little, waits until it may return, drives a little more."""

    def __init__(self, plan, *, may_return):
        self.plan, self._may_return = plan, may_return
        self.seen_x, self.waited = [], 0

    def reset(self, seed):
        self._left = STEPS_AFTER

    @property
    def done(self):
        return self._left < 0

    @property
    def phase(self):
        return "return" if self._left < STEPS_AFTER else "away"

    def act(self, observation, info):
        self.seen_x.append(float(observation["proprio"][0]))
        if len(self.seen_x) > STEPS_BEFORE_WAITING and (self._left < STEPS_AFTER or self._may_return()):
            self._left -= 1
        elif len(self.seen_x) > STEPS_BEFORE_WAITING:
            self.waited += 1
        return {"base": np.array([0.5, 0.0]), "head": np.zeros(2), "hand": 0}


@pytest.fixture
def ros_context():
    import rclpy

    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    rclpy.try_shutdown(context=context)


@pytest.fixture
def nodes(ros_context, monkeypatch):
    """Makes the simulator's node and the driver's, both of TinyHome."""
    from rclpy.parameter import Parameter

    from embodied_mem.ros.driver import DriverNode
    from embodied_mem.ros.sim_node import SimNode

    gymnasium.register("TinyHome-v0", entry_point=TinyHome, disable_env_checker=True)
    module = types.ModuleType("waiting_policy")
    module.WaitingPolicy = WaitingPolicy
    monkeypatch.setitem(sys.modules, "waiting_policy", module)
    given = {
        "sim": {"env": "TinyHome-v0", "lockstep": True},
        "driver": {"env": "TinyHome-v0", "policy": "waiting_policy:WaitingPolicy", "memory_node": ""},
    }
    parameters = {
        who: [Parameter(name, value=value) for name, value in g.items()] for who, g in given.items()
    }
    sim = SimNode(context=ros_context, parameter_overrides=parameters["sim"])
    yield sim, lambda: DriverNode(context=ros_context, parameter_overrides=parameters["driver"])
    sim.close()
    del gymnasium.registry["TinyHome-v0"]


def drive(sim, driver, timeout_s=30.0):
    from rclpy.executors import SingleThreadedExecutor

    executor = SingleThreadedExecutor(context=sim.context)
    executor.add_node(sim)
    executor.add_node(driver)
    end_s = time.monotonic() + timeout_s
    while driver.exit_code is None and time.monotonic() < end_s:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()


def test_a_policy_waits_until_nothing_is_scheduled_any_more_however_long_that_takes(nodes):
    sim, make_driver = nodes
    driver = make_driver()
    drive(sim, driver)
    assert driver.exit_code == 0
    policy, home = driver._policy, sim._env.unwrapped
    assert policy.plan == TinyHome.plan
    assert policy.seen_x == [float(step) for step in range(len(policy.seen_x))]  # lockstep: none left out
    assert QUIET_AFTER - STEPS_BEFORE_WAITING <= policy.waited <= QUIET_AFTER
    assert len(home.actions) == driver.num_commands == len(policy.seen_x) - 1
    assert home.actions[0]["base"][0] == np.float32(0.5)


def test_nothing_that_the_simulator_publishes_is_its_truth(nodes):
    sim, _ = nodes
    published = {topic for topic, _ in sim.get_publisher_names_and_types_by_node("sim_node", "/")}
    documented = {
        "/rgb", "/depth", "/camera_info", "/segmentation", "/odometry", "/base_odometry", "/joint_states", "/events",
        "/clock", "/quiet",
    }  # fmt: skip
    assert published - {"/rosout", "/parameter_events"} == documented


def test_a_policy_that_cannot_be_imported_is_refused_with_what_to_name():
    from embodied_mem.errors import ConfigError
    from embodied_mem.ros.driver import DriverConfig, load_policy

    with pytest.raises(ConfigError, match="module:Class"):
        load_policy(DriverConfig(policy="no.such:Policy"), lambda: True)
