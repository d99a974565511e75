"""The memory from above: what the place looks like, what is where, where things went and the robot was."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.patheffects
import numpy as np
from jaxtyping import Float, Float64, UInt8
from matplotlib.figure import Figure

from embodied_mem.layers.occupancy import MapSnapshot
from embodied_mem.messages import Change, Entity
from embodied_mem.viz.figures import drawn

HEADROOM_M = 2.0
"""What hangs higher above the floor (ceilings, lamps, lintels) is left out, to look into the rooms."""

PAPER = (0.955, 0.96, 0.965)
INK, MARK, GONE, ARROW = "#1c2126", "#1f6f8b", "#8a949d", "#d1495b"


def top_down_map(
    snapshot: MapSnapshot,
    entities: Sequence[Entity] = (),
    *,
    path_world: Float[np.ndarray, "n 3"] | None = None,
    moves: Sequence[Change] = (),
    width_px: int = 1400,
) -> UInt8[np.ndarray, "h w 3"]:
    """A plan, y up and x right, in metres: the highest surface below head room in its colour, entities with
    their labels (grey: gone), the robot's path as a line, `moves` as arrows from where things were.
    """
    colors, low, high = plan_colors(snapshot)
    size_m = np.maximum(high - low, 0.5)
    height_px = float(np.clip(width_px * size_m[1] / size_m[0], width_px * 0.35, width_px * 1.6))
    figure = Figure(
        figsize=(width_px / 100, height_px / 100), dpi=100, facecolor="white", layout="constrained"
    )
    axes = figure.add_subplot()
    axes.set_facecolor(PAPER)
    extent = (float(low[0]), float(high[0]), float(low[1]), float(high[1]))
    axes.imshow(colors, origin="lower", extent=extent, interpolation="nearest", zorder=0)
    if path_world is not None and len(path_world):
        axes.plot(path_world[:, 0], path_world[:, 1], color=MARK, linewidth=1.6, alpha=0.85, zorder=2)
        axes.plot(*path_world[-1, :2], marker="o", markersize=7, color=MARK, zorder=3)
    for entity in entities:
        _draw_entity(axes, entity)
    for change in moves:
        _draw_move(axes, change)
    axes.set_xlabel("x [m]")
    axes.set_ylabel("y [m]")
    axes.set_aspect("equal")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return drawn(figure)


def plan_colors(
    snapshot: MapSnapshot, *, margin_m: float = 0.3
) -> tuple[Float64[np.ndarray, "h w 3"], Float64[np.ndarray, "2"], Float64[np.ndarray, "2"]]:
    """An image of the occupied map from above (row 0 at the lowest y), and its lowest and highest x and y.

    Higher surfaces cover lower ones; the floor is paler, so that what stands on it stands out.
    """
    occupied = snapshot.occupied()
    points = occupied.means_world
    if not len(points):
        return np.full((10, 10, 3), PAPER), np.zeros(2), np.ones(2)
    floor_m = floor_height_m(points)
    shown = points[:, 2] < floor_m + HEADROOM_M
    points, colors = points[shown], occupied.color_rgb[shown].astype(np.float64) / 255.0
    pixel_m = snapshot.cell_m
    low = np.percentile(points[:, :2], 0.2, axis=0) - margin_m
    high = np.percentile(points[:, :2], 99.8, axis=0) + margin_m
    shape = np.maximum(np.ceil((high - low) / pixel_m).astype(int), 1)
    columns, rows = ((points[:, :2] - low) / pixel_m).astype(int).T
    inside = (columns >= 0) & (columns < shape[0]) & (rows >= 0) & (rows < shape[1])
    order = np.argsort(points[inside, 2], kind="stable")  # what is written last stays: the highest
    fade = np.clip((points[:, 2] - floor_m) / 0.25, 0.45, 1.0)[:, None]
    colors = colors * fade + np.array(PAPER) * (1 - fade)
    image = np.full((shape[1], shape[0], 3), PAPER)
    image[rows[inside][order], columns[inside][order]] = colors[inside][order]
    return image, low, low + shape * pixel_m


def floor_height_m(points_world: Float[np.ndarray, "n 3"]) -> float:
    """The height of the lowest level surface: the first 5 cm slice that holds a fair share of the points."""
    heights = points_world[:, 2].astype(np.float64)
    edges = np.arange(heights.min(), heights.max() + 0.1, 0.05)
    counts, _ = np.histogram(heights, bins=edges)
    return float(edges[int(np.argmax(counts >= 0.2 * counts.max()))])


def _draw_entity(axes: object, entity: Entity) -> None:
    x, y, _ = entity.placement.position_world_m
    color = INK if entity.is_present else GONE
    axes.plot(x, y, marker="o" if entity.is_present else "x", markersize=3.5, color=color, zorder=4)  # type: ignore[attr-defined]
    axes.annotate(  # type: ignore[attr-defined]
        entity.label, (x, y), xytext=(3, 2), textcoords="offset points", fontsize=7, color=color, zorder=5,
        path_effects=[matplotlib.patheffects.withStroke(linewidth=2, foreground="white", alpha=0.85)],
    )  # fmt: skip


def _draw_move(axes: object, change: Change) -> None:
    before, after = change.before, change.after
    if before is not None and after is not None:
        axes.annotate(  # type: ignore[attr-defined]
            "", after.position_world_m[:2], xytext=before.position_world_m[:2], zorder=6,
            arrowprops={"arrowstyle": "-|>", "color": ARROW, "linewidth": 2.0, "connectionstyle": "arc3,rad=0.12"},
        )  # fmt: skip
    place = after or before
    if place is None:
        return
    text = change.label if change.kind == "move" else f"{change.label} ({change.kind})"
    x, y, _ = place.position_world_m
    axes.annotate(  # type: ignore[attr-defined]
        text, (x, y), xytext=(5, -10), textcoords="offset points", fontsize=9, color=ARROW, weight="bold", zorder=7,
        path_effects=[matplotlib.patheffects.withStroke(linewidth=2.5, foreground="white")],
    )  # fmt: skip
    if change.kind != "move":
        axes.plot(x, y, marker="x" if change.kind == "vanish" else "P", color=ARROW, markersize=8, zorder=6)  # type: ignore[attr-defined]
