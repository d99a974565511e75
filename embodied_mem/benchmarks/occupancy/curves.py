"""Curves behind the goals: what each one is traded against, and why those that are missed are missed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embodied_mem.benchmarks.occupancy import changes, heldout_rays
from embodied_mem.benchmarks.occupancy.maps import LayerMap
from embodied_mem.benchmarks.results import Row
from embodied_mem.layers.occupancy import OccupancyConfig, OccupancyLayer
from embodied_mem.messages import Frame, Percept

MISSES = (0.2, 0.4, 0.85, 1.5)
GATES = (1.4, 1.5, 1.65, 1.8, 2.0)
WINDOWS = (10, 25, 50, 100, 250)
STRIDES_PX = (1, 2, 3, 4, 6, 8)
RAY_LINES = (
    "premature",
    "within_10cm",
    "depth_error_mean_m",
    "occupied_recall",
    "free_recall",
    "false_occupied",
)
NumberedFrames = Sequence[tuple[int, Frame]]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Figures (`lines`, by name) against one quantity; `key` starts the names of its rows."""

    key: str
    title: str
    x_name: str
    x: Sequence[float]
    lines: Mapping[str, Sequence[float]]
    caption: str

    @property
    def rows(self) -> list[Row]:
        return [
            Row(metric=f"curve/{self.key}_{x:g}/{name}", value=float(value))
            for name, values in self.lines.items()
            for x, value in zip(self.x, values, strict=True)
        ]


def clearing(numbered: NumberedFrames, config: OccupancyConfig) -> Curve:
    """What a heavier miss costs: clear frames until a crate is gone against occupied recall on real rays."""
    lines: dict[str, list[float]] = {"clear_frames": [], "occupied_recall": [], "premature": []}
    for miss in MISSES:
        one = dataclasses.replace(config, miss_log_odds=-miss)
        _, rays = heldout_rays.run(LayerMap.new(one), lambda: numbered)
        figures = heldout_rays.figures(rays)
        lines["clear_frames"].append(changes.clear_frames(LayerMap.new(one), 100))
        lines["occupied_recall"].append(figures.occupied_recall)
        lines["premature"].append(figures.premature)
    return Curve(
        key="miss", title="Clearing against recall", x_name="log-odds that a miss takes away", x=MISSES,
        lines=lines, caption="Frames until a removed crate is gone, and what the same setting keeps of real surfaces.",
    )  # fmt: skip


def gates(numbered: NumberedFrames, config: OccupancyConfig, name: str) -> Curve:
    """Rays that end too early against rays that slip through, by how far a Gaussian reaches. The map is built once."""
    built = LayerMap.new(config)
    heldout_rays.build(built, _built_from(numbered))
    state, found = built.layer.state(), []
    for gate in GATES:
        layer = OccupancyLayer(dataclasses.replace(config, gate_sigmas=gate))
        layer.load_state(state)
        found.append(heldout_rays.figures(heldout_rays.measure(LayerMap(layer), _held_out(numbered))))
    return Curve(
        key=f"{name}/gate", title=f"Early rays against late ones, {name}", x_name="sigmas that a Gaussian reaches",
        x=GATES, lines=_ray_lines(found), caption="No gate meets both: what ends fewer rays early lets others through.",
    )  # fmt: skip


def windows(numbered: NumberedFrames, config: OccupancyConfig, name: str) -> Curve:
    """The same rays, each view's asked of a map of its own that is built only from frames around it in time."""
    found = []
    for window in WINDOWS:
        rays = []
        for index, frame in numbered:
            if heldout_rays.is_held_out(index):
                near = LayerMap.new(config)
                heldout_rays.build(
                    near, _built_from([(i, f) for i, f in numbered if abs(i - index) <= window])
                )
                rays += heldout_rays.measure(near, [frame])
        found.append(heldout_rays.figures(rays))
    return Curve(
        key=f"{name}/frames_within", title=f"How far in time recorded poses agree, {name}",
        x_name="frames before and after the view", x=WINDOWS, lines=_ray_lines(found),
        caption="The same code on the same rays: what frames far apart in time disagree on is where the recorded poses "
        "put them, and no one map agrees with all of them.",
    )  # fmt: skip


def cost_by_points(frames: Sequence[Frame], config: OccupancyConfig, name: str) -> tuple[Curve, list[Row]]:
    """CPU time of a frame against points fused; the line through it, and what only copying the images takes."""
    points, cpu_ms = [], []
    for stride_px in STRIDES_PX:
        layer = OccupancyLayer(dataclasses.replace(config, stride_px=stride_px))
        of_frames = [_fuse(layer, frame) for frame in frames]
        points.append(float(np.median([one[0] for one in of_frames[1:]])))
        cpu_ms.append(float(np.median([one[1] for one in of_frames[1:]])))
    ms_per_point, fixed_ms = np.polyfit(points, cpu_ms, 1).tolist()
    curve = Curve(
        key=f"{name}/points", title=f"CPU time against points fused, {name}", x_name="points of a frame",
        x=points, lines={"cpu_ms": cpu_ms},
        caption=f"{fixed_ms:.1f} ms for carving what is in view, and {1e6 * ms_per_point:.0f} ns for each point.",
    )  # fmt: skip
    line = [
        Row(metric=f"curve/{name}/ns_per_point", value=1e6 * ms_per_point, unit="ns"),
        Row(metric=f"curve/{name}/fixed_ms", value=fixed_ms, unit="ms"),
        Row(metric=f"curve/{name}/copy_ns_per_pixel", value=_copy_ns_per_pixel(frames[0]), unit="ns"),
    ]
    return curve, line


def _ray_lines(found: Sequence[heldout_rays.RayFigures]) -> dict[str, list[float]]:
    return {name: [getattr(figures, name) for figures in found] for name in RAY_LINES}


def _built_from(numbered: NumberedFrames) -> list[Frame]:
    return [frame for index, frame in numbered if heldout_rays.is_built_from(index)]


def _held_out(numbered: NumberedFrames) -> list[Frame]:
    return [frame for index, frame in numbered if heldout_rays.is_held_out(index)]


def _fuse(layer: OccupancyLayer, frame: Frame) -> tuple[int, float]:
    """Points fused, and the CPU time in ms."""
    started_ns = time.process_time_ns()
    change = layer.update(Percept(frame=frame, instances=()))
    return change.num_points, (time.process_time_ns() - started_ns) / 1e6


def _copy_ns_per_pixel(frame: Frame) -> float:
    """What reading depth and colour once and writing them elsewhere takes: what no map can go below."""
    images = [frame.depth_m, frame.depth_m if frame.rgb is None else frame.rgb]
    copies = [np.array(image) for image in images]
    took_ns = []
    for _ in range(20):
        started_ns = time.process_time_ns()
        for copy, image in zip(copies, images, strict=True):
            np.copyto(copy, image)
        took_ns.append(time.process_time_ns() - started_ns)
    return min(took_ns) / frame.depth_m.size
