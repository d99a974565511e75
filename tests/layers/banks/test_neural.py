"""The neural memory learns by the gradient that autograd gives, and remembers pairs that it saw."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.layers.banks.neural import NeuralMemory, NeuralMemoryConfig, NeuralState, gradients
from embodied_mem.testing.bank_contract import check_bank

SECOND_NS = 10**9


def small(num_slots: int = 1, seed: int = 0) -> NeuralMemory:
    torch.manual_seed(seed)
    return NeuralMemory(NeuralMemoryConfig(num_slots=num_slots, num_tokens=4, token_width=8, hidden_width=6))


def test_the_neural_memory_keeps_the_contract() -> None:
    check_bank(lambda: small(3), num_tokens=4, token_width=8)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    slots=st.integers(1, 3), tokens=st.integers(1, 5), width=st.integers(1, 6), hidden=st.integers(1, 6),
    seed=st.integers(0, 2**31),
)  # fmt: skip
def test_the_surprise_is_the_gradient_of_the_loss(
    slots: int, tokens: int, width: int, hidden: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    rise, fall = (
        torch.randn(slots, *shape, generator=generator).requires_grad_()
        for shape in ((hidden, width), (width, hidden))
    )
    key, value = torch.randn(2, slots, tokens, width, generator=generator)
    for slot in range(slots):
        recalled = torch.nn.functional.silu(key[slot] @ rise[slot].T) @ fall[slot].T
        (recalled - value[slot]).square().sum(dim=1).mean().backward()
    zeros = torch.zeros_like(rise), torch.zeros_like(fall)
    with torch.no_grad():
        found = gradients(key, value, NeuralState(rise, fall, *zeros))
    for gradient, parameter in zip(found, (rise, fall), strict=True):
        assert parameter.grad is not None
        assert torch.allclose(gradient, parameter.grad, atol=1e-4, rtol=1e-4)


def test_steps_are_the_papers_recurrence_written_out() -> None:
    memory = small()
    rise, fall = memory.first_rise.detach().clone(), memory.first_fall.detach().clone()
    momentum = [torch.zeros_like(rise), torch.zeros_like(fall)]
    stream = torch.randn(6, 1, 4, 8, generator=torch.Generator().manual_seed(1))
    periods_s = [0.0, 0.5, 2.0, 0.1, 0.0, 7.0]
    stamp_ns = 5 * SECOND_NS
    for tokens, period_s in zip(stream, periods_s, strict=True):
        stamp_ns += round(period_s * SECOND_NS)
        with torch.no_grad():
            memory.step(tokens, stamp_ns)
        key, value = (
            torch.nn.functional.normalize(linear(tokens[0]), dim=-1) for linear in (memory.key, memory.value)
        )
        weights = [rise.clone().requires_grad_(), fall.clone().requires_grad_()]
        recalled = torch.nn.functional.silu(key.detach() @ weights[0].T) @ weights[1].T
        found = torch.autograd.grad((recalled - value.detach()).square().sum(dim=1).mean(), weights)
        norm = float(sum(gradient.square().sum() for gradient in found) ** 0.5)
        decay, carry, rate = torch.sigmoid(memory.rates(tokens[0].mean(dim=0))).tolist()
        clipped = min(1.0, memory.config.max_surprise / norm)
        momentum = [
            carry * m - memory.config.max_rate * rate * clipped * gradient
            for m, gradient in zip(momentum, found, strict=True)
        ]
        rise = (1 - decay) ** period_s * rise + momentum[0]
        fall = (1 - decay) ** period_s * fall + momentum[1]
        assert torch.allclose(memory.rise[0], rise, atol=1e-5)
        assert torch.allclose(memory.fall[0], fall, atol=1e-5)
        assert memory.surprise(0) == pytest.approx(norm, rel=1e-4)


def test_what_is_seen_again_surprises_less_and_what_is_new_more() -> None:
    memory = small()
    seen, new = torch.randn(2, 1, 4, 8, generator=torch.Generator().manual_seed(3))
    surprises = []
    with torch.no_grad():
        for i in range(30):
            memory.step(seen, i * SECOND_NS // 1000)
            surprises.append(memory.surprise(0))
        memory.step(new, SECOND_NS)
    assert surprises[-1] < 0.5 * surprises[0]
    assert memory.surprise(0) > 2 * surprises[-1]


def test_a_stream_replayed_is_the_stream_stepped_and_trains_every_weight() -> None:
    memory = small(2)
    stream = torch.randn(2, 5, 4, 8)
    seconds = torch.tensor([[0.0, 0.5, 1.0, 3.0, 3.0], [0.0, 2.0, 2.5, 2.5, 9.0]])
    replayed = memory.replayed(stream, seconds)
    with torch.no_grad():
        for step in range(5):
            stamps = (seconds[:, step] * SECOND_NS).long()
            assert torch.allclose(memory.step(stream[:, step], stamps), replayed[:, step], atol=1e-5)
    shorter = memory.replayed(stream, torch.where(torch.arange(5) < 3, seconds, 0.0))
    assert torch.allclose(shorter[:, :3], replayed[:, :3], atol=1e-6)
    assert shorter.isfinite().all()
    replayed.square().sum().backward()
    for name, parameter in memory.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0.0, name


def test_the_size_does_not_depend_on_the_length_of_the_stream() -> None:
    memory = small()
    before = memory.bytes()
    with torch.no_grad():
        for i in range(200):
            output = memory.step(100.0 * torch.randn(1, 4, 8), i * SECOND_NS // 10)
    assert memory.bytes() == before
    assert output.isfinite().all()


def test_times_that_do_not_fit_and_impossible_options_are_refused() -> None:
    with pytest.raises(InvalidMessage, match="seconds"):
        small().replayed(torch.randn(1, 3, 4, 8), torch.tensor([[0.0, 2.0]]))
    with pytest.raises(ConfigError, match="max_rate"):
        NeuralMemoryConfig(max_rate=0.0)


def test_a_network_has_no_entries_to_read() -> None:
    memory = small()
    memory.step(torch.randn(1, 4, 8), 0)
    newest = memory.newest(0, 5)
    assert newest.tokens.shape == (0, 8)
    assert newest.last_ns.shape == (0,)
