"""The page of `bench world`: ours beside the baselines by category, curves over faults, and how far beliefs come true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8

from embodied_mem.benchmarks.results import Row
from embodied_mem.benchmarks.world.exam import OURS, Key, Tally
from embodied_mem.viz.figures import drawn
from embodied_mem.viz.report import Cell, Picture, Section, Table, Text

ByWho = Mapping[str, Tally]
"""Tallies by who answered."""
FAULTS = {
    "curve/miss_rate": "detections missed", "curve/label_noise": "labels wrong", "curve/pose_m": "pose noise, m",
    "curve/depth_m": "depth noise, m",
}  # fmt: skip
BELIEFS = {
    "absence/was_there/belief": "that something is still there", "priors/was_there/ours/belief": "where an unseen thing is",
    "priors/was_there/last_seen/belief": "the same of last-seen",
}  # fmt: skip
PUBLISHED = (
    "For orientation, as published, on the original data and not on ours: FindingDory, best model 52.4 % and oracle "
    "95.9 %; OST-Bench, people 84.1 %, best model 54.3 %, chance 35.7 %."
)


def category_table(perfect: Sequence[ByWho], headline: Sequence[ByWho]) -> Table:
    """Right answers by category: ours with perfect perception, then everybody's at the headline noise."""
    rows: list[Sequence[Cell]] = []
    who = list(headline[0])
    for ours, noisy in zip(perfect, headline, strict=True):
        for category, keys in sorted(ours[OURS].categories().items()):
            asked = sum(ours[OURS].asked[key] for key in keys)
            rows.append(
                (category, asked, _share(ours[OURS], keys), *(_share(noisy[one], keys) for one in who))
            )
    columns = ("category", "asked", "ours, perfect", *(f"{one}, headline" for one in who))
    note = "A dash: it can answer no family of the category by its nature. Families it cannot answer count as wrong here."
    return Table(title="Right answers", columns=columns, rows=rows, note=note)


def apart_table(headline: Sequence[ByWho]) -> Table:
    """The families that a baseline has no answer to; they are left out of what it is compared on."""
    rows: list[Sequence[Cell]] = []
    for who in [one for one in headline[0] if one != OURS]:
        names = sorted(name for by_who in headline for _, name in by_who[who].cannot)
        if names:
            rows.append((who, len(names), ", ".join(names)))
    return Table(title="No answer by nature", columns=("memory", "families", "which"), rows=rows)


def row_sections(rows: Sequence[Row]) -> list[Section]:
    """Pictures of what was measured so far, and what others published."""
    found: list[Section] = []
    if curves := _lines(rows, FAULTS):
        caption = "Our right answers at the end of one day, one fault at a time."
        found.append(Picture(title="Faults", image=_curves(curves), caption=caption))
    if beliefs := _lines(rows, BELIEFS):
        caption = "How often beliefs came true; on the dashed line they are calibrated, below it more was believed than was so."
        found.append(Picture(title="Calibration", image=_reliability(beliefs), caption=caption))
    return [*found, Text(title="Elsewhere", text=PUBLISHED)]


def _share(tally: Tally, keys: Sequence[Key]) -> float:
    return float("nan") if all(key in tally.cannot for key in keys) else tally.share(keys)


Lines = dict[str, list[tuple[float, float]]]


def _lines(rows: Sequence[Row], names: Mapping[str, str]) -> Lines:
    """(x, value) of the rows that are called `<name>=<x>`, by what the line is called; x more exactly from the baseline."""
    found: Lines = {}
    for row in rows:
        name, is_point, x = row.metric.partition("=")
        if is_point and name in names:
            exact = float(x) if row.baseline is None else row.baseline
            found.setdefault(names[name], []).append((exact, row.value))
    return found


def _curves(lines: Lines) -> UInt8[np.ndarray, "h w 3"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.8 * len(lines), 2.8), dpi=100, facecolor="white", layout="constrained")
    panels = figure.subplots(1, len(lines), sharey=True, squeeze=False)[0]
    for axes, (name, points) in zip(panels, lines.items(), strict=True):
        axes.plot(*zip(*points, strict=True), marker="o")
        axes.set(xlabel=name, ylim=(0.0, 1.03), xlim=(0.0, 1.1 * max(x for x, _ in points)))
    panels[0].set_ylabel("right answers")
    return drawn(figure)


def _reliability(lines: Lines) -> UInt8[np.ndarray, "h w 3"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.0), dpi=100, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    axes.plot((0, 1), (0, 1), linestyle="--", color="gray", linewidth=1)
    for name, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(
        xlabel="belief", ylabel="share that was so", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal"
    )
    axes.legend(fontsize=8, loc="upper left")
    return drawn(figure)
