"""Pictures as tokens: fixed ones that a bank may keep while everything else is trained, and learned ones for acting.

The fixed tokens are patches of a small picture (their mean colours in a grid of cells) with sines of where they are; the
cognitive token is the whole picture, coarsely. A bank's memory is therefore linear in pictures, whatever is learned.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

SIDE_PX, GRID, CELLS = 128, 8, 4
POSITION_WIDTH = 16
TOKEN_WIDTH = CELLS * CELLS * 3 + POSITION_WIDTH
NUM_TOKENS = GRID * GRID
COGNITIVE_WIDTH = GRID * GRID * 3


def small_pictures(images: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b 3 s s"]:
    """Pictures of the size that the tokens are made of, -1 to 1."""
    pictures = images.permute(0, 3, 1, 2).float() / 127.5 - 1.0
    if pictures.shape[-2:] == (SIDE_PX, SIDE_PX):
        return pictures
    return nn.functional.interpolate(pictures, size=(SIDE_PX, SIDE_PX), mode="area")


def fixed_tokens(pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b n d"]:
    """One token for each of 8 x 8 patches."""
    cells = nn.functional.avg_pool2d(pictures, SIDE_PX // (GRID * CELLS))
    patches = nn.functional.unfold(cells, CELLS, stride=CELLS).transpose(1, 2)
    places = _places().to(pictures.device).expand(len(pictures), -1, -1)
    return torch.cat([patches, places], dim=2)


def cognitive_token(pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b 1 d"]:
    """The whole picture as one token."""
    return nn.functional.avg_pool2d(pictures, SIDE_PX // GRID).flatten(1)[:, None]


class Eyes(nn.Module):
    """Learned tokens of the present picture, one for each patch, at the same places as the fixed ones."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 8, stride=4, padding=2), nn.GELU(),
            nn.Conv2d(32, width, 4, stride=4), nn.GELU(), nn.Conv2d(width, width, 3, padding=1),
        )  # fmt: skip

    def forward(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b n d"]:
        tokens: Tensor = self.layers(pictures).flatten(2).transpose(1, 2)
        return tokens


def _places() -> Float[Tensor, "1 n d"]:
    along = torch.linspace(-1.0, 1.0, GRID)
    rows, columns = torch.meshgrid(along, along, indexing="ij")
    angles = (
        math.pi
        * torch.stack([rows, columns], dim=-1).flatten(0, 1)[:, :, None]
        * torch.tensor([0.5, 1.0, 2.0, 4.0])
    )
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)[None]
