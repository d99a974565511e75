"""With published weights our bank gives what the published modules give."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from embodied_mem.layers.banks import (
    PerceptualBank,
    PerceptualBankConfig,
    from_memoryvla,
    memoryvla_plus,
)
from tests.layers.banks.published import PublishedBank, State, weights

SECOND_NS = 10**9
FIRST_S = 3


def assert_same(published: PublishedBank, bank: PerceptualBank, state: State, num_steps: int = 20) -> None:
    bank.weights.load_state_dict(state)
    bank.refresh()
    bank.reset(start_ns=0)
    shape = (num_steps, bank.config.num_tokens, bank.config.token_width)
    for second, tokens in enumerate(
        torch.randn(shape, generator=torch.Generator().manual_seed(1)), start=FIRST_S
    ):
        with torch.no_grad():
            ours = bank.step(tokens[None], second * SECOND_NS)[0]
        assert torch.allclose(ours.double(), published.step(tokens, second), atol=1e-5, rtol=0.0), second


@pytest.mark.parametrize(
    ("stores_fused", "merges", "gates", "has_time"), list(product([False, True], repeat=4))
)
def test_memoryvlas_module_is_reproduced(
    stores_fused: bool, merges: bool, gates: bool, has_time: bool
) -> None:
    state = weights(16, frequencies=4 if has_time else None, gates=gates)
    published = PublishedBank(state=state, capacity=4, stores_fused=stores_fused, merges=merges)
    config = PerceptualBankConfig(
        num_tokens=3, token_width=16, capacity=4, stored="fused" if stores_fused else "raw",
        consolidation="merge" if merges else "fifo", fusion="gate" if gates else "mean",
    )  # fmt: skip
    assert_same(published, PerceptualBank(config), from_memoryvla(state))


@pytest.mark.parametrize(("role", "num_tokens", "width"), [("per", 3, 16), ("cog", 1, 32)])
@pytest.mark.parametrize("frequencies", [256, None])
def test_memoryvla_plus_module_is_reproduced(
    role: str, num_tokens: int, width: int, frequencies: int | None
) -> None:
    state = weights(16, frequencies=frequencies, role="per.")
    state |= weights(32, frequencies=frequencies, role="cog.", seed=1)
    published = PublishedBank(
        state=state, capacity=4, role=f"{role}.", heads=4, stores_fused=True, takes_mean_time=True,
        attends_at_first=True,
    )  # fmt: skip
    bank = PerceptualBank(memoryvla_plus(num_tokens=num_tokens, token_width=width, capacity=4))
    assert_same(published, bank, from_memoryvla(state, role=role))


def test_time_matters_where_there_are_weights_for_it() -> None:
    outputs = []
    for frequencies in (4, None):
        published = PublishedBank(state=weights(16, frequencies=frequencies), capacity=4)
        published.step(torch.ones(3, 16), 0)
        published.step(torch.zeros(3, 16), 5)
        outputs.append(published.step(torch.eye(3, 16), 9))
    assert not torch.allclose(*outputs, atol=1e-3)
