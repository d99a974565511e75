"""The perceptual-cognitive bank as it is written down: lists, one slot after the other, everything projected anew.

Same weights and same results as `PerceptualBank`, for reading, for training as published, and for tests. It follows
MemoryVLA (arXiv 2508.19236; its CogMemBank and PerMemBank) and MemoryVLA+ (PerCogMemBank), in evaluation mode, except
that time is in seconds since the slot's first step, and that no dropout is applied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, scaled_dot_product_attention

from embodied_mem.layers.banks.admission import SlotClock
from embodied_mem.layers.banks.config import PerceptualBankConfig
from embodied_mem.layers.banks.protocol import Slots, Stamps
from embodied_mem.layers.banks.weights import BankWeights


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One remembered observation, or several merged ones."""

    tokens: Float[Tensor, "n d"]
    seconds: float
    num_observations: int = 1


class ReferenceBank(nn.Module):
    """The bank in its plainest form. It attends to all entries exactly: `top_entries` does not apply to it."""

    def __init__(self, config: PerceptualBankConfig) -> None:
        super().__init__()
        self.config = config
        self.weights = BankWeights(config)
        self.clock = SlotClock(config.num_slots)
        self.entries: list[list[Entry]] = [[] for _ in range(config.num_slots)]

    def step(self, tokens: Float[Tensor, "b n d"], stamp_ns: Stamps, slots: Slots = None) -> Tensor:
        """The tokens with what is remembered; then they are remembered."""
        shape = (self.config.num_tokens, self.config.token_width)
        step = self.clock.admit(tokens, stamp_ns, slots, shape=shape)
        outputs = []
        for row, (slot, seconds) in enumerate(zip(step.slots.tolist(), step.seconds.tolist(), strict=True)):
            seen = self.weights.width.narrow(tokens[row])
            fused = self.weights.fusion(seen, self._retrieve(seen, self.entries[slot], seconds))
            outputs.append(self.weights.width.widen(tokens[row], seen, fused))
            stored = seen if self.config.stored == "raw" else fused
            self._remember(slot, Entry(tokens=stored.detach().clone(), seconds=seconds))
        self.clock.advance(step)
        return torch.stack(outputs)

    def reset(self, slots: Slots = None, *, start_ns: int | None = None) -> None:
        """Forget these slots; time counts from `start_ns`, or from the next step."""
        rows = self.clock.rows(slots)
        self.clock.reset(rows, start_ns)
        for slot in rows.tolist():
            self.entries[slot] = []

    def bytes(self) -> int:
        """What the remembered tokens take."""
        return sum(entry.tokens.nbytes for entries in self.entries for entry in entries)

    def _retrieve(self, seen: Tensor, entries: list[Entry], seconds: float) -> Tensor:
        if not entries and self.config.first_step == "pass":
            return seen
        entries = entries or [Entry(tokens=seen, seconds=seconds)]
        values = torch.cat([entry.tokens for entry in entries])
        times = torch.tensor([entry.seconds for entry in entries], dtype=torch.float64, device=seen.device)
        embedded = self.weights.time(times).repeat_interleave(len(seen), dim=0)
        query = seen
        for layer in self.weights.retrieval_layers():
            heads = (
                self._heads(layer.query(query)),
                self._heads(layer.key(values + embedded)),
                self._heads(layer.value(values)),
            )
            attended = scaled_dot_product_attention(*heads)[0].transpose(0, 1).flatten(1)
            query = layer.finish(query, attended)
        return query

    def _heads(self, rows: Tensor) -> Tensor:
        return rows.reshape(len(rows), self.config.num_heads, -1).transpose(0, 1)[None]

    def _remember(self, slot: int, entry: Entry) -> None:
        entries = [*self.entries[slot], entry]
        if len(entries) > self.config.capacity:
            entries = self._reduced(entries)
        self.entries[slot] = entries

    def _reduced(self, entries: list[Entry]) -> list[Entry]:
        if self.config.consolidation == "fifo":
            return entries[1:]
        if self.config.consolidation == "recent":
            return [entries[0], *entries[2:]] if self.config.capacity > 1 else entries[1:]
        return self._merged(entries)

    def _merged(self, entries: list[Entry]) -> list[Entry]:
        pairs = list(pairwise(entries))
        similarity = [cosine_similarity(a.tokens, b.tokens, dim=1).mean() for a, b in pairs]
        if self.config.consolidation == "select":
            return self._selected(entries, similarity)
        i = int(torch.stack(similarity).argmax())
        first, second = pairs[i]
        observations = first.num_observations + second.num_observations
        weight = 0.5 if self.config.consolidation == "merge" else first.num_observations / observations
        mean_seconds = weight * first.seconds + (1 - weight) * second.seconds
        joined = replace(
            first,
            tokens=weight * first.tokens + (1 - weight) * second.tokens,
            seconds=first.seconds if self.config.merged_time == "first" else mean_seconds,
            num_observations=observations,
        )
        return [*entries[:i], joined, *entries[i + 2 :]]

    def _selected(self, entries: list[Entry], similarity: list[Tensor]) -> list[Entry]:
        lesser = [min(a.num_observations, b.num_observations) for a, b in pairwise(entries)]
        # Half of the squared cost n * sqrt(2 - 2 s), which has its least where that has it.
        i = int(torch.stack([n**2 * (1.0 - s) for n, s in zip(lesser, similarity, strict=True)]).argmin())
        first, second = entries[i : i + 2]
        stays = first if first.num_observations >= second.num_observations else second
        joined = replace(stays, num_observations=first.num_observations + second.num_observations)
        return [*entries[:i], joined, *entries[i + 2 :]]
