"""Where a policy may leave its expert early is kept in its checkpoint, and used by who asks for it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from embodied_mem.benchmarks.policy import experiments
from embodied_mem.benchmarks.policy.run_configs import EvalConfig
from embodied_mem.errors import ConfigError
from embodied_mem.policy.checkpoints import (
    CHECKPOINT_VERSION,
    load_policy,
    read_checkpoint,
    save_exits,
    write_checkpoint,
)
from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import MemoryPolicy, MemoryPolicyConfig, policy_state

SMALL = MemoryPolicyConfig(capacity=2, expert=FlowExpertConfig(width=8, num_heads=1, num_blocks=3))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.pt"
    state = {
        "version": CHECKPOINT_VERSION, "policy": dataclasses.asdict(SMALL), "weights": policy_state(MemoryPolicy(SMALL)),
        "about": {"task": "RearrangeBlock"},
    }  # fmt: skip
    write_checkpoint(path, state)
    return path


def test_exits_are_kept_and_used_by_who_asks_for_them(checkpoint: Path) -> None:
    before = read_checkpoint(checkpoint)
    save_exits(checkpoint, 0.6, (0.25, 0.5))
    save_exits(checkpoint, 0.8, (0.125, 0.0))
    assert load_policy(checkpoint).thresholds is None
    assert load_policy(checkpoint, compute=0.6, num_slots=2).thresholds == (0.25, 0.5)
    assert load_policy(checkpoint, compute=0.8).thresholds == (0.125, 0.0)
    after = read_checkpoint(checkpoint)
    assert after.keys() - before.keys() == {"exits"}
    assert all(torch.equal(after["weights"][name], value) for name, value in before["weights"].items())


def test_exits_that_were_not_found_are_asked_for(checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match=r"compute=0\.5 keep_exits=true"):
        load_policy(checkpoint, compute=0.5)
    with pytest.raises(ConfigError, match="below 1"):
        save_exits(checkpoint, 1.0, None)


def test_an_evaluation_keeps_the_exits_that_it_found(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(policy: MemoryPolicy, task: str, compute: float) -> None:
        policy.thresholds = (compute, compute)

    scores = experiments.Scores(
        task="", chance=0.5, episodes=1, successes=1, committed=1, failures={}, swapped=None
    )
    monkeypatch.setattr(experiments, "leave_early", found)
    monkeypatch.setattr(experiments, "evaluate", lambda *_, **__: [])
    monkeypatch.setattr(experiments, "scores", lambda *_, **__: scores)
    config: dict[str, Any] = {"checkpoint": str(checkpoint), "at_once": 1}
    experiments.run_evaluation(EvalConfig(**config, compute=0.6))
    assert "exits" not in read_checkpoint(checkpoint)
    experiments.run_evaluation(EvalConfig(**config, compute=0.6, keep_exits=True))
    assert load_policy(checkpoint, compute=0.6).thresholds == (0.6, 0.6)
