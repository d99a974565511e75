"""The gated transformer memory (GTrXL, arXiv 1910.06764): each layer attends to what it was given in the last steps.

As published: layer norms before attention and feed-forward part, a ReLU after each, and a GRU-like gate instead of the
residual, nearly shut at first, so that the tokens pass unchanged until training opens it. What is kept are the layers' inputs
(Transformer-XL, arXiv 1901.02860), without gradients; so `num_layers` times `memory_steps` steps are the farthest that it sees.

Where this differs: how old an entry is counts in seconds, not in steps, and its embedding is a small network of waves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from embodied_mem.errors import ConfigError
from embodied_mem.layers.banks.admission import Admitted, SlotClock, check_replay, forget, newest_of
from embodied_mem.layers.banks.blocks import TimeEmbedding
from embodied_mem.layers.banks.protocol import Newest, Slots, Source, Stamps
from embodied_mem.layers.banks.provenance import Provenance


@dataclass(frozen=True, kw_only=True)
class GatedMemoryConfig:
    """The gated memory's options.

    Attributes:
        num_slots: how many streams are kept apart.
        num_tokens, token_width: the shape of what one step of one slot brings.
        memory_steps: how many steps each layer looks back.
        num_layers, num_heads: of the transformer.
        time_width: how many sines and cosines embed an age.
        gate_bias: how far the gates are shut at first (the paper's b_g).
    """

    num_slots: int = 1
    num_tokens: int = 1
    token_width: int = 256
    memory_steps: int = 16
    num_layers: int = 2
    num_heads: int = 4
    time_width: int = 64
    gate_bias: float = 2.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "gate_bias" and value < 1:
                raise ConfigError(f"gated_memory.{name} is {value}; it must be at least 1.")
        if self.token_width % self.num_heads:
            raise ConfigError(
                f"gated_memory.num_heads is {self.num_heads}, which does not divide token_width {self.token_width}."
            )


class GruGate(nn.Module):
    """Lets as much of the new into the old as it has learned to (the paper's equation for GRU-type gating)."""

    def __init__(self, width: int, bias: float) -> None:
        super().__init__()
        self.of_new = nn.Linear(width, 3 * width, bias=False)
        self.of_old = nn.Linear(width, 2 * width, bias=False)
        self.of_kept = nn.Linear(width, width, bias=False)
        self.shut = nn.Parameter(torch.full((width,), bias))

    def forward(self, old: Float[Tensor, "b n d"], new: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        keep_new, open_new, candidate_new = self.of_new(new).chunk(3, dim=-1)
        keep_old, open_old = self.of_old(old).chunk(2, dim=-1)
        candidate = torch.tanh(candidate_new + self.of_kept(torch.sigmoid(keep_new + keep_old) * old))
        share = torch.sigmoid(open_new + open_old - self.shut)
        return (1 - share) * old + share * candidate


class Held(NamedTuple):
    """What a layer looks back to."""

    tokens: Float[Tensor, "b t n d"]
    ages_s: Float[Tensor, "b t"]
    is_filled: Bool[Tensor, "b t"]


class GatedLayer(nn.Module):
    """One layer: attention to the present tokens and those held, then a feed-forward part, each behind a gate."""

    def __init__(self, config: GatedMemoryConfig) -> None:
        super().__init__()
        width = config.token_width
        self.num_heads = config.num_heads
        self.attention_norm, self.thinking_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.leave = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.age = TimeEmbedding(config.time_width, width)
        self.content_bias = nn.Parameter(torch.zeros(width))
        self.age_bias = nn.Parameter(torch.zeros(width))
        self.thinking = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))
        self.attention_gate = GruGate(width, config.gate_bias)
        self.thinking_gate = GruGate(width, config.gate_bias)

    def forward(self, tokens: Float[Tensor, "b n d"], held: Held) -> tuple[Tensor, Float[Tensor, "b t"]]:
        """The layer's tokens, and the share of its attention that each held step had."""
        num_rows, num_steps, num_tokens = held.tokens.shape[:3]
        normed = self.attention_norm(torch.cat([held.tokens.flatten(1, 2), tokens], dim=1))
        query = self.query(normed[:, -num_tokens:])
        ages = torch.cat(
            [held.ages_s.repeat_interleave(num_tokens, 1), tokens.new_zeros(tokens.shape[:2])], 1
        )
        scores = self._heads(query + self.content_bias) @ self._heads(self.key(normed)).transpose(2, 3)
        scores = scores + self._heads(query + self.age_bias) @ self._heads(self.age(ages)).transpose(2, 3)
        is_there = torch.cat(
            [held.is_filled.repeat_interleave(num_tokens, 1), held.is_filled.new_ones(tokens.shape[:2])], 1
        )
        scores = scores * (tokens.shape[2] // self.num_heads) ** -0.5
        weights = scores.masked_fill(~is_there[:, None, None], float("-inf")).softmax(dim=3)
        attended = (weights @ self._heads(self.value(normed))).transpose(1, 2).flatten(2)
        mixed = self.attention_gate(tokens, torch.relu(self.leave(attended)))
        out = self.thinking_gate(mixed, torch.relu(self.thinking(self.thinking_norm(mixed))))
        of_held = weights[..., : num_steps * num_tokens].mean(dim=(1, 2))
        return out, of_held.reshape(num_rows, num_steps, num_tokens).sum(dim=2).detach()

    def _heads(self, rows: Tensor) -> Tensor:
        return rows.reshape(*rows.shape[:2], self.num_heads, -1).transpose(1, 2)


class GatedMemory(nn.Module):
    """A bank of gated transformer layers; see `Bank` for the contract."""

    inputs: Tensor
    seconds: Tensor
    first_ns: Tensor
    last_ns: Tensor
    num_observations: Tensor
    num_steps: Tensor

    def __init__(self, config: GatedMemoryConfig = GatedMemoryConfig()) -> None:
        super().__init__()
        self.config = config
        slots, steps = config.num_slots, config.memory_steps
        self.layers = nn.ModuleList(GatedLayer(config) for _ in range(config.num_layers))
        self.clock = SlotClock(slots)
        self.provenance = Provenance(slots, steps)
        # Rings: step t of a slot lies at t % memory_steps.
        kept = (config.num_layers, slots, steps, config.num_tokens, config.token_width)
        self.register_buffer("inputs", torch.zeros(kept))
        self.register_buffer("seconds", torch.zeros(slots, steps, dtype=torch.float64))
        for name in ("first_ns", "last_ns", "num_observations"):
            self.register_buffer(name, torch.zeros(slots, steps, dtype=torch.int64))
        self.register_buffer("num_steps", torch.zeros(slots, dtype=torch.int64))
        self.eval()

    def step(self, tokens: Float[Tensor, "b n d"], stamp_ns: Stamps, slots: Slots = None) -> Tensor:
        """The tokens as they leave the last layer; each layer remembers what it was given."""
        shape = (self.config.num_tokens, self.config.token_width)
        return self.take(tokens, self.clock.admit(tokens, stamp_ns, slots, shape=shape))

    def take(self, tokens: Float[Tensor, "b n d"], step: Admitted) -> Tensor:
        """A step whose input was admitted."""
        ages_s = (step.seconds[:, None] - self.seconds[step.slots]).to(tokens.dtype)
        is_filled = self._is_filled(step.slots)
        given, shares, passed = [], [], tokens
        for layer, inputs in zip(self.layers, self.inputs, strict=True):
            given.append(passed.detach())
            # A copy: later steps write where gradients still need it.
            passed, share = layer(passed, Held(inputs[step.slots].clone(), ages_s, is_filled))
            shares.append(share)
        with torch.no_grad():
            self.provenance.keep(step.slots, torch.stack(shares).mean(dim=0), self)
            self._remember(torch.stack(given), step)
            self.clock.advance(step)
        return passed

    def replayed(
        self, stream: Float[Tensor, "b t n d"], seconds: Float[Tensor, "b t"]
    ) -> Float[Tensor, "b t n d"]:
        """What `step` would give at every step of whole episodes from their beginning, with gradients through all of it.

        Raises:
            InvalidMessage: times that are not as many as the steps.
        """
        check_replay(stream, seconds)
        steps = torch.arange(stream.shape[1], device=stream.device)
        earlier = (
            steps[:, None] - 1 - torch.arange(min(self.config.memory_steps, len(steps)), device=stream.device)
        )
        is_filled = (earlier >= 0).repeat(len(stream), 1)
        earlier = earlier.clamp(min=0)
        ages_s = (seconds[:, :, None] - seconds[:, earlier]).flatten(0, 1)
        passed = stream
        for layer in self.layers:
            held = Held(passed[:, earlier].flatten(0, 1), ages_s, is_filled)
            passed = layer(passed.flatten(0, 1), held)[0].unflatten(0, stream.shape[:2])
        return passed

    def sources(self, slot: int, num_sources: int = 3) -> list[Source]:
        """The steps that dominated the slot's last output, strongest first; the present step has the rest of the shares."""
        return self.provenance.sources(self.clock.row(slot), num_sources)

    def newest(self, slot: int, num: int) -> Newest:
        """The steps that are held, newest first, as they came in; what deeper layers made of them is left out."""
        row, steps = self.clock.row(slot), self.config.memory_steps
        number = int(self.num_steps[row])
        places = torch.arange(number - 1, max(number - steps, 0) - 1, -1, device=self.inputs.device) % steps
        return newest_of(self.inputs[0, row], self.last_ns[row], places, num)

    def reset(self, slots: Slots = None, *, start_ns: int | None = None) -> None:
        """Forget what these slots have seen."""
        rows = self.clock.rows(slots)
        self.clock.reset(rows, start_ns)
        self.provenance.reset(rows)
        forget(rows, self.inputs.transpose(0, 1), self.seconds)
        forget(rows, self.first_ns, self.last_ns, self.num_observations, self.num_steps)

    def bytes(self) -> int:
        """What the layers' inputs and the bookkeeping take."""
        return sum(buffer.nbytes for buffer in self.buffers())

    def _is_filled(self, slots: Tensor) -> Bool[Tensor, "b t"]:
        return torch.arange(self.config.memory_steps, device=slots.device) < self.num_steps[slots][:, None]

    def _remember(self, given: Float[Tensor, "l b n d"], step: Admitted) -> None:
        place = self.num_steps[step.slots] % self.config.memory_steps
        self.inputs[:, step.slots, place] = given
        self.seconds[step.slots, place] = step.seconds
        self.first_ns[step.slots, place] = self.last_ns[step.slots, place] = step.stamp_ns
        self.num_observations[step.slots, place] = 1
        self.num_steps[step.slots] += 1
