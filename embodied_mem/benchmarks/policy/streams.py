"""Recorded views as the tokens of a vision encoder: 16 x 16 patches of an image, 256 numbers each.

There is no pretrained encoder in the package, so a fixed random one stands in: it keeps what matters here, that views
which follow each other look alike and that places differ.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from embodied_mem.messages import Frame

IMAGE_SIDE_PX, PATCH_PX, WIDTH = 128, 8, 256


class TokenStream(NamedTuple):
    """Tokens of views in their order, and where the views come from."""

    tokens: Float[Tensor, "t n d"]
    source: str


def recorded_stream(num_views: int) -> TokenStream:
    """Views of the recording below $EMBODIED_MEM_DATA; without it, of a drawn room."""
    folder = os.environ.get("EMBODIED_MEM_DATA")
    frames, source = _recording(Path(folder)) if folder else _room(num_views)
    images = [_small(frame) for frame in islice(frames, num_views)]
    return TokenStream(encode(np.stack(images)), source)


def encode(images: Float[np.ndarray, "t h w 3"]) -> Float[Tensor, "t n d"]:
    """Two fixed random convolutions and a layer norm."""
    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Conv2d(3, 64, 5, stride=2, padding=2), nn.GELU(),
        nn.Conv2d(64, WIDTH, PATCH_PX // 2, stride=PATCH_PX // 2),
    )  # fmt: skip
    with torch.inference_mode():
        features: Tensor = encoder(torch.from_numpy(images).permute(0, 3, 1, 2))
        return nn.functional.layer_norm(features.flatten(2).transpose(1, 2), (WIDTH,))


def _small(frame: Frame) -> Float[np.ndarray, "h w 3"]:
    assert frame.rgb is not None, "both sources give colour"
    resized = cv2.resize(frame.rgb, (IMAGE_SIDE_PX, IMAGE_SIDE_PX), interpolation=cv2.INTER_AREA)
    scaled: Float[np.ndarray, "h w 3"] = resized.astype(np.float32) / 127.5 - 1.0
    return scaled


def _recording(folder: Path) -> tuple[Iterator[Frame], str]:
    from embodied_mem.replay.seven_scenes import SevenScenesFolder

    return SevenScenesFolder(folder / "7scenes", is_upright=True).frames(), "7-Scenes"


def _room(num_views: int) -> tuple[Iterator[Frame], str]:
    from embodied_mem.testing import SyntheticRoom

    return iter(SyntheticRoom(seed=0).frames(num_views)), "drawn room"
