"""One frame's camera as kernels need it, and the scratch memory that fits it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied_mem.geometry import back_project, transform
from embodied_mem.layers.occupancy import _structures
from embodied_mem.layers.occupancy._candidates import CARVE_SIGMAS, MIN_TILE_SHIFT, TILE_PX
from embodied_mem.layers.occupancy._structures import BRICK_CELLS, BRICK_SIDE, NUM_LABEL_SLOTS
from embodied_mem.layers.occupancy._warp import wp
from embodied_mem.layers.occupancy.config import OccupancyConfig
from embodied_mem.messages import Frame

MAX_TOUCHED_CELLS = 1 << 16
"""Cells that one frame can hit: more than a 5 m deep view has at 3 cm. Points of further cells are left out."""

MAX_NOTES = 4096
"""Changes of cells that one frame can note: what a thing of the size of a cupboard leaves behind."""


@dataclass(frozen=True)
class Block:
    """The bricks around a frame's view: brick coordinate of the first, and how many on each axis."""

    origin_brick: np.ndarray
    size: np.ndarray

    @property
    def num_bricks(self) -> int:
        return int(np.prod(self.size))


def used_pixels(frame: Frame, stride_px: int) -> tuple[int, int, int]:
    """(offset, columns, rows): which pixels a frame is read at, every `stride_px` from the offset."""
    offset = stride_px // 2 if min(frame.depth_m.shape) > stride_px // 2 else 0
    rows, columns = (-(-(side - offset) // stride_px) for side in frame.depth_m.shape)
    return offset, columns, rows


def block_in_view(frame: Frame, furthest_m: float, config: OccupancyConfig) -> Block:
    """The bricks around the view pyramid from the camera to `furthest_m`."""
    camera = frame.camera
    u_px = np.array([-0.5, camera.width_px - 0.5, -0.5, camera.width_px - 0.5])
    v_px = np.array([-0.5, -0.5, camera.height_px - 0.5, camera.height_px - 0.5])
    depth_m = np.full(4, furthest_m, dtype=np.float32)
    corners_camera = np.vstack(
        [np.zeros((1, 3)), back_project(camera, depth_m, u_px, v_px).astype(np.float64)]
    )
    corners_world = transform(frame.T_world_camera, corners_camera)
    side_m = config.cell_m * BRICK_SIDE
    low = np.floor((corners_world.min(axis=0) - config.cell_m) / side_m).astype(np.int64)
    high = np.floor((corners_world.max(axis=0) + config.cell_m) / side_m).astype(np.int64)
    return Block(origin_brick=low, size=high - low + 1)


def make_view(frame: Frame, config: OccupancyConfig) -> _structures.View:
    """The frame's camera and which pixels are used; `place_view` says where it is."""
    camera = frame.camera
    view = _structures.View()
    view.fx, view.fy, view.cx, view.cy = camera.fx, camera.fy, camera.cx, camera.cy
    view.width, view.height = camera.width_px, camera.height_px
    view.stride = config.stride_px
    view.offset, view.columns, view.rows = used_pixels(frame, config.stride_px)
    view.has_sigma = int(frame.depth_sigma_m is not None)
    view.sight = _make_sight(view, frame, config)
    return view


def place_view(
    view: _structures.View, T_world_camera: np.ndarray, block: Block, config: OccupancyConfig
) -> None:
    """Put the camera where it is relative to the block's corner: exact however far from the world's origin."""
    corner_world = block.origin_brick * (config.cell_m * BRICK_SIDE)
    view.R_grid_camera = wp.mat33(*T_world_camera[:3, :3].ravel().tolist())
    view.t_grid_camera = wp.vec3(*(T_world_camera[:3, 3] - corner_world).tolist())
    view.origin_brick = wp.vec3i(*block.origin_brick.tolist())
    view.grid_size = wp.vec3i(*block.size.tolist())


def _make_sight(view: _structures.View, frame: Frame, config: OccupancyConfig) -> _structures.Sight:
    sight, stride = _structures.Sight(), view.stride
    sight.fx, sight.fy = view.fx / stride, view.fy / stride
    sight.cx, sight.cy = (view.cx - view.offset) / stride, (view.cy - view.offset) / stride
    sight.last_column, sight.last_row = view.columns - 1, view.rows - 1
    sight.tile_shift = max(MIN_TILE_SHIFT, (TILE_PX // stride).bit_length() - 1)
    sight.near_m = 0.5 * config.cell_m
    # What a frame says itself of its uncertainty is taken off the depths.
    sigmas = 0.0 if frame.depth_sigma_m is not None else CARVE_SIGMAS
    sight.margin_m = config.carve_margin_m + sigmas * config.depth_sigma_m
    sight.margin_per_m2 = sigmas * config.depth_sigma_per_m2
    return sight


def make_rules(config: OccupancyConfig) -> _structures.Rules:
    """The configuration as kernels need it."""
    rules = _structures.Rules()
    rules.cell_m = config.cell_m
    rules.min_depth_m, rules.max_depth_m = max(config.min_depth_m, 1e-6), config.max_depth_m
    rules.hit_levels, rules.miss_levels = config.hit_levels, config.miss_levels
    rules.unknown_level = config.level(0.0)
    rules.remove_level = config.level(config.remove_log_odds)
    rules.occupied_level = config.occupied_level
    rules.free_level = max(rules.unknown_level - 2 * config.miss_levels, 1)
    rules.stable_level = config.level(config.stable_log_odds)
    rules.min_log_odds, rules.log_odds_step = config.min_log_odds, config.log_odds_step
    rules.miss_weight_decay = config.miss_weight_decay
    rules.edge_weight_decay, rules.edge_cut = config.edge_weight_decay, config.edge_cut
    rules.sigma_m, rules.sigma_per_m2 = config.depth_sigma_m, config.depth_sigma_per_m2
    rules.max_edge_ratio = config.max_edge_ratio
    rules.min_variance = (config.min_sigma_m / config.cell_m) ** 2
    rules.point_variance = (config.point_sigma_m / config.cell_m) ** 2
    rules.gate, rules.thickness = config.gate_sigmas**2, config.thickness_sigmas**2
    return rules


class FrameScratch:
    """Memory that one frame needs and the next one reuses; it grows to the largest view seen and stays there."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._pixels = (0, 0)
        self.arrays = _structures.Scratch()
        self.arrays.counters = wp.zeros(4, dtype=wp.int32, device=device)
        self.arrays.slot_of_cell = wp.empty(0, dtype=wp.int32, device=device)
        self.arrays.note_cell = wp.zeros(MAX_NOTES, dtype=wp.vec3i, device=device)
        self.arrays.note = wp.zeros(MAX_NOTES, dtype=wp.vec3i, device=device)
        self.arrays.num_notes = wp.zeros(1, dtype=wp.int32, device=device)
        self._fit_block(1)

    def fit_image(self, view: _structures.View) -> None:
        """Room for that image."""
        if self._pixels != (view.rows, view.columns):
            self._fit_pixels(view.rows, view.columns, 1 << view.sight.tile_shift)

    def fit_block(self, block: Block) -> None:
        """Room for that block, before the candidates among its bricks are known."""
        if self.arrays.candidate_of.shape[0] < block.num_bricks:
            self._fit_block(int(block.num_bricks * 1.5))

    def fit_candidates(self, num_candidates: int) -> None:
        """Room for the cells of that many bricks."""
        if self.arrays.slot_of_cell.shape[0] < num_candidates * BRICK_CELLS:
            num_cells = int(num_candidates * 1.25) * BRICK_CELLS + BRICK_CELLS
            self.arrays.slot_of_cell = wp.full(num_cells, -1, dtype=wp.int32, device=self._device)

    @property
    def num_bytes(self) -> int:
        """What all of it takes."""
        names = ("pooled_m", "tile_max_m", "candidate_of", "candidate_grid", "candidate_brick", "candidate_is_hit", "candidate_is_carved", "note_cell", "note", "num_notes",
                 "slot_of_cell", "touched_cell", "sums", "label_slots", "label_counts", "counters")  # fmt: skip
        arrays = [getattr(self.arrays, name) for name in names]
        return sum(int(array.capacity) for array in arrays if array is not None)

    def _fit_pixels(self, rows: int, columns: int, tile: int) -> None:
        self._pixels = (rows, columns)
        tiles = (-(-rows // tile), -(-columns // tile))
        num_touched = min(rows * columns, MAX_TOUCHED_CELLS)
        arrays, device = self.arrays, self._device
        arrays.pooled_m = wp.zeros((rows, columns), dtype=wp.float32, device=device)
        arrays.tile_max_m = wp.zeros(tiles, dtype=wp.float32, device=device)
        arrays.touched_cell = wp.zeros(num_touched, dtype=wp.int32, device=device)
        arrays.sums = wp.zeros(num_touched, dtype=_structures.vec14, device=device)
        arrays.label_slots = wp.full((num_touched, NUM_LABEL_SLOTS), -1, dtype=wp.int32, device=device)
        arrays.label_counts = wp.zeros((num_touched, NUM_LABEL_SLOTS), dtype=wp.int32, device=device)

    def _fit_block(self, num_bricks: int) -> None:
        arrays, device = self.arrays, self._device
        arrays.candidate_of = wp.zeros(num_bricks, dtype=wp.int32, device=device)
        arrays.candidate_grid = wp.zeros(num_bricks, dtype=wp.vec3i, device=device)
        arrays.candidate_brick = wp.zeros(num_bricks, dtype=wp.int32, device=device)
        arrays.candidate_is_hit = wp.zeros(num_bricks, dtype=wp.int32, device=device)
        arrays.candidate_is_carved = wp.zeros(num_bricks, dtype=wp.int32, device=device)
