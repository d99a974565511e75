"""The perceptual-cognitive bank (MemoryVLA, arXiv 2508.19236), fast: one entry is projected a step, not all of them.

What is the same as in the paper: retrieval by cross-attention whose keys carry a time embedding, gated fusion, and
consolidation of the most similar neighbours. What differs: time is in seconds since the slot's start, not in steps;
slots are batched; keys and values are kept, and those of a merged entry follow from linearity; large banks attend
exactly to their strongest entries only. `_reference.py` has the plain form, with which this one agrees to 1e-5.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from embodied_mem.layers.banks._attention import attend, strongest_entries
from embodied_mem.layers.banks._entries import Entries, Rows
from embodied_mem.layers.banks.admission import Admitted, SlotClock, newest_of
from embodied_mem.layers.banks.blocks import RetrievalLayer
from embodied_mem.layers.banks.config import PerceptualBankConfig
from embodied_mem.layers.banks.protocol import Newest, Slots, Source, Stamps
from embodied_mem.layers.banks.provenance import Provenance
from embodied_mem.layers.banks.weights import BankWeights

TOKENS_AT_ONCE = 512
"""Tokens of several slots that are computed together."""


class _Held(NamedTuple):
    """What is attended to, for one layer: (b, h, entries, n, d), the means of keys over n, and what is filled."""

    keys: Tensor
    values: Tensor
    mean_keys: Tensor
    is_filled: Tensor | None


class _Answer(NamedTuple):
    """A step's output, what of it is to be remembered, and each entry's share in it (b, capacity)."""

    output: Tensor
    stored: Tensor
    share: Tensor


class PerceptualBank(nn.Module):
    """A perceptual-cognitive bank for `config.num_slots` streams; see `Bank` for the contract.

    Weights are in `weights`, what is remembered in `entries`, `clock` and `provenance`: a checkpoint of the policy can
    keep the former, a saved memory the latter. In training mode keys and values are projected from the stored tokens at
    every step, so that gradients reach the projections; entries themselves never carry gradients. In use, step it under
    `torch.no_grad()` or `torch.inference_mode()`.
    """

    def __init__(self, config: PerceptualBankConfig = PerceptualBankConfig()) -> None:
        super().__init__()
        self.config = config
        self.weights = BankWeights(config)
        self.clock = SlotClock(config.num_slots)
        self.entries = Entries(config)
        self.provenance = Provenance(config.num_slots, config.capacity)
        self.eval()

    def step(self, tokens: Float[Tensor, "b n d"], stamp_ns: Stamps, slots: Slots = None) -> Tensor:
        """The tokens fused with what these slots remember; then they are remembered themselves."""
        return self.take(tokens, self.admit(tokens, stamp_ns, slots))

    def admit(self, tokens: Float[Tensor, "b n d"], stamp_ns: Stamps, slots: Slots = None) -> Admitted:
        """Check a step's input, to be taken or written; nothing changes."""
        shape = (self.config.num_tokens, self.config.token_width)
        return self.clock.admit(tokens, stamp_ns, slots, shape=shape)

    def take(
        self, tokens: Float[Tensor, "b n d"], step: Admitted, is_remembered: Bool[Tensor, "b"] | None = None
    ) -> Tensor:
        """A step whose input was admitted; rows that `is_remembered` leaves out are answered, but not written."""
        answer = self._answer(tokens, step)
        with torch.no_grad():
            self.provenance.keep(step.slots, answer.share, self.entries)
            self.clock.advance(step)
            self._write(answer.stored, step, is_remembered)
        return answer.output

    @torch.no_grad()
    def write(
        self, tokens: Float[Tensor, "b n d"], step: Admitted, is_remembered: Bool[Tensor, "b"] | None = None
    ) -> None:
        """Remember without answering: `sources` and the clock stay with the last answer."""
        is_raw = self.config.stored == "raw"
        stored = self.weights.width.narrow(tokens) if is_raw else self._answer(tokens, step).stored
        self._write(stored, step, is_remembered)

    def sources(self, slot: int, num_sources: int = 3) -> list[Source]:
        """The entries that dominated the slot's last output, strongest first; none before its second step."""
        return self.provenance.sources(self.clock.row(slot), num_sources)

    def newest(self, slot: int, num: int) -> Newest:
        """The entries as they are stored, newest first; those of a narrower bank are `bank_width` wide."""
        entries, row = self.entries, self.clock.row(slot)
        newest = entries.order[row, : int(entries.count[row])].flip(0)
        return newest_of(entries.tokens[row], entries.last_ns[row], newest, num)

    def reset(self, slots: Slots = None, *, start_ns: int | None = None) -> None:
        """Forget what these slots have seen; time counts from `start_ns`, or from the next step."""
        rows = self.clock.rows(slots)
        self.clock.reset(rows, start_ns)
        self.entries.reset(rows)
        self.provenance.reset(rows)

    def bytes(self) -> int:
        """What the entries, their keys and values and the bookkeeping take."""
        parts = (self.entries, self.clock, self.provenance)
        return sum(buffer.nbytes for part in parts for buffer in part.buffers())

    @torch.no_grad()
    def refresh(self) -> None:
        """Project all keys and values anew: after weights were loaded or trained while something was remembered."""
        entries = self.entries
        embedded = self.weights.time(entries.seconds)[:, :, None]
        _, is_filled = entries.held(torch.arange(len(entries.count), device=entries.count.device))
        kept = is_filled[:, None, :, None, None]
        for index, layer in enumerate(self.weights.retrieval_layers()):
            keys, values = layer.key(entries.tokens + embedded), layer.value(entries.tokens)
            entries.keys[index] = self._entry_heads(keys).where(kept, 0.0)
            entries.values[index] = self._entry_heads(values).where(kept, 0.0)
        entries.mean_keys.copy_(entries.keys.mean(dim=4))

    def train(self, mode: bool = True) -> PerceptualBank:
        """Switch between training and use; what was trained in between reaches the stored keys and values."""
        was_training = self.training
        super().train(mode)
        if was_training and not mode and hasattr(self, "provenance"):
            self.refresh()
        return self

    def _answer(self, tokens: Tensor, step: Admitted) -> _Answer:
        seen = self.weights.width.narrow(tokens)
        retrieved, share = self._retrieve(seen, step)
        fused = self.weights.fusion(seen, retrieved)
        output = self.weights.width.widen(tokens, seen, fused)
        return _Answer(output, seen if self.config.stored == "raw" else fused, share)

    def _write(self, stored: Tensor, step: Admitted, is_remembered: Tensor | None) -> None:
        if is_remembered is not None:
            stored, step = stored[is_remembered], Admitted(*(of_rows[is_remembered] for of_rows in step))
        if len(stored):
            self._remember(stored, step)

    def _retrieve(self, seen: Tensor, step: Admitted) -> tuple[Tensor, Tensor]:
        """What is remembered of `seen`, and each entry's share in it (b, capacity)."""
        share = seen.new_zeros(len(seen), self.config.capacity)
        has_any = self.entries.count[step.slots] > 0
        if torch.compiler.is_compiling():  # no branches on data
            recalled, shared = self._recall_in_parts(seen, step.slots, share)
            retrieved = torch.where(has_any[:, None, None], recalled, self._first(seen, step.seconds))
            return retrieved, torch.where(has_any[:, None], shared, share)
        if bool(has_any.all()):
            return self._recall_in_parts(seen, step.slots, share)
        retrieved = self._first(seen, step.seconds)
        if bool(has_any.any()):
            filled = has_any.nonzero()[:, 0]
            recalled, shared = self._recall_in_parts(seen[filled], step.slots[filled], share[filled])
            retrieved = retrieved.index_copy(0, filled, recalled)
            share = share.index_copy(0, filled, shared)
        return retrieved, share

    def _recall_in_parts(self, seen: Tensor, slots: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """So many slots at once that what is computed for them stays in the cache."""
        at_once = max(1, TOKENS_AT_ONCE // seen.shape[1])
        if len(seen) <= at_once:
            return self._recall(seen, slots, share)
        parts = [torch.split(part, at_once) for part in (seen, slots, share)]
        recalled, shares = zip(*(self._recall(*part) for part in zip(*parts, strict=True)), strict=True)
        return torch.cat(recalled), torch.cat(shares)

    def _recall(self, seen: Tensor, slots: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        query, layers = seen, self.weights.retrieval_layers()
        for index, layer in enumerate(layers):
            query_heads = self._heads(layer.query(query))
            held = self._held(index, layer, slots)
            held, chosen = self._strongest(query_heads, held)
            attended, entry_share = attend(query_heads, held.keys, held.values, held.is_filled)
            query = layer.finish(query, attended.transpose(1, 2).flatten(2))
            share = share.scatter_add(1, chosen, entry_share.detach() / len(layers))
        return query, share

    def _first(self, seen: Tensor, seconds: Tensor) -> Tensor:
        if self.config.first_step == "pass":
            return seen
        query, timed = seen, seen + self.weights.time(seconds)[:, None]
        for layer in self.weights.retrieval_layers():
            keys, values = self._heads(layer.key(timed)), self._heads(layer.value(seen))
            attended = attend(self._heads(layer.query(query)), keys[:, :, None], values[:, :, None]).values
            query = layer.finish(query, attended.transpose(1, 2).flatten(2))
        return query

    def _held(self, index: int, layer: RetrievalLayer, slots: Tensor) -> _Held:
        entries = self.entries
        used, is_filled = self._filled(entries.count[slots])
        mean_keys = _of_slots(entries.mean_keys[index], slots)[:, :, :used]
        if self.training and torch.is_grad_enabled():
            tokens = _of_slots(entries.tokens, slots)[
                :, :used
            ].clone()  # later steps write where gradients need it
            timed = tokens + self.weights.time(entries.seconds[slots][:, :used])[:, :, None]
            keys, values = self._entry_heads(layer.key(timed)), self._entry_heads(layer.value(tokens))
            return _Held(keys, values, mean_keys, is_filled)
        keys = _of_slots(entries.keys[index], slots)[:, :, :used]
        return _Held(keys, _of_slots(entries.values[index], slots)[:, :, :used], mean_keys, is_filled)

    def _filled(self, count: Tensor) -> tuple[int, Tensor | None]:
        """How many rows to read, and which of them are filled where slots differ."""
        rows = torch.arange(self.config.capacity, device=count.device)
        if torch.compiler.is_compiling():
            return self.config.capacity, rows < count[:, None]
        counts = count.tolist()
        used = max(counts)
        return used, None if min(counts) == used else rows[:used] < count[:, None]

    def _strongest(self, query: Tensor, held: _Held) -> tuple[_Held, Tensor]:
        """All entries of a small bank, the strongest of a large one; with their rows."""
        num_rows, _, num_entries = held.keys.shape[:3]
        num_chosen = self.config.top_entries or num_entries
        if self.config.capacity <= self.config.exact_up_to or num_chosen >= num_entries:
            return held, torch.arange(num_entries, device=query.device).expand(num_rows, -1)
        chosen = strongest_entries(query, held.mean_keys, held.is_filled, num_chosen)
        is_filled = None if held.is_filled is None else held.is_filled.gather(1, chosen)
        keys, values = _picked(held.keys, chosen), _picked(held.values, chosen)
        return _Held(keys, values, held.mean_keys, is_filled), chosen

    def _remember(self, stored: Tensor, step: Admitted) -> None:
        layers = self.weights.retrieval_layers()
        timed = stored + self.weights.time(step.seconds)[:, None]
        new = Rows(
            tokens=stored,
            keys=torch.stack([self._heads(layer.key(timed)) for layer in layers], dim=1),
            values=torch.stack([self._heads(layer.value(stored)) for layer in layers], dim=1),
            seconds=step.seconds, first_ns=step.stamp_ns, last_ns=step.stamp_ns,
            num_observations=torch.ones_like(step.slots),
        )  # fmt: skip
        self.entries.write(step.slots, new, self._time_shift)

    def _time_shift(self, seconds: Tensor, weights: Tensor) -> Tensor:
        embedded = (self.weights.time(seconds) * weights[:, :, None]).sum(dim=1, keepdim=True)
        shifts = [
            nn.functional.linear(embedded, layer.key.weight) for layer in self.weights.retrieval_layers()
        ]
        return torch.stack([self._heads(shift) for shift in shifts], dim=1)

    def _heads(self, rows: Tensor) -> Tensor:
        return rows.reshape(*rows.shape[:2], self.config.num_heads, -1).transpose(1, 2)

    def _entry_heads(self, rows: Tensor) -> Tensor:
        """(b, entries, n, width) as (b, h, entries, n, d)."""
        return rows.reshape(*rows.shape[:3], self.config.num_heads, -1).permute(0, 3, 1, 2, 4)


def _of_slots(table: Tensor, slots: Tensor) -> Tensor:
    """These slots' part of a table; a view where they lie side by side, as they do when all are stepped."""
    if torch.compiler.is_compiling():
        return table[slots]
    first, last = int(slots[0]), int(slots[-1])
    if last - first == len(slots) - 1 and bool((slots.diff() == 1).all()):
        return table[first : last + 1]
    return table[slots]


def _picked(table: Tensor, chosen: Tensor) -> Tensor:
    """These entries of a (b, h, entries, n, d) table."""
    if len(table) == 1:  # a fifth of the time of the general form
        return table.index_select(2, chosen[0])
    row = torch.arange(len(table), device=table.device)[:, None, None]
    head = torch.arange(table.shape[1], device=table.device)[None, :, None]
    return table[row, head, chosen[:, None]]
