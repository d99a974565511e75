"""What perception makes of one frame: points in world, and the instances in view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int16

from embodied_mem.geometry import Box
from embodied_mem.messages.sensing import Frame


@dataclass(frozen=True, kw_only=True)
class ObservedInstance:
    """One thing seen in one frame. Its points are in world, thinned; flying pixels at its rim are left out.

    `appearance` is a unit vector to compare by cosine (colour statistics, or the detector's embedding);
    `color_rgb` the mean colour in 0..255. `is_cut` says that the image border or something nearer hides part of
    it, so that its box may be too small.
    """

    label: str
    score: float
    points_world: Float32[np.ndarray, "n 3"]
    box: Box
    num_pixels: int
    distance_m: float
    appearance: Float32[np.ndarray, "d"]
    color_rgb: tuple[float, float, float]
    is_cut: bool


@dataclass(frozen=True, kw_only=True)
class Percept:
    """A frame understood: its instances, and the label of each pixel.

    `label_index` holds for each pixel an index into `labels`, or -1; None when the frame has no segmentation.
    `instances` has only countable things (no walls or floors); people are among them.
    """

    frame: Frame
    instances: tuple[ObservedInstance, ...]
    labels: tuple[str, ...] = ()
    label_index: Int16[np.ndarray, "h w"] | None = None
