"""A pool of single features instead of whole frames: light key sets, updated feature by feature (MAMBA, arXiv 2401.09923).

A step attends to a small set of keys drawn from the pool, so its cost does not grow with the pool; then some of its own features,
those that the pool knows least, replace ones drawn from the pool. Draws are a hash of the slot's step number: the
same at every run, whatever other slots do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from embodied_mem.errors import ConfigError
from embodied_mem.layers.banks._attention import attend
from embodied_mem.layers.banks.admission import Admitted, SlotClock, forget, newest_of
from embodied_mem.layers.banks.blocks import GateFusion, RetrievalLayer, TimeEmbedding
from embodied_mem.layers.banks.protocol import Newest, Slots, Source, Stamps
from embodied_mem.layers.banks.provenance import Provenance

PRIMES = (1_000_003, 7_919, 104_729, 15_485_863)


@dataclass(frozen=True, kw_only=True)
class KeySetBankConfig:
    """The key-set bank's options.

    Attributes:
        num_slots: how many streams are kept apart.
        num_tokens, token_width: the shape of what one step of one slot brings.
        pool: how many features a slot keeps.
        num_keys: how many of them a step attends to.
        num_written: how many of its own features a step writes.
        num_heads, time_width: of the attention, and of the embedded times.
    """

    num_slots: int = 1
    num_tokens: int = 256
    token_width: int = 256
    pool: int = 2048
    num_keys: int = 256
    num_written: int = 32
    num_heads: int = 4
    time_width: int = 64

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ConfigError(f"key_set.{name} is {value}; it must be at least 1.")
        if self.token_width % self.num_heads:
            raise ConfigError(
                f"key_set.num_heads is {self.num_heads}, which does not divide {self.token_width}."
            )
        if max(self.num_keys, self.num_written) > self.pool or self.num_written > self.num_tokens:
            raise ConfigError(
                f"key_set.num_keys is {self.num_keys} and num_written {self.num_written}; the pool has {self.pool} features, a "
                f"step {self.num_tokens}. Choose smaller ones."
            )


class KeySetBank(nn.Module):
    """A bank of single features; see `Bank` for the contract. Features carry no gradients."""

    tokens: Tensor
    seconds: Tensor
    first_ns: Tensor
    last_ns: Tensor
    num_observations: Tensor
    count: Tensor
    num_steps: Tensor

    def __init__(self, config: KeySetBankConfig = KeySetBankConfig()) -> None:
        super().__init__()
        self.config = config
        slots, pool, width = config.num_slots, config.pool, config.token_width
        self.layer = RetrievalLayer(width)
        self.time = TimeEmbedding(config.time_width, width)
        self.fusion = GateFusion(width)
        self.clock = SlotClock(slots)
        self.provenance = Provenance(slots, pool)
        self.register_buffer("tokens", torch.zeros(slots, pool, width))
        self.register_buffer("seconds", torch.zeros(slots, pool, dtype=torch.float64))
        for name in ("first_ns", "last_ns", "num_observations"):
            self.register_buffer(name, torch.zeros(slots, pool, dtype=torch.int64))
        self.register_buffer("count", torch.zeros(slots, dtype=torch.int64))
        self.register_buffer("num_steps", torch.zeros(slots, dtype=torch.int64))
        self.eval()

    def step(self, tokens: Float[Tensor, "b n d"], stamp_ns: Stamps, slots: Slots = None) -> Tensor:
        """The tokens fused with keys drawn from the pool; then some of them go into it."""
        shape = (self.config.num_tokens, self.config.token_width)
        return self.take(tokens, self.clock.admit(tokens, stamp_ns, slots, shape=shape))

    def take(self, tokens: Float[Tensor, "b n d"], step: Admitted) -> Tensor:
        """A step whose input was admitted."""
        keys = self._drawn(step.slots, self.config.num_keys, salt=0)
        recalled, share = self._recall(tokens, step.slots, keys)
        output: Tensor = self.fusion(tokens, recalled)
        with torch.no_grad():
            self.provenance.keep(step.slots, share, self)
            self._remember(tokens.detach(), step, keys)
            self.clock.advance(step)
        return output

    def sources(self, slot: int, num_sources: int = 3) -> list[Source]:
        """The features that dominated the slot's last output, strongest first."""
        return self.provenance.sources(self.clock.row(slot), num_sources)

    def newest(self, slot: int, num: int) -> Newest:
        """Single features, newest first; several are of one step."""
        row = self.clock.row(slot)
        newest = self.last_ns[row, : int(self.count[row])].argsort(descending=True, stable=True)
        return newest_of(self.tokens[row], self.last_ns[row], newest, num)

    def reset(self, slots: Slots = None, *, start_ns: int | None = None) -> None:
        """Forget what these slots have seen."""
        rows = self.clock.rows(slots)
        self.clock.reset(rows, start_ns)
        self.provenance.reset(rows)
        forget(rows, self.tokens, self.seconds, self.count, self.num_steps)
        forget(rows, self.first_ns, self.last_ns, self.num_observations)

    def bytes(self) -> int:
        """What the pool and the bookkeeping take."""
        return sum(buffer.nbytes for buffer in self.buffers())

    def _recall(self, tokens: Tensor, slots: Tensor, keys: Int64[Tensor, "b k"]) -> tuple[Tensor, Tensor]:
        share = tokens.new_zeros(len(tokens), self.config.pool)
        has_any = self.count[slots] > 0
        if not torch.compiler.is_compiling() and not bool(has_any.any()):
            return tokens, share
        held = self.tokens[slots[:, None], keys]
        timed = held + self.time(self.seconds[slots[:, None], keys])
        is_filled = keys < self.count[slots][:, None].clamp(min=1)
        attended, drawn = attend(
            self._heads(self.layer.query(tokens)), self._heads(self.layer.key(timed))[:, :, :, None],
            self._heads(self.layer.value(held))[:, :, :, None], is_filled,
        )  # fmt: skip
        found = self.layer.finish(tokens, attended.transpose(1, 2).flatten(2))
        recalled = torch.where(has_any[:, None, None], found, tokens)
        share = share.scatter(1, keys, torch.where(has_any[:, None], drawn.detach(), 0.0))
        return recalled, share

    def _remember(self, tokens: Tensor, step: Admitted, keys: Int64[Tensor, "b k"]) -> None:
        slots, number = step.slots, self.config.num_written
        known = nn.functional.normalize(self.tokens[slots[:, None], keys], dim=-1)
        likeness = (nn.functional.normalize(tokens, dim=-1) @ known.transpose(1, 2)).amax(dim=2)
        newest = likeness.topk(number, dim=1, largest=False).indices
        written = tokens.gather(1, newest[:, :, None].expand(-1, -1, tokens.shape[2]))
        ahead = torch.arange(number, device=tokens.device)
        fresh = self.count[slots][:, None] + ahead
        rows = torch.where(fresh < self.config.pool, fresh, self._drawn(slots, number, salt=1))
        # A pool that fills up within a step could draw a row that the step fills itself; then all are drawn.
        is_last = (fresh >= self.config.pool).any(dim=1, keepdim=True)
        rows = torch.where(is_last, self._drawn(slots, number, salt=1), rows)
        at = slots[:, None]
        self.tokens[at, rows], self.seconds[at, rows] = written, step.seconds[:, None].expand(-1, number)
        self.first_ns[at, rows] = self.last_ns[at, rows] = step.stamp_ns[:, None].expand(-1, number)
        self.num_observations[at, rows] = 1
        self.count[slots] = torch.where(is_last[:, 0], self.count[slots], self.count[slots] + number)
        self.num_steps[slots] += 1

    def _drawn(self, slots: Int64[Tensor, "b"], number: int, *, salt: int) -> Int64[Tensor, "b k"]:
        """`number` different rows for each slot, filled ones first, by a hash of its step number."""
        rows = torch.arange(self.config.pool, device=slots.device)[None]
        a, b, c, modulus = PRIMES
        hashed = ((rows + 1) * a + (self.num_steps[slots][:, None] + 1) * b + salt * c) % modulus
        hashed = (hashed * hashed) % modulus
        empty = rows >= self.count[slots][:, None]
        return (hashed + empty * modulus).topk(number, dim=1, largest=False).indices

    def _heads(self, rows: Tensor) -> Tensor:
        return rows.reshape(*rows.shape[:2], self.config.num_heads, -1).transpose(1, 2)
