"""A small flow-matching action expert (arXiv 2210.02747; as in pi0): noise becomes actions along a learned velocity.

The network says where the way ends, and the velocity leads there in the time that is left: the same flow, but what is learned
is as large at every time, which takes a small policy fewer steps to learn than the velocity itself.

Action tokens attend to each other and to perceptual tokens; a condition (time of the flow, cognitive token, proprioception)
scales and shifts every block (AdaLN, arXiv 2212.09748). Each block ends in an exit of its own, so that easy decisions can stop
early (DeeR-VLA, arXiv 2411.02359).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from embodied_mem.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class FlowExpertConfig:
    """The expert's size.

    Attributes:
        action_width, horizon: of a chunk.
        width, num_heads, num_blocks: of the transformer.
        flow_steps: how many Euler steps turn noise into actions.
    """

    action_width: int = 4
    horizon: int = 1
    width: int = 96
    num_heads: int = 4
    num_blocks: int = 3
    flow_steps: int = 8

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ConfigError(f"expert.{name} is {value}; it must be at least 1.")
        if self.width % self.num_heads or self.width % 2:
            raise ConfigError(
                f"expert.width is {self.width}; it must be even and divisible by {self.num_heads} heads."
            )


class _Attention(nn.Module):
    """Multi-head attention whose keys and values can be made once and used many times."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.leave = nn.Linear(width, width)

    def held(self, tokens: Float[Tensor, "b n d"]) -> tuple[Tensor, Tensor]:
        keys, values = self.key_value(tokens).chunk(2, dim=-1)
        return self._heads(keys), self._heads(values)

    def forward(self, x: Float[Tensor, "b m d"], held: tuple[Tensor, Tensor]) -> Float[Tensor, "b m d"]:
        attended = nn.functional.scaled_dot_product_attention(self._heads(self.query(x)), *held)
        left: Tensor = self.leave(attended.transpose(1, 2).flatten(2))
        return left

    def _heads(self, rows: Tensor) -> Tensor:
        return rows.reshape(*rows.shape[:2], self.num_heads, -1).transpose(1, 2)


class _Block(nn.Module):
    """Attention to what is perceived, among the actions of a chunk, and a feed-forward part, each modulated."""

    def __init__(self, config: FlowExpertConfig) -> None:
        super().__init__()
        width = config.width
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 9 * width)
        self.perceiving = _Attention(width, config.num_heads)
        self.ordering = _Attention(width, config.num_heads)
        self.thinking = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, held: tuple[Tensor, Tensor], condition: Tensor) -> Tensor:
        """x (b, g, h, d), condition (b, g, d); `held` are keys and values of what is perceived, (b, heads, n, d)."""
        parts = self.modulation(nn.functional.silu(condition))[:, :, None].chunk(9, dim=-1)
        seen = self.perceiving(self._modulated(x, parts[0], parts[1]).flatten(1, 2), held).reshape(x.shape)
        x = x + (1 + parts[2]) * seen
        own = self._modulated(x, parts[3], parts[4]).flatten(0, 1)
        x = x + (1 + parts[5]) * self.ordering(own, self.ordering.held(own)).reshape(x.shape)
        final: Tensor = x + (1 + parts[8]) * self.thinking(self._modulated(x, parts[6], parts[7]))
        return final

    def _modulated(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        modulated: Tensor = self.norm(x) * (1 + scale) + shift
        return modulated


class FlowExpert(nn.Module):
    """The velocity of actions on their way from noise, and whole chunks by following it."""

    def __init__(self, config: FlowExpertConfig = FlowExpertConfig()) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.enter = nn.Linear(config.action_width, width)
        self.order = nn.Parameter(torch.randn(config.horizon, width) * 0.02)
        self.flow_time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.num_blocks))
        self.exits = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.action_width))
            for _ in range(config.num_blocks)
        )

    def act(
        self,
        noise: Float[Tensor, "b h a"],
        perceived: Float[Tensor, "b n d"],
        condition: Float[Tensor, "b d"],
        *,
        num_blocks: int | None = None,
    ) -> Float[Tensor, "b h a"]:
        """The actions that noise flows to, through the first `num_blocks` blocks (None: all)."""
        depth = self.config.num_blocks if num_blocks is None else num_blocks
        held = self._held(perceived, depth)
        actions, step = noise[:, None], 1.0 / self.config.flow_steps
        for i in range(self.config.flow_steps):
            flow_time = noise.new_full((len(noise), 1), i * step)
            *_, end = self._ends(actions, flow_time, held, condition)
            actions = actions + step * (end - actions) / (1.0 - i * step)
        return actions[:, 0]

    def foresee(
        self, noise: Float[Tensor, "b h a"], perceived: Tensor, condition: Tensor, *, depth: int
    ) -> list[Float[Tensor, "b h a"]]:
        """Where each of the first `depth` exits foresees the actions to end, from the noise alone."""
        held = self._held(perceived, depth)
        start = noise.new_zeros(len(noise), 1)
        return [end[:, 0] for end in self._ends(noise[:, None], start, held, condition)]

    def loss(
        self,
        wanted: Float[Tensor, "b h a"],
        perceived: Float[Tensor, "b n d"],
        condition: Float[Tensor, "b d"],
        *,
        draws: int,
        generator: torch.Generator,
    ) -> Float[Tensor, ""]:
        """How far the end that every exit foresees is from what was wanted, from `draws` places on the way to it."""
        noise = torch.randn(len(wanted), draws, *wanted.shape[1:], generator=generator).to(wanted.device)
        # Early on the way only what is perceived and remembered tells where it ends, so more is learned from there.
        flow_time = torch.rand(len(wanted), draws, generator=generator).square().to(wanted.device)
        way, goal = flow_time[:, :, None, None], wanted[:, None]
        held = self._held(perceived, self.config.num_blocks)
        foreseen = self._ends((1 - way) * noise + way * goal, flow_time, held, condition)
        return torch.stack([(one - goal).square().mean() for one in foreseen]).mean()

    def _held(self, perceived: Tensor, depth: int) -> list[tuple[Tensor, Tensor]]:
        blocks = [block for block in self.blocks[:depth] if isinstance(block, _Block)]
        return [block.perceiving.held(perceived) for block in blocks]

    def _ends(
        self, actions: Tensor, flow_time: Tensor, held: list[tuple[Tensor, Tensor]], condition: Tensor
    ) -> list[Tensor]:
        """Where each exit foresees the way to end, as far as `held` goes: actions (b, g, h, a) at times (b, g)."""
        half = self.config.width // 2
        frequencies = torch.exp(-math.log(100.0) * torch.arange(half, device=actions.device) / half)
        angles = 10.0 * flow_time[:, :, None] * frequencies
        timed = condition[:, None] + self.flow_time(torch.cat([angles.cos(), angles.sin()], dim=-1))
        x, foreseen = self.enter(actions) + self.order, []
        for block, leave, kept in zip(self.blocks, self.exits, held, strict=False):
            x = block(x, kept, timed)
            foreseen.append(leave(x))
        return foreseen
