"""Checkpoints of our policy as files: what they say of themselves, and the policy in them."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from embodied_mem.config import build
from embodied_mem.errors import ConfigError, DamagedStore
from embodied_mem.policy.memory_policy import MemoryPolicy, MemoryPolicyConfig, load_policy_state
from embodied_mem.store.whole_file import whole_file

CHECKPOINT_VERSION = 4


def load_policy(path: Path, *, num_slots: int = 1, compute: float = 1.0) -> MemoryPolicy:
    """The policy of a checkpoint, for `num_slots` robots. With `compute` below 1 it leaves its expert early, as was found (`save_exits`) to
    cost that part of all blocks.

    Raises:
        DamagedStore: it cannot be read.
        ConfigError: nothing was found for that `compute`.
    """
    state = read_checkpoint(path)
    policy = MemoryPolicy(build(MemoryPolicyConfig, state["policy"]), num_slots=num_slots)
    load_policy_state(policy, state["weights"])
    if compute != 1.0:
        policy.thresholds = _exits(path, state, compute)
    return policy.eval()


def save_exits(path: Path, compute: float, thresholds: tuple[float, ...] | None) -> None:
    """Keep in a checkpoint with which thresholds its policy costs that part of its expert's blocks; training it further forgets them.

    Raises:
        DamagedStore: it cannot be read.
        ConfigError: there are no thresholds.
    """
    if thresholds is None:
        raise ConfigError(
            f"with compute={compute} no exits were looked for; give compute below 1 to keep them."
        )
    state = read_checkpoint(path)
    write_checkpoint(path, {**state, "exits": {**state.get("exits", {}), compute: list(thresholds)}})


def _exits(path: Path, state: dict[str, Any], compute: float) -> tuple[float, ...]:
    known = state.get("exits", {})
    if compute not in known:
        raise ConfigError(
            f"{path} keeps exits for compute {sorted(known)}, not {compute}; find them with `embodied-mem eval checkpoint={path} "
            f"compute={compute} keep_exits=true`."
        )
    return tuple(known[compute])


def about(path: Path) -> dict[str, str]:
    """What a checkpoint says of itself: its seed, and what its trainer was told."""
    return dict(read_checkpoint(path)["about"])


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """A checkpoint, whole or not at all."""
    with whole_file(path) as partial:
        torch.save(state, partial)


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
