"""Checkpoints of our policy as files: what they say of themselves, and the policy in them."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from embodied_mem.config import build
from embodied_mem.errors import DamagedStore
from embodied_mem.policy.memory_policy import MemoryPolicy, MemoryPolicyConfig, load_policy_state

CHECKPOINT_VERSION = 4


def load_policy(path: Path, *, num_slots: int = 1) -> MemoryPolicy:
    """The policy of a checkpoint, for `num_slots` robots.

    Raises:
        DamagedStore: it cannot be read.
    """
    state = read_checkpoint(path)
    policy = MemoryPolicy(build(MemoryPolicyConfig, state["policy"]), num_slots=num_slots)
    load_policy_state(policy, state["weights"])
    return policy.eval()


def about(path: Path) -> dict[str, str]:
    """What a checkpoint says of itself: its seed, and what its trainer was told."""
    return dict(read_checkpoint(path)["about"])


def read_checkpoint(path: Path) -> dict[str, Any]:
    """All that a checkpoint holds.

    Raises:
        DamagedStore: it cannot be read, or another version wrote it.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError) as error:
        raise DamagedStore(
            f"the checkpoint {path} cannot be read ({error}). Train it again, or name another."
        ) from error
    if state.get("version") != CHECKPOINT_VERSION:
        raise DamagedStore(
            f"{path} has version {state.get('version')}; this package reads {CHECKPOINT_VERSION}. Train it again, with "
            "resume=false or to another out."
        )
    return state
