"""`embodied-mem bench occupancy`: our map, Open3D's VoxelBlockGrid and OctoMap on the same frames in one run.

Real frames are read from $EMBODIED_MEM_DATA/7scenes; without that variable the rows on real depth are left out.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from embodied_mem.benchmarks.occupancy import changes, cost, curves, heldout_rays, scenes, simulated
from embodied_mem.benchmarks.occupancy.corrections import correct_drift
from embodied_mem.benchmarks.occupancy.maps import LayerMap, ScoredMap
from embodied_mem.benchmarks.occupancy.octomap_map import OctoMapMap
from embodied_mem.benchmarks.occupancy.open3d_map import VoxelBlockGridMap
from embodied_mem.benchmarks.occupancy.pictures import curve_picture, depth_pictures
from embodied_mem.benchmarks.occupancy.true_voxels import TrueVoxels, true_voxels
from embodied_mem.benchmarks.results import BenchmarkResult, Goal, Row, measured
from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy import OCCUPIED, OccupancyConfig
from embodied_mem.messages import Frame, Percept
from embodied_mem.viz.report import Section

Progress = Callable[[str], None]
NewMap = Callable[[], ScoredMap]

RAY_GOALS = {
    "free_recall": Goal(op=">=", value=0.998),
    "false_occupied": Goal(op="<=", value=0.0015),
    "occupied_recall": Goal(op=">=", value=0.985),
    "depth_error_median_m": Goal(op="<=", value=0.015),
    "depth_error_mean_m": Goal(op="<=", value=0.040),
    "within_10cm": Goal(op=">=", value=0.95),
    "premature": Goal(op="<=", value=0.03),
}
GOALS = {
    **{f"rays.8cm.{figure}": goal for figure, goal in RAY_GOALS.items()},
    **{f"rays.5cm.{figure}": goal for figure, goal in RAY_GOALS.items()},
    "cost.8cm_stride4.cpu_ms": Goal(op="<=", value=2.5),
    "cost.5cm_all_pixels.cpu_ms": Goal(op="<=", value=6.0),
    "cost.to_open3d_5cm": Goal(op="<=", value=1.3),
    "cost.bytes_per_gaussian": Goal(op="<=", value=64.0),
    "cost.point_us": Goal(op="<=", value=0.3),
    "cost.ray_us": Goal(op="<=", value=5.0),
    "cost.rss_growth": Goal(op="<=", value=1.05),
    "removal.clear_frames": Goal(op="<=", value=10.0),
    "mover.ghost_voxels": Goal(op="<=", value=0.0),
    "mover.iou_loss": Goal(op="<=", value=0.01),
    "budget.recent_iou_loss": Goal(op="<=", value=0.01),
    "correction.cpu_ms": Goal(op="<=", value=20.0),
    "correction.loss": Goal(op="<=", value=0.01),
    "simulated.iou": Goal(op=">=", value=0.85),
    "simulated.miou": Goal(op=">=", value=0.75),
}
FIRST_FRAME, LAST_FRAME = 250, 499
"""Nothing was chosen on these frames."""
VOXEL_M = 0.08
OURS, RIVAL = "8cm", "open3d_5cm"
HOME_SEEDS, HOME_FRAMES = (1, 2), 150
"""The home of seed 0 is where parameters were chosen."""
RECENT = 40
"""Frames of a home at whose places half the bytes must be enough."""


def our_maps(*, quick: bool) -> dict[str, NewMap]:
    """Our map at the settings that have goals, by name; the accuracy goals are for the first."""
    near = OccupancyConfig(max_depth_m=heldout_rays.DEEPEST_M)
    ours = {
        OURS: near,
        "5cm": dataclasses.replace(near, cell_m=0.05),
        "5cm_all_pixels": dataclasses.replace(near, cell_m=0.05, stride_px=1),
    }
    chosen = list(ours)[:1] if quick else list(ours)
    return {name: functools.partial(LayerMap.new, ours[name], name) for name in chosen}


def rivals(*, quick: bool) -> dict[str, NewMap]:
    """The other maps by name, at their defaults and at our stride."""
    every: dict[str, NewMap] = {
        "open3d_5cm": lambda: VoxelBlockGridMap(0.05),
        "octomap_5cm_stride4": lambda: OctoMapMap(0.05, stride_px=4),
        "open3d_8cm": lambda: VoxelBlockGridMap(0.08),
        "open3d_5cm_stride4": lambda: VoxelBlockGridMap(0.05, stride_px=4),
        "open3d_8cm_stride4": lambda: VoxelBlockGridMap(0.08, stride_px=4),
        "open3d_5cm_truncation4": lambda: VoxelBlockGridMap(0.05, truncation_voxels=4.0),
        "octomap_8cm_stride4": lambda: OctoMapMap(0.08, stride_px=4),
        "octomap_5cm": lambda: OctoMapMap(0.05),
    }
    return dict(list(every.items())[:2]) if quick else every


def run(*, quick: bool, progress: Progress) -> BenchmarkResult:
    """All rows; `quick` asks one setting of ours and two rivals, and one small scene instead of three homes."""
    # Open3D's threads spin while they wait, which would count as its CPU time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    rows, sections = real_rows(quick=quick, progress=progress)
    rows += removal_rows(quick=quick, progress=progress)
    rows += mover_rows(progress)
    rows += correction_rows(progress)
    rows += simulated_rows(quick=quick, progress=progress)
    rows += [] if quick else budget_rows(progress)
    config = {
        "quick": quick,
        "frames": [FIRST_FRAME, LAST_FRAME],
        "voxel_m": VOXEL_M,
        "home_frames": HOME_FRAMES,
    }
    return BenchmarkResult(
        name="occupancy",
        rows=tuple(rows),
        config=config,
        seeds=() if quick else HOME_SEEDS,
        sections=sections,
    )


def real_rows(*, quick: bool, progress: Progress) -> tuple[list[Row], list[Section]]:
    """Held-out rays and cost on real frames."""
    folder = os.environ.get("EMBODIED_MEM_DATA")
    if not folder:
        progress("no real frames: set EMBODIED_MEM_DATA to the folder that has 7scenes")
        return [], []
    progress("reading real frames")
    numbered = list(heldout_rays.used_frames(Path(folder) / "7scenes", FIRST_FRAME, LAST_FRAME))
    built_from = [frame for index, frame in numbered if heldout_rays.is_built_from(index)]
    rows: list[Row] = []
    built: dict[str, ScoredMap] = {}
    figures: dict[str, dict[str, float]] = {}
    cpu_ms: dict[str, float] = {}
    for name, new_map in (rivals(quick=quick) | our_maps(quick=quick)).items():
        progress(f"held-out rays of {name}")
        built[name] = new_map()
        _, rays = heldout_rays.run(built[name], lambda: numbered)
        figures[name] = dataclasses.asdict(heldout_rays.figures(rays))
        rows += _ray_rows(name, figures[name], heldout_rays.intervals(rays), figures[RIVAL])
        is_slow = name == "octomap_5cm"
        of_build = cost.build_cost(new_map, built_from, repeats=1 if quick or is_slow else 3)
        cpu_ms[name] = of_build.cpu_ms_median
        rows += _build_rows(name, of_build)
    rows += [_ratio_row(name, cpu_ms) for name in cpu_ms if name != OURS]
    more, pictures = ([], []) if quick else curve_rows(numbered, progress)
    rows += more
    rows += _own_rows(built_from, numbered, passes=3 if quick else 10, progress=progress)
    held_out = [frame for index, frame in numbered if heldout_rays.is_held_out(index)]
    view = depth_pictures(held_out[len(held_out) // 2], [built[name] for name in (OURS, RIVAL)])
    return rows, [view, *pictures]


def curve_rows(numbered: Sequence[tuple[int, Frame]], progress: Progress) -> tuple[list[Row], list[Section]]:
    """The trades behind the goals, and why those that are missed are missed."""
    near = OccupancyConfig(max_depth_m=heldout_rays.DEEPEST_M)
    progress("curve: clearing against recall")
    every = [curves.clearing(numbered, near)]
    for name, config in (("8cm", near), ("5cm", dataclasses.replace(near, cell_m=0.05))):
        progress(f"curves: gates and windows of time at {name}")
        every += [curves.gates(numbered, config, name), curves.windows(numbered, config, name)]
    progress("curve: CPU time against points")
    frames = [frame for index, frame in numbered if heldout_rays.is_built_from(index)]
    of_cost, line = curves.cost_by_points(frames, config, name)
    every.append(of_cost)
    rows = [row for curve in every for row in curve.rows] + line
    return rows, [curve_picture(curve, RAY_GOALS) for curve in every]


def _ray_rows(
    name: str,
    figures: dict[str, float],
    intervals: dict[str, tuple[float, float]],
    baseline: dict[str, float],
) -> list[Row]:
    """Our maps at every 4th pixel have the goals, and Open3D at 5 cm as baseline; every other map is only listed."""
    rows = []
    for figure, value in figures.items():
        has_goal = f"rays.{name}.{figure}" in GOALS
        metric = f"rays.{name}.{figure}" if has_goal else f"rays/{name}/{figure}"
        row = measured(GOALS, metric, value, interval=intervals[figure])
        rows.append(dataclasses.replace(row, baseline=baseline[figure]) if has_goal else row)
    return rows


def _build_rows(name: str, built: heldout_rays.BuildFigures) -> list[Row]:
    goal = {OURS: "cost.8cm_stride4.cpu_ms", "5cm_all_pixels": "cost.5cm_all_pixels.cpu_ms"}
    return [
        measured(GOALS, goal.get(name, f"cost/{name}/cpu_ms"), built.cpu_ms_median, "ms"),
        measured(GOALS, f"cost/{name}/cpu_ms_p95", built.cpu_ms_p95, "ms"),
        measured(GOALS, f"cost/{name}/kilobytes", built.num_bytes / 1e3, "kB"),
    ]


def _ratio_row(name: str, cpu_ms: dict[str, float]) -> Row:
    metric = "cost.to_open3d_5cm" if name == RIVAL else f"cost/to_{name}"
    return measured(GOALS, metric, cpu_ms[OURS] / cpu_ms[name])


def _own_rows(
    frames: Sequence[Frame], numbered: Sequence[tuple[int, Frame]], *, passes: int, progress: Progress
) -> list[Row]:
    progress("questions, bytes and growth")
    ours = LayerMap.new(OccupancyConfig(max_depth_m=heldout_rays.DEEPEST_M))
    built = heldout_rays.build(ours, frames)
    num_gaussians = len(ours.layer.snapshot())
    point_us, ray_us = cost.query_us(ours, frames)
    held_out = [frame for index, frame in numbered if heldout_rays.is_held_out(index)]
    grown = cost.growth(LayerMap.new(ours.layer.config), frames, passes)
    return [
        measured(GOALS, "cost.bytes_per_gaussian", built.num_bytes / num_gaussians, "B"),
        measured(GOALS, "cost.point_us", point_us, "us"),
        measured(GOALS, "cost.ray_us", ray_us, "us"),
        measured(GOALS, "cost.rss_growth", grown.rss_ratio),
        measured(GOALS, "cost/bytes_growth", grown.bytes_ratio),
        measured(GOALS, "cost/cpu_growth", grown.cpu_ratio),
        measured(GOALS, "rays/calibration_error", heldout_rays.calibration_error(ours.layer, held_out)),
    ]


def removal_rows(*, quick: bool, progress: Progress) -> list[Row]:
    """How many clear frames a removed crate stays, by how long it had been there."""
    rows = []
    for num_seen in (10, 100) if quick else (10, 100, 1000):
        progress(f"removing a crate seen {num_seen} times")
        ours = changes.clear_frames(our_maps(quick=True)[OURS](), num_seen)
        rival = changes.clear_frames(VoxelBlockGridMap(0.05), num_seen) if num_seen < 1000 else None
        # The longest has the goal: what was there for an hour must not stay longer than what was for a second.
        is_last = num_seen == (100 if quick else 1000)
        metric = "removal.clear_frames" if is_last else f"removal/seen_{num_seen}"
        rows.append(measured(GOALS, metric, ours, "frames", baseline=rival))
    if not quick:
        octomap = OctoMapMap(0.05, stride_px=4)
        gone_after = changes.clear_frames(octomap, 100)
        rows.append(measured(GOALS, f"removal/{octomap.name}/seen_100", gone_after, "frames"))
    return rows


def mover_rows(progress: Progress) -> list[Row]:
    """Somebody whom no detector names walks through: what stays of them, and what that costs the map."""
    progress("a person walks through")
    num_frames = 60
    box = Box(min_m=(0.0, -2.0, -0.08), max_m=(3.6, 2.0, 2.32))
    truth = true_voxels(changes.exact_hall(num_frames), box, VOXEL_M)
    iou, ghosts = [], 0
    for is_walked in (False, True):
        ours = LayerMap.new(OccupancyConfig(max_depth_m=heldout_rays.DEEPEST_M))
        for frame in changes.crossing(num_frames, is_walked=is_walked):
            ours.integrate(frame)
        state = ours.layer.semantic_grid(box, VOXEL_M).state
        iou.append(simulated.voxel_figures(truth, state).iou)
        ghosts = int((ours.states(changes.path_centers(VOXEL_M)) == OCCUPIED).sum())
    return [
        measured(GOALS, "mover.ghost_voxels", ghosts),
        measured(GOALS, "mover.iou_loss", iou[0] - iou[1]),
        measured(GOALS, "mover/iou_without_person", iou[0]),
    ]


def correction_rows(progress: Progress) -> list[Row]:
    """Half a metre of drift, then the corrected trajectory."""
    progress("correcting a drifted trajectory")
    found = correct_drift()
    return [
        measured(GOALS, "correction.cpu_ms", found.cpu_ms, "ms"),
        measured(GOALS, "correction.loss", found.right - found.corrected),
        measured(GOALS, "correction/submaps", found.num_submaps),
        measured(GOALS, "correction/within_10cm_drifted", found.drifted),
        measured(GOALS, "correction/within_10cm_corrected", found.corrected),
    ]


def simulated_rows(*, quick: bool, progress: Progress) -> list[Row]:
    """Voxels, labels and surfaces in scenes with exact geometry; the goals are for the mean over scenes."""
    found = []
    for name in ["room1"] if quick else [f"home{seed}" for seed in HOME_SEEDS]:
        progress(f"exact geometry of {name}")
        scene = scenes.room_scene(1) if quick else scenes.home_scene(int(name[4:]), HOME_FRAMES)
        truth = true_voxels(scene.frames, _on_grid(scene.box), VOXEL_M)
        progress(f"scoring {name}")
        found.append(_scene_figures(scene, truth) | (_rival_figures(scene, truth) if not quick else {}))
    return [
        measured(
            GOALS, f"simulated.{key}" if f"simulated.{key}" in GOALS else f"simulated/{key}",
            float(np.mean([one[key] for one in found])),
            interval=(min(one[key] for one in found), max(one[key] for one in found)),
        )
        for key in found[0]
    ]  # fmt: skip


def budget_rows(progress: Progress) -> list[Row]:
    """At half the bytes that the map of a home takes: what is lost of what the last frames saw, and of everything."""
    progress("a home at half its bytes")
    scene = scenes.home_scene(HOME_SEEDS[0], HOME_FRAMES)
    box = _on_grid(scene.box)
    whole, recent = (true_voxels(frames, box, VOXEL_M) for frames in (scene.frames, scene.frames[-RECENT:]))
    natural = _noisy_home(scene, OccupancyConfig(stride_px=2))
    half = _noisy_home(scene, OccupancyConfig(stride_px=2, budget_bytes=natural.num_bytes // 2))
    losses = []
    for truth in (recent, whole):
        iou = [
            simulated.voxel_figures(truth, one.layer.semantic_grid(truth.box, VOXEL_M).state).iou
            for one in (natural, half)
        ]
        losses.append(iou[0] - iou[1])
    return [
        measured(GOALS, "budget.recent_iou_loss", losses[0]),
        measured(GOALS, "budget/global_iou_loss", losses[1]),
        measured(GOALS, "budget/natural_bytes", natural.num_bytes, "B"),
        measured(GOALS, "budget/evicted_gaussians", half.layer.num_evicted),
    ]


def _on_grid(box: Box) -> Box:
    """The box grown so that its corner is one of the map's cells'."""
    return dataclasses.replace(box, min_m=tuple(np.floor(np.array(box.min_m) / VOXEL_M) * VOXEL_M))


def _noisy_home(scene: scenes.Scene, config: OccupancyConfig) -> LayerMap:
    ours = LayerMap.new(config)
    for frame in simulated.noisy(scene.frames, seed=0):
        ours.integrate(frame)
    return ours


def _scene_figures(scene: scenes.Scene, truth: TrueVoxels) -> dict[str, float]:
    ours = LayerMap.new(OccupancyConfig(stride_px=2))
    for percept in _labelled(simulated.noisy(scene.frames, seed=0)):
        ours.layer.update(percept)
    grid = ours.layer.semantic_grid(truth.box, VOXEL_M)
    said, true = simulated.as_ssc_classes(truth, grid.labels, grid.label_index, grid.state)
    completion, ssc_miou = simulated.ssc_metrics(said, true, len(truth.labels) + 1)
    accuracy_cm, completeness_cm = simulated.surface_distances_cm(ours, scene.frames[::10])
    return dataclasses.asdict(simulated.voxel_figures(truth, grid.state)) | {
        "miou": simulated.mean_iou(truth, grid.labels, grid.label_index),
        "ssc_completion_iou": completion,
        "ssc_miou": ssc_miou,
        "accuracy_cm": accuracy_cm,
        "completeness_cm": completeness_cm,
    }


def _rival_figures(scene: scenes.Scene, truth: TrueVoxels) -> dict[str, float]:
    """The same voxels of the rivals at the same cell size, a voxel asked at its centre; they carry no labels."""
    figures = {}
    for rival in (
        VoxelBlockGridMap(VOXEL_M, max_depth_m=5.0),
        OctoMapMap(VOXEL_M, stride_px=2, max_depth_m=5.0),
    ):
        for frame in simulated.noisy(scene.frames, seed=0):
            rival.integrate(frame)
        state = rival.voxel_states(truth.centers_world.reshape(-1, 3)).reshape(truth.state.shape)
        for name, value in dataclasses.asdict(simulated.voxel_figures(truth, state)).items():
            figures[f"{rival.name}/{name}"] = value
    return figures


def _labelled(frames: Iterable[Frame]) -> Iterator[Percept]:
    """Frames with the labels of their segmentation, as perception would give them."""
    for frame in frames:
        assert frame.segmentation is not None
        names = tuple(sorted({detection.label for detection in frame.detections}))
        label_of_id = np.full(int(frame.segmentation.max()) + 1, -1, dtype=np.int16)
        for detection in frame.detections:
            label_of_id[detection.instance] = names.index(detection.label)
        yield Percept(frame=frame, instances=(), labels=names, label_index=label_of_id[frame.segmentation])
