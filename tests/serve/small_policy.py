"""A small policy of ours for tests of servers."""

from __future__ import annotations

import torch

from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import MemoryPolicy, MemoryPolicyConfig

SMALL = MemoryPolicyConfig(
    capacity=4, proprio_width=2, expert=FlowExpertConfig(width=16, num_heads=2, num_blocks=1, flow_steps=2)
)


def make_policy(num_slots: int = 1) -> MemoryPolicy:
    """Always the same weights."""
    torch.manual_seed(0)
    return MemoryPolicy(SMALL, num_slots=num_slots)
