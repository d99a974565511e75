"""The occupancy layer: a global map of 3D semantic Gaussians from posed depth, free and unknown space kept apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32, Float64, Int8, Int16, Int64, UInt8

from embodied_mem.errors import ConfigError, InvalidQuery, StampRunsBackwards, did_you_mean
from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy.changes import ChangeLog
from embodied_mem.layers.occupancy.codes import ProductCode, needed_codebook
from embodied_mem.layers.occupancy.config import OccupancyConfig
from embodied_mem.layers.occupancy.floor_plan import FloorGrid, distance_field, floor_grid
from embodied_mem.layers.occupancy.frontiers import Frontier, frontiers_of
from embodied_mem.layers.occupancy.grid import FORMS, OCC_SCANNET_VOXEL_M, SemanticGrid, grid_shape
from embodied_mem.layers.occupancy.labels import LabelTable
from embodied_mem.layers.occupancy.lit_regions import LitRegion, lit_regions
from embodied_mem.layers.occupancy.painting import paints_of
from embodied_mem.layers.occupancy.snapshot import FREE, OCCUPIED, UNKNOWN, MapSnapshot
from embodied_mem.layers.occupancy.visibility import Visibility, visibility_of
from embodied_mem.messages import Frame, MapChange, MapEvent, Percept, PinholeCamera

if TYPE_CHECKING:
    from embodied_mem.layers.occupancy._map import GaussianMap
    from embodied_mem.layers.occupancy._saving import SavedMap


class OccupancyLayer:
    """What is occupied, free and unknown around the robot, from every frame it was given.

    The world has no bounds known in advance; memory is bounded by `config.budget_bytes`. A map does not change by
    itself: only frames change it. Not thread-safe; the arrays that it returns are copies.
    """

    def __init__(
        self, config: OccupancyConfig = OccupancyConfig(), codebook: ProductCode | None = None
    ) -> None:
        self.config = config
        self.codebook = codebook
        self._map = _new_map(config, has_codes=codebook is not None)
        self._changes = ChangeLog(
            config.cell_m, config.event_settle_s, config.event_min_cells, self._map.read_cells
        )
        self._labels = LabelTable(config.transient_labels)
        self._translations: dict[tuple[str, ...], np.ndarray] = {}
        self._last_stamps: dict[tuple[str, str], int] = {}

    def update(self, percept: Percept) -> MapChange:
        """Fuse one frame: what it hits becomes more likely occupied, what it sees through less.

        Raises:
            StampRunsBackwards: the frame is older than the last one of its robot and sensor; nothing has changed.
            InvalidQuery: the frame's features have another size than the codebook; nothing has changed.
        """
        frame = percept.frame
        check_order(self._last_stamps, frame)
        paints = self._paints(percept)
        has_labels = percept.label_index is not None
        translation = self._translation(percept.labels) if has_labels else np.empty(0, dtype=np.int16)
        change = self._map.fuse(frame, percept.label_index, translation)
        self._last_stamps[frame.robot, frame.sensor] = frame.stamp_ns
        for points_world, owner, codes in paints:
            self._map.paint(points_world, owner, codes)
        events = self._events(frame)
        return dataclasses.replace(change, events=events) if events else change

    def _paints(self, percept: Percept) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The points that get codes from this frame, which of the codes each gets, and the codes."""
        if self.codebook is None:
            return []
        return [
            (paint.points_world, paint.owner, self.codebook.encode(paint.embeddings))
            for paint in paints_of(percept, self.codebook.num_dims, self.config.stride_px)
        ]

    def paint(self, points_world: Float[np.ndarray, "n 3"], embeddings: Float[np.ndarray, "n d"]) -> None:
        """Give embeddings to the Gaussians in whose cells the points lie.

        Points where there is no Gaussian are left out; of several in one cell the last one wins. A frame's features, and
        instances whose appearance has the codebook's size, are painted by `update`.

        Raises:
            InvalidQuery: the layer was made without a codebook, or for embeddings of another size.
        """
        points = _check_vectors("points_world", points_world).astype(np.float64)
        codes = needed_codebook(self.codebook).encode(embeddings)
        if len(codes) != len(points):
            raise InvalidQuery(f"paint got {len(points)} points and {len(codes)} embeddings; give as many.")
        self._map.paint(points, np.arange(len(points), dtype=np.int32), codes)

    def find(
        self, embedding: Float[np.ndarray, "d"], *, min_similarity: float = 0.5, min_cells: int = 1
    ) -> list[LitRegion]:
        """Where the map looks like an embedding of a text or an image: regions of occupied Gaussians whose code's cosine
        with it is at least `min_similarity`, the most similar first. Gaussians without a code are in none.

        Raises: as `paint`.
        """
        means_world, similarity = self.alike(embedding, min_similarity)
        return lit_regions(means_world, similarity, self.config.cell_m, min_cells)

    def alike(
        self, embedding: Float[np.ndarray, "d"], min_similarity: float
    ) -> tuple[Float32[np.ndarray, "n 3"], Float32[np.ndarray, "n"]]:
        """The means of the occupied Gaussians whose code's cosine with the embedding is at least `min_similarity`, and
        those cosines."""
        codebook, snapshot = needed_codebook(self.codebook), self.snapshot()
        similarity = codebook.similarities(embedding, self._map.storage.rows()["code"])
        is_alike = (similarity >= min_similarity) & (snapshot.occupancy > 0.5)
        return snapshot.means_world[is_alike], similarity[is_alike]

    def _events(self, frame: Frame) -> tuple[MapEvent, ...]:
        """What has become certain to have changed."""
        self._changes.note(frame, *self._map.take_notes())
        return self._changes.tell(frame.stamp_ns, self._labels.labels, self._map.epoch_ns or 0)

    def _translation(self, labels: tuple[str, ...]) -> Int16[np.ndarray, "n"]:
        known = self._translations.get(labels)
        if known is None:
            # Frames of one detector repeat a few label tuples; the bound only guards against one that never does.
            if len(self._translations) >= 256:
                self._translations.clear()
            known = self._translations[labels] = self._labels.translate(labels)
        return known

    def occupancy_at(self, points_world: Float[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n"]:
        """The probability that each point is occupied; NaN where it is unknown."""
        return self._map.probabilities(_check_vectors("points_world", points_world))

    def state_at(self, points_world: Float[np.ndarray, "n 3"]) -> Int8[np.ndarray, "n"]:
        """UNKNOWN (-1), FREE (0) or OCCUPIED (1) for each point."""
        probability = self.occupancy_at(points_world)
        known = np.where(probability > 0.5, OCCUPIED, FREE)
        return np.where(np.isnan(probability), UNKNOWN, known).astype(np.int8)

    def cast_rays(
        self,
        origins_world: Float[np.ndarray, "n 3"],
        directions_world: Float[np.ndarray, "n 3"],
        max_range_m: float = 10.0,
    ) -> tuple[Float32[np.ndarray, "n"], Int16[np.ndarray, "n"]]:
        """How far along each ray the first surface lies, and its label as an index into `labels`.

        Distances are along the ray, whatever the length of its direction; infinity and -1 where nothing is met.
        Unknown space stops no ray: ask `state_at` for what lies on the way.
        """
        origins = _check_vectors("origins_world", origins_world).astype(np.float64)
        directions = _check_vectors("directions_world", directions_world).astype(np.float64)
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        if len(origins) != len(directions) or (lengths == 0.0).any() or not max_range_m > 0.0:
            raise InvalidQuery(
                f"cast_rays got {len(origins)} origins, {len(directions)} directions ({int((lengths == 0).sum())} of "
                f"length zero) and max_range_m={max_range_m}; give as many directions as origins, none zero, and a "
                "range above 0."
            )
        return self._map.cast(origins, (directions / lengths).astype(np.float32), float(max_range_m))

    def semantic_grid(
        self,
        box: Box,
        voxel_m: float = OCC_SCANNET_VOXEL_M,
        *,
        form: str = "product",
        stable_only: bool = False,
    ) -> SemanticGrid:
        """The box as voxels, by splatting the Gaussians into them.

        `form="product"` is probabilistic (a voxel is empty only if no Gaussian occupies it), `"additive"` sums as
        EmbodiedOcc does, for comparison with its line of work. `stable_only` leaves out what was seen too little, such
        as somebody who walks through.
        """
        T_world_grid = np.eye(4)
        T_world_grid[:3, 3] = box.min_m
        occupancy, label_index = self.splat(
            T_world_grid, grid_shape(box, voxel_m), voxel_m, form=form, stable_only=stable_only
        )
        return SemanticGrid(
            corner_world=T_world_grid[:3, 3].copy(),
            voxel_m=voxel_m,
            occupancy=occupancy,
            label_index=label_index,
            labels=self.labels,
        )

    def splat(
        self,
        T_world_grid: Float64[np.ndarray, "4 4"],
        shape: tuple[int, int, int],
        voxel_m: float,
        *,
        form: str,
        stable_only: bool,
    ) -> tuple[Float32[np.ndarray, "x y z"], Int16[np.ndarray, "x y z"]]:
        """Occupancy and label of voxels as in `SemanticGrid`, of a grid that may lie askew: `T_world_grid` is where its
        lowest corner and its axes are.
        """
        if form not in FORMS:
            raise InvalidQuery(f"form is {form!r}; it must be one of {FORMS}.{did_you_mean(form, FORMS)}")
        return self._map.splat(
            T_world_grid, shape, voxel_m, additive=form == "additive", stable_only=stable_only
        )

    def distance_field(
        self, box: Box, voxel_m: float = OCC_SCANNET_VOXEL_M, *, unknown_is_occupied: bool = False
    ) -> Float32[np.ndarray, "x y z"]:
        """Metres from each voxel of the box to the nearest obstacle, negative inside one; see `distance_field`."""
        return distance_field(self.semantic_grid(box, voxel_m), unknown_is_occupied=unknown_is_occupied)

    def floor_grid(self, box: Box, cell_m: float = 0.05) -> FloorGrid:
        """A plan for navigation: the box is the ground it covers and the slab of heights that a robot fills."""
        return floor_grid(self.semantic_grid(box, cell_m))

    def frontiers(self, *, min_cells: int = 20) -> list[Frontier]:
        """Where known free space borders on unknown space, largest first."""
        return frontiers_of(*self.known_cells(), self.config.cell_m, min_cells=min_cells)

    def visibility(
        self,
        box: Box,
        camera: PinholeCamera,
        T_world_camera: Float64[np.ndarray, "4 4"],
        max_range_m: float = 5.0,
    ) -> Visibility:
        """How much of the box a camera at that pose would see, given what the map knows to stand before it."""
        return visibility_of(
            box, camera, T_world_camera, lambda origins, rays, far_m: self.cast_rays(origins, rays, far_m)[0],
            max_range_m=max_range_m, margin_m=self.config.cell_m / 2,
        )  # fmt: skip

    def snapshot(self) -> MapSnapshot:
        """Every Gaussian, as arrays of their own that later frames do not change."""
        return self._map.snapshot(self._labels.labels)

    def free_cells(self) -> Float32[np.ndarray, "n 3"]:
        """The centres, in world, of all cells that are known to be free (spaced by `config.cell_m`)."""
        return self._map.free_cells()

    def known_cells(self) -> tuple[Int64[np.ndarray, "n 3"], Int64[np.ndarray, "m 3"]]:
        """The cells that are free, and all of which anything is known, as whole numbers of cells from the world's origin."""
        return self._map.known_cells()

    def keep(self, boxes: Sequence[Box]) -> None:
        """What a task needs: bricks that touch these boxes are evicted last. Replaces the boxes of the last call."""
        self._map.storage.kept_boxes = tuple(boxes)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that `cast_rays` and snapshots number, in the order they were first seen."""
        return self._labels.labels

    @property
    def last_stamps(self) -> dict[tuple[str, str], int]:
        """The stamp of the last frame of each robot and sensor."""
        return dict(self._last_stamps)

    @property
    def num_live(self) -> int:
        """How many Gaussians there are."""
        return self._map.storage.num_live

    @property
    def num_bytes(self) -> int:
        """What the map takes, hashes and spare room included; never above `config.budget_bytes`."""
        return self._map.num_bytes

    @property
    def num_scratch_bytes(self) -> int:
        """Working memory beside the map, for the largest view and for past ones; it does not grow with the map."""
        return self._map.num_scratch_bytes + self._changes.num_bytes

    @property
    def num_evicted(self) -> int:
        """Gaussians that were given up for the budget since the start or the last reset."""
        return self._map.num_evicted

    def state(self) -> dict[str, np.ndarray]:
        """All that the map knows, as named arrays; equal maps give equal arrays however they came about."""
        from embodied_mem.layers.occupancy._saving import pack, take

        return pack(take(self._map, self._labels.labels, self._last_stamps, self.codebook), self.config)

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Hold what `state()` gave instead of what is held now; nothing changes when it is refused.

        Raises:
            NewerSchema: written by a later version.
            DamagedStore: arrays are missing, or contradict each other.
            ConfigError: made with another cell size or other limits of evidence than this layer's.
        """
        from embodied_mem.layers.occupancy._saving import unpack

        if "atlas_schema_version" in state:
            raise ConfigError(
                "the map was saved with submaps, and this memory keeps one map; set submaps.max_submaps to 1 or more."
            )
        self._hold(unpack(state, self.config, self.codebook))

    def merge(self, state: dict[str, np.ndarray]) -> None:
        """Add what another map in the same world frame knows (its `state()`); either way round gives the same map.

        Evidence is added as if both had seen it all, moments are joined exactly, and labels vote together.

        Raises: as `load_state`.
        """
        from embodied_mem.layers.occupancy._merging import merged
        from embodied_mem.layers.occupancy._saving import take, unpack

        own = take(self._map, self._labels.labels, self._last_stamps, self.codebook)
        self._hold(merged(own, unpack(state, self.config, self.codebook), self.config))

    def add_points(
        self,
        means_world: Float[np.ndarray, "n 3"],
        *,
        covariances_m2: Float[np.ndarray, "n 6"] | None = None,
        color_rgb: UInt8[np.ndarray, "n 3"] | None = None,
        stamp_ns: int,
    ) -> None:
        """Add a point cloud, or Gaussians (covariances as in `MapSnapshot`), of something that is there: as certain as can
        be, seen at `stamp_ns`, without labels. Space around it stays as it is. Nothing is added for no points.

        Raises:
            InvalidQuery: arrays of another shape, NaN or infinity.
        """
        from embodied_mem.layers.occupancy._importing import imported
        from embodied_mem.layers.occupancy._merging import merged
        from embodied_mem.layers.occupancy._saving import take

        means = _check_vectors("means_world", means_world)
        if len(means) == 0:
            return
        covariances = np.zeros((len(means), 6)) if covariances_m2 is None else np.asarray(covariances_m2)
        colors = np.full((len(means), 3), 128, dtype=np.uint8) if color_rgb is None else color_rgb
        has_codes = self.codebook is not None
        theirs = imported(means, covariances, colors, stamp_ns, self.config, has_codes=has_codes)
        own = take(self._map, self._labels.labels, self._last_stamps, self.codebook)
        self._hold(merged(own, theirs, self.config))

    def _hold(self, saved: SavedMap) -> None:
        from embodied_mem.layers.occupancy._saving import put

        put(saved, self._map)
        self._changes.clear()
        self._labels = LabelTable(self.config.transient_labels, saved.labels)
        self._translations = {}
        self._last_stamps = dict(saved.last_stamps)

    def rest(self) -> None:
        """Give back the working memory; the next frame takes it anew."""
        self._map.drop_scratch()

    def reset(self) -> None:
        """Forget everything, stamps and labels included."""
        self._map.clear()
        self._changes.clear()
        self._labels = LabelTable(self.config.transient_labels)
        self._translations = {}
        self._last_stamps = {}


def check_order(last_stamps: dict[tuple[str, str], int], frame: Frame) -> None:
    """Refuse a frame that is older than the last one of its robot and sensor."""
    last_ns = last_stamps.get((frame.robot, frame.sensor), -1)
    if frame.stamp_ns < last_ns:
        raise StampRunsBackwards(
            f"frame of {frame.robot!r}/{frame.sensor!r} has stamp {frame.stamp_ns} ns, before the previous one at "
            f"{last_ns} ns; the map takes frames of one sensor in order. Sort them, or reset() for a new session after "
            "a clock jump."
        )


def _new_map(config: OccupancyConfig, *, has_codes: bool) -> GaussianMap:
    # Warp is imported only when a map is made, so that configurations can be read without it.
    from embodied_mem.layers.occupancy._map import GaussianMap

    return GaussianMap(config, has_codes=has_codes)


def _check_vectors(name: str, vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or vectors.shape[1] != 3 or not np.isfinite(vectors).all():
        raise InvalidQuery(
            f"{name} has shape {vectors.shape} or holds NaN or infinity; it must be (n, 3) and finite. "
            "Use reshape(-1, 3), and drop pixels without depth."
        )
    return vectors
