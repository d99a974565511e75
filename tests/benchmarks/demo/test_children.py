"""Processes of the demo never outlive it."""

import os
import time

import pytest

from embodied_mem.benchmarks.demo.children import Children, ProcessFailed

SLEEPER = "import time, sys; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def children_of(tmp_path, monkeypatch):
    def make(**sources):
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
        return Children(tmp_path, {**os.environ, "PYTHONPATH": str(tmp_path)})

    return make


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_process_is_ended_when_the_block_is_left_by_an_error(children_of):
    children = children_of(sleeper=SLEEPER)
    with pytest.raises(KeyboardInterrupt), children:
        children.start("one", "sleeper")
        wait_for(lambda: "up" in children.tail("one"))
        raise KeyboardInterrupt
    assert children.exit_code("one") is not None


def test_a_process_that_ignores_the_signal_is_killed(children_of, monkeypatch):
    monkeypatch.setattr("embodied_mem.benchmarks.demo.children.TERMINATE_S", 0.2)
    with children_of(stubborn=STUBBORN) as children:
        children.start("one", "stubborn")
        wait_for(lambda: "up" in children.tail("one"))
    assert children.exit_code("one") == -9


def test_a_process_that_dies_is_reported_with_the_end_of_its_log(children_of):
    with children_of(broken="raise RuntimeError('no camera found')") as children:
        children.start("one", "broken")
        wait_for(lambda: children.exit_code("one") is not None)
        with pytest.raises(ProcessFailed, match="no camera found"):
            children.check_running("one")
