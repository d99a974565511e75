"""The learned parts of the perceptual-cognitive bank (MemoryVLA, arXiv 2508.19236, section 3.2), plain and small."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

LONGEST_PERIOD = 10_000.0


class TimeEmbedding(nn.Module):
    """Seconds as a vector: cosines and sines of falling frequency, then a two-layer network."""

    def __init__(self, num_frequencies: int, width: int) -> None:
        super().__init__()
        self.num_frequencies = num_frequencies
        self.rise = nn.Linear(num_frequencies, width)
        self.mix = nn.Linear(width, width)

    def forward(self, seconds: Float[Tensor, "*b"]) -> Float[Tensor, "*b d"]:
        half = self.num_frequencies // 2
        exponents = torch.arange(half, dtype=torch.float32, device=seconds.device) / half
        angles = seconds.float()[..., None] * torch.exp(-math.log(LONGEST_PERIOD) * exponents)
        waves = torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)
        if self.num_frequencies % 2:
            waves = torch.cat([waves, torch.zeros_like(waves[..., :1])], dim=-1)
        embedded: Tensor = self.mix(nn.functional.silu(self.rise(waves)))
        return embedded


class RetrievalLayer(nn.Module):
    """The weights of one post-norm cross-attention layer; who attends to what is the bank's business."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, width * 4)
        self.narrow = nn.Linear(width * 4, width)
        self.output_norm = nn.LayerNorm(width)

    def finish(self, query: Tensor, attended: Tensor) -> Tensor:
        """Residual, norm, feed-forward, residual, norm."""
        x = self.attention_norm(query + attended)
        finished: Tensor = self.output_norm(x + self.narrow(nn.functional.gelu(self.widen(x))))
        return finished


class GateFusion(nn.Module):
    """g * seen + (1 - g) * remembered, with g = sigmoid(W [seen; remembered] + b) for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * width, width)
        nn.init.normal_(self.gate.weight, std=1e-3)
        nn.init.normal_(self.gate.bias, std=1e-3)

    def forward(self, seen: Tensor, remembered: Tensor) -> Tensor:
        share = torch.sigmoid(self.gate(torch.cat([seen, remembered], dim=-1)))
        return share * seen + (1 - share) * remembered


class MeanFusion(nn.Module):
    """Half of what is seen, half of what is remembered."""

    def forward(self, seen: Tensor, remembered: Tensor) -> Tensor:
        return 0.5 * (seen + remembered)


class SameWidth(nn.Module):
    """Tokens are stored as wide as they come."""

    def narrow(self, tokens: Tensor) -> Tensor:
        return tokens

    def widen(self, tokens: Tensor, seen: Tensor, fused: Tensor) -> Tensor:
        return fused


class NarrowWidth(nn.Module):
    """Tokens are projected before they are stored; what the memory changes is projected back and added.

    A gate that lets nothing through therefore leaves the wide tokens exactly as they were.
    """

    def __init__(self, token_width: int, width: int) -> None:
        super().__init__()
        self.into = nn.Linear(token_width, width)
        self.back = nn.Linear(width, token_width, bias=False)

    def narrow(self, tokens: Tensor) -> Tensor:
        narrowed: Tensor = self.into(tokens)
        return narrowed

    def widen(self, tokens: Tensor, seen: Tensor, fused: Tensor) -> Tensor:
        widened: Tensor = tokens + self.back(fused - seen)
        return widened
