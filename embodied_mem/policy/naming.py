"""Which things a view shows, by their names, and which of them the robot was told about.

A small convolutional network names what is seen in each cell of a picture. It is taught first and alone (`policy/naming_lessons.py`)
and does not learn afterwards, so that names which a bank keeps mean the same while everything else is trained. What is told
is compared with what was named without weights, as colours are in `policy/recognition.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from embodied_mem.errors import InvalidMessage
from embodied_mem.policy.seam import Instructions
from embodied_mem.policy.ways import task_of

HEIGHT_PX, WIDTH_PX = 192, 240
"""The picture in which things are named; a view of another size is scaled to it."""
CELL_PX = 8
CHANNELS = (24, 48, 64)
LEAST = 1e-6


class Naming(nn.Module):
    """Names what is in view: one of `num_words` kinds of things, or none, for each cell of 8 x 8 pixels."""

    def __init__(self, num_words: int) -> None:
        super().__init__()
        few, more, most = CHANNELS
        self.layers = nn.Sequential(
            _layer(3, few, 5, stride=2), _layer(few, more, 3, stride=2), _layer(more, most, 3, stride=2),
            _layer(most, most, 3), _layer(most, most, 3), nn.Conv2d(most, num_words + 1, 1),
        )  # fmt: skip

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k r c"]:
        """The logits of each cell: that there is none, then of each kind."""
        named: Tensor = self.layers(pictures)
        return named

    @torch.no_grad()
    def names(self, images: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b 1 k"]:
        """How sure it is that each kind is in view: its probability in the cell where that is the largest."""
        pictures = brightness(naming_pictures(images))
        sure: Tensor = self(pictures).softmax(dim=1)[:, 1:].flatten(2).amax(dim=2)
        return sure[:, None]


def _layer(enter: int, leave: int, size: int, *, stride: int = 1) -> nn.Module:
    """Normalised over the batch, without which it learns several times as slowly."""
    return nn.Sequential(
        nn.Conv2d(enter, leave, size, stride=stride, padding=size // 2, bias=False), nn.BatchNorm2d(leave), nn.GELU()
    )  # fmt: skip


def naming_pictures(images: UInt8[Tensor, "b h w 3"]) -> UInt8[Tensor, "b 3 r c"]:
    """Pictures of the size in which things are named."""
    pictures = images.permute(0, 3, 1, 2)
    if pictures.shape[-2:] == (HEIGHT_PX, WIDTH_PX):
        return pictures
    scaled = nn.functional.interpolate(pictures.float(), size=(HEIGHT_PX, WIDTH_PX), mode="area")
    return scaled.round().to(torch.uint8)


def brightness(pictures: UInt8[Tensor, "b 3 r c"]) -> Float[Tensor, "b 3 r c"]:
    """From -1 (black) to 1 (white)."""
    return pictures.float() / 127.5 - 1.0


def told_words(words: Sequence[str], instruction: Instructions, num_rows: int) -> Float[Tensor, "b k"]:
    """Which of the words each row's instruction has in it (1 or 0), whatever memory tells before it. A longer word hides the shorter ones
    in it: who is told of a soap bottle is not told of a bottle.

    Raises:
        InvalidMessage: not one text for each row.
    """
    each = [instruction] * num_rows if isinstance(instruction, str) else instruction
    is_text = isinstance(each, Sequence) and all(isinstance(one, str) for one in each)
    if not is_text or len(each) != num_rows:
        what = f"{len(each)} instructions" if is_text else f"instruction {instruction!r}"
        raise InvalidMessage(f"{what} for {num_rows} rows: give one text for each, or one for all.")
    found = [words_in(words, task_of(one)) for one in each]
    return torch.tensor([[float(word in there) for word in words] for there in found]).reshape(
        num_rows, len(words)
    )


def words_in(words: Sequence[str], text: str) -> frozenset[str]:
    """Those of the words that a text has in it, whole and in any case."""
    longest_first = sorted(words, key=len, reverse=True)
    if not longest_first:
        return frozenset()
    pattern = r"\b(?:" + "|".join(re.escape(word) for word in longest_first) + r")\b"
    said = {one.lower() for one in re.findall(pattern, text, flags=re.IGNORECASE)}
    return frozenset(word for word in words if word.lower() in said)


def agreement(
    named: Float[Tensor, "b m k"], told: Float[Tensor, "b k"], is_there: Bool[Tensor, "b m"]
) -> Float[Tensor, "b m"]:
    """How well what was named at each moment agrees with what is told: 1 at the best of a row's moments, 0 where nothing is.

    It is measured by the best of all moments, so that an earlier one is rated anew by what comes later.
    """
    sure = torch.einsum("bmk,bk->bm", named, told) * is_there
    return sure / (sure.amax(dim=1, keepdim=True) + LEAST)
