"""The Gaussian map: runs the kernels over its arrays, one frame or one batch of questions at a time."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int8, Int16, Int32, Int64, UInt8

from embodied_mem.layers.occupancy import (
    _candidates,
    _carving,
    _fusion,
    _reading,
    _splatting,
    _structures,
    _sums,
    _view,
)
from embodied_mem.layers.occupancy._storage import Capacity, MapStorage
from embodied_mem.layers.occupancy._structures import BRICK_CELLS, BRICK_SIDE, HAS_GAUSSIAN, LEVEL_MASK
from embodied_mem.layers.occupancy._view import (
    Block,
    FrameScratch,
    block_in_view,
    make_rules,
    make_view,
    place_view,
)
from embodied_mem.layers.occupancy._warp import check_device, wp
from embodied_mem.layers.occupancy.config import OccupancyConfig
from embodied_mem.layers.occupancy.snapshot import ACTIVE, STABLE, TRANSIENT, MapSnapshot
from embodied_mem.messages import Frame, MapChange

TICK_SHIFT = 26
"""First and last seen are kept in ticks of 2**26 ns (67 ms) from the first frame: 4.5 years either way in 32 bits."""
MAX_TICK = 2**31 - 1
EMPTY_SCORE = 0.5
"""What "empty" scores in the additive form: EmbodiedOcc has one huge Gaussian for it, as dense here as everywhere."""


class GaussianMap:
    """The map's state and what can be done with it; `OccupancyLayer` adds labels, stamps and checks."""

    def __init__(self, config: OccupancyConfig, *, has_codes: bool) -> None:
        self.config = config
        self._device = check_device(config.device)
        self._rules = make_rules(config)
        self._scratch = FrameScratch(self._device)
        self._no_rgb = wp.zeros((1, 1, 3), dtype=wp.uint8, device=self._device)
        self._no_sigma = wp.zeros((1, 1), dtype=wp.float32, device=self._device)
        self._no_labels = wp.zeros((1, 1), dtype=wp.int16, device=self._device)
        self._no_translation = wp.zeros(1, dtype=wp.int16, device=self._device)
        self.storage = MapStorage(
            self._device, config.budget_bytes, config.cell_m * BRICK_SIDE, has_codes=has_codes
        )
        self._view: tuple[object, _structures.View] | None = None
        self.epoch_ns: int | None = None

    def clear(self) -> None:
        self.storage.clear()
        self.storage.num_evicted = 0
        self.epoch_ns = None

    def drop_scratch(self) -> None:
        self._scratch = FrameScratch(self._device)

    def fuse(
        self, frame: Frame, label_index: Int16[np.ndarray, "h w"] | None, map_label: Int16[np.ndarray, "n"]
    ) -> MapChange:
        """Find what is in view, sum up the frame's points per cell, carve, merge."""
        if self.epoch_ns is None:
            self.epoch_ns = frame.stamp_ns
        self.storage.start_counting()
        depth = self._to_device(frame.depth_m, wp.float32)
        view = self._view_of(frame)
        sigma = (
            self._no_sigma
            if frame.depth_sigma_m is None
            else self._to_device(frame.depth_sigma_m, wp.float32)
        )
        block = self._block(frame, view, depth, sigma)
        if block is None:
            return self._change(num_points=0)
        place_view(view, frame.T_world_camera, block, self.config)
        view.tick, view.has_rgb = self._tick(frame.stamp_ns), int(frame.rgb is not None)
        view.has_labels = int(label_index is not None and len(map_label) > 0)
        num_candidates = self._find_candidates(view, block)
        self._accumulate(view, frame, depth, sigma, label_index, map_label)
        num_touched, num_points = self._scratch_counter(_structures.NUM_TOUCHED), self._scratch_counter(1)
        num_touched = min(num_touched, self._scratch.arrays.touched_cell.shape[0])
        self._make_room(view, num_candidates, num_touched)
        self._carve(view, num_candidates, num_touched)
        self._launch(_fusion.merge, num_touched, view, self._rules, self._scratch.arrays, self.storage.arrays)
        return self._change(num_points=num_points)

    def take_notes(
        self,
    ) -> tuple[Int64[np.ndarray, "n 3"], Int32[np.ndarray, "n 3"], Int64[np.ndarray, "n"]]:
        """What the last frame changed: cells, (kind, tick, label) of each, and its tick as a stamp."""
        scratch = self._scratch.arrays
        count = min(int(scratch.num_notes.numpy()[0]), _view.MAX_NOTES)
        notes = scratch.note.numpy()[:count].copy()
        cells = scratch.note_cell.numpy()[:count].astype(np.int64)
        if count > 0:
            scratch.num_notes.zero_()
        return cells, notes, self._stamps(notes[:, 1])

    def read_cells(
        self, cells: Int64[np.ndarray, "n 3"]
    ) -> tuple[Bool[np.ndarray, "n"], Int16[np.ndarray, "n"]]:
        """Whether each cell holds a stable Gaussian, and its label's index (-1: none)."""
        found = wp.zeros((len(cells), 2), dtype=wp.int32, device=self._device)
        asked = self._to_device(cells.astype(np.int32), wp.vec3i)
        self._launch(_reading.read_cells, len(cells), self.storage.arrays, asked, found)
        state, label = found.numpy().T
        is_stable = (state >= HAS_GAUSSIAN) & ((state & LEVEL_MASK) >= self._rules.stable_level)
        return is_stable, label.astype(np.int16)

    def _launch(self, kernel: object, size: int | tuple[int, ...], *inputs: object) -> None:
        wp.launch(kernel, size, inputs=inputs, device=self._device)

    def _to_device(self, array: np.ndarray, dtype: object) -> object:
        """The array on the map's device; on the CPU without a copy."""
        return wp.array(np.ascontiguousarray(array), dtype=dtype, device=self._device, copy=False)

    def _tick(self, stamp_ns: int) -> int:
        assert self.epoch_ns is not None
        return int(min(max((stamp_ns - self.epoch_ns) >> TICK_SHIFT, -MAX_TICK), MAX_TICK))

    def _view_of(self, frame: Frame) -> _structures.View:
        """What kernels need of the frame's camera, made anew only when it is another one."""
        key = (frame.camera, frame.depth_m.shape, frame.depth_sigma_m is None)
        if self._view is None or self._view[0] != key:
            self._view = (key, make_view(frame, self.config))
        return self._view[1]

    def _block(self, frame: Frame, view: _structures.View, depth: object, sigma: object) -> Block | None:
        """The bricks around what the frame measured, or None when it measured nothing."""
        self._scratch.fit_image(view)
        scratch = self._scratch.arrays
        self._launch(
            _candidates.pool_depth, scratch.tile_max_m.shape, view, self._rules, depth, sigma, self.config.carve_window_px,
            scratch.pooled_m, scratch.tile_max_m,
        )  # fmt: skip
        furthest_m = float(scratch.tile_max_m.numpy().max())
        return None if furthest_m == 0.0 else block_in_view(frame, furthest_m, self.config)

    def _find_candidates(self, view: _structures.View, block: Block) -> int:
        self._scratch.fit_block(block)
        scratch = self._scratch.arrays
        scratch.counters.zero_()
        shape = tuple(block.size.tolist())
        self._launch(_candidates.find_candidates, shape, view, self._rules, scratch, self.storage.arrays)
        num_candidates = self._scratch_counter(_structures.NUM_CANDIDATES)
        self._scratch.fit_candidates(num_candidates)
        return num_candidates

    def _accumulate(
        self,
        view: _structures.View,
        frame: Frame,
        depth: object,
        sigma: object,
        label_index: np.ndarray | None,
        map_label: np.ndarray,
    ) -> None:
        rgb = self._no_rgb if frame.rgb is None else self._to_device(frame.rgb, wp.uint8)
        labels = self._no_labels if label_index is None else self._to_device(label_index, wp.int16)
        scratch = self._scratch.arrays
        translation = self._no_translation if label_index is None else self._to_device(map_label, wp.int16)
        run_px = _sums.RUN_PX if self._device == "cpu" else _sums.CUDA_RUN_PX
        size = (view.rows, -(-view.columns // run_px))
        self._launch(
            _sums.accumulate, size, view, self._rules, scratch, depth, rgb, labels, translation, sigma, run_px
        )

    def _make_room(self, view: _structures.View, num_candidates: int, num_touched: int) -> None:
        """Room for all Gaussians that merging can make."""
        if self.storage.has_room(Capacity(0, num_touched)):
            return
        extra = Capacity(0, self._count_new(num_touched))
        if not self.storage.has_room(extra):
            self._reserve(extra, view, num_candidates)

    def _carve(self, view: _structures.View, num_candidates: int, num_touched: int) -> None:
        """Carve, and once more when bricks were missing: how many a view needs is known only by carving."""
        scratch = self._scratch.arrays
        scratch.counters.zero_()
        self._launch(_carving.carve, num_candidates, view, self._rules, scratch, self.storage.arrays)
        num_missing = self._scratch_counter(_structures.NUM_MISSING)
        if num_missing > 0:
            self._reserve(Capacity(num_missing, self._count_new(num_touched)), view, num_candidates)
            self._launch(_carving.carve, num_candidates, view, self._rules, scratch, self.storage.arrays)

    def _count_new(self, num_touched: int) -> int:
        """How many touched cells have no Gaussian yet."""
        scratch = self._scratch.arrays
        scratch.counters.zero_()
        self._launch(_fusion.count_new, num_touched, scratch, self.storage.arrays)
        return self._scratch_counter(_structures.NUM_TOUCHED)

    def _reserve(self, extra: Capacity, view: _structures.View, num_candidates: int) -> None:
        if self.storage.reserve(extra):
            scratch, arrays = self._scratch.arrays, self.storage.arrays
            self._launch(_candidates.look_up_candidates, num_candidates, view, scratch, arrays)

    def _scratch_counter(self, index: int) -> int:
        return int(self._scratch.arrays.counters.numpy()[index])

    def _change(self, *, num_points: int) -> MapChange:
        """What the kernels counted since the frame began."""
        now = self.storage.counters()
        return MapChange(
            num_points=num_points,
            num_added=int(now[_structures.NUM_ADDED]),
            num_merged=int(now[_structures.NUM_MERGED]),
            num_removed=int(now[_structures.NUM_REMOVED]),
            num_live=int(now[_structures.NUM_LIVE]),
            num_bytes=self.num_bytes,
        )

    def probabilities(self, points_world: np.ndarray) -> Float32[np.ndarray, "n"]:
        """The probability that each point is occupied; NaN where unknown."""
        points = self._to_device(points_world.astype(np.float32, copy=False), wp.vec3)
        probability = wp.empty(len(points_world), dtype=wp.float32, device=self._device)
        self._launch(
            _reading.read_points, len(points_world), self.storage.arrays, self._rules, points, probability
        )
        return np.array(probability.numpy())

    def paint(
        self,
        points_world: Float64[np.ndarray, "n 3"],
        owner: Int32[np.ndarray, "n"],
        codes: UInt8[np.ndarray, "m 16"],
    ) -> None:
        """Give the code of each point's owner to the Gaussian of the cell that it lies in; later points win."""
        if len(points_world) == 0:
            return
        points, owners = self._to_device(points_world, wp.vec3d), self._to_device(owner, wp.int32)
        values = self._to_device(codes, _structures.vec16u8)
        scale = 1.0 / self.config.cell_m
        self._launch(_reading.paint, len(points_world), self.storage.arrays, scale, points, owners, values)

    def cast(
        self,
        origins_world: Float64[np.ndarray, "n 3"],
        directions: Float32[np.ndarray, "n 3"],
        max_range_m: float,
    ) -> tuple[Float32[np.ndarray, "n"], Int16[np.ndarray, "n"]]:
        """Distance to the first surface along each unit direction (inf: none), and its label's index (-1: none)."""
        n = len(origins_world)
        depth_m = wp.empty(n, dtype=wp.float32, device=self._device)
        hit = wp.empty(n, dtype=wp.int32, device=self._device)
        origins, rays = self._to_device(origins_world, wp.vec3d), self._to_device(directions, wp.vec3)
        self._launch(
            _reading.cast, n, self.storage.arrays, self._rules, origins, rays, max_range_m, depth_m, hit
        )
        hits = hit.numpy()
        labels = self.storage.arrays.labels.numpy()[np.maximum(hits, 0), 0]
        return np.array(depth_m.numpy()), np.where(hits >= 0, labels, -1).astype(np.int16)

    def splat(
        self,
        T_world_grid: Float64[np.ndarray, "4 4"],
        shape: tuple[int, int, int],
        voxel_m: float,
        *,
        additive: bool,
        stable_only: bool,
    ) -> tuple[Float32[np.ndarray, "x y z"], Int16[np.ndarray, "x y z"]]:
        """Occupancy (NaN: unknown) and label (-1: none) of each voxel of a grid whose corner and axes are `T_world_grid`."""
        grid, R = _splatting.VoxelGrid(), T_world_grid[:3, :3]
        grid.corner = wp.vec3d(*(T_world_grid[:3, 3] / self.config.cell_m).tolist())
        grid.R, grid.spread = wp.mat33(*R.ravel().tolist()), float(np.abs(R).sum(axis=1).max())
        grid.voxel_cells, grid.size = voxel_m / self.config.cell_m, wp.vec3i(*shape)
        grid.form = _splatting.ADDITIVE if additive else _splatting.PRODUCT
        grid.empty_score = EMPTY_SCORE
        grid.min_level = self.config.level(self.config.stable_log_odds) if stable_only else 0
        num_voxels = int(np.prod(shape))
        occupancy = wp.empty(num_voxels, dtype=wp.float32, device=self._device)
        label = wp.empty(num_voxels, dtype=wp.int16, device=self._device)
        self._launch(_splatting.splat, shape, self.storage.arrays, self._rules, grid, occupancy, label)
        return np.array(occupancy.numpy()).reshape(shape), np.array(label.numpy()).reshape(shape)

    def snapshot(self, labels: tuple[str, ...]) -> MapSnapshot:
        rows, cell_m = self.storage.rows(), self.config.cell_m
        owner, local = np.divmod(rows["gaussian_cell"].astype(np.int64), BRICK_CELLS)
        in_cell = rows["mean"] / _structures.MEAN_STEPS
        cells = _cell_coordinates(rows["brick_coord"].astype(np.int64)[owner], local)
        weights = rows["label_weights"].astype(np.float32)
        levels = rows["cells"][owner, local] & LEVEL_MASK
        covariances = rows["covariance"] * np.float32(cell_m**2 / _structures.COVARIANCE_STEPS)
        covariances[:, [0, 3, 5]] += np.float32(self.config.min_sigma_m**2)
        return MapSnapshot(
            means_world=((cells + in_cell) * cell_m).astype(np.float32),
            covariances_m2=covariances,
            occupancy=self._probability_of(levels),
            state=self._states(levels),
            color_rgb=_unpack_color(rows["color"]),
            label_index=rows["labels"][:, 0].copy(),
            label_share=weights[:, 0] / np.maximum(weights.sum(axis=1), 1.0),
            first_seen_ns=self._stamps(rows["first_seen_tick"]),
            last_seen_ns=self._stamps(rows["last_seen_tick"]),
            labels=labels,
            cell_m=cell_m,
        )

    def free_cells(self) -> Float32[np.ndarray, "n 3"]:
        return ((self.known_cells()[0] + 0.5) * self.config.cell_m).astype(np.float32)

    def known_cells(self) -> tuple[Int64[np.ndarray, "n 3"], Int64[np.ndarray, "m 3"]]:
        """World coordinates, in cells, of those known to be free, and of all that are known."""
        rows = self.storage.rows()
        owner, local = np.nonzero(rows["cells"])
        cells = _cell_coordinates(rows["brick_coord"].astype(np.int64)[owner], local)
        return cells[rows["cells"][owner, local] < HAS_GAUSSIAN], cells

    def _probability_of(self, levels: np.ndarray) -> Float32[np.ndarray, "n"]:
        log_odds = self.config.min_log_odds + (levels.astype(np.float64) - 1.0) * self.config.log_odds_step
        return (1.0 / (1.0 + np.exp(-log_odds))).astype(np.float32)

    def _states(self, levels: np.ndarray) -> Int8[np.ndarray, "n"]:
        is_occupied = levels >= self.config.occupied_level
        is_stable = levels >= self.config.level(self.config.stable_log_odds)
        return np.where(is_stable, STABLE, np.where(is_occupied, ACTIVE, TRANSIENT)).astype(np.int8)

    def _stamps(self, ticks: np.ndarray) -> np.ndarray:
        return (ticks.astype(np.int64) << TICK_SHIFT) + (self.epoch_ns or 0)

    @property
    def num_bytes(self) -> int:
        return self.storage.num_bytes

    @property
    def num_scratch_bytes(self) -> int:
        return self._scratch.num_bytes

    @property
    def num_evicted(self) -> int:
        return self.storage.num_evicted


def _cell_coordinates(bricks: np.ndarray, local: np.ndarray) -> np.ndarray:
    """World cell coordinates (n, 3) of cells by their brick's coordinate and number within it."""
    side = BRICK_SIDE
    within = np.stack([local // (side * side), local // side % side, local % side], axis=1)
    return np.asarray(bricks * side + within)


def _unpack_color(packed: np.ndarray) -> np.ndarray:
    channels = np.stack([packed >> 20 & 1023, packed >> 10 & 1023, packed & 1023], axis=1)
    rgb: np.ndarray = np.minimum((channels + 2) // 4, 255).astype(np.uint8)
    rgb[packed == 0] = 128
    return np.asarray(rgb)
