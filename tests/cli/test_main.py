"""The command line: help that is quick and complete, errors in one line."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from embodied_mem.cli.main import COMMANDS, cli

HEAVY = (
    "torch",
    "warp",
    "mujoco",
    "rclpy",
    "open3d",
    "hydra",
    "cv2",
    "matplotlib",
    "scipy",
    "apsw",
    "gymnasium",
)


def invoke(*args):
    return CliRunner().invoke(cli, args, catch_exceptions=True)


def test_help_lists_every_command():
    result = invoke("--help")
    assert result.exit_code == 0
    for name, summary in COMMANDS.items():
        assert name in result.output
        assert summary in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_and_json(name):
    result = invoke(name, "--help")
    assert result.exit_code == 0, result.output
    assert f"embodied-mem {name}" in result.output.split("Examples:")[1]
    assert "--json" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_help_imports_nothing_heavy(name):
    script = (
        "import sys; sys.argv = ['embodied-mem', sys.argv[1], '--help']\n"
        "from embodied_mem.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, name], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout


def test_an_unknown_command_is_refused_with_the_nearest_one():
    result = invoke("quary")
    assert result.exit_code == 2
    assert "Did you mean 'query'?" in result.output


def test_an_error_of_ours_is_one_clean_line_and_exit_code_2(tmp_path):
    command = [sys.executable, "-m", "embodied_mem.cli.main", "inspect", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("embodied-mem: StoreError: ")
    assert "is not a memory" in done.stderr
    assert len(done.stderr.splitlines()) == 1
