"""Pictures as tokens: few fixed ones that a bank may keep while everything else is trained, and learned ones for acting.

The fixed tokens are 4 x 4 patches of a small picture (their mean colours in a grid of cells) with sines of where they are;
the cognitive token is the whole picture, coarsely. A bank's memory is therefore linear in pictures, whatever is learned.
The eyes have 16 x 16 patches that overlap, in four times the detail.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

SIDE_PX, GRID, CELLS = 128, 4, 4
EYE_GRID, EYE_CHANNELS = 16, (32, 64)
COGNITIVE_GRID = 8
POSITION_WIDTH = 16
MEDIAN_STRIDE = 4
"""The ground's colour is taken from every so many pixels."""
LEAST_DEVIATION = 0.1
"""Deviations smaller than this part of the brightness range count as noise."""
TOKEN_WIDTH = CELLS * CELLS * 3 + POSITION_WIDTH
NUM_TOKENS, NUM_EYE_TOKENS = GRID * GRID, EYE_GRID * EYE_GRID
COGNITIVE_WIDTH = COGNITIVE_GRID * COGNITIVE_GRID * 3


def small_pictures(images: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b 3 s s"]:
    """Pictures of the size that the tokens are made of, as differences from their median colour (that of the table, or of the
    floor), since light and ground say nothing: 2 is from black to white.
    """
    pictures = images.permute(0, 3, 1, 2).float() / 127.5 - 1.0
    if pictures.shape[-2:] != (SIDE_PX, SIDE_PX):
        pictures = nn.functional.interpolate(pictures, size=(SIDE_PX, SIDE_PX), mode="area")
    ground = pictures[:, :, ::MEDIAN_STRIDE, ::MEDIAN_STRIDE].flatten(2).median(dim=2).values
    return pictures - ground[:, :, None, None]


def fixed_tokens(pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b n d"]:
    """One token for each of 4 x 4 patches."""
    patches = _patches(pictures, GRID, CELLS)
    places = _places(GRID).to(pictures.device).expand(len(pictures), -1, -1)
    return torch.cat([patches, places], dim=2)


def cognitive_token(pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b 1 d"]:
    """The whole picture as one token."""
    return nn.functional.avg_pool2d(pictures, SIDE_PX // COGNITIVE_GRID).flatten(1)[:, None]


class Scaling(nn.Module):
    """The fixed tokens as banks get them: how a picture differs from the mean one, in deviations, so that what changes counts.

    It is fitted once to the pictures of demonstrations, and not learned.
    """

    token_mean: Tensor
    token_scale: Tensor
    whole_mean: Tensor
    whole_scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, shape in (("token", (NUM_TOKENS, TOKEN_WIDTH)), ("whole", (1, COGNITIVE_WIDTH))):
            self.register_buffer(f"{name}_mean", torch.zeros(shape))
            self.register_buffer(f"{name}_scale", torch.ones(shape))

    def forward(
        self, pictures: Float[Tensor, "b 3 s s"]
    ) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b 1 w"]]:
        """The perceptual tokens and the cognitive token of each picture."""
        tokens = (fixed_tokens(pictures) - self.token_mean) * self.token_scale
        return tokens, (cognitive_token(pictures) - self.whole_mean) * self.whole_scale

    def unscaled(self, tokens: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b n d"]:
        """Perceptual tokens as `fixed_tokens` gave them."""
        return tokens / self.token_scale + self.token_mean

    @torch.no_grad()
    def fit(self, pictures: Float[Tensor, "b 3 s s"]) -> None:
        """Take mean and deviation from these pictures; where a token is stays as it is."""
        tokens, whole = fixed_tokens(pictures), cognitive_token(pictures)
        colours = slice(0, TOKEN_WIDTH - POSITION_WIDTH)
        self.token_mean[:, colours] = tokens.mean(dim=0)[:, colours]
        self.token_scale[:, colours] = 1.0 / (tokens.std(dim=0)[:, colours] + LEAST_DEVIATION)
        self.whole_mean.copy_(whole.mean(dim=0))
        self.whole_scale.copy_(1.0 / (whole.std(dim=0) + LEAST_DEVIATION))


class Eyes(nn.Module):
    """Learned tokens of the present picture, one for each of 16 x 16 patches, each with some of its surroundings."""

    def __init__(self, width: int) -> None:
        super().__init__()
        few, more = EYE_CHANNELS
        self.layers = nn.Sequential(
            nn.Conv2d(3, few, 4, stride=2, padding=1), nn.GELU(), nn.Conv2d(few, more, 4, stride=2, padding=1), nn.GELU(),
            nn.Conv2d(more, width, 3, padding=1), nn.GELU(), nn.Conv2d(width, width, 1),
        )  # fmt: skip
        waves = _places(EYE_GRID)[0]
        self.places = nn.Parameter(waves @ torch.randn(POSITION_WIDTH, width) * 0.1)

    def forward(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b n d"]:
        small = nn.functional.avg_pool2d(pictures, SIDE_PX // (4 * EYE_GRID))
        tokens: Tensor = self.layers(small).flatten(2).transpose(1, 2) + self.places
        return tokens


def coarser(eyes: Float[Tensor, "b n d"]) -> Float[Tensor, "b m d"]:
    """The eyes' tokens by fours, each the mean of neighbours."""
    pictures = eyes.transpose(1, 2).reshape(len(eyes), -1, EYE_GRID, EYE_GRID)
    return nn.functional.avg_pool2d(pictures, 2).flatten(2).transpose(1, 2)


def _patches(pictures: Tensor, grid: int, cells: int) -> Float[Tensor, "b n d"]:
    """A picture's patches, each as the mean colours of its cells."""
    small = nn.functional.avg_pool2d(pictures, SIDE_PX // (grid * cells))
    return nn.functional.unfold(small, cells, stride=cells).transpose(1, 2)


def _places(grid: int) -> Float[Tensor, "1 n d"]:
    along = torch.linspace(-1.0, 1.0, grid)
    rows, columns = torch.meshgrid(along, along, indexing="ij")
    angles = (
        math.pi
        * torch.stack([rows, columns], dim=-1).flatten(0, 1)[:, :, None]
        * torch.tensor([0.5, 1.0, 2.0, 4.0])
    )
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)[None]
