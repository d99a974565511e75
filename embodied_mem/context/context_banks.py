"""The banks of the policies that use a memory: saved with it, given back after a restart, read as context tokens.

A policy hands its bank over by name once (`attach`) and goes on stepping it inside `stepping()`; whoever saves waits for a
step to end. What was saved before is put into the bank when it is attached, so that the policy acts as if it had not stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64

from embodied_mem.errors import ConfigError, did_you_mean
from embodied_mem.messages import BankTokens

if TYPE_CHECKING:
    from torch import nn

ENTRIES = "entries.tokens"
Arrays = Mapping[str, np.ndarray]


class BankShelf:
    """Banks by name (a robot's, usually), live or as they were saved."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._live: dict[str, nn.Module] = {}
        self._saved: dict[str, dict[str, np.ndarray]] = {}

    def attach(self, name: str, bank: nn.Module) -> bool:
        """From now on `bank` is saved with the memory; whether it was given memories that were saved before.

        Raises:
            ConfigError: the name cannot be used or is taken, or the memories are of another bank or other weights.
        """
        from embodied_mem.layers.banks import restore_memory

        if not name or "/" in name:
            raise ConfigError(f"a bank cannot be named {name!r}; use a robot's name, without '/'.")
        with self._lock:
            if name in self._live:
                raise ConfigError(
                    f"a bank named {name!r} is attached already; detach it first, or name another."
                )
            saved = self._saved.get(name)
            if saved is not None:
                restore_memory(bank, saved)
            self._live[name] = bank
            return saved is not None

    def detach(self, name: str) -> None:
        """Let go of a bank; what it remembers now stays with the memory.

        Raises:
            ConfigError: no bank of that name is attached.
        """
        with self._lock:
            if name not in self._live:
                raise ConfigError(
                    f"no bank named {name!r} is attached; have {sorted(self._live)}.{did_you_mean(name, self._live)}"
                )
            self._saved[name] = self._copy(name)
            del self._live[name]

    def drop(self, name: str) -> None:
        """Forget what was saved under a name; an attached bank is not touched."""
        with self._lock:
            self._saved.pop(name, None)

    @property
    def names(self) -> tuple[str, ...]:
        """Every bank that is attached or was saved."""
        return tuple(sorted({*self._live, *self._saved}))

    @contextmanager
    def stepping(self) -> Iterator[None]:
        """Nothing is saved or read while the block runs: step attached banks inside."""
        with self._lock:
            yield

    def reset(self) -> None:
        """Forget everything; attached banks are emptied."""
        with self._lock:
            self._saved.clear()
            for bank in self._live.values():
                bank.reset()  # type: ignore[operator]

    def tokens(
        self, name: str, slot: int, num: int, now_ns: int, *, wait_s: float = -1.0
    ) -> BankTokens | None:
        """Up to `num` entries of a slot, newest first, each as the mean of its tokens; None where it holds none.

        Raises:
            TimeoutError: the bank was being stepped for longer than `wait_s` (negative: waits as long as it takes).
        """
        if not self._lock.acquire(timeout=wait_s):
            raise TimeoutError(f"the bank {name!r} was being stepped for longer than {wait_s} s.")
        try:
            if name in self._live:
                arrays = {
                    key: buffer.detach().cpu().numpy() for key, buffer in self._live[name].named_buffers()
                }
            else:
                arrays = self._saved.get(name, {})
            held = held_tokens(arrays, slot, num)
        finally:
            self._lock.release()
        if held is None or not len(held[0]):
            return None
        rows, last_ns = held
        tokens = np.zeros((num, rows.shape[1]), dtype=np.float32)
        ages_s = np.zeros(num, dtype=np.float32)
        tokens[: len(rows)] = rows
        ages_s[: len(rows)] = np.maximum(0, now_ns - last_ns) / 1e9
        return BankTokens(tokens=tokens, ages_s=ages_s, mask=np.arange(num) < len(rows))

    def arrays(self) -> dict[str, np.ndarray]:
        """What all banks remember, to be saved: `name/array`."""
        with self._lock:
            banks = {**self._saved, **{name: self._copy(name) for name in self._live}}
            return {f"{name}/{key}": array for name, arrays in banks.items() for key, array in arrays.items()}

    def load(self, arrays: Arrays) -> None:
        """What `arrays` gave: each bank gets its part when it is attached."""
        with self._lock:
            self._saved = {}
            for key, array in arrays.items():
                name, _, part = key.partition("/")
                self._saved.setdefault(name, {})[part] = array

    def _copy(self, name: str) -> dict[str, np.ndarray]:
        from embodied_mem.layers.banks import memory_arrays

        return memory_arrays(self._live[name])


def held_tokens(
    arrays: Arrays, slot: int, num: int
) -> tuple[Float32[np.ndarray, "k d"], Int64[np.ndarray, "k"]] | None:
    """A bank's newest entries and their last stamps, from its arrays by name; None for a bank without entries.

    Entries of a perceptual or selective bank, the chunks' summaries of a chunk memory, the looks of a target memory.
    """
    # A policy's memory may be several banks; the first of them is its perceptual one.
    prefix = next((name[: -len(ENTRIES)] for name in arrays if name.endswith(ENTRIES)), None)
    if prefix is not None:
        count = int(arrays[f"{prefix}entries.count"][slot])
        rows = arrays[f"{prefix}entries.order"][slot, :count][::-1][:num]
        tokens = arrays[f"{prefix}entries.tokens"][slot, rows].mean(axis=1)
        return tokens, arrays[f"{prefix}entries.last_ns"][slot, rows]
    if "summaries" in arrays:
        num_chunks = arrays["summaries"].shape[1]
        last_ns = arrays["last_ns"][slot].reshape(num_chunks, -1)
        steps = int(arrays["num_steps"][slot])
        begun = min(num_chunks, -(-steps // last_ns.shape[1]))
        newest = np.argsort(-last_ns[:begun].max(axis=1))[:num] if begun else np.zeros(0, dtype=np.intp)
        return arrays["summaries"][slot, newest], last_ns[newest].max(axis=1, initial=0)
    if "belief" in arrays:
        looks = np.argsort(-arrays["belief"][slot])
        looks = looks[arrays["belief"][slot, looks] > 0][:num]
        return arrays["tokens"][slot, looks].mean(axis=1), arrays["last_ns"][slot, looks]
    return None
