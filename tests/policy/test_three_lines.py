"""The examples in docs/policy.md that give a policy memory in three lines run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from embodied_mem.robot_memory import RobotMemory
from embodied_mem.testing import SyntheticRoom

from .patch_policy import PatchPolicy

DOCS = Path(__file__).resolve().parents[2] / "docs" / "policy.md"


@pytest.mark.parametrize(("way", "attached"), [("MemoryAdapter", "adapter"), ("PrefixTokens", "prefix")])
def test_three_lines_give_a_policy_memory(way: str, attached: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.S)
    (example,) = (block for block in blocks if f"{way}(" in block)
    lines = [line for line in example.splitlines() if line and not line.startswith("from ")]
    assert len(lines) == 4  # three, and the policy's own
    policy, image = PatchPolicy().eval(), torch.randn(1, 5, 6)
    bare = policy(image)
    with RobotMemory.open() as memory:
        for frame in SyntheticRoom(seed=0).frames(3):
            memory.observe(frame)
        names = {"policy": policy, "image": image, "memory": memory, "frame": frame}
        exec(example, names)
    assert names["action"].shape == bare.shape
    assert torch.equal(names["action"], bare) == (way == "MemoryAdapter")  # its gate is shut at first
    assert policy.encoder._forward_hooks
    names[attached].detach()
    assert torch.equal(policy(image), bare)
