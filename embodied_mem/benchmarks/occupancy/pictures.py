"""What each map expects to see from a held-out view, beside what was measured there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from embodied_mem.benchmarks.occupancy.maps import ScoredMap
from embodied_mem.messages import Frame
from embodied_mem.viz.report import Picture

EVERY_PX = 4


def depth_pictures(frame: Frame, maps: Sequence[ScoredMap]) -> Picture:
    """Depth images in one row, white where there is none."""
    v_px, u_px = np.mgrid[0 : frame.camera.height_px : EVERY_PX, 0 : frame.camera.width_px : EVERY_PX]
    images = {"measured": frame.depth_m[v_px, u_px]}
    for scored in maps:
        images[scored.name] = scored.depths_m(frame, u_px.ravel(), v_px.ravel()).reshape(u_px.shape)
    figure = Figure(figsize=(4 * len(images), 3.2), dpi=100, facecolor="white", layout="constrained")
    panels = figure.subplots(1, len(images), squeeze=False)[0]
    for axes, (name, depth_m) in zip(panels, images.items(), strict=True):
        shown = np.where((depth_m > 0.0) & np.isfinite(depth_m), depth_m, np.nan)
        axes.imshow(shown, vmin=0.4, vmax=3.5, cmap="viridis")
        axes.set_title(name)
        axes.set_axis_off()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = np.array(canvas.buffer_rgba())[:, :, :3]
    return Picture(
        title="A view that no map was built from",
        image=image,
        caption="Planar depth, 0.4 m (dark) to 3.5 m (bright).",
    )
