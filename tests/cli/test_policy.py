"""`policy serve` and `policy proxy` say who they are; what they lack is asked for."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("msgpack")
pytest.importorskip("websockets")

from click.testing import CliRunner

from embodied_mem.cli.main import cli
from embodied_mem.policy.checkpoints import load_policy
from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import MemoryPolicy, MemoryPolicyConfig
from embodied_mem.policy.training import Trainer, TrainingConfig
from embodied_mem.policy.training_set import Demonstration, TrainingSet
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.serve.openpi_server import OpenPiServer
from embodied_mem.serve.policy_service import PolicyService
from embodied_mem.testing import SyntheticRoom


def test_a_checkpoint_is_served_and_a_memory_goes_before_it(tmp_path: Path) -> None:
    config = MemoryPolicyConfig(proprio_width=1, expert=FlowExpertConfig(width=8, num_heads=1, num_blocks=1))
    one = Demonstration(
        images=np.zeros((2, 128, 128, 3), dtype=np.uint8), proprio=np.zeros((2, 1), dtype=np.float32),
        actions=np.zeros((2, 4), dtype=np.float32), seconds=np.arange(2.0), is_acting=np.ones(2, dtype=bool), num_before=1,
        hidden=0, places=np.full((2, 2), np.nan, dtype=np.float32),
    )  # fmt: skip
    path = tmp_path / "checkpoint.pt"
    Trainer(config, TrainingConfig(lessons=1, steps=1, batch_size=1), TrainingSet([one], config), seed=0).run(
        checkpoint=path
    )
    told = CliRunner().invoke(
        cli, ["policy", "serve", str(path), "--slots", "2", "--json"], catch_exceptions=False
    )
    assert json.loads(told.stdout) == {"policy": "checkpoint", "slots": 2}

    early = CliRunner().invoke(cli, ["policy", "serve", str(path), "--compute", "0.6"])
    assert "keep_exits=true" in str(early.exception)
    (tmp_path / "served.npz").touch()
    kept = CliRunner().invoke(cli, ["policy", "serve", str(path), "--memory", str(tmp_path / "served.npz")])
    assert "Delete it" in str(kept.exception)

    with RobotMemory.open(tmp_path / "memory") as memory:
        for frame in SyntheticRoom(seed=0).frames(2):
            memory.observe(frame)
        memory.save()
    with OpenPiServer(PolicyService(load_policy(path, num_slots=2))) as upstream:
        words = [
            "policy",
            "proxy",
            str(tmp_path / "memory"),
            "--upstream",
            f"127.0.0.1:{upstream.port}",
            "--json",
        ]
        told = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert json.loads(told.stdout) == {"policy": "embodied_mem", "slots": 2, "memory": True}


def test_a_proxy_without_an_upstream_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["policy", "proxy", str(tmp_path)])
    assert result.exit_code == 2
    assert "HOST:PORT" in result.output
    result = CliRunner().invoke(cli, ["policy", "proxy", str(tmp_path), "--compute", "0.6"])
    assert result.exit_code == 2
    assert "a proxy has none" in result.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_served_until_a_signal_and_further_ones_do_not_disturb_the_end(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    run, stop = OpenPiServer.run, OpenPiServer.stop

    def signalled(server: OpenPiServer) -> None:
        signal.raise_signal(number)
        run(server)
        signal.raise_signal(signal.SIGTERM)  # sessions may be ending now
        signal.raise_signal(signal.SIGINT)

    def stopped(server: OpenPiServer) -> None:
        stop(server)
        ended.append("stopped")

    monkeypatch.setattr(OpenPiServer, "run", signalled)
    monkeypatch.setattr(OpenPiServer, "stop", stopped)
    policy = MemoryPolicy(MemoryPolicyConfig(expert=FlowExpertConfig(width=8, num_heads=1, num_blocks=1)))
    monkeypatch.setattr("embodied_mem.cli.policy._policy", lambda *_: PolicyService(policy))
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    result = CliRunner().invoke(
        cli, ["policy", "serve", str(tmp_path), "--port", "0"], catch_exceptions=False
    )
    assert (result.exit_code, ended) == (0, ["stopped"])
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
