"""The chunk memory does what HCAM describes, written out plainly here."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.layers.banks.chunks import ChunkMemory, ChunkMemoryConfig
from embodied_mem.testing.bank_contract import check_bank

SECOND_NS = 10**9


def plainly(memory: ChunkMemory, stream: list[Tensor], period_s: float) -> Tensor:
    """The last output of one slot, from the whole stream kept in lists."""
    config, seen = memory.config, stream[-1]
    chunks: list[list[tuple[float, Tensor]]] = []
    for i, tokens in enumerate(stream[:-1]):
        if i % config.chunk_steps == 0:
            chunks = [*chunks, []][-config.num_chunks :]
        chunks[-1].append((i * period_s, tokens))
    if not chunks:
        return memory.fusion(seen, seen)
    summaries = torch.stack([torch.cat([tokens for _, tokens in chunk]).mean(dim=0) for chunk in chunks])
    scores = memory.relevance_key(summaries) @ memory.relevance_query(seen.mean(dim=0))
    relevance = (scores / config.token_width**0.5).softmax(dim=0)
    best = relevance.argsort(descending=True)[: config.top_chunks].tolist()
    recalled = torch.zeros_like(seen)
    for chunk in best:
        values = torch.cat([tokens for _, tokens in chunks[chunk]])
        times = torch.tensor([second for second, _ in chunks[chunk]])
        timed = values + memory.time(times).repeat_interleave(len(seen), dim=0)
        projected = [
            rows.reshape(len(rows), config.num_heads, -1).transpose(0, 1)
            for rows in (memory.detail.query(seen), memory.detail.key(timed), memory.detail.value(values))
        ]
        attended = torch.nn.functional.scaled_dot_product_attention(*projected)
        recalled = recalled + relevance[chunk] * attended.transpose(0, 1).flatten(1)
    return memory.fusion(seen, memory.detail.finish(seen, recalled))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    num_tokens=st.integers(1, 3), heads=st.integers(1, 2), num_chunks=st.integers(1, 4), chunk_steps=st.integers(1, 4),
    top=st.integers(1, 4), length=st.integers(1, 24), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_the_memory_agrees_with_its_description(
    num_tokens: int, heads: int, num_chunks: int, chunk_steps: int, top: int, length: int, seed: int
) -> None:
    torch.manual_seed(seed)
    memory = ChunkMemory(
        ChunkMemoryConfig(
            num_tokens=num_tokens, token_width=4 * heads, num_chunks=num_chunks, chunk_steps=chunk_steps,
            top_chunks=min(top, num_chunks), num_heads=heads, time_width=8,
        )
    )  # fmt: skip
    stream = list(torch.randn(length, num_tokens, 4 * heads))
    with torch.no_grad():
        stepped = [memory.step(tokens[None], i * SECOND_NS // 2)[0] for i, tokens in enumerate(stream)]
        assert torch.allclose(stepped[-1], plainly(memory, stream, 0.5), atol=1e-5)
        seconds = 0.5 * torch.arange(float(length))
        (replayed,) = memory.replayed(torch.stack(stream)[None], seconds[None])
        assert torch.allclose(replayed, torch.stack(stepped), atol=1e-5)


def test_a_replayed_stream_trains_every_weight() -> None:
    torch.manual_seed(0)
    memory = ChunkMemory(ChunkMemoryConfig(token_width=8, num_chunks=3, chunk_steps=2, top_chunks=2))
    seconds = torch.arange(7.0).repeat(2, 1)
    memory.replayed(torch.randn(2, 7, 1, 8), seconds)[:, -1].square().sum().backward()
    for name, parameter in memory.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # A softmax does not change when all scores move together, as a bias of the keys moves them.
        assert float(parameter.grad.abs().sum()) > 0.0 or name == "relevance_key.bias", name


def test_the_chunk_memory_keeps_the_contract() -> None:
    def make() -> ChunkMemory:
        torch.manual_seed(0)
        return ChunkMemory(
            ChunkMemoryConfig(
                num_slots=3,
                num_tokens=2,
                token_width=8,
                num_chunks=3,
                chunk_steps=3,
                top_chunks=2,
                num_heads=2,
            )
        )

    check_bank(make, num_tokens=2, token_width=8, num_steps=14)


def test_what_dominated_an_output_lies_in_the_chunks_attended_to() -> None:
    torch.manual_seed(0)
    memory = ChunkMemory(
        ChunkMemoryConfig(token_width=8, num_chunks=4, chunk_steps=2, top_chunks=1, num_heads=1)
    )
    with torch.no_grad():
        memory.relevance_query.weight.copy_(10 * torch.eye(8))
        memory.relevance_key.weight.copy_(10 * torch.eye(8))
        seen = torch.eye(8)
        for i in range(8):
            memory.step(seen[i].view(1, 1, 8), i * SECOND_NS)
        memory.step(seen[5].view(1, 1, 8), 9 * SECOND_NS)
    sources = memory.sources(0, 8)
    assert {source.first_ns // SECOND_NS for source in sources} == {4, 5}
    assert sum(source.share for source in sources) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("wrong", [{"chunk_steps": 0}, {"num_heads": 3}, {"top_chunks": 65}])
def test_a_configuration_that_cannot_be_is_refused_by_name(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ChunkMemoryConfig(**wrong)


def test_summaries_are_read_newest_first_with_the_stamps_of_this_stream_alone() -> None:
    memory = ChunkMemory(ChunkMemoryConfig(token_width=8, num_chunks=3, chunk_steps=2, top_chunks=1))
    with torch.no_grad():
        for i in range(9):
            memory.step(torch.full((1, 1, 8), float(i)), (50 + i) * SECOND_NS)
        newest = memory.newest(0, 10)
        assert newest.tokens[:, 0].tolist() == [8.0, 6.5, 4.5]
        assert (newest.last_ns // SECOND_NS).tolist() == [58, 57, 55]
        memory.reset()
        memory.step(torch.ones(1, 1, 8), 3 * SECOND_NS)
    assert memory.newest(0, 10).last_ns.tolist() == [3 * SECOND_NS]


def test_a_replay_has_a_time_for_every_step() -> None:
    with pytest.raises(InvalidMessage, match="one time"):
        ChunkMemory(ChunkMemoryConfig(token_width=8)).replayed(
            torch.randn(3, 4, 1, 8), torch.arange(4.0)[None]
        )
