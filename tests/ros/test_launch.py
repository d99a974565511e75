"""Launch files cannot run without an apt-installed ROS; here they are read."""

import ast
from pathlib import Path

import pytest

from embodied_mem.ros.transport import PROFILE_PATH, PROFILE_VARIABLE, node_environment, transport_problem

LAUNCH = sorted((Path(__file__).parents[2] / "launch").glob("*.launch.py"))


@pytest.mark.parametrize("path", LAUNCH, ids=lambda path: path.name)
def test_a_launch_file_parses_and_defines_what_ros2_launch_calls(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert "generate_launch_description" in {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef)
    }


def test_launch_files_start_executables_that_setup_installs():
    setup = (Path(__file__).parents[2] / "setup.py").read_text(encoding="utf-8")
    for path in LAUNCH:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "executable":
                assert f'"{ast.literal_eval(node.value)} = embodied_mem.ros.' in setup


def test_a_node_started_by_us_has_the_profile_and_one_without_is_told():
    environment = node_environment(domain_id=7, base={})
    assert environment["ROS_DOMAIN_ID"] == "7"
    assert transport_problem(environment) is None
    assert PROFILE_PATH.read_text(encoding="utf-8").count("33554432") == 1
    assert PROFILE_VARIABLE in str(transport_problem({}))
    assert "does not exist" in str(transport_problem({PROFILE_VARIABLE: "/nowhere.xml"}))
    assert transport_problem({"RMW_IMPLEMENTATION": "rmw_zenoh_cpp"}) is None
