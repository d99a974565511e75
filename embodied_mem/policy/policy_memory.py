"""What our policy remembers: two perceptual-cognitive banks, or a memory of another kind over cognitive tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from embodied_mem.layers.banks import (
    ChunkMemory,
    ChunkMemoryConfig,
    GatedMemory,
    GatedMemoryConfig,
    NeuralMemory,
    NeuralMemoryConfig,
    PerceptualBank,
    PerceptualBankConfig,
)
from embodied_mem.layers.banks.protocol import Newest, Slots, Source, Stamps
from embodied_mem.policy import vision
from embodied_mem.policy.reflection import Entries

Both = tuple[Tensor, Tensor]
"""Perceptual tokens (b, n, d) and the cognitive token (b, 1, w)."""
StreamKind = Literal["gated", "chunks", "neural"]
"""GTrXL's gated transformer, HCAM's chunks of steps, Titans' network that learns what it sees."""
STREAM_WIDTH = 64
CHUNK_STEPS, TOP_CHUNKS = 4, 4
HIDDEN_UNITS = 4
"""Of the network that learns, for each entry that a bank would have."""


class Remembered(NamedTuple):
    """The present tokens as fused with memory; what was kept before of either kind."""

    perceptual: Float[Tensor, "b n d"]
    cognitive: Float[Tensor, "b 1 w"]
    kept: Entries
    kept_whole: Entries


def without_pictures(perceptual: Tensor, cognitive: Tensor) -> Remembered:
    """What a memory gives that keeps no pictures; with the present tokens, what a policy acts on that has none."""
    return Remembered(
        perceptual, cognitive, *(no_entries(len(one), *one.shape[1:]) for one in (perceptual, cognitive))
    )


def no_entries(num_rows: int, num_tokens: int = 1, width: int = vision.COGNITIVE_WIDTH) -> Entries:
    """What there is to think over where nothing is kept."""
    tokens = torch.zeros(num_rows, 1, num_tokens, width)
    return Entries(
        tokens, torch.zeros(num_rows, 1), torch.zeros(num_rows, 1, dtype=torch.bool), torch.zeros(num_rows)
    )


class PolicyMemory(nn.Module):
    """Of all slots: a bank of each kind of token, and how many decisions each slot has taken."""

    decisions: Tensor

    def __init__(
        self, perceptual: PerceptualBankConfig, cognitive: PerceptualBankConfig, *, keeps_entries: bool = True
    ) -> None:
        """Without `keeps_entries` nothing is remembered but the time."""
        super().__init__()
        self.perceptual, self.cognitive = PerceptualBank(perceptual), PerceptualBank(cognitive)
        self.keeps_entries = keeps_entries
        self.register_buffer("decisions", torch.zeros(perceptual.num_slots, dtype=torch.int64))

    def step(self, seen: Both, stamps: Tensor, slots: Tensor) -> Remembered:
        """What is remembered of these tokens; then they are remembered.

        Raises:
            InvalidMessage, UnknownSlot, StampRunsBackwards: as banks do (`Bank.step`); neither of the two has changed then.
        """
        steps = [bank.admit(tokens, stamps, slots) for bank, tokens in zip(self._banks, seen, strict=True)]
        if not self.keeps_entries:
            for bank, step in zip(self._banks, steps, strict=True):
                bank.clock.advance(step)
            return without_pictures(*seen)
        held = [(*bank.entries.held(slots), bank.entries.seconds[slots].float()) for bank in self._banks]
        fused = self.perceptual.take(seen[0], steps[0]), self.cognitive.take(seen[1], steps[1])
        clock = self.perceptual.clock
        now_s = ((clock.last_ns[slots] - clock.start_ns[slots]).double() / 1e9).float()
        kept = (Entries(tokens, seconds, is_kept, now_s) for tokens, is_kept, seconds in held)
        return Remembered(*fused, *kept)

    def step_perceptual(self, tokens: Float[Tensor, "b n d"], stamps: Stamps, slots: Slots) -> Tensor:
        """A step of the perceptual bank alone, as `Bank.step`, for tokens of somebody else's encoder. Time goes on for both banks: a
        step of both that follows must not be older, and counts its seconds from the same start.
        """
        step = self.perceptual.admit(tokens, stamps, slots)
        fused = self.perceptual.take(tokens, step)
        self.cognitive.clock.advance(step)
        return fused

    @property
    def _banks(self) -> tuple[PerceptualBank, PerceptualBank]:
        return self.perceptual, self.cognitive

    def reset(self, slots: Sequence[int] | None = None) -> None:
        """New episodes begin in these slots; decisions are counted on, so that no two episodes draw the same noise."""
        self.perceptual.reset(slots)
        self.cognitive.reset(slots)

    def sources(self, slot: int, num_sources: int) -> list[Source]:
        """What dominated the slot's last output."""
        return self.perceptual.sources(slot, num_sources)

    def newest(self, slot: int, num: int) -> Newest:
        """The newest perceptual entries."""
        return self.perceptual.newest(slot, num)

    def exchange(self, a: int, b: int) -> None:
        """Two slots take each other's memories, with their clocks."""
        for bank in (self.perceptual, self.cognitive):
            _exchange(bank, a, b, layered=("entries.keys", "entries.values", "entries.mean_keys"))


class StreamPolicyMemory(nn.Module):
    """Of all slots: a memory over cognitive tokens in place of the banks. It keeps no entries to think over, and learns through
    whole episodes instead.
    """

    decisions: Tensor

    def __init__(self, kind: StreamKind, *, num_slots: int, capacity: int, token_width: int) -> None:
        super().__init__()
        self.narrow = nn.Linear(token_width, STREAM_WIDTH)
        self.widen = nn.Linear(STREAM_WIDTH, token_width)
        self.cognitive = _stream_memory(kind, num_slots, capacity)
        self.register_buffer("decisions", torch.zeros(num_slots, dtype=torch.int64))

    def step(self, seen: Both, stamps: Tensor, slots: Tensor) -> Remembered:
        """What is remembered of these tokens; then they are remembered."""
        thought = self.widen(self.cognitive.step(self.narrow(seen[1]), stamps, slots))
        return without_pictures(seen[0], thought)

    def replayed(
        self, whole: Float[Tensor, "b t 1 w"], seconds: Float[Tensor, "b t"], at: Tensor
    ) -> Float[Tensor, "b 1 w"]:
        """The cognitive token as fused at step `at` of each episode, with gradients to all of its steps."""
        thought: Tensor = self.widen(self.cognitive.replayed(self.narrow(whole), seconds))
        return thought[torch.arange(len(whole)), at]

    def reset(self, slots: Sequence[int] | None = None) -> None:
        """New episodes begin in these slots; decisions are counted on."""
        self.cognitive.reset(slots)

    def sources(self, slot: int, num_sources: int) -> list[Source]:
        """What dominated the slot's last output."""
        return self.cognitive.sources(slot, num_sources)

    def newest(self, slot: int, num: int) -> Newest:
        """The newest of what is kept of cognitive tokens."""
        return self.cognitive.newest(slot, num)

    def exchange(self, a: int, b: int) -> None:
        """Two slots take each other's memories, with their clocks."""
        _exchange(self.cognitive, a, b, layered=("inputs",))


def _stream_memory(
    kind: StreamKind, num_slots: int, capacity: int
) -> GatedMemory | ChunkMemory | NeuralMemory:
    """Of that kind and size, for narrowed cognitive tokens."""
    if kind == "gated":
        return GatedMemory(
            GatedMemoryConfig(
                num_slots=num_slots, token_width=STREAM_WIDTH, memory_steps=capacity, time_width=32
            )
        )
    if kind == "chunks":
        return ChunkMemory(
            ChunkMemoryConfig(
                num_slots=num_slots, token_width=STREAM_WIDTH, num_chunks=capacity, chunk_steps=CHUNK_STEPS,
                top_chunks=min(TOP_CHUNKS, capacity), time_width=32,
            )
        )  # fmt: skip
    return NeuralMemory(
        NeuralMemoryConfig(
            num_slots=num_slots, num_tokens=1, token_width=STREAM_WIDTH, hidden_width=HIDDEN_UNITS * capacity
        )
    )


def _exchange(bank: nn.Module, a: int, b: int, *, layered: Sequence[str]) -> None:
    """Swap two slots' rows in every table of a bank; those of `layered` have layers before slots."""
    for name, buffer in bank.named_buffers():
        table = buffer.transpose(0, 1) if name in layered else buffer
        table[[a, b]] = table[[b, a]].clone()
