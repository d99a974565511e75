"""A robot with a colour camera alone: an estimator's depth and uncertainty make a map."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from embodied_mem.errors import InvalidMessage
from embodied_mem.geometry import Box, look_at
from embodied_mem.layers.occupancy import FREE, OCCUPIED, UNKNOWN, OccupancyConfig, OccupancyLayer
from embodied_mem.layers.occupancy._reference import ReferenceMap
from embodied_mem.messages import Frame, Percept, PinholeCamera
from embodied_mem.perception.depth_estimator import EstimatedDepth, estimated_frame
from embodied_mem.robot_memory import RobotMemory, RobotMemoryConfig
from embodied_mem.testing.box_views import depth_of_boxes

CAMERA = PinholeCamera(fx=60.0, fy=60.0, cx=39.5, cy=29.5, width_px=80, height_px=60)
WALL = Box(min_m=(2.54, -4.0, -3.0), max_m=(2.8, 4.0, 5.0))
CRATE = Box(min_m=(1.54, -0.4, 0.6), max_m=(1.9, 0.4, 1.4))
T_AHEAD = look_at(np.array([0.0, 0.0, 1.0]), np.array([3.0, 0.0, 1.0]))
CONFIG = OccupancyConfig(cell_m=0.1, stride_px=1)


class GuessingEstimator:
    """Sees the boxes, scales a whole image by a few percent too much or too little, and says so."""

    def __init__(self, boxes: tuple[Box, ...], share: float, seed: int = 0) -> None:
        self.boxes, self.share, self.rng = boxes, share, np.random.default_rng(seed)

    def estimate(self, rgb: np.ndarray, camera: PinholeCamera) -> EstimatedDepth:
        true_m = depth_of_boxes(camera, T_AHEAD, self.boxes)
        depth_m = true_m * (1.0 + self.share * self.rng.normal()) + 0.003 * self.rng.normal(size=true_m.shape)
        return EstimatedDepth(
            depth_m=np.maximum(depth_m, 0.0).astype(np.float32),
            sigma_m=(self.share * true_m + 0.003).astype(np.float32),
        )


def frames(estimator: GuessingEstimator, count: int) -> list[Frame]:
    rgb = np.zeros((60, 80, 3), dtype=np.uint8)
    return [
        estimated_frame(estimator, stamp_ns=i * 10**8, camera=CAMERA, T_world_camera=T_AHEAD, rgb=rgb)
        for i in range(count)
    ]


def test_a_map_from_estimated_depth_has_the_wall_and_the_way_to_it() -> None:
    with RobotMemory.open(config=RobotMemoryConfig(occupancy=CONFIG)) as memory:
        for frame in frames(GuessingEstimator((WALL,), 0.01), 20):
            assert memory.observe(frame).map_change is not None
        grid = memory.semantic_grid(Box(min_m=(0.5, -0.5, 0.5), max_m=(3.5, 0.5, 1.5)), 0.1)
    state = grid.state
    assert (state[5:15] == FREE).mean() > 0.95  # from one metre on, up to half a metre before the wall
    assert (state[19:22] == OCCUPIED).any(axis=0).mean() > 0.9
    assert (state[24:] == UNKNOWN).mean() > 0.9


def test_what_is_too_uncertain_is_not_fused_but_still_carves() -> None:
    layer = OccupancyLayer(CONFIG)
    for frame in frames(GuessingEstimator((WALL,), 0.06), 5):
        layer.update(Percept(frame=frame, instances=()))
    assert len(layer.snapshot()) == 0
    assert layer.state_at(np.array([[1.0, 0.0, 1.0]])).tolist() == [FREE]
    assert layer.state_at(np.array([[2.4, 0.0, 1.0]])).tolist() == [UNKNOWN]  # within three sigmas


def test_an_uncertain_frame_moves_a_surface_less_than_a_certain_one() -> None:
    sharp = np.full((60, 80), 2.54, dtype=np.float32)
    means = []
    for sigma_m in (0.002, 0.05):
        layer = OccupancyLayer(dataclasses.replace(CONFIG, carve_margin_m=0.2))
        for i, (depth_m, sigma) in enumerate(((sharp, 0.002), (sharp - 0.03, sigma_m))):
            sigmas = np.full((60, 80), sigma, dtype=np.float32)
            frame = Frame(
                stamp_ns=i, camera=CAMERA, T_world_camera=T_AHEAD, depth_m=depth_m, depth_sigma_m=sigmas
            )
            layer.update(Percept(frame=frame, instances=()))
        means.append(float(np.median(layer.snapshot().means_world[:, 0])))
    assert means[0] == pytest.approx(2.525, abs=2e-3)
    assert means[1] == pytest.approx(2.540, abs=2e-3)


def test_kernels_and_reference_agree_on_uncertain_depth() -> None:
    config = OccupancyConfig(cell_m=0.1, stride_px=2, max_depth_m=1.2)
    camera = PinholeCamera(fx=24.0, fy=25.0, cx=15.3, cy=11.6, width_px=32, height_px=24)
    layer, reference, rng = OccupancyLayer(config), ReferenceMap(config), np.random.default_rng(3)
    for i in range(3):
        depth_m = np.kron(rng.uniform(0.3, 1.3, size=(3, 4)), np.ones((8, 8))).astype(np.float32)
        sigma_m = rng.uniform(0.0, 0.12, size=depth_m.shape).astype(np.float32)
        T = look_at(rng.uniform(-0.2, 0.2, size=3), np.array([1.0, 0.2, 0.1]))
        frame = Frame(stamp_ns=i, camera=camera, T_world_camera=T, depth_m=depth_m, depth_sigma_m=sigma_m)
        layer.update(Percept(frame=frame, instances=()))
        reference.update(frame)
    cells = {tuple(np.floor(mean / 0.1).astype(int).tolist()): mean for mean in layer.snapshot().means_world}
    both = [cell for cell in reference.gaussians if cell in cells]
    assert len(both) > 0.95 * max(len(cells), len(reference.gaussians))
    assert len(both) > 50
    errors_m = [np.abs(cells[cell] - reference.gaussians[cell].mean).max() for cell in both]
    assert np.quantile(errors_m, 0.97) < 1e-4


def test_a_sigma_that_makes_no_sense_is_refused() -> None:
    depth_m = np.ones((60, 80), dtype=np.float32)
    for sigma_m in (-depth_m, depth_m * np.nan, depth_m[:5]):
        with pytest.raises(InvalidMessage, match="depth_sigma_m"):
            Frame(stamp_ns=0, camera=CAMERA, T_world_camera=T_AHEAD, depth_m=depth_m, depth_sigma_m=sigma_m)
