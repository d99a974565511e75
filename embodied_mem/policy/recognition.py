"""Where in the present picture something is seen that was seen before, elsewhere: what was remembered and has left its place,
found again by its colours.

A small policy does not learn to compare what it sees with what it remembers from a few hundred decisions; each alone it learns in
a minute. So the comparison is made for it, without weights: for every kept picture, cells that have changed since are compared
with the present cells that have changed, and pictures of the same scene count most.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from embodied_mem.policy import vision

SHARPNESS = 10.0
"""How much less a cell counts whose colour differs in direction: exp(-10) at a right angle."""
SAME_SCENE = 30.0
"""How much less a kept picture counts that differs all over: exp(-30) for each unit of mean difference."""
FAINT = 0.1
"""Differences from the ground smaller than this are no colour (2 is from black to white)."""
LEAST = 1e-3


@torch.no_grad()
def recognised(
    now: Float[Tensor, "b n d"], kept: Float[Tensor, "b l n d"], is_kept: Bool[Tensor, "b l"]
) -> Float[Tensor, "b e"]:
    """How much of what was kept is seen again at each of the eyes' patches, 1 at the strongest; 0 where nothing is kept.

    The tokens are as `vision.fixed_tokens` gives them; `kept` are a bank's entries.
    """
    cells, before = _cells(now), _cells(kept)
    changed = (cells[:, None] - before).norm(dim=-1)
    alike = torch.exp(SHARPNESS * (_hue(before) @ _hue(cells)[:, None].transpose(2, 3) - 1.0))
    left = changed / (changed.sum(dim=2, keepdim=True) + FAINT)
    again = changed * torch.einsum("blk,blkn->bln", left, alike)
    likeness = (-SAME_SCENE * changed.mean(dim=2)).masked_fill(~is_kept, -1e9).softmax(dim=1)
    strength = torch.einsum("bl,bln->bn", likeness, again) * is_kept.any(dim=1, keepdim=True)
    strongest = _of_patches(strength)
    found: Tensor = strongest / (strongest.amax(dim=1, keepdim=True) + LEAST)
    return found


def nothing_recognised(num_rows: int) -> Float[Tensor, "b e"]:
    """What `recognised` gives where nothing is kept."""
    return torch.zeros(num_rows, vision.NUM_EYE_TOKENS)


def _cells(tokens: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b c 3"]:
    """The colours of a picture's cells, row by row."""
    grid, side = vision.GRID, vision.CELLS
    lead = tokens.shape[:-2]
    patches = tokens[..., : side * side * 3].reshape(-1, grid, grid, 3, side, side)
    return patches.permute(0, 1, 4, 2, 5, 3).reshape(*lead, (grid * side) ** 2, 3)


def _hue(cells: Tensor) -> Tensor:
    hue: Tensor = cells / (cells.norm(dim=-1, keepdim=True) + FAINT)
    return hue


def _of_patches(strength: Float[Tensor, "b c"]) -> Float[Tensor, "b e"]:
    """The strongest cell of each of the eyes' patches."""
    side = vision.GRID * vision.CELLS
    picture = strength.reshape(-1, 1, side, side)
    strongest: Tensor = torch.nn.functional.max_pool2d(picture, side // vision.EYE_GRID)
    return strongest.flatten(1)
