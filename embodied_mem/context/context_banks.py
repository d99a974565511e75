"""The banks of the policies that use a memory: saved with it, given back after a restart, read as context tokens.

A policy hands its bank over by name once (`attach`) and goes on stepping it inside `stepping()`; whoever saves waits for a
step to end. What was saved before is put into the bank when it is attached, so that the policy acts as if it had not stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from embodied_mem.errors import ConfigError, UnknownSlot, did_you_mean
from embodied_mem.messages import BankTokens, Interval

if TYPE_CHECKING:
    from torch import nn

    from embodied_mem.layers.banks import Newest

Arrays = Mapping[str, np.ndarray]


@runtime_checkable
class _Readable(Protocol):
    """A bank, or several that a policy steps as one, which tells what it holds as `Bank.newest` does."""

    def newest(self, slot: int, num: int) -> Newest: ...


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

    def is_attached(self, name: str) -> bool:
        """Whether somebody steps this bank; what is only saved is not read."""
        return name in self._live

    def check_slot(self, slot: int) -> None:
        """Refuse a slot that no attached bank has.

        Raises:
            UnknownSlot: banks are attached, and none of them has the slot.
        """
        refusals = []
        for bank in list(self._live.values()):
            if isinstance(bank, _Readable):
                try:
                    bank.newest(slot, 0)
                except UnknownSlot as error:
                    refusals.append(error)
                else:
                    return
        if refusals:
            raise refusals[0]

    def tokens(
        self, name: str, slot: int, num: int, now_ns: int, *, wait_s: float = -1.0
    ) -> tuple[BankTokens, Interval] | None:
        """Up to `num` entries of a slot of an attached bank, newest first, each as the mean of its tokens; and their time.

        None where there are none to read: the slot has seen nothing, or the bank keeps no entries, or is not attached.

        Raises:
            UnknownSlot: the bank has no such slot.
            TimeoutError: the bank was being stepped for longer than `wait_s` (negative: waits as long as it takes).
        """
        if not self._lock.acquire(timeout=wait_s):
            raise TimeoutError(f"the bank {name!r} was being stepped for longer than {wait_s} s.")
        try:
            bank = self._live.get(name)
            if not isinstance(bank, _Readable):
                return None
            rows, last_ns = (part.cpu().numpy() for part in bank.newest(slot, num))
        finally:
            self._lock.release()
        if not len(rows):
            return None
        tokens = np.zeros((num, rows.shape[1]), dtype=np.float32)
        ages_s = np.zeros(num, dtype=np.float32)
        tokens[: len(rows)] = rows
        ages_s[: len(rows)] = np.maximum(0, now_ns - last_ns) / 1e9
        held = BankTokens(tokens=tokens, ages_s=ages_s, mask=np.arange(num) < len(rows))
        return held, Interval(from_ns=int(last_ns.min()), to_ns=int(last_ns.max()))

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
