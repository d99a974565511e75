"""A policy without memory gains it, and loses it again without a trace."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from embodied_mem.errors import InvalidMessage
from embodied_mem.layers.banks import PerceptualBank, PerceptualBankConfig
from embodied_mem.policy import MemoryAdapter

from .patch_policy import PatchPolicy

SECOND_NS = 10**9


def with_memory(num_slots: int = 1) -> tuple[PatchPolicy, MemoryAdapter]:
    torch.manual_seed(0)
    policy = PatchPolicy().eval()
    bank = PerceptualBank(PerceptualBankConfig(num_slots=num_slots, num_tokens=5, token_width=16, capacity=4))
    return policy, MemoryAdapter(bank, num_channels=16).attach(policy.encoder)


def opened(memory: MemoryAdapter, value: float = 2.0) -> MemoryAdapter:
    with torch.no_grad():
        memory.gate.fill_(value)
    return memory


def test_with_a_closed_gate_the_policy_acts_exactly_as_before() -> None:
    policy, memory = with_memory()
    for i in range(6):
        image = torch.randn(1, 5, 6)
        with memory.at(i * SECOND_NS):
            action = policy(image)
        memory.detach()
        assert torch.equal(action, policy(image))
        memory.attach(policy.encoder)


def test_with_an_open_gate_what_was_seen_before_changes_the_action() -> None:
    actions = []
    for first_image in torch.randn(2, 1, 5, 6):
        policy, memory = with_memory()
        opened(memory)
        with memory.at(0):
            policy(first_image)
        with memory.at(SECOND_NS):
            actions.append(policy(torch.ones(1, 5, 6)))
    assert not torch.allclose(*actions, atol=1e-4)


def test_after_detaching_nothing_of_the_memory_is_left_in_the_policy() -> None:
    policy, memory = with_memory()
    untouched = PatchPolicy().eval()
    untouched.load_state_dict(policy.state_dict())
    opened(memory)
    with memory.at(0):
        policy(torch.randn(1, 5, 6))
    memory.detach()
    image = torch.randn(1, 5, 6)
    assert torch.equal(policy(image), untouched(image))
    assert not policy.encoder._forward_hooks
    assert policy.state_dict().keys() == untouched.state_dict().keys()
    assert not memory.is_attached


def test_the_gate_learns_although_it_is_closed() -> None:
    policy, memory = with_memory()
    memory.train()
    for i in range(3):
        with memory.at(i * SECOND_NS):
            action = policy(torch.randn(1, 5, 6))
    action.sum().backward()
    assert memory.gate.grad is not None
    assert float(memory.gate.grad.abs().sum()) > 0.0


def test_environments_are_slots_and_are_reset_one_by_one() -> None:
    policy, memory = with_memory(2)
    opened(memory)
    images = torch.randn(3, 2, 5, 6)
    for i in range(2):
        with memory.at(i * SECOND_NS, [0, 1]):
            policy(images[i])
    memory.reset([1])
    with memory.at([2 * SECOND_NS, 2 * SECOND_NS]):
        both = policy(images[2])
    fresh_policy, fresh = with_memory(2)
    opened(fresh)
    with fresh.at(0):
        first = fresh_policy(images[2])
    assert torch.allclose(both[1], first[1], atol=1e-5)
    assert not torch.allclose(both[0], first[0], atol=1e-3)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16, torch.float64])
def test_a_policy_of_another_precision_gets_its_own_back(precision: torch.dtype) -> None:
    policy, memory = with_memory()
    policy.to(precision)
    images = torch.randn(3, 1, 5, 6, dtype=precision)
    for i, image in enumerate(images):
        with memory.at(i * SECOND_NS):
            shut = policy(image)
        memory.detach()
        assert torch.equal(shut, policy(image))
        memory.attach(policy.encoder)
    opened(memory)
    with memory.at(3 * SECOND_NS):
        open_gate = policy(images[2])
    assert open_gate.dtype == precision
    assert not torch.allclose(open_gate, shut, atol=1e-2)


def test_under_autocast_the_bank_is_as_exact_as_without() -> None:
    policy, memory = with_memory()
    opened(memory)
    for i, image in enumerate(torch.randn(6, 1, 5, 6)):
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16), memory.at(i * SECOND_NS):
            action = policy(image)
    assert action.dtype == torch.bfloat16
    assert isinstance(memory.bank, nn.Module)
    assert {part.dtype for part in memory.bank.buffers() if part.is_floating_point()} <= {
        torch.float32,
        torch.float64,
    }


class Tupled(nn.Module):
    """Gives what it is told to give."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self, _: Tensor) -> object:
        return self.output


def test_tokens_may_come_first_in_a_tuple() -> None:
    _, memory = with_memory()
    memory.detach()
    tokens, rest = torch.randn(1, 5, 16), "attention maps"
    module = Tupled((tokens, rest))
    memory.attach(module)
    with memory.at(0):
        passed = module(tokens)
    assert torch.equal(passed[0], tokens)
    assert passed[1] is rest


def test_tokens_may_be_named_as_encoders_of_transformers_name_them() -> None:
    _, memory = with_memory()
    memory.detach()
    tokens, rest = torch.randn(1, 5, 16), "attention maps"
    module = Tupled({"last_hidden_state": tokens, "attentions": rest})
    opened(memory).attach(module)
    with memory.at(0):
        first = module(tokens)
    with memory.at(SECOND_NS):
        second = module(tokens)
    assert first["attentions"] is second["attentions"] is rest
    assert second["last_hidden_state"].shape == tokens.shape
    assert not torch.equal(second["last_hidden_state"], tokens)


def test_what_cannot_work_is_refused_with_what_to_do() -> None:
    policy, memory = with_memory()
    with pytest.raises(InvalidMessage, match=r"memory\.at"):
        policy(torch.randn(1, 5, 6))
    with pytest.raises(InvalidMessage, match="already"):
        memory.attach(policy.head)
    memory.detach()
    numbers = torch.ones(1, 5, 16, dtype=torch.int64)
    for output, what in (({"tokens": 1}, "dict"), (torch.randn(1, 5, 7), "num_channels"), (numbers, "int64")):
        module = Tupled(output)
        memory.attach(module)
        with memory.at(0), pytest.raises(InvalidMessage, match=what):
            module(torch.zeros(1))
        memory.detach()
