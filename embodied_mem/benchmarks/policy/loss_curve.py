"""A training's loss as a picture: each step, and how it goes on the whole; lessons and acting apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from embodied_mem.viz.figures import drawn

SMOOTHED = 25
"""Steps that the thick line is the mean of."""


def loss_curve(losses: Sequence[float], num_lessons: int) -> UInt8[np.ndarray, "h w 3"]:
    """The loss over steps, of which the first `num_lessons` are lessons: another loss, so drawn beside the others."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    parts = [("lessons", losses[:num_lessons], 0), ("acting", losses[num_lessons:], num_lessons)]
    shown = [part for part in parts if part[1]]
    figure = Figure(figsize=(7.6, 3.2), dpi=110)
    for column, (name, part, begin) in enumerate(shown, start=1):
        axes = figure.add_subplot(1, len(shown), column)
        steps = np.arange(begin + 1, begin + len(part) + 1)
        axes.plot(steps, part, color="#9bbcc7", lw=0.8)
        size = min(SMOOTHED, len(part))
        axes.plot(
            steps[size - 1 :], np.convolve(part, np.full(size, 1 / size), "valid"), color="#1f6f8b", lw=2
        )
        axes.set(title=name, xlabel="step", ylabel="loss")
        if min(part) > 0:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("")
    figure.tight_layout()
    return drawn(figure)
