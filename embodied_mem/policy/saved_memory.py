"""What our policy remembers as a file, so that it goes on after a restart as if it had not stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from zipfile import BadZipFile

import numpy as np

from embodied_mem.errors import DamagedStore, StoreError
from embodied_mem.layers.banks import memory_arrays, restore_memory
from embodied_mem.policy.memory_policy import MemoryPolicy

EPISODES = "episodes"
Episode = str | int | float
"""How a robot calls an episode."""
NO_EPISODES: Mapping[int, Episode] = MappingProxyType({})


def save_memory(policy: MemoryPolicy, path: Path, *, episodes: Mapping[int, Episode] = NO_EPISODES) -> None:
    """Write what the policy remembers, of all slots, and which episodes they are in: whole, or not at all.

    Raises:
        StoreError: it cannot be written there.
    """
    arrays = {**memory_arrays(policy.memory), EPISODES: np.array(json.dumps(sorted(episodes.items())))}
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's own options are not among the names
        partial.replace(path)
    except OSError as error:
        raise StoreError(f"what the policy remembers cannot be written to {path} ({error}).") from error


def load_memory(policy: MemoryPolicy, path: Path) -> dict[int, Episode]:
    """Remember what was saved there, if anything was, and go on bit-equal; the episodes that slots are in.

    Raises:
        DamagedStore: it cannot be read, or is of a policy with other options or slots; nothing changes.
        ConfigError: it is of a policy with other weights; nothing changes.
    """
    if not path.exists():
        return {}
    try:
        with np.load(path) as saved:
            arrays = dict(saved)
        episodes = {int(slot): episode for slot, episode in json.loads(str(arrays.pop(EPISODES)))}
    except (OSError, EOFError, KeyError, TypeError, ValueError, BadZipFile) as error:
        raise DamagedStore(
            f"what the policy remembers cannot be read from {path} ({error}). Delete it to begin anew, or name another file."
        ) from error
    restore_memory(policy.memory, arrays)
    return episodes
