"""The simulator's process: its file runs alone under old Pythons, and its calls come back whole."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

from embodied_mem.envs.habitat.remote import SERVER, RemoteWorld, SimulatorError
from embodied_mem.envs.habitat.server import packed, unpacked

ALLOWED = {
    "__future__",
    "collections",
    "typing",
    "habitat_sim",
    "magnum",
    "numpy",
    "importlib",
    "json",
    "math",
    "os",
    "sys",
    "multiprocessing",
}

DESK = """
import importlib.util
spec = importlib.util.spec_from_file_location("server", {server!r})
server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(server)

class Desk:
    def __init__(self, settings):
        if settings.get("refuse"):
            raise ValueError("no such scene")
        self.settings = settings
    def doubled(self, array):
        return {{"array": 2 * array, "settings": self.settings, "nested": [array[0], (1, 2)]}}
    def fail(self):
        raise KeyError("nothing there")
    def leave(self):
        import os
        os._exit(3)
    def close(self):
        pass

server.main(Desk)
"""


@pytest.fixture
def desk(tmp_path):
    script = tmp_path / "desk.py"
    script.write_text(DESK.format(server=str(SERVER)))
    world = RemoteWorld(sys.executable, {"scene": "x"}, server=script)
    yield world
    world.close()


@pytest.mark.parametrize("file", [SERVER, SERVER.with_name("simulator.py")], ids=lambda file: file.name)
def test_what_runs_there_is_python_3_9_and_imports_nothing_of_ours(file):
    tree = ast.parse(file.read_text(), feature_version=(3, 9))
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    imported |= {
        node.module.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
    }
    assert not any(node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    assert imported <= ALLOWED
    # 3.9 parses `X | None` in a signature, but cannot evaluate it: annotations have to stay text.
    assert "from __future__ import annotations" in file.read_text()


def test_arrays_go_there_and_back(desk):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    told = desk.doubled(array)
    assert told["array"].dtype == np.float32
    assert np.array_equal(told["array"], 2 * array)
    assert told["settings"] == {"scene": "x"}
    assert np.array_equal(told["nested"][0], array[0])


def test_a_call_that_fails_there_tells_so_here_and_the_world_goes_on(desk):
    with pytest.raises(SimulatorError, match=r"KeyError.*nothing there"):
        desk.fail()
    with pytest.raises(SimulatorError, match="AttributeError"):
        desk.call("_secret")
    assert desk.doubled(np.ones(2))["array"].tolist() == [2, 2]


def test_a_process_that_ends_is_noticed(desk):
    with pytest.raises(SimulatorError, match="ended"):
        desk.leave()


def test_a_world_that_cannot_be_made_says_why(tmp_path):
    script = tmp_path / "desk.py"
    script.write_text(DESK.format(server=str(SERVER)))
    with pytest.raises(SimulatorError, match="no such scene"):
        RemoteWorld(sys.executable, {"refuse": True}, server=script)


def test_the_script_finds_the_simulator_beside_it():
    """It gets as far as making the world: to habitat_sim where there is none, to the settings where there is one."""
    with pytest.raises(SimulatorError, match=r"No module named 'habitat_sim'|KeyError"):
        RemoteWorld(sys.executable, {})


def test_a_python_that_is_none_is_named():
    with pytest.raises(SimulatorError, match="/bin/false"):
        RemoteWorld("/bin/false", {})


def test_packing_loses_nothing():
    value = {"a": np.array([[1, 2]], dtype=np.int64), "b": [np.float32(0.5), "x", None], "c": (1, 2)}
    back = unpacked(packed(value))
    assert np.array_equal(back["a"], value["a"])
    assert back["a"].dtype == np.int64
    assert back["b"] == [0.5, "x", None]
    assert back["c"] == [1, 2]


def test_the_server_lies_beside_the_client():
    assert Path(SERVER).is_file()
