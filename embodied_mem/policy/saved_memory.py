"""What our policy remembers as a file, so that it goes on after a restart as if it had not stopped."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from types import MappingProxyType
from typing import Any, TypeGuard
from zipfile import BadZipFile

import numpy as np

from embodied_mem.errors import DamagedStore, StoreError
from embodied_mem.layers.banks import memory_arrays, restore_memory
from embodied_mem.policy.memory_policy import MemoryPolicy
from embodied_mem.store.whole_file import whole_file

EPISODES = "episodes"
Episode = str | int | float
"""How a robot calls an episode."""
UNREADABLE = (
    OSError, EOFError, KeyError, TypeError, ValueError, OverflowError, RuntimeError, BadZipFile, zlib.error, TokenError,
)  # fmt: skip
"""What numpy and zipfile raise at bytes that are damaged."""
NO_EPISODES: Mapping[int, Episode] = MappingProxyType({})


def save_memory(policy: MemoryPolicy, path: Path, *, episodes: Mapping[int, Episode] = NO_EPISODES) -> None:
    """Write what the policy remembers, of all slots, and which episodes they are in: whole, or not at all.

    Raises:
        StoreError: it cannot be written there.
    """
    arrays = {**memory_arrays(policy.memory), EPISODES: np.array(json.dumps(sorted(episodes.items())))}
    try:
        with whole_file(path) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's own options are not among the names
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
        episodes = _episodes(json.loads(str(arrays.pop(EPISODES))), policy.num_slots)
        int(arrays["schema_version"])  # whether it is a number at all; which one, the memory checks
    except UNREADABLE as error:
        raise DamagedStore(
            f"what the policy remembers cannot be read from {path} ({error}). Delete it to begin anew, or name another file."
        ) from error
    restore_memory(policy.memory, arrays)
    return episodes


def is_episode(name: object) -> TypeGuard[Episode]:
    """Whether an episode can be called so: by text, or by a number that equals itself."""
    return isinstance(name, (str, int, float)) and name == name


def _episodes(pairs: Any, num_slots: int) -> dict[int, Episode]:
    episodes = dict(pairs)
    for slot, name in episodes.items():
        if type(slot) is not int or slot not in range(num_slots):
            raise ValueError(f"an episode is in slot {slot!r}, and the policy has {num_slots}")
        if not is_episode(name):
            raise ValueError(f"slot {slot} is in episode {name!r}, which is neither text nor a number")
    return episodes
