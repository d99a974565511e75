"""A small bank, how it is run, and a budget that drops nothing, for tests of contexts."""

from __future__ import annotations

import torch

from embodied_mem.layers.banks import Bank, PerceptualBank, PerceptualBankConfig
from embodied_mem.messages import Budget

AMPLE = Budget(tokens=4096, ms=1e6)


def make_bank() -> PerceptualBank:
    torch.manual_seed(1)
    return PerceptualBank(PerceptualBankConfig(num_slots=2, num_tokens=3, token_width=8, capacity=4))


def run(bank: Bank, stream: torch.Tensor, first: int = 0) -> list[torch.Tensor]:
    with torch.no_grad():
        return [bank.step(tokens, (first + i) * 10**9) for i, tokens in enumerate(stream)]
