"""Sessions of our policy: what is refused ends no episode and begins none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from embodied_mem.errors import InvalidMessage
from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import MemoryPolicy, MemoryPolicyConfig
from embodied_mem.serve.policy_service import PolicyService

SMALL = MemoryPolicyConfig(
    capacity=4, proprio_width=2, expert=FlowExpertConfig(width=16, num_heads=2, num_blocks=1, flow_steps=2)
)


def make_policy(num_slots: int = 1) -> MemoryPolicy:
    torch.manual_seed(0)
    return MemoryPolicy(SMALL, num_slots=num_slots)


def sent(second: int, episode: str | int | None = None, **more: Any) -> dict[str, Any]:
    picture = np.random.default_rng(second).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    state = np.array([0.1, 0.2], dtype=np.float32)
    message = {"observation/front": picture, "observation/state": state, "stamp_ns": second * 10**9, **more}
    return message if episode is None else {**message, "episode": episode}


def actions(service_session: Any, *messages: dict[str, Any]) -> list[Any]:
    return [service_session.infer(message)["actions"].tolist() for message in messages]


BAD = {
    "a picture that is none": {"observation/front": np.zeros(3, np.uint8)},
    "a state of another width": {"observation/state": np.zeros(3, np.float32)},
    "another camera": {"observation/front": None},
    "a stamp that is none": {"stamp_ns": "now"},
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_first_frame_does_not_begin_an_episode(what: str) -> None:
    bad = {**sent(2, "b"), **BAD[what]}
    session, undisturbed = PolicyService(make_policy()).open(), PolicyService(make_policy()).open()
    expected = actions(undisturbed, sent(0, "a"), sent(1, "a"), sent(2, "b"), sent(3, "b"))
    found = actions(session, sent(0, "a"), sent(1, "a"))
    with pytest.raises(InvalidMessage):
        session.infer(bad)
    assert found + actions(session, sent(2, "b"), sent(3, "b")) == expected


@pytest.mark.parametrize("what", BAD)
def test_a_bad_first_frame_does_not_end_the_episode_before(what: str) -> None:
    bad = {**sent(2, "b"), **BAD[what]}
    session, undisturbed = PolicyService(make_policy()).open(), PolicyService(make_policy()).open()
    expected = actions(undisturbed, sent(0, "a"), sent(1, "a"), sent(3, "a"))
    found = actions(session, sent(0, "a"), sent(1, "a"))
    with pytest.raises(InvalidMessage):
        session.infer(bad)
    assert found + actions(session, sent(3, "a")) == expected
