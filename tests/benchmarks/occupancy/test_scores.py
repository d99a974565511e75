"""The benchmark's scores are what they say they are, on answers made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from embodied_mem.benchmarks.occupancy import changes
from embodied_mem.benchmarks.occupancy.cost import growth, query_us
from embodied_mem.benchmarks.occupancy.maps import LayerMap
from embodied_mem.benchmarks.occupancy.scenes import room_scene
from embodied_mem.benchmarks.occupancy.simulated import (
    as_ssc_classes,
    mean_iou,
    noisy,
    ssc_metrics,
    surface_distances_cm,
    voxel_figures,
)
from embodied_mem.benchmarks.occupancy.true_voxels import TrueVoxels, true_voxels
from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy import FREE, OCCUPIED, UNKNOWN, OccupancyConfig

BOX = Box(min_m=(0.0, 0.0, 0.0), max_m=(0.4, 0.1, 0.1))


def truth() -> TrueVoxels:
    """Two occupied voxels (a mug, a table), one free, one that nobody saw."""
    return TrueVoxels(
        box=BOX,
        voxel_m=0.1,
        state=np.array([OCCUPIED, OCCUPIED, FREE, UNKNOWN], dtype=np.int8).reshape(4, 1, 1),
        label_index=np.array([0, 1, -1, -1]).reshape(4, 1, 1),
        labels=("mug", "table"),
    )


def states(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int8).reshape(4, 1, 1)


def test_a_perfect_answer_scores_one_and_leaks_nothing() -> None:
    figures = voxel_figures(truth(), states(OCCUPIED, OCCUPIED, FREE, UNKNOWN))
    assert (figures.iou, figures.precision, figures.recall, figures.free_iou) == (1.0, 1.0, 1.0, 1.0)
    assert (figures.unknown, figures.leak) == (0.0, 0.0)


def test_each_kind_of_error_shows_in_its_own_figure() -> None:
    figures = voxel_figures(truth(), states(OCCUPIED, UNKNOWN, OCCUPIED, FREE))
    assert figures.iou == pytest.approx(1 / 3)
    assert figures.precision == pytest.approx(1 / 2)
    assert figures.recall == pytest.approx(1 / 2)
    assert figures.free_iou == 0.0
    assert figures.unknown == pytest.approx(1 / 3)
    assert figures.leak == 1.0


def test_classes_count_over_visible_voxels_only() -> None:
    said = np.array([1, 1, -1, 0]).reshape(4, 1, 1)  # the map's labels: table, mug
    # Both visible things are called mug: the mug's IoU is 1 of 2, the table's 0; the unseen voxel counts for nothing.
    assert mean_iou(truth(), ("table", "mug"), said) == pytest.approx((1 / 2 + 0) / 2)
    assert mean_iou(truth(), ("table", "mug"), np.array([1, 0, -1, 0]).reshape(4, 1, 1)) == 1.0


def test_ssc_metrics_leave_255_out_and_count_absent_classes_as_zero() -> None:
    said, true = as_ssc_classes(
        truth(), ("table", "mug"), np.array([1, 0, -1, 0]).reshape(4, 1, 1), states(1, 1, 0, 1)
    )
    assert true.tolist() == [1, 2, 0, 255]
    completion, miou = ssc_metrics(said, true, 3)
    assert completion == pytest.approx(1.0, abs=1e-4)
    assert miou == pytest.approx(1.0, abs=1e-4)
    assert ssc_metrics(said, true, 5)[1] == pytest.approx(0.5, abs=1e-4)


def test_the_truth_of_a_room_and_a_map_of_it_agree() -> None:
    frames = room_scene(2, num_views=8).frames
    box = Box(min_m=(-0.16, -0.16, -0.16), max_m=(5.12, 4.08, 2.64))
    exact = true_voxels(frames, box, 0.08)
    assert (exact.state == OCCUPIED).sum() > 3_000
    ours = LayerMap.new(OccupancyConfig(stride_px=2))
    for frame in noisy(frames, seed=0):
        ours.integrate(frame)
    figures = voxel_figures(exact, ours.layer.semantic_grid(box, 0.08).state)
    assert figures.iou > 0.85
    assert figures.free_iou > 0.95
    accuracy_cm, completeness_cm = surface_distances_cm(ours, frames[::2])
    assert accuracy_cm < 2.5
    assert completeness_cm < 6.0


def test_a_removed_crate_goes_and_a_person_leaves_nothing() -> None:
    config = OccupancyConfig(max_depth_m=4.0)
    assert 1 <= changes.clear_frames(LayerMap.new(config), 10) <= 10
    ours = LayerMap.new(config)
    for frame in changes.crossing(24, is_walked=True):
        ours.integrate(frame)
    said = ours.states(changes.path_centers(0.08))
    assert (said == FREE).mean() > 0.9
    assert (said == OCCUPIED).sum() == 0


def test_costs_are_measured_and_a_map_that_stays_in_place_does_not_grow() -> None:
    frames = list(changes.crossing(6, is_walked=False))
    ours = LayerMap.new(OccupancyConfig(max_depth_m=4.0))
    grown = growth(ours, frames, 4)
    assert grown.bytes_ratio == pytest.approx(1.0, abs=0.2)
    assert min(query_us(ours, frames)) > 0.0
