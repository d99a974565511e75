"""A matplotlib figure as an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def drawn(figure: Figure) -> UInt8[np.ndarray, "h w 3"]:
    """The figure as RGB pixels; no window and no pyplot state is involved."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[:, :, :3]
