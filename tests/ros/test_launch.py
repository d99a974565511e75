"""Launch files, resolved by a stand-in for ROS's launch (no wheel has it), and what they start as real processes."""

import contextlib
import re
from pathlib import Path

import pytest

from embodied_mem.config import override
from embodied_mem.ros.transport import (
    PROFILE_PATH,
    PROFILE_VARIABLE,
    node_environment,
    random_domain_id,
    transport_problem,
)
from embodied_mem.testing import SyntheticRoom

from .launch_stand_in import resolve

REPOSITORY = Path(__file__).parents[2]
LAUNCH = {path.name.partition(".")[0]: path for path in (REPOSITORY / "launch").glob("*.launch.py")}
EXECUTABLES = dict(
    re.findall(r'"(\w+) = ([\w.]+):main"', (REPOSITORY / "setup.py").read_text(encoding="utf-8"))
)
"""The module of each executable that setup.py installs."""
ARGUMENTS = {"sim": {"drive": "true"}, "robot": {}, "replay": {"bag": "my_bag"}}


def test_every_launch_file_is_known_here():
    assert set(LAUNCH) == set(ARGUMENTS)


@pytest.mark.ros
@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_launch_file_gives_its_nodes_parameters_that_they_have(name):
    from embodied_mem.ros.bag_node import BagNodeConfig
    from embodied_mem.ros.driver import DriverConfig
    from embodied_mem.ros.node_config import MemoryNodeConfig
    from embodied_mem.ros.sim_node import SimNodeConfig

    configs = {
        "memory_node": MemoryNodeConfig(), "sim_node": SimNodeConfig(), "driver_node": DriverConfig(),
        "bag_node": BagNodeConfig(),
    }  # fmt: skip
    context = resolve(LAUNCH[name], **ARGUMENTS[name])
    assert "memory_node" in {node.executable for node in context.nodes}
    for node in context.nodes:
        assert node.executable in EXECUTABLES
        own = {key: value for key, value in node.parameters.items() if key != "use_sim_time"}
        override(configs[node.executable], own)
    assert transport_problem(context.environment) is None


@pytest.mark.ros
def test_arguments_reach_the_nodes_with_their_types():
    context = resolve(LAUNCH["robot"], depth="/cam/depth", memory_path="007", use_segmentation="true")
    (memory,) = context.nodes
    assert ("depth", "/cam/depth") in memory.remappings
    assert memory.parameters["path"] == "007"
    assert memory.parameters["input.use_segmentation"] is True
    context = resolve(LAUNCH["sim"], env_options="{script: demo}", seed="3", realtime_factor="2")
    assert [node.executable for node in context.nodes] == ["sim_node", "memory_node"]
    wanted = {"env_options": "{script: demo}", "seed": 3, "lockstep": False, "realtime_factor": 2.0}
    assert wanted.items() <= context.nodes[0].parameters.items()


@contextlib.contextmanager
def launched(context, folder):
    """Processes of all nodes in `context`, on a domain of their own, and a client that asks them."""
    import rclpy

    from embodied_mem.ros.client import MemoryClient
    from embodied_mem.ros.stream import node_process

    domain_id = random_domain_id()
    environment = node_environment(domain_id=domain_id)
    environment.update(context.environment)
    ros = rclpy.Context()
    rclpy.init(context=ros, domain_id=domain_id)
    with contextlib.ExitStack() as stack:
        stack.callback(rclpy.try_shutdown, context=ros)
        processes = [
            stack.enter_context(
                node_process(
                    EXECUTABLES[node.executable],
                    parameters=node.parameters,
                    environment=environment,
                    log_path=folder / f"{node.executable}.log",
                    node=node.executable,
                )
            )
            for node in context.nodes
        ]
        client = MemoryClient(rclpy.create_node("asker", context=ros))
        client.wait_until_ready()
        yield client, processes
        client.close()


@pytest.mark.ros
def test_the_replay_launch_file_plays_a_bag_into_the_memory(tmp_path):
    from embodied_mem.replay import write_bag

    write_bag(tmp_path / "bag", SyntheticRoom(0).frames(8))
    context = resolve(LAUNCH["replay"], bag=str(tmp_path / "bag"), use_segmentation="true")
    with launched(context, tmp_path) as (client, (_, player)):
        assert player.wait(60) == 0, (tmp_path / "bag_node.log").read_text()
        client.spin_for(1.5)
        assert client.status.frames_observed == 8
        assert client.status.num_entities > 0


@pytest.mark.ros
@pytest.mark.mujoco
def test_the_sim_launch_file_starts_a_home_whose_robot_remembers(tmp_path):
    with launched(resolve(LAUNCH["sim"], seed="2"), tmp_path) as (client, processes):
        for _ in range(120):  # what comes before all topics are connected may be dropped
            client.spin_for(1.0)
            assert [process.poll() for process in processes] == [None, None], [
                path.read_text() for path in tmp_path.glob("*.log")
            ]
            if client.status.frames_observed >= 3:
                break
        assert client.status.frames_observed >= 3


def test_a_node_started_by_us_has_the_profile_and_one_without_is_told():
    environment = node_environment(domain_id=7, base={})
    assert environment["ROS_DOMAIN_ID"] == "7"
    assert transport_problem(environment) is None
    assert PROFILE_PATH.read_text(encoding="utf-8").count("33554432") == 1
    assert PROFILE_VARIABLE in str(transport_problem({}))
    assert "does not exist" in str(transport_problem({PROFILE_VARIABLE: "/nowhere.xml"}))
    assert transport_problem({"RMW_IMPLEMENTATION": "rmw_zenoh_cpp"}) is None
