"""Neural test-time memory (Titans, arXiv 2501.00663, equations 8 to 15): a small network that learns what it sees.

Each slot has its own two-layer network M. A step reads M(q), then changes M by the gradient of ||M(k) - v||^2 (the
surprise), with momentum and decay whose sizes the tokens decide. Memory has one size, however long the stream.

Where this differs from the paper: decay acts by seconds, not by steps, so that a robot that is stepped twice as often
does not forget twice as fast (momentum is carried from one observation to the next, as published); and a step's surprise
is clipped, so that no stream makes M diverge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize, silu

from embodied_mem.errors import ConfigError
from embodied_mem.layers.banks.admission import Admitted, SlotClock, check_number, check_replay, newest_of
from embodied_mem.layers.banks.blocks import GateFusion
from embodied_mem.layers.banks.protocol import Newest, Slots, Source, Stamps


@dataclass(frozen=True, kw_only=True)
class NeuralMemoryConfig:
    """The neural memory's options.

    Attributes:
        num_slots: how many streams are kept apart.
        num_tokens, token_width: the shape of what one step of one slot brings.
        hidden_width: of the network that is the memory.
        max_rate: the largest learning rate that the tokens can ask for.
        max_surprise: the norm to which a step's gradient is clipped.
    """

    num_slots: int = 1
    num_tokens: int = 256
    token_width: int = 256
    hidden_width: int = 256
    max_rate: float = 0.5
    max_surprise: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0 or (name not in ("max_rate", "max_surprise") and value < 1):
                raise ConfigError(
                    f"neural_memory.{name} is {value}; it must be above 0 (widths and counts: whole)."
                )


class NeuralState(NamedTuple):
    """The networks of some slots and the momentum of their changes."""

    rise: Float[Tensor, "b h d"]
    fall: Float[Tensor, "b d h"]
    rise_momentum: Float[Tensor, "b h d"]
    fall_momentum: Float[Tensor, "b d h"]


class NeuralMemory(nn.Module):
    """A bank whose memory is a network; see `Bank` for the contract.

    `step` learns without gradients to the projections. To train those, use `replayed`, which is the same arithmetic over
    whole episodes with gradients through every change of the memory.
    """

    rise: Tensor
    fall: Tensor
    rise_momentum: Tensor
    fall_momentum: Tensor
    last_surprise: Tensor

    def __init__(self, config: NeuralMemoryConfig = NeuralMemoryConfig()) -> None:
        super().__init__()
        self.config = config
        width, hidden = config.token_width, config.hidden_width
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.rates = nn.Linear(width, 3)
        self.read_norm = nn.LayerNorm(width)
        self.fusion = GateFusion(width)
        self.first_rise = nn.Parameter(torch.randn(hidden, width) * width**-0.5)
        self.first_fall = nn.Parameter(torch.randn(width, hidden) * hidden**-0.5)
        self.clock = SlotClock(config.num_slots)
        self.register_buffer("last_surprise", torch.zeros(config.num_slots))
        for name, value in zip(NeuralState._fields, self._first_state(config.num_slots), strict=True):
            self.register_buffer(name, value.detach().clone())
        self.eval()

    def step(self, tokens: Float[Tensor, "b n d"], stamp_ns: Stamps, slots: Slots = None) -> Tensor:
        """The tokens fused with what the slots' networks recall of them; then the networks learn them."""
        shape = (self.config.num_tokens, self.config.token_width)
        return self.take(tokens, self.clock.admit(tokens, stamp_ns, slots, shape=shape))

    def take(self, tokens: Float[Tensor, "b n d"], step: Admitted) -> Tensor:
        """A step whose input was admitted."""
        elapsed_s = (step.stamp_ns - self.clock.previous(step)).double() / 1e9
        state = NeuralState(*(getattr(self, name)[step.slots] for name in NeuralState._fields))
        output = self._read(tokens, state)
        with torch.no_grad():
            learned, surprise = self._learn(tokens, state, elapsed_s)
            for name, value in zip(NeuralState._fields, learned, strict=True):
                getattr(self, name)[step.slots] = value
            self.last_surprise[step.slots] = surprise
            self.clock.advance(step)
        return output

    def surprise(self, slot: int) -> float:
        """How much the slot's last step surprised it: the norm of the gradient before clipping."""
        return float(self.last_surprise[self.clock.row(slot)])

    def replayed(
        self, stream: Float[Tensor, "b t n d"], seconds: Float[Tensor, "b t"]
    ) -> Float[Tensor, "b t n d"]:
        """What `step` would give at every step of whole episodes from their beginning, with gradients through all that was learned.

        Where times run backwards, as in what fills up shorter episodes, no time passes.

        Raises:
            InvalidMessage: times that are not as many as the steps.
        """
        check_replay(stream, seconds)
        state, outputs = self._first_state(len(stream)), []
        elapsed_s = torch.cat([torch.zeros_like(seconds[:, :1]), seconds.diff(dim=1).clamp(min=0.0)], dim=1)
        for seen, elapsed in zip(stream.unbind(1), elapsed_s.unbind(1), strict=True):
            outputs.append(self._read(seen, state))
            state, _ = self._learn(seen, state, elapsed)
        return torch.stack(outputs, dim=1)

    def sources(self, slot: int, num_sources: int = 3) -> list[Source]:
        """Always empty: each step changes all of a network's weights, so that no output can be traced to single steps.

        How much the last step was new to it is told by `surprise`.
        """
        self.clock.row(slot)
        check_number("num_sources", num_sources)
        return []

    def newest(self, slot: int, num: int) -> Newest:
        """Always empty: what was seen is spread over a network's weights, of which no part reads as a token."""
        row = self.clock.row(slot)
        nothing = torch.arange(0, device=self.rise.device)
        return newest_of(self.rise[row], self.clock.last_ns, nothing, num)

    def reset(self, slots: Slots = None, *, start_ns: int | None = None) -> None:
        """Put the slots' networks back to where every memory begins."""
        rows = self.clock.rows(slots)
        self.clock.reset(rows, start_ns)
        self.last_surprise[rows] = 0.0
        for name, value in zip(NeuralState._fields, self._first_state(len(rows)), strict=True):
            getattr(self, name)[rows] = value.detach()

    def bytes(self) -> int:
        """What the slots' networks, their momentum and the clock take."""
        return sum(buffer.nbytes for buffer in self.buffers())

    def _first_state(self, num_rows: int) -> NeuralState:
        rise, fall = (first.expand(num_rows, -1, -1) for first in (self.first_rise, self.first_fall))
        return NeuralState(rise, fall, torch.zeros_like(rise), torch.zeros_like(fall))

    def _read(self, tokens: Tensor, state: NeuralState) -> Tensor:
        query = normalize(self.query(tokens), dim=-1)
        recalled = silu(query @ state.rise.transpose(1, 2)) @ state.fall.transpose(1, 2)
        fused: Tensor = self.fusion(tokens, self.read_norm(recalled))
        return fused

    def _learn(self, tokens: Tensor, state: NeuralState, elapsed_s: Tensor) -> tuple[NeuralState, Tensor]:
        key, value = normalize(self.key(tokens), dim=-1), normalize(self.value(tokens), dim=-1)
        rise_gradient, fall_gradient = gradients(key, value, state)
        surprise = torch.sqrt(rise_gradient.square().sum(dim=(1, 2)) + fall_gradient.square().sum(dim=(1, 2)))
        decay, momentum, rate = torch.sigmoid(self.rates(tokens.mean(dim=1))).unbind(dim=1)
        seconds = elapsed_s.to(tokens.dtype)
        keep = (1 - decay) ** seconds
        strength = (
            self.config.max_rate
            * rate
            * (self.config.max_surprise / surprise.clamp(min=1e-12)).clamp(max=1.0)
        )
        keep, carry, strength = (scale[:, None, None] for scale in (keep, momentum, strength))
        rise_momentum = carry * state.rise_momentum - strength * rise_gradient
        fall_momentum = carry * state.fall_momentum - strength * fall_gradient
        learned = NeuralState(
            keep * state.rise + rise_momentum, keep * state.fall + fall_momentum, rise_momentum, fall_momentum
        )
        return learned, surprise


def gradients(key: Tensor, value: Tensor, state: NeuralState) -> tuple[Tensor, Tensor]:
    """The gradient of the mean over tokens of ||M(k) - v||^2, for the networks' first and second layers."""
    before = key @ state.rise.transpose(1, 2)
    sigmoid = torch.sigmoid(before)
    hidden = before * sigmoid
    error = 2.0 / key.shape[1] * (hidden @ state.fall.transpose(1, 2) - value)
    slope = sigmoid * (1 + before * (1 - sigmoid))
    to_hidden = (error @ state.fall) * slope
    return to_hidden.transpose(1, 2) @ key, error.transpose(1, 2) @ hidden
