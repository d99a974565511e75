"""Which entries an output drew from, kept from the moment it was made: the bank moves on, the answer stays."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from embodied_mem.layers.banks.admission import check_number, forget
from embodied_mem.layers.banks.protocol import Source


class StampedEntries(Protocol):
    """What a bank knows of each entry, (slots, entries) each."""

    first_ns: Tensor
    last_ns: Tensor
    num_observations: Tensor


class Provenance(nn.Module):
    """For each slot, the entries of its last output with their shares of the attention."""

    share: Tensor
    first_ns: Tensor
    last_ns: Tensor
    num_observations: Tensor

    def __init__(self, num_slots: int, capacity: int) -> None:
        super().__init__()
        self.register_buffer("share", torch.zeros(num_slots, capacity))
        for name in ("first_ns", "last_ns", "num_observations"):
            self.register_buffer(name, torch.zeros(num_slots, capacity, dtype=torch.int64))

    def keep(self, slots: Tensor, share: Tensor, entries: StampedEntries) -> None:
        """Note what the output of these slots drew from, before the entries change."""
        self.share[slots] = share
        self.first_ns[slots] = entries.first_ns[slots]
        self.last_ns[slots] = entries.last_ns[slots]
        self.num_observations[slots] = entries.num_observations[slots]

    def reset(self, slots: Tensor) -> None:
        """No output yet."""
        forget(slots, self.share, self.first_ns, self.last_ns, self.num_observations)

    def sources(self, slot: int, num_sources: int) -> list[Source]:
        """The strongest entries of the slot's last output, strongest first."""
        check_number("num_sources", num_sources)
        share = self.share[slot]
        strongest = share.topk(min(num_sources, len(share))).indices.tolist()
        return [
            Source(
                first_ns=int(self.first_ns[slot, row]), last_ns=int(self.last_ns[slot, row]),
                num_observations=int(self.num_observations[slot, row]), share=float(share[row]),
            )
            for row in strongest if float(share[row]) > 0.0
        ]  # fmt: skip
