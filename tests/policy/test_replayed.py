"""Replayed memory is the memory that stepping gives."""

from __future__ import annotations

import pytest
import torch

from embodied_mem.errors import ConfigError
from embodied_mem.layers.banks import PerceptualBank, PerceptualBankConfig
from embodied_mem.layers.banks.config import Consolidating
from embodied_mem.policy.replayed import held_frames, padded, recalled


@pytest.mark.parametrize("consolidation", ["merge", "segment", "select", "fifo", "recent"])
@pytest.mark.parametrize("merged_time", ["first", "mean"])
def test_every_step_is_the_one_that_the_bank_takes(consolidation: Consolidating, merged_time: str) -> None:
    config = PerceptualBankConfig(
        num_tokens=3, token_width=8, capacity=4, num_heads=2, consolidation=consolidation, time_width=8,
        merged_time=merged_time,  # type: ignore[arg-type]
    )  # fmt: skip
    bank = PerceptualBank(config)
    stream = torch.randn(13, 3, 8)
    with torch.no_grad():
        stepped = torch.cat([bank.step(tokens[None], i * 10**9) for i, tokens in enumerate(stream)])
        weights, times, is_filled = padded(held_frames(stream, config), len(stream))
        entries = torch.einsum("blt,tnd->blnd", weights, stream)
        seconds = torch.einsum("blt,t->bl", times, torch.arange(13.0))
        replayed = recalled(bank.weights, config, stream, entries, seconds, is_filled)
    assert torch.allclose(stepped, replayed, atol=1e-5)


def test_gradients_reach_every_weight_of_the_bank() -> None:
    config = PerceptualBankConfig(num_tokens=3, token_width=8, capacity=4, time_width=8)
    bank, stream = PerceptualBank(config), torch.randn(6, 3, 8)
    weights, times, is_filled = padded(held_frames(stream, config), 6)
    entries = torch.einsum("blt,tnd->blnd", weights, stream)
    recalled(bank.weights, config, stream, entries, times.sum(dim=2), is_filled).square().sum().backward()
    assert all(parameter.grad is not None for parameter in bank.weights.parameters())


def test_a_bank_whose_memory_depends_on_what_is_learned_is_refused() -> None:
    for config in (PerceptualBankConfig(stored="fused"), PerceptualBankConfig(bank_width=16)):
        with pytest.raises(ConfigError, match="cannot be replayed"):
            held_frames(torch.zeros(2, 256, 256), config)
