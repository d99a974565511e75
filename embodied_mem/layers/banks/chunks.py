"""Hierarchical chunk memory (HCAM, arXiv 2105.14039): look at summaries first, then closely at a few chunks.

Steps are gathered into chunks. A step scores each chunk's summary (the mean of its tokens), attends in detail within the
best ones, one attention each, and adds what they give, weighted by the chunks' relevance (a softmax over all summaries,
as published: what the others would have got is left out, not shared out). Cost grows with the summaries alone.

Where this differs from the paper: chunks are chosen for all tokens of a step together, by their mean (with one token a
step, as in the paper, that is the same); times are embedded in seconds; the chunk being filled can be recalled too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import pad

from embodied_mem.errors import ConfigError
from embodied_mem.layers.banks._attention import NEVER_ATTENDED, attend
from embodied_mem.layers.banks.admission import Admitted, SlotClock, check_replay, forget, newest_of
from embodied_mem.layers.banks.blocks import GateFusion, RetrievalLayer, TimeEmbedding
from embodied_mem.layers.banks.protocol import Newest, Slots, Source, Stamps
from embodied_mem.layers.banks.provenance import Provenance


@dataclass(frozen=True, kw_only=True)
class ChunkMemoryConfig:
    """The chunk memory's options.

    Attributes:
        num_slots: how many streams are kept apart.
        num_tokens, token_width: the shape of what one step of one slot brings.
        num_chunks, chunk_steps: how many chunks a slot keeps, of how many steps; the oldest chunk makes room.
        top_chunks: how many chunks are attended to in detail.
        num_heads: of the attention within chunks.
        time_width: how many sines and cosines embed a time.
    """

    num_slots: int = 1
    num_tokens: int = 1
    token_width: int = 256
    num_chunks: int = 64
    chunk_steps: int = 16
    top_chunks: int = 4
    num_heads: int = 4
    time_width: int = 64

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ConfigError(f"chunk_memory.{name} is {value}; it must be at least 1.")
        if self.token_width % self.num_heads:
            raise ConfigError(
                f"chunk_memory.num_heads is {self.num_heads}, which does not divide token_width {self.token_width}."
            )
        if self.top_chunks > self.num_chunks:
            raise ConfigError(
                f"chunk_memory.top_chunks is {self.top_chunks}; there are only num_chunks={self.num_chunks}."
            )


class _Chosen(NamedTuple):
    """The chunks attended to, and how relevant each is."""

    chunk: Tensor  # (b, k)
    relevance: Tensor  # (b, k)


class ChunkMemory(nn.Module):
    """A bank of chunks; see `Bank` for the contract. `step` carries no gradients through entries; `replayed` does."""

    summaries: Tensor
    keys: Tensor
    values: Tensor
    first_ns: Tensor
    last_ns: Tensor
    num_observations: Tensor
    num_steps: Tensor

    def __init__(self, config: ChunkMemoryConfig = ChunkMemoryConfig()) -> None:
        super().__init__()
        self.config = config
        width, heads, slots = config.token_width, config.num_heads, config.num_slots
        chunks, steps = config.num_chunks, config.chunk_steps
        self.relevance_query = nn.Linear(width, width)
        self.relevance_key = nn.Linear(width, width)
        self.detail = RetrievalLayer(width)
        self.time = TimeEmbedding(config.time_width, width)
        self.fusion = GateFusion(width)
        self.clock = SlotClock(slots)
        self.provenance = Provenance(slots, chunks * steps)
        # Rings: step t of a slot lies in chunk (t // steps) % chunks, at place t % steps.
        self.register_buffer("summaries", torch.zeros(slots, chunks, width))
        cached = (slots, chunks, heads, steps, config.num_tokens, width // heads)
        self.register_buffer("keys", torch.zeros(cached))
        self.register_buffer("values", torch.zeros(cached))
        for name in ("first_ns", "last_ns", "num_observations"):
            self.register_buffer(name, torch.zeros(slots, chunks * steps, dtype=torch.int64))
        self.register_buffer("num_steps", torch.zeros(slots, dtype=torch.int64))
        self.eval()

    def step(self, tokens: Float[Tensor, "b n d"], stamp_ns: Stamps, slots: Slots = None) -> Tensor:
        """The tokens fused with what the most relevant chunks hold; then they are remembered."""
        shape = (self.config.num_tokens, self.config.token_width)
        return self.take(tokens, self.clock.admit(tokens, stamp_ns, slots, shape=shape))

    def take(self, tokens: Float[Tensor, "b n d"], step: Admitted) -> Tensor:
        """A step whose input was admitted."""
        recalled, share = self._recall(tokens, step.slots)
        output: Tensor = self.fusion(tokens, recalled)
        with torch.no_grad():
            self.provenance.keep(step.slots, share, self)
            self._remember(tokens.detach(), step)
            self.clock.advance(step)
        return output

    def replayed(
        self, stream: Float[Tensor, "b t n d"], seconds: Float[Tensor, "b t"]
    ) -> Float[Tensor, "b t n d"]:
        """What `step` would give at every step of whole episodes from their beginning, with gradients through all of it.

        Raises:
            InvalidMessage: times that are not as many as the steps.
        """
        check_replay(stream, seconds)
        size, num_steps = self.config.chunk_steps, stream.shape[1]
        steps = torch.arange(num_steps, device=stream.device)
        num_chunks = -(-num_steps // size)
        # Chunks in the order of time; before step t, chunk c holds `held[t, c]` steps.
        chunks = torch.arange(num_chunks, device=stream.device)
        held = (steps[:, None] - chunks * size).clamp(0, size)
        newest = (steps - 1).div(size, rounding_mode="floor")[:, None]
        is_there = (held > 0) & (chunks > newest - self.config.num_chunks)
        relevance = self._relevance_replayed(stream, held, is_there)
        detail = self._detail_replayed(stream, seconds, held) * relevance[..., None, None]
        attended = self.detail.finish(stream.flatten(0, 1), detail.sum(dim=2).flatten(0, 1))
        recalled = torch.where((steps > 0)[:, None, None], attended.reshape(stream.shape), stream)
        fused: Tensor = self.fusion(stream, recalled)
        return fused

    def sources(self, slot: int, num_sources: int = 3) -> list[Source]:
        """The steps that dominated the slot's last output, strongest first.

        Shares sum to the relevance of the chunks that were attended to, which is at most 1.
        """
        return self.provenance.sources(self.clock.row(slot), num_sources)

    def newest(self, slot: int, num: int) -> Newest:
        """The summaries of chunks, newest first, each with the stamp of its last step."""
        rows = self.clock.rows([slot])
        row, steps = int(rows[0]), self.config.chunk_steps
        current, _ = self._chunk_and_place(self.num_steps[row] - 1)
        begun = torch.arange(int(self._num_begun(rows)[0]), device=rows.device)
        chunks = (current - begun) % self.config.num_chunks
        last = self._steps_held(rows)[0].clamp(min=1) - 1  # a chunk that was never begun is in no answer
        last_ns = self.last_ns[row].reshape(-1, steps).gather(1, last[:, None])[:, 0]
        return newest_of(self.summaries[row], last_ns, chunks, num)

    def reset(self, slots: Slots = None, *, start_ns: int | None = None) -> None:
        """Forget what these slots have seen."""
        rows = self.clock.rows(slots)
        self.clock.reset(rows, start_ns)
        self.provenance.reset(rows)
        forget(rows, self.summaries, self.keys, self.values)
        forget(rows, self.first_ns, self.last_ns, self.num_observations, self.num_steps)

    def bytes(self) -> int:
        """What the chunks, their summaries and the bookkeeping take."""
        return sum(buffer.nbytes for buffer in self.buffers())

    def _recall(self, tokens: Tensor, slots: Tensor) -> tuple[Tensor, Tensor]:
        share = tokens.new_zeros(len(tokens), self.config.num_chunks * self.config.chunk_steps)
        has_any = self.num_steps[slots] > 0
        if (
            torch.compiler.is_compiling()
        ):  # no branches on data: rows without memory are computed, too, and left out
            filled = torch.arange(len(tokens), device=tokens.device)
        else:
            filled = has_any.nonzero()[:, 0]
        if not len(filled):
            return tokens, share
        seen, rows = tokens[filled], slots[filled]
        chosen = self._choose(seen, rows)
        detail, step_share = self._detail(seen, rows, chosen)
        places = chosen.chunk[:, :, None] * self.config.chunk_steps + torch.arange(
            self.config.chunk_steps, device=slots.device
        )
        filled_share = share[filled].scatter_add(1, places.flatten(1), step_share.flatten(1))
        recalled = tokens.index_copy(0, filled, self.detail.finish(seen, detail))
        share = share.index_copy(0, filled, filled_share)
        return torch.where(has_any[:, None, None], recalled, tokens), torch.where(
            has_any[:, None], share, 0.0
        )

    def _choose(self, seen: Tensor, slots: Tensor) -> _Chosen:
        """The chunks whose summaries fit best; each slot has at least one."""
        query = self.relevance_query(seen.mean(dim=1, keepdim=True))
        scores = query @ self.relevance_key(self.summaries[slots]).transpose(1, 2)
        scores = scores[:, 0] * self.config.token_width**-0.5
        begun = torch.arange(self.config.num_chunks, device=slots.device) < self._num_begun(slots)[:, None]
        relevance = scores.masked_fill(~begun, float("-inf")).softmax(dim=1)
        top = relevance.topk(self.config.top_chunks, dim=1)
        return _Chosen(top.indices, top.values)

    def _detail(self, seen: Tensor, slots: Tensor, chosen: _Chosen) -> tuple[Tensor, Tensor]:
        """Attention within each chosen chunk, summed by relevance: (b, n, width), and the steps' shares (b, k, c)."""
        num_rows, num_chosen = chosen.chunk.shape
        row = slots[:, None].expand(-1, num_chosen)
        keys, values = (table[row, chosen.chunk].flatten(0, 1) for table in (self.keys, self.values))
        query = self._heads(self.detail.query(seen)).repeat_interleave(num_chosen, dim=0)
        held = self._steps_held(slots).gather(1, chosen.chunk).flatten()
        # A chunk that was never begun has relevance 0; one step of it is attended to, so that nothing is undefined.
        is_filled = torch.arange(self.config.chunk_steps, device=slots.device) < held.clamp(min=1)[:, None]
        attended, step_share = attend(query, keys, values, is_filled)
        weighted = (
            attended.reshape(num_rows, num_chosen, *attended.shape[1:])
            * chosen.relevance[:, :, None, None, None]
        )
        step_share = step_share.reshape(num_rows, num_chosen, -1) * chosen.relevance[:, :, None]
        return weighted.sum(dim=1).transpose(1, 2).flatten(2), step_share.detach()

    def _relevance_replayed(
        self, stream: Tensor, held: Int64[Tensor, "t c"], is_there: Bool[Tensor, "t c"]
    ) -> Float[Tensor, "b t c"]:
        """How relevant each chunk is to each step; 0 where it is not attended to."""
        size, means = self.config.chunk_steps, stream.mean(dim=2)
        num_steps, num_chunks = held.shape
        steps = torch.arange(num_steps, device=held.device)
        is_in = (steps // size == torch.arange(num_chunks, device=held.device)[:, None])[None] & (
            steps < steps[:, None, None]
        )
        share = is_in / held.clamp(min=1)[:, :, None]
        summaries = torch.einsum("tcs,bsd->btcd", share, means)
        query, key = self.relevance_query(means), self.relevance_key(summaries)
        scores = torch.einsum("btd,btcd->btc", query, key) * self.config.token_width**-0.5
        # The first step has no chunk; what it attends to is put right by who calls.
        scores = scores.masked_fill(~is_there, NEVER_ATTENDED)
        relevance = scores.softmax(dim=2) * is_there
        top = relevance.topk(min(self.config.top_chunks, num_chunks), dim=2).indices
        chosen: Tensor = relevance * torch.zeros_like(relevance).scatter(2, top, 1.0)
        return chosen

    def _detail_replayed(
        self, stream: Tensor, seconds: Tensor, held: Int64[Tensor, "t c"]
    ) -> Float[Tensor, "b t c n d"]:
        """What each step's attention within each chunk gives."""
        num_chunks, size = held.shape[1], self.config.chunk_steps
        timed = stream + self.time(seconds)[:, :, None]
        query = self._in_heads(self.detail.query(stream))
        keys, values = (
            self._in_heads(pad(rows, (0, 0, 0, 0, 0, num_chunks * size - len(held))))
            for rows in (self.detail.key(timed), self.detail.value(stream))
        )
        keys, values = (rows.reshape(len(rows), num_chunks, size, *rows.shape[2:]) for rows in (keys, values))
        scores = torch.einsum("btnhe,bcsmhe->bhtncsm", query, keys) * query.shape[-1] ** -0.5
        is_held = torch.arange(size, device=held.device) < held[:, :, None]
        scores = scores.masked_fill(~is_held[:, None, :, :, None], NEVER_ATTENDED)
        weights = scores.flatten(-2).softmax(dim=-1).reshape(scores.shape)
        return torch.einsum("bhtncsm,bcsmhe->btcnhe", weights, values).flatten(-2)

    def _in_heads(self, rows: Float[Tensor, "b t n d"]) -> Float[Tensor, "b t n h e"]:
        return rows.reshape(*rows.shape[:3], self.config.num_heads, -1)

    def _remember(self, tokens: Tensor, step: Admitted) -> None:
        number = self.num_steps[step.slots]
        chunk, place = self._chunk_and_place(number)
        timed = tokens + self.time(step.seconds)[:, None]
        self.keys[step.slots, chunk, :, place] = self._heads(self.detail.key(timed))
        self.values[step.slots, chunk, :, place] = self._heads(self.detail.value(tokens))
        held = place[:, None].to(tokens.dtype)
        before = self.summaries[step.slots, chunk]
        self.summaries[step.slots, chunk] = (before * held + tokens.mean(dim=1)) / (held + 1)
        position = chunk * self.config.chunk_steps + place
        self.first_ns[step.slots, position] = self.last_ns[step.slots, position] = step.stamp_ns
        self.num_observations[step.slots, position] = 1
        self.num_steps[step.slots] = number + 1

    def _chunk_and_place(self, number: Tensor) -> tuple[Tensor, Tensor]:
        steps = self.config.chunk_steps
        return (number // steps) % self.config.num_chunks, number % steps

    def _num_begun(self, slots: Tensor) -> Tensor:
        steps = self.config.chunk_steps
        return ((self.num_steps[slots] + steps - 1) // steps).clamp(max=self.config.num_chunks)

    def _steps_held(self, slots: Tensor) -> Tensor:
        """How many steps each chunk holds: (b, chunks). The one being filled may be fewer, also in a full ring."""
        chunk, place = self._chunk_and_place(self.num_steps[slots] - 1)
        chunks = torch.arange(self.config.num_chunks, device=slots.device)[None]
        whole = torch.where(chunks < self._num_begun(slots)[:, None], self.config.chunk_steps, 0)
        return torch.where(chunks == chunk[:, None], place[:, None] + 1, whole)

    def _heads(self, rows: Tensor) -> Tensor:
        return rows.reshape(*rows.shape[:2], self.config.num_heads, -1).transpose(1, 2)
