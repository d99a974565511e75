"""What each map expects to see from a held-out view beside what was measured there, and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from embodied_mem.benchmarks.occupancy.curves import Curve
from embodied_mem.benchmarks.occupancy.maps import ScoredMap
from embodied_mem.benchmarks.results import Goal
from embodied_mem.messages import Frame
from embodied_mem.viz.figures import drawn
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
    return Picture(
        title="A view that no map was built from",
        image=drawn(figure),
        caption="Planar depth, 0.4 m (dark) to 3.5 m (bright).",
    )


def curve_picture(curve: Curve, goals: Mapping[str, Goal]) -> Picture:
    """One panel for each line; a dashed line is its goal."""
    figure = Figure(figsize=(3.4 * len(curve.lines), 2.8), dpi=100, facecolor="white", layout="constrained")
    panels = figure.subplots(1, len(curve.lines), squeeze=False)[0]
    for axes, (name, values) in zip(panels, curve.lines.items(), strict=True):
        axes.plot(curve.x, values, marker="o")
        if name in goals:
            axes.axhline(goals[name].value, linestyle="--", color="gray")
        axes.set_title(name)
        axes.set_xlabel(curve.x_name, fontsize=8)
    return Picture(title=curve.title, image=drawn(figure), caption=curve.caption)
