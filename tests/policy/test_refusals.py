"""What the policy cannot use is refused by an error of ours, whatever its memory is, and has changed nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from embodied_mem.errors import ConfigError, EmbodiedMemError, InvalidMessage, StampRunsBackwards, UnknownSlot
from embodied_mem.policy import Observation
from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import BankKind, MemoryPolicy, MemoryPolicyConfig

EXPERT = FlowExpertConfig(width=8, num_heads=1, num_blocks=2, flow_steps=1)
NOW_NS = 5 * 10**9


def picture(shape: tuple[int, ...] = (2, 32, 32, 3), dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, shape).astype(dtype)


def good() -> dict[str, Any]:
    return {
        "stamp_ns": np.full(2, NOW_NS), "images": {"front": picture()}, "proprio": np.zeros((2, 2), np.float32),
        "slots": np.array([1, 0]),
    }  # fmt: skip


def seen_as(image: np.ndarray) -> dict[str, Any]:
    return {"images": {"front": image}}


BAD_OBSERVATIONS: dict[str, tuple[dict[str, Any], type[EmbodiedMemError]]] = {
    "a slot beyond the last": ({"slots": np.array([0, 7])}, UnknownSlot),
    "a slot below the first": ({"slots": np.array([0, -1])}, UnknownSlot),
    "a slot twice": ({"slots": np.array([1, 1])}, UnknownSlot),
    "slots that are no whole numbers": ({"slots": np.array([0.0, 1.0])}, InvalidMessage),
    "fewer slots than rows": ({"slots": np.array([0])}, InvalidMessage),
    "slots as a list": ({"slots": [0, 1]}, InvalidMessage),
    "time that runs backwards": ({"stamp_ns": np.array([NOW_NS, 0])}, StampRunsBackwards),
    "time before zero": ({"stamp_ns": np.array([NOW_NS, -5])}, InvalidMessage),
    "time that is no whole number": ({"stamp_ns": np.array([5e9, 5e9])}, InvalidMessage),
    "one time for all": ({"stamp_ns": np.int64(NOW_NS)}, InvalidMessage),
    "doubles": ({"proprio": np.zeros((2, 2))}, InvalidMessage),
    "proprioception without rows": ({"proprio": np.zeros(2, np.float32)}, InvalidMessage),
    "proprioception of another width": ({"proprio": np.zeros((2, 3), np.float32)}, InvalidMessage),
    "proprioception that is unknown": ({"proprio": np.full((2, 2), np.nan, np.float32)}, InvalidMessage),
    "a picture with alpha": (seen_as(picture((2, 32, 32, 4))), InvalidMessage),
    "a grey picture": (seen_as(picture((2, 32, 32))), InvalidMessage),
    "colours first": (seen_as(picture((2, 3, 32, 32))), InvalidMessage),
    "a picture without pixels": (seen_as(picture((2, 0, 32, 3))), InvalidMessage),
    "brightness from 0 to 1": (seen_as(picture(dtype=np.float32)), InvalidMessage),
    "fewer pictures than rows": (seen_as(picture((1, 32, 32, 3))), InvalidMessage),
    "no picture": ({"images": {}}, InvalidMessage),
}
BAD_ASKING: dict[str, tuple[dict[str, Any], type[EmbodiedMemError]]] = {
    "no instruction": ({"instruction": None}, InvalidMessage),
    "an instruction for another number of rows": ({"instruction": ["go"]}, InvalidMessage),
    "instructions that are no text": ({"instruction": ["go", None]}, InvalidMessage),
    "no block": ({"num_blocks": 0}, ConfigError),
    "more blocks than there are": ({"num_blocks": 9}, ConfigError),
    "half a block": ({"num_blocks": 1.5}, ConfigError),
}


def started(bank: BankKind) -> MemoryPolicy:
    """A policy that has taken a decision for each of its slots."""
    torch.manual_seed(0)
    policy = MemoryPolicy(
        MemoryPolicyConfig(bank=bank, capacity=3, proprio_width=2, expert=EXPERT), num_slots=2
    )
    policy.differences = []
    policy.act(Observation(**good()))
    return policy


def state_of(policy: MemoryPolicy) -> dict[str, Any]:
    tensors = {name: value.clone() for name, value in policy.state_dict().items()}
    counts = policy.num_decisions, policy.num_blocks_run, len(policy.differences or ())
    return {**tensors, "counts": torch.tensor(counts)}


def check_refused(
    policy: MemoryPolicy, error: type[EmbodiedMemError], asked: dict[str, Any], **observed: Any
) -> None:
    before = state_of(policy)
    with pytest.raises(error):
        policy.act(Observation(**{**good(), **observed}), **asked)
    after = state_of(policy)
    assert before.keys() == after.keys()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == []


@pytest.mark.parametrize("bank", ["merge", "gated", "chunks", "neural", "none"])
@pytest.mark.parametrize("what", BAD_OBSERVATIONS)
def test_a_bad_observation_changes_nothing(bank: BankKind, what: str) -> None:
    observed, error = BAD_OBSERVATIONS[what]
    check_refused(started(bank), error, {}, **observed)


@pytest.mark.parametrize("bank", ["merge", "gated", "chunks", "neural", "none"])
@pytest.mark.parametrize("what", BAD_ASKING)
def test_a_bad_question_changes_nothing(bank: BankKind, what: str) -> None:
    asked, error = BAD_ASKING[what]
    check_refused(started(bank), error, asked)


@pytest.mark.parametrize("bank", ["merge", "gated", "chunks", "neural", "none"])
@pytest.mark.parametrize("thresholds", [(), (0.1, 0.1), ("much",)])
def test_thresholds_for_another_expert_change_nothing(bank: BankKind, thresholds: Any) -> None:
    policy = started(bank)
    policy.thresholds = thresholds
    check_refused(policy, ConfigError, {})
    assert policy.act(Observation(**good()), num_blocks=1).actions.shape[0] == 2
