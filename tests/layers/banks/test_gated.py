"""The gated memory does what GTrXL describes, written out plainly here."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.layers.banks import GatedMemory, GatedMemoryConfig
from embodied_mem.layers.banks.gated import GatedLayer, GruGate
from embodied_mem.testing.bank_contract import check_bank

SECOND_NS = 10**9


def gated(gate: GruGate, old: Tensor, new: Tensor) -> Tensor:
    keep_new, open_new, made_new = (weight @ new for weight in gate.of_new.weight.chunk(3))
    keep_old, open_old = (weight @ old for weight in gate.of_old.weight.chunk(2))
    made = torch.tanh(made_new + gate.of_kept.weight @ (torch.sigmoid(keep_new + keep_old) * old))
    share = torch.sigmoid(open_new + open_old - gate.shut)
    return (1 - share) * old + share * made


def plain_layer(layer: GatedLayer, tokens: Tensor, entries: list[tuple[float, Tensor]]) -> Tensor:
    """One token after the other; `entries` are (age in seconds, token), those of the present step with age 0."""
    outputs = []
    for token in tokens:
        query = layer.query(layer.attention_norm(token))
        heads = []
        for part in torch.arange(len(token)).chunk(layer.num_heads):
            scores = []
            for age_s, entry in entries:
                key = layer.key(layer.attention_norm(entry))[part]
                age = layer.age(torch.tensor(age_s))[part]
                content = (query + layer.content_bias)[part] @ key
                scores.append((content + (query + layer.age_bias)[part] @ age) / math.sqrt(len(part)))
            values = torch.stack([layer.value(layer.attention_norm(entry))[part] for _, entry in entries])
            heads.append(torch.stack(scores).softmax(dim=0) @ values)
        mixed = gated(layer.attention_gate, token, torch.relu(layer.leave(torch.cat(heads))))
        thought = torch.relu(layer.thinking(layer.thinking_norm(mixed)))
        outputs.append(gated(layer.thinking_gate, mixed, thought))
    return torch.stack(outputs)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    num_tokens=st.integers(1, 3), heads=st.integers(1, 2), steps=st.integers(1, 4), num_layers=st.integers(1, 3),
    length=st.integers(1, 7), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_the_memory_agrees_with_its_description(
    num_tokens: int, heads: int, steps: int, num_layers: int, length: int, seed: int
) -> None:
    torch.manual_seed(seed)
    config = GatedMemoryConfig(
        num_tokens=num_tokens, token_width=4 * heads, memory_steps=steps, num_layers=num_layers, num_heads=heads,
        time_width=8,
    )  # fmt: skip
    memory = GatedMemory(config)
    kept: list[list[tuple[float, Tensor]]] = [[] for _ in range(num_layers)]
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        for i, tokens in enumerate(torch.randn(length, num_tokens, 4 * heads)):
            output = memory.step(tokens[None], i * SECOND_NS // 2)[0]
            passed = tokens
            for layer, entries in zip(memory.layers, kept, strict=True):
                assert isinstance(layer, GatedLayer)
                held = [(i * 0.5 - second, token) for second, step in entries[-steps:] for token in step]
                entries.append((i * 0.5, passed))
                passed = plain_layer(layer, passed, held + [(0.0, token) for token in passed])
            assert torch.allclose(output, passed, atol=1e-5)


def make() -> GatedMemory:
    torch.manual_seed(0)
    return GatedMemory(
        GatedMemoryConfig(num_slots=3, num_tokens=2, token_width=8, memory_steps=4, num_heads=2)
    )


def test_the_gated_memory_keeps_the_contract() -> None:
    check_bank(make, num_tokens=2, token_width=8)


def test_shut_gates_let_the_tokens_pass() -> None:
    torch.manual_seed(0)
    memory = GatedMemory(GatedMemoryConfig(token_width=8, gate_bias=40.0))
    tokens = torch.randn(5, 1, 1, 8)
    with torch.no_grad():
        outputs = [memory.step(one, i * SECOND_NS) for i, one in enumerate(tokens)]
    assert torch.allclose(torch.stack(outputs), tokens, atol=1e-6)


@pytest.mark.parametrize(("num_layers", "is_reached"), [(1, False), (2, True)])
def test_each_layer_looks_so_many_steps_further_back(num_layers: int, is_reached: bool) -> None:
    outputs = []
    for first in (1.0, -1.0):
        torch.manual_seed(0)
        memory = GatedMemory(
            GatedMemoryConfig(token_width=8, memory_steps=3, num_layers=num_layers, gate_bias=0.0)
        )
        stream = torch.randn(5, 1, 1, 8)
        stream[0] *= first
        with torch.no_grad():
            outputs.append([memory.step(one, i * SECOND_NS) for i, one in enumerate(stream)][-1])
    assert torch.allclose(*outputs, atol=1e-7) is not is_reached


def test_gradients_reach_every_weight_also_through_several_steps() -> None:
    memory = make().train()
    outputs = [memory.step(torch.randn(3, 2, 8), i * SECOND_NS) for i in range(3)]
    torch.stack(outputs).square().sum().backward()
    assert all(parameter.grad is not None for parameter in memory.parameters())


def test_what_was_attended_to_is_named() -> None:
    memory = make()
    with torch.no_grad():
        for i in range(6):
            memory.step(torch.randn(3, 2, 8), i * SECOND_NS)
    sources = memory.sources(1, 8)
    assert {source.first_ns // SECOND_NS for source in sources} == {1, 2, 3, 4}
    assert 0.0 < sum(source.share for source in sources) < 1.0


@pytest.mark.parametrize("wrong", [{"memory_steps": 0}, {"num_heads": 3}])
def test_a_configuration_that_cannot_be_is_refused_by_name(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        GatedMemoryConfig(**wrong)


@pytest.mark.parametrize("memory_steps", [2, 20])
def test_a_replayed_episode_is_the_one_that_was_stepped(memory_steps: int) -> None:
    torch.manual_seed(2)
    config = GatedMemoryConfig(
        num_slots=2, num_tokens=2, token_width=8, memory_steps=memory_steps, num_heads=2
    )
    memory, stream = GatedMemory(config), torch.randn(2, 6, 2, 8)
    seconds = torch.tensor([[0.0, 1.0, 3.0, 4.0, 9.0, 30.0], [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]])
    with torch.no_grad():
        stepped = [
            memory.step(stream[:, t], (seconds[:, t] * SECOND_NS).long(), [0, 1])
            for t in range(stream.shape[1])
        ]
    replayed = memory.replayed(stream, seconds)
    assert torch.allclose(torch.stack(stepped, dim=1), replayed, atol=1e-6)
    replayed[:, -1].square().sum().backward()
    assert all(parameter.grad is not None for parameter in memory.parameters())


def test_the_newest_steps_are_read_as_they_came_in() -> None:
    memory = make()
    with torch.no_grad():
        for i in range(6):
            memory.step(torch.full((3, 2, 8), float(i)), i * SECOND_NS)
    newest = memory.newest(2, 10)
    assert newest.tokens[:, 0].tolist() == [5.0, 4.0, 3.0, 2.0]
    assert (newest.last_ns // SECOND_NS).tolist() == [5, 4, 3, 2]


def test_a_replay_has_a_time_for_every_step() -> None:
    with pytest.raises(InvalidMessage, match="one time"):
        make().replayed(torch.randn(3, 4, 2, 8), torch.arange(4.0)[None])
