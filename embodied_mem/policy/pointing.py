"""Where in the picture to act: one of the eyes' patches is pointed at, and what is seen there conditions the action.

A place is chosen by a softmax over patches and learned as a classification, which takes far fewer examples than the
regression of an action that has several likely values (as in PerAct and SAM2Act, arXiv 2209.05451, 2501.18564).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from embodied_mem.policy import vision

SPREAD = 0.6
"""How far around the place the patches count as right, in patches."""


class Pointing(nn.Module):
    """Chooses among the eyes' tokens by what conditions the action."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.key = nn.Linear(width, width)
        self.leave = nn.Linear(width, width)

    def forward(
        self, eyes: Float[Tensor, "b e d"], condition: Float[Tensor, "b d"], expected: Float[Tensor, "b e"]
    ) -> tuple[Float[Tensor, "b e"], Float[Tensor, "b d"]]:
        """The logits of the patches, beginning from those that are `expected`, and what is seen where they point."""
        matches = torch.einsum("bed,bd->be", self.key(eyes), self.query(condition)) / eyes.shape[2] ** 0.5
        logits = expected + matches
        seen = torch.einsum("be,bed->bd", logits.softmax(dim=1), eyes)
        return logits, self.leave(seen)


def pointing_loss(logits: Float[Tensor, "b e"], places: Float[Tensor, "b 2"]) -> Float[Tensor, ""]:
    """The cross-entropy to the patches around `places` (column and row as parts of the picture; NaN: nothing is to be learned)."""
    is_known = places.isfinite().all(dim=1)
    wanted = _around(places.nan_to_num(), logits.device)
    errors = -(wanted * logits.log_softmax(dim=1)).sum(dim=1)
    return (errors * is_known).sum() / is_known.sum().clamp(min=1)


def _around(places: Float[Tensor, "b 2"], device: torch.device) -> Float[Tensor, "b e"]:
    centres = torch.arange(vision.EYE_GRID, device=device) + 0.5
    rows, columns = torch.meshgrid(centres, centres, indexing="ij")
    at = places.to(device) * vision.EYE_GRID
    squared = (columns.flatten() - at[:, :1]).square() + (rows.flatten() - at[:, 1:]).square()
    return (-squared / (2 * SPREAD**2)).softmax(dim=1)
