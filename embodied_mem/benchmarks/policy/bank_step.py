"""What a step of the perceptual-cognitive bank costs, against the plain form of the same bank in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from embodied_mem.layers.banks import PerceptualBank, PerceptualBankConfig
from embodied_mem.layers.banks._reference import Entry, ReferenceBank

PERIOD_NS = 100_000_000


class Pair(NamedTuple):
    """CPU times of two things measured in turn, and the ratio of each pair."""

    first_ms: np.ndarray
    second_ms: np.ndarray

    @property
    def ratio(self) -> float:
        """How many times more the second costs: the ratio of medians."""
        return float(np.median(self.second_ms) / np.median(self.first_ms))

    @property
    def interval(self) -> tuple[float, float]:
        """5th and 95th percentile of the pairs' ratios."""
        low, high = np.percentile(self.second_ms / self.first_ms, (5, 95))
        return float(low), float(high)


@contextmanager
def one_core() -> Iterator[None]:
    """torch on one thread, without gradients."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)


def in_turn(*calls: Callable[[], object], num_turns: int) -> list[np.ndarray]:
    """CPU times in ms of each call, one after the other in `num_turns` turns, after one unmeasured turn."""
    for call in calls:
        call()
    times = np.array([[_cpu_ms(call) for call in calls] for _ in range(num_turns)])
    return list(times.T)


def full_bank(config: PerceptualBankConfig, entries: Tensor, *, seed: int = 0) -> PerceptualBank:
    """A bank whose slots all hold `entries` (capacity, n, d), as if they had been its last steps."""
    torch.manual_seed(seed)
    bank = PerceptualBank(config)
    held = bank.entries
    held.tokens.copy_(entries)
    held.seconds.copy_(torch.arange(config.capacity) * PERIOD_NS / 1e9)
    for stamps in (held.first_ns, held.last_ns):
        stamps.copy_(torch.arange(config.capacity) * PERIOD_NS)
    held.num_observations.fill_(1)
    held.count.fill_(config.capacity)
    neighbours = torch.nn.functional.cosine_similarity(entries[:-1], entries[1:], dim=-1).mean(dim=1)
    held.similarity[:, : config.capacity - 1] = neighbours
    bank.clock.start_ns.zero_()
    bank.clock.last_ns.fill_((config.capacity - 1) * PERIOD_NS)
    bank.refresh()
    return bank


def plain_copy(bank: PerceptualBank) -> ReferenceBank:
    """The plain form with the same weights and the same entries."""
    plain = ReferenceBank(bank.config).eval()
    plain.weights.load_state_dict(bank.weights.state_dict())
    plain.clock.load_state_dict(bank.clock.state_dict())
    held = bank.entries
    for slot, entries in enumerate(plain.entries):
        for row in held.order[slot, : int(held.count[slot])].tolist():
            seconds = float(held.seconds[slot, row])
            entries.append(Entry(tokens=held.tokens[slot, row].clone(), seconds=seconds))
    return plain


def stepper(bank: PerceptualBank | ReferenceBank, stream: Tensor) -> Callable[[], Tensor]:
    """A call that steps all slots with the stream's next tokens, over and over."""
    last_ns, turns = int(bank.clock.last_ns.max()), count(1)

    def step() -> Tensor:
        turn = next(turns)
        tokens = stream[turn % len(stream)].expand(bank.config.num_slots, -1, -1)
        return bank.step(tokens, last_ns + turn * PERIOD_NS)

    return step


def slot_by_slot(bank: PerceptualBank, stream: Tensor) -> Callable[[], None]:
    """A call that does the same in one call for each slot."""
    last_ns, turns = int(bank.clock.last_ns.max()), count(1)

    def step() -> None:
        turn = next(turns)
        tokens = stream[turn % len(stream)][None]
        for slot in range(bank.config.num_slots):
            bank.step(tokens, last_ns + turn * PERIOD_NS, [slot])

    return step


def _cpu_ms(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return (time.process_time() - start) * 1e3
