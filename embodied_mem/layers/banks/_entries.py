"""The fast bank's storage: everything allocated once, rows replaced in place, all slots of a step together.

Rows are in no order (attention does not mind); `order` lists them from oldest to newest, so that taking an entry out
of the middle moves one row and a few integers. Nothing here branches on data, so that a step can be exported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from embodied_mem.layers.banks.admission import forget
from embodied_mem.layers.banks.config import PerceptualBankConfig
from embodied_mem.layers.banks.consolidation import CONSOLIDATIONS, Join, token_similarity

NO_PAIR = float("-inf")

TimeShift = Callable[[Tensor, Tensor], Tensor]
"""(seconds (b, 3), weights (b, 3)) give the weighted sum of the times' parts of the keys, (b, layers, h, 1, d)."""


class Rows(NamedTuple):
    """One entry for each slot of a step. Widths: n tokens, layers, h heads, d channels of a head."""

    tokens: Tensor  # (b, n, width)
    keys: Tensor  # (b, layers, h, n, d), time included
    values: Tensor  # (b, layers, h, n, d)
    seconds: Tensor  # (b) float64
    first_ns: Tensor  # (b)
    last_ns: Tensor  # (b)
    num_observations: Tensor  # (b)


class Entries(nn.Module):
    """`capacity` entries for each slot, of which the first `count` rows are filled."""

    tokens: Tensor
    keys: Tensor
    values: Tensor
    mean_keys: Tensor
    seconds: Tensor
    first_ns: Tensor
    last_ns: Tensor
    num_observations: Tensor
    order: Tensor
    similarity: Tensor
    count: Tensor

    def __init__(self, config: PerceptualBankConfig) -> None:
        super().__init__()
        slots, rows, heads = config.num_slots, config.capacity, config.num_heads
        self.capacity = rows
        self.consolidation = CONSOLIDATIONS[config.consolidation]()
        self.takes_first_time = config.merged_time == "first"
        cached = (config.num_layers, slots, heads, rows, config.num_tokens, config.width // heads)
        self.register_buffer("tokens", torch.zeros(slots, rows, config.num_tokens, config.width))
        self.register_buffer("keys", torch.zeros(cached))
        self.register_buffer("values", torch.zeros(cached))
        self.register_buffer("mean_keys", torch.zeros(*cached[:4], cached[5]))
        self.register_buffer("seconds", torch.zeros(slots, rows, dtype=torch.float64))
        for name in ("first_ns", "last_ns", "num_observations"):
            self.register_buffer(name, torch.zeros(slots, rows, dtype=torch.int64))
        self.register_buffer("order", torch.arange(rows).repeat(slots, 1))
        self.register_buffer("similarity", torch.full((slots, rows), NO_PAIR))
        self.register_buffer("count", torch.zeros(slots, dtype=torch.int64))

    def reset(self, slots: Tensor) -> None:
        """Empty these slots, so that what is saved of them depends on nothing that was there before."""
        forget(slots, *(layered.transpose(0, 1) for layered in (self.keys, self.values, self.mean_keys)))
        forget(
            slots, self.tokens, self.seconds, self.first_ns, self.last_ns, self.num_observations, self.count
        )
        self.order[slots] = torch.arange(self.capacity, device=slots.device)
        self.similarity[slots] = NO_PAIR

    def held(self, slots: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens in these slots' rows (b, rows, n, width), and which rows are filled (b, rows)."""
        rows = torch.arange(self.capacity, device=slots.device)
        return self.tokens[slots], rows < self.count[slots][:, None]

    def write(self, slots: Tensor, new: Rows, shift_time: TimeShift) -> None:
        """Append one entry to each slot; a full one joins two neighbours first, the new one among them."""
        count, order = self.count[slots], self.order[slots]
        is_full = count == self.capacity
        similarity = self._with_new(slots, order, count, new.tokens)
        join = self.consolidation.choose(similarity, self._observations(slots, order))
        earlier_row = _pick(order, join.position)
        later_row = _pick(order, (join.position + 1).clamp(max=self.capacity - 1))
        with_new = join.position == self.capacity - 1
        later = _where(with_new, new, self._read(slots, later_row))
        joined = self._join(self._read(slots, earlier_row), later, join, shift_time)

        # Two writes for each slot: the joined entry, then the new one into the row that came free. Where only one is
        # due (room left, or the new entry itself was joined), the second repeats the first.
        row = torch.where(
            is_full, torch.where(with_new, earlier_row, later_row), count.clamp(max=self.capacity - 1)
        )
        rows = _where(is_full, joined, new)
        moves = is_full & ~with_new
        self._put(slots, row, rows)
        if torch.compiler.is_compiling() or bool(moves.any()):
            self._put(slots, torch.where(moves, earlier_row, row), _where(moves, new, rows))

        self.order[slots] = torch.where(moves[:, None], _taken_out(order, join.position, earlier_row), order)
        self.count[slots] = (count + 1).clamp(max=self.capacity)
        renewed = self._renewed(slots, similarity, join.position)
        self.similarity[slots] = torch.where(is_full[:, None], renewed, similarity)

    def _with_new(self, slots: Tensor, order: Tensor, count: Tensor, tokens: Tensor) -> Tensor:
        """The neighbours' similarities, with that of the last entry and the new one behind them."""
        similarity = self.similarity[slots]
        if not self.consolidation.needs_similarity:
            return similarity
        last = (count - 1).clamp(min=0)
        of_new = token_similarity(_take(self.tokens, slots, _pick(order, last)), tokens)
        of_new = torch.where(count > 0, of_new, NO_PAIR)
        return similarity.scatter(1, last[:, None], of_new[:, None])

    def _renewed(self, slots: Tensor, similarity: Tensor, position: Tensor) -> Tensor:
        """The similarities after `position` and the next became one: those on both sides of it are new."""
        if not self.consolidation.needs_similarity:
            return similarity
        order, last = self.order[slots], self.capacity - 1
        joined = _take(self.tokens, slots, _pick(order, position))
        before, after = (position - 1).clamp(min=0), (position + 1).clamp(max=last)
        to_before = token_similarity(_take(self.tokens, slots, _pick(order, before)), joined)
        to_after = token_similarity(joined, _take(self.tokens, slots, _pick(order, after)))
        places = torch.arange(self.capacity, device=slots.device)[None]
        shifted = similarity.gather(1, (places + (places >= position[:, None])).clamp(max=last))
        shifted = torch.where(places == position[:, None] - 1, to_before[:, None], shifted)
        shifted = torch.where(places == position[:, None], to_after[:, None], shifted)
        return torch.where(places == last, NO_PAIR, shifted)

    def _observations(self, slots: Tensor, order: Tensor) -> Tensor:
        held = self.num_observations[slots].gather(1, order)
        return torch.cat([held, torch.ones_like(held[:, :1])], dim=1)

    def _join(self, earlier: Rows, later: Rows, join: Join, shift_time: TimeShift) -> Rows:
        weight, rest = join.weight, 1 - join.weight
        is_own_time = self.consolidation.forgets or self.consolidation.keeps_one
        first_share = 1.0 if self.takes_first_time and not is_own_time else weight.double()
        seconds = first_share * earlier.seconds + (1 - first_share) * later.seconds
        # Keys are linear in tokens and in the time's embedding, so the mean of two keys is the key of the mean at the
        # mean embedding; the joined entry's own time is put in its place.
        times = torch.stack([seconds, earlier.seconds, later.seconds], dim=1)
        correction = shift_time(times, torch.stack([torch.ones_like(weight), -weight, -rest], dim=1))
        if self.consolidation.forgets:
            first_ns, observations = later.first_ns, later.num_observations
        else:
            first_ns = earlier.first_ns
            observations = earlier.num_observations + later.num_observations
        return Rows(
            tokens=_mix(earlier.tokens, later.tokens, weight),
            keys=_mix(earlier.keys, later.keys, weight) + correction,
            values=_mix(earlier.values, later.values, weight),
            seconds=seconds, first_ns=first_ns, last_ns=later.last_ns, num_observations=observations,
        )  # fmt: skip

    def _tables(self) -> Rows:
        """The buffers as (slots, rows, ...) tables."""
        return Rows(
            tokens=self.tokens, keys=self.keys.permute(1, 3, 0, 2, 4, 5), values=self.values.permute(1, 3, 0, 2, 4, 5),
            seconds=self.seconds, first_ns=self.first_ns, last_ns=self.last_ns,
            num_observations=self.num_observations,
        )  # fmt: skip

    def _read(self, slots: Tensor, row: Tensor) -> Rows:
        return Rows(*(_take(table, slots, row) for table in self._tables()))

    def _put(self, slots: Tensor, row: Tensor, rows: Rows) -> None:
        for table, values in zip(self._tables(), rows, strict=True):
            _place(table, slots, row, values)
        _place(self.mean_keys.permute(1, 3, 0, 2, 4), slots, row, rows.keys.mean(dim=3))


def _is_single(slots: Tensor) -> bool:
    # Indexing with tensors copies at a tenth of the speed of a plain slice; one robot has one slot.
    return len(slots) == 1 and not torch.compiler.is_compiling()


def _take(table: Tensor, slots: Tensor, row: Tensor) -> Tensor:
    """(b, ...) of a (slots, rows, ...) table; a view for a single slot."""
    return table[int(slots), int(row)][None] if _is_single(slots) else table[slots, row]


def _place(table: Tensor, slots: Tensor, row: Tensor, values: Tensor) -> None:
    if _is_single(slots):
        table[int(slots), int(row)] = values[0]
    else:
        table[slots, row] = values


def _pick(table: Tensor, index: Tensor) -> Tensor:
    return table.gather(1, index[:, None])[:, 0]


def _along(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1))


def _mix(earlier: Tensor, later: Tensor, weight: Tensor) -> Tensor:
    return torch.lerp(later, earlier, _along(weight, earlier))


def _where(condition: Tensor, first: Rows, second: Rows) -> Rows:
    if not torch.compiler.is_compiling():  # nothing needs copying where all slots are of one kind
        if bool(condition.all()):
            return first
        if not bool(condition.any()):
            return second
    return Rows(*(torch.where(_along(condition, a), a, b) for a, b in zip(first, second, strict=True)))


def _taken_out(order: Tensor, position: Tensor, freed_row: Tensor) -> Tensor:
    """`order` without the entry at `position`, whose row the newest entry takes."""
    last = order.shape[1] - 1
    places = torch.arange(order.shape[1], device=order.device)[None]
    shifted = order.gather(1, (places + (places >= position[:, None])).clamp(max=last))
    return torch.where(places == last, freed_row[:, None], shifted)
