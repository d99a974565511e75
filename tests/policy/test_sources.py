"""What an action says it rests on leads to the frames in the store, also after a restart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from embodied_mem.policy import Observation
from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import MemoryPolicy, MemoryPolicyConfig
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.testing import SyntheticRoom

SMALL = MemoryPolicyConfig(
    capacity=3, proprio_width=2, expert=FlowExpertConfig(width=16, num_heads=2, num_blocks=1, flow_steps=2)
)


def test_an_actions_sources_lead_to_frames_of_a_reloaded_memory(tmp_path: Path) -> None:
    torch.manual_seed(0)
    policy = MemoryPolicy(SMALL)
    frames = list(SyntheticRoom(seed=0).frames(7))
    with RobotMemory.open(tmp_path / "m") as memory:
        for frame in frames:
            memory.observe(frame)
            picture = np.full((1, 128, 128, 3), 20 + frame.stamp_ns % 200, dtype=np.uint8)
            chunk = policy.act(
                Observation(
                    stamp_ns=np.array([frame.stamp_ns]),
                    images={"front": picture},
                    proprio=np.zeros((1, 2), dtype=np.float32),
                    slots=np.zeros(1, dtype=np.int64),
                )
            )
        memory.save()
    assert chunk.sources[0]
    with RobotMemory.load(tmp_path / "m") as memory:
        for source in chunk.sources[0]:
            first_ns, last_ns = (int(stamp) for stamp in source.split(".."))
            within = [frame.stamp_ns for frame in frames if first_ns <= frame.stamp_ns <= last_ns]
            assert within[0] == first_ns
            assert within[-1] == last_ns
            assert memory.frames_of(source) == tuple(f"robot/camera/{stamp_ns}" for stamp_ns in within)
