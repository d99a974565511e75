"""Where in the present picture something has the colours of what was seen before, wherever that was.

A small policy does not learn to compare what it sees with what it remembers from a few hundred decisions; each alone it learns in
a minute. So the comparison is made for it, without weights, between things that stand out: how a cell differs from the median of
its surroundings, not from what was at that place, so that memories of another scene compare as well as those of this one.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from embodied_mem.policy import vision

SHARPNESS = 60.0
"""How much less a cell counts whose contrast differs in direction: exp(-60) at a right angle."""
LEAST_EXPONENT = -80.0
"""Nothing counts less than exp(-80); from exp(-87) on numbers are denormal, and each costs ten times as much."""
FAINT = 0.05
"""Contrasts smaller than this are no colour (2 is from black to white)."""
LEAST = 0.1
SURROUNDINGS = 5
"""Cells along a side of what a cell is compared with; a thing that stands out fills less than half of that."""
STRONGEST = 64
"""How many cells of a kept picture are compared."""
SIDE = vision.GRID * vision.CELLS


@torch.no_grad()
def recognised(
    now: Float[Tensor, "b n d"], kept: Float[Tensor, "b l n d"], is_kept: Bool[Tensor, "b l"]
) -> Float[Tensor, "b e"]:
    """How much of what was kept is seen again at each of the eyes' patches, 1 at the strongest; 0 where nothing is kept.

    The tokens are as `vision.fixed_tokens` gives them; `kept` are a bank's entries.
    """
    return seen_again(contrasts(now), contrasts(kept), is_kept)


@torch.no_grad()
def seen_again(
    cells: Float[Tensor, "b c 3"], kept: Float[Tensor, "b l c 3"], is_kept: Bool[Tensor, "b l"]
) -> Float[Tensor, "b e"]:
    """`recognised`, from the contrasts of the present picture and of those that were kept."""
    before = _strongest(kept.masked_fill(~is_kept[:, :, None, None], 0.0)).flatten(1, 2)
    alike = _hue(cells) @ _hue(before).transpose(1, 2)
    alike.sub_(1.0).mul_(SHARPNESS).clamp_(min=LEAST_EXPONENT).exp_()
    strength = before.norm(dim=-1)
    again = torch.einsum("bnk,bk->bn", alike, strength) / (strength.sum(dim=1, keepdim=True) + LEAST)
    strongest = _of_patches(again * cells.norm(dim=-1).sqrt())
    found: Tensor = strongest / (strongest.amax(dim=1, keepdim=True) + 1e-6)
    return found


def nothing_recognised(num_rows: int) -> Float[Tensor, "b e"]:
    """What `recognised` gives where nothing is kept."""
    return torch.zeros(num_rows, vision.NUM_EYE_TOKENS)


def contrasts(tokens: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b c 3"]:
    """How the colour of each of a picture's cells differs from that of its surroundings, row by row. Neighbours are taken
    together, so that a thing on the border of cells has its colour too.
    """
    grid, side = vision.GRID, vision.CELLS
    lead = tokens.shape[:-2]
    patches = tokens[..., : side * side * 3].reshape(-1, grid, grid, 3, side, side)
    pictures = patches.permute(0, 3, 1, 4, 2, 5).reshape(-1, 3, SIDE, SIDE)
    contrast = pictures - _medians(pictures)
    near = torch.tensor([0.5, 1.0, 0.5])
    kernel = (near[:, None] * near).expand(3, 1, 3, 3)
    together = conv2d(contrast, kernel, padding=1, groups=3)
    return together.flatten(2).transpose(1, 2).reshape(*lead, SIDE * SIDE, 3)


def _medians(pictures: Float[Tensor, "k 3 s s"]) -> Float[Tensor, "k 3 s s"]:
    """The median of each cell's surroundings; a border goes on as it ends."""
    around = np.empty(pictures.shape, dtype=np.float32)
    for picture, median in zip(pictures.flatten(0, 1).numpy(), around.reshape(-1, SIDE, SIDE), strict=True):
        cv2.medianBlur(picture, SURROUNDINGS, dst=median)
    return torch.from_numpy(around)


def _strongest(kept: Float[Tensor, "b l c 3"]) -> Float[Tensor, "b l s 3"]:
    """The cells of every picture that stand out most; the others are ground, and cost as much to compare."""
    order = kept.norm(dim=-1).topk(STRONGEST, dim=2).indices
    return kept.gather(2, order[..., None].expand(-1, -1, -1, 3))


def _hue(cells: Tensor) -> Tensor:
    hue: Tensor = cells / (cells.norm(dim=-1, keepdim=True) + FAINT)
    return hue


def _of_patches(strength: Float[Tensor, "b c"]) -> Float[Tensor, "b e"]:
    """The strongest cell of each of the eyes' patches."""
    strongest: Tensor = max_pool2d(strength.reshape(-1, 1, SIDE, SIDE), SIDE // vision.EYE_GRID)
    return strongest.flatten(1)
