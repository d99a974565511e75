"""Submaps that hang on anchors: a corrected trajectory moves the map instead of rebuilding it.

Each submap is an occupancy map of its own, in the axes of the camera pose that it began with. Correcting the
trajectory replaces those poses; nothing inside a submap is touched. Where submaps overlap, the newest one that knows a
place decides: what it saw through is free although an older one still has a surface there, and what it did not see is
left to the older ones. So rays need not carve older submaps, whose poses relative to the newest may yet change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int8, Int64

from embodied_mem.errors import ConfigError, InvalidQuery
from embodied_mem.geometry import Box, check_rigid, invert, transform
from embodied_mem.layers.occupancy._atlas_views import (
    Submap,
    all_labels,
    joined_alike,
    joined_cells,
    joined_grid,
    joined_snapshot,
)
from embodied_mem.layers.occupancy.codes import ProductCode, needed_codebook
from embodied_mem.layers.occupancy.config import OccupancyConfig
from embodied_mem.layers.occupancy.floor_plan import FloorGrid, distance_field, floor_grid
from embodied_mem.layers.occupancy.frontiers import Frontier, frontiers_of
from embodied_mem.layers.occupancy.grid import OCC_SCANNET_VOXEL_M, SemanticGrid
from embodied_mem.layers.occupancy.layer import OccupancyLayer, check_order
from embodied_mem.layers.occupancy.lit_regions import LitRegion, lit_regions
from embodied_mem.layers.occupancy.snapshot import FREE, UNKNOWN, MapSnapshot
from embodied_mem.layers.occupancy.visibility import Visibility, visibility_of
from embodied_mem.messages import (
    Frame,
    MapChange,
    MapEvent,
    ObservedInstance,
    Percept,
    PinholeCamera,
    PoseCorrection,
)

PAST_M = 0.02
"""How far behind a surface that a newer submap saw through the search along a ray goes on."""
MAX_STALE_SURFACES = 8
"""Outdated surfaces of older submaps that one ray is followed through."""


@dataclass(frozen=True, kw_only=True)
class AtlasConfig:
    """Attributes:
    submap: options of every submap; `submap.budget_bytes` is for all of them together.
    travel_m, turn_rad: a camera that moved or turned this much since its submap began starts the next one.
    max_submaps: beyond it the oldest is dropped (and counted); each may take its share of the budget.
    """

    submap: OccupancyConfig = field(default_factory=OccupancyConfig)
    travel_m: float = 2.0
    turn_rad: float = 1.5
    max_submaps: int = 50

    def __post_init__(self) -> None:
        if not (self.travel_m > 0.0 and self.turn_rad > 0.0 and self.max_submaps >= 1):
            raise ConfigError(
                f"atlas options travel_m={self.travel_m}, turn_rad={self.turn_rad}, max_submaps={self.max_submaps}: the "
                "first two must be above 0, the last at least 1. Change them there."
            )
        dataclasses.replace(self.submap, budget_bytes=self.submap.budget_bytes // self.max_submaps)


class SubmapAtlas:
    """A map that bends where its trajectory is corrected. Anchors are numbered from 0 in the order they began."""

    def __init__(self, config: AtlasConfig = AtlasConfig(), codebook: ProductCode | None = None) -> None:
        self.config = config
        self.codebook = codebook
        self.reset()

    def reset(self) -> None:
        """Forget everything, anchors and stamps included."""
        self._submaps: list[Submap] = []
        self._adopted: list[Submap] = []
        self._num_begun = 0
        self._last_stamps: dict[tuple[str, str], int] = {}

    def update(self, percept: Percept) -> MapChange:
        """Fuse the frame into the newest submap, or begin one when the camera has left it.

        The frame's pose is in the world as corrected so far.

        Raises:
            StampRunsBackwards: the frame is older than the last one of its robot and sensor; nothing has changed.
            InvalidQuery: the frame's features have another size than the codebook; nothing has changed.
        """
        check_order(self._last_stamps, percept.frame)
        if self.codebook is not None and percept.frame.features is not None:
            self.codebook.checked(percept.frame.features[0])  # before a submap begins for it
        T_world_camera, robot = percept.frame.T_world_camera, percept.frame.robot
        newest = next((submap for submap in reversed(self._submaps) if submap.robot == robot), None)
        if newest is None or self._has_left(newest, T_world_camera):
            newest = self._begin(percept.frame)
        T_anchor_world = invert(newest.T_world_anchor)
        frame = dataclasses.replace(percept.frame, T_world_camera=T_anchor_world @ T_world_camera)
        instances = tuple(_in_submap(one, T_anchor_world) for one in percept.instances)
        change = newest.layer.update(dataclasses.replace(percept, frame=frame, instances=instances))
        self._last_stamps[robot, frame.sensor] = frame.stamp_ns
        events = tuple(_placed(event, newest.T_world_anchor) for event in change.events)
        return dataclasses.replace(change, events=events, num_live=self.num_live, num_bytes=self.num_bytes)

    def _has_left(self, submap: Submap, T_world_camera: np.ndarray) -> bool:
        moved = invert(submap.T_world_anchor) @ T_world_camera
        turn_rad = np.arccos(np.clip((np.trace(moved[:3, :3]) - 1.0) / 2.0, -1.0, 1.0))
        return bool(np.linalg.norm(moved[:3, 3]) > self.config.travel_m or turn_rad > self.config.turn_rad)

    def _begin(self, frame: Frame) -> Submap:
        for submap in self._submaps:
            if submap.robot == frame.robot:
                submap.layer.rest()
        layer = OccupancyLayer(self._share, self.codebook)
        begun = Submap(self._num_begun, frame.T_world_camera.copy(), layer, frame.stamp_ns, frame.robot)
        self._submaps.append(begun)
        self._num_begun += 1
        if len(self._submaps) > self.config.max_submaps:
            del self._submaps[0]
        return begun

    @property
    def _share(self) -> OccupancyConfig:
        """What each submap may take."""
        budget_bytes = self.config.submap.budget_bytes // self.config.max_submaps
        return dataclasses.replace(self.config.submap, budget_bytes=budget_bytes)

    def adopt(self, layer: OccupancyLayer, T_world_layer: Float64[np.ndarray, "4 4"]) -> int:
        """Read another robot's map, placed in this world (see `alignment.align`), where no submap of our own knows
        better; the number of its anchor. Its bytes are its owner's: they count in no budget here.

        Raises:
            ConfigError: its codes were made with another codebook than ours.
            InvalidPose: `T_world_layer` is not rigid.
        """
        if layer.codebook is not None and (
            self.codebook is None or not layer.codebook.is_same(self.codebook)
        ):
            raise ConfigError(
                "the map to adopt has codes of another codebook; make the atlas with that one: SubmapAtlas(config, "
                "layer.codebook)."
            )
        T_world_anchor = check_rigid(np.asarray(T_world_layer, dtype=np.float64), "T_world_layer").copy()
        self._adopted.append(Submap(self._num_begun, T_world_anchor, layer))
        self._num_begun += 1
        return self._adopted[-1].anchor

    @property
    def _readable(self) -> list[Submap]:
        """All submaps, those that others outweigh first."""
        return [*self._adopted, *self._submaps]

    @property
    def anchors(self) -> dict[int, Float64[np.ndarray, "4 4"]]:
        """Each submap's pose in world, by the number of its anchor."""
        return {submap.anchor: submap.T_world_anchor.copy() for submap in self._readable}

    @property
    def num_dropped(self) -> int:
        """Submaps that were given up because there were too many."""
        return self._num_begun - len(self._readable)

    @property
    def num_bytes(self) -> int:
        """What all submaps of our own take together; never above the budget."""
        return sum(submap.layer.num_bytes for submap in self._submaps)

    @property
    def num_live(self) -> int:
        """Gaussians in all submaps of our own."""
        return sum(submap.layer.num_live for submap in self._submaps)

    def correct_trajectory(self, correction: PoseCorrection) -> None:
        """Move the robot's submaps to where its corrected trajectory has their anchors.

        What began before or after the trajectory moves along with the nearest anchor that it has. Nothing moves when no
        anchor of the robot lies within it.
        """
        mine = [submap for submap in self._submaps if submap.robot == correction.robot]
        moves: list[tuple[int, np.ndarray]] = []
        for submap in mine:
            T_world_anchor = correction.pose_at(submap.begun_ns)
            if T_world_anchor is not None:
                moves.append((submap.begun_ns, T_world_anchor @ invert(submap.T_world_anchor)))
        if not moves:
            return
        targets = {}
        for submap in mine:
            _, T_move = min(moves, key=lambda move: abs(move[0] - submap.begun_ns))
            targets[submap.anchor] = T_move @ submap.T_world_anchor
        self.correct(targets)

    def correct(self, T_world_anchors: Mapping[int, Float64[np.ndarray, "4 4"]]) -> None:
        """Move submaps to where the corrected trajectory has their anchors; all of them, or none when one is refused.

        Raises:
            InvalidQuery: there is no submap with such an anchor.
            InvalidPose: a pose is not rigid.
        """
        by_anchor = {submap.anchor: submap for submap in self._readable}
        unknown = sorted(set(T_world_anchors) - set(by_anchor))
        if unknown:
            raise InvalidQuery(
                f"no submaps have the anchors {unknown}; there are {min(by_anchor, default=0)} to "
                f"{max(by_anchor, default=0)}. Leave out those that were dropped."
            )
        checked = {
            n: check_rigid(np.asarray(T, dtype=np.float64), "anchor") for n, T in T_world_anchors.items()
        }
        for anchor, T_world_anchor in checked.items():
            by_anchor[anchor].T_world_anchor = T_world_anchor.copy()

    def state_at(self, points_world: Float[np.ndarray, "n 3"]) -> Int8[np.ndarray, "n"]:
        """UNKNOWN (-1), FREE (0) or OCCUPIED (1) for each point: the newest submap that knows it decides."""
        return self._state_in(self._readable, points_world)

    def _state_in(self, submaps: list[Submap], points_world: np.ndarray) -> Int8[np.ndarray, "n"]:
        state = np.full(len(points_world), UNKNOWN, dtype=np.int8)
        for submap in reversed(submaps):
            open_ = np.flatnonzero(state == UNKNOWN)
            if len(open_) == 0:
                break
            points = transform(invert(submap.T_world_anchor), points_world[open_].astype(np.float64))
            state[open_] = submap.layer.state_at(points.astype(np.float32))
        return state

    def cast_rays(
        self,
        origins_world: Float[np.ndarray, "n 3"],
        directions_world: Float[np.ndarray, "n 3"],
        max_range_m: float = 10.0,
    ) -> Float32[np.ndarray, "n"]:
        """How far along each ray the first surface lies that no newer submap saw through; infinity for none."""
        lengths = np.linalg.norm(directions_world, axis=1, keepdims=True)
        directions = np.asarray(directions_world, dtype=np.float64) / np.where(lengths > 0.0, lengths, 1.0)
        nearest_m = np.full(len(directions), np.inf, dtype=np.float32)
        origins, submaps = np.asarray(origins_world), self._readable
        for i, submap in enumerate(submaps):
            found_m = self._cast_in(submap, submaps[i + 1 :], origins, directions, max_range_m)
            nearest_m = np.minimum(nearest_m, found_m)
        return nearest_m

    def _cast_in(
        self,
        submap: Submap,
        newer: list[Submap],
        origins_world: np.ndarray,
        directions: np.ndarray,
        max_range_m: float,
    ) -> np.ndarray:
        """The first surface of one submap that none of the newer ones saw through."""
        T = invert(submap.T_world_anchor)
        rays = directions @ T[:3, :3].T
        start_m = np.zeros(len(directions))
        found_m = np.full(len(directions), np.inf, dtype=np.float32)
        asked = np.arange(len(directions))
        for _ in range(MAX_STALE_SURFACES):
            begin = origins_world[asked] + directions[asked] * start_m[asked, None]
            met_m, _ = submap.layer.cast_rays(
                transform(T, begin.astype(np.float64)), rays[asked], max_range_m
            )
            met_m = met_m + start_m[asked]
            is_met = met_m <= max_range_m
            asked, met_m = asked[is_met], met_m[is_met]
            if len(asked) == 0:
                break
            at = origins_world[asked] + directions[asked] * met_m[:, None]
            is_stale = self._state_in(newer, at) == FREE
            found_m[asked[~is_stale]] = met_m[~is_stale]
            start_m[asked] = met_m + PAST_M
            asked = asked[is_stale]
            if len(asked) == 0:
                break
        return found_m

    def semantic_grid(
        self,
        box: Box,
        voxel_m: float = OCC_SCANNET_VOXEL_M,
        *,
        form: str = "product",
        stable_only: bool = False,
    ) -> SemanticGrid:
        """The box as voxels, as `OccupancyLayer.semantic_grid`: each as the newest submap has it that knows it."""
        return joined_grid(self._readable, box, voxel_m, form=form, stable_only=stable_only)

    def distance_field(
        self, box: Box, voxel_m: float = OCC_SCANNET_VOXEL_M, *, unknown_is_occupied: bool = False
    ) -> Float32[np.ndarray, "x y z"]:
        """Metres from each voxel of the box to the nearest obstacle, as `OccupancyLayer.distance_field`."""
        return distance_field(self.semantic_grid(box, voxel_m), unknown_is_occupied=unknown_is_occupied)

    def floor_grid(self, box: Box, cell_m: float = 0.05) -> FloorGrid:
        """A plan for navigation, as `OccupancyLayer.floor_grid`."""
        return floor_grid(self.semantic_grid(box, cell_m))

    def frontiers(self, *, min_cells: int = 20) -> list[Frontier]:
        """Where space that some submap knows to be free borders on what none knows, largest first."""
        return frontiers_of(*self.known_cells(), self.config.submap.cell_m, min_cells=min_cells)

    def visibility(
        self,
        box: Box,
        camera: PinholeCamera,
        T_world_camera: Float64[np.ndarray, "4 4"],
        max_range_m: float = 5.0,
    ) -> Visibility:
        """How much of the box a camera at that pose would see, as `OccupancyLayer.visibility`."""
        return visibility_of(
            box, camera, T_world_camera, self.cast_rays,
            max_range_m=max_range_m, margin_m=self.config.submap.cell_m / 2,
        )  # fmt: skip

    def find(
        self, embedding: Float[np.ndarray, "d"], *, min_similarity: float = 0.5, min_cells: int = 1
    ) -> list[LitRegion]:
        """Where the map looks like an embedding, as `OccupancyLayer.find`: regions may reach over several submaps.

        Raises:
            InvalidQuery: the atlas was made without a codebook, or for an embedding of another size.
        """
        needed_codebook(self.codebook)
        means_world, similarity = joined_alike(
            self._readable, embedding, min_similarity, is_kept=self._is_not_stale
        )
        return lit_regions(means_world, similarity, self.config.submap.cell_m, min_cells)

    def snapshot(self) -> MapSnapshot:
        """All Gaussians, in world, that no newer submap saw through."""
        return joined_snapshot(self._readable, self.config.submap.cell_m, self._is_not_stale)

    def free_cells(self) -> Float32[np.ndarray, "n 3"]:
        """The centres, in world, of all cells that are known to be free, on one grid for all submaps."""
        return ((self.known_cells()[0] + 0.5) * self.config.submap.cell_m).astype(np.float32)

    def known_cells(self) -> tuple[Int64[np.ndarray, "n 3"], Int64[np.ndarray, "m 3"]]:
        """The cells that are free, and all of which anything is known, as whole numbers of cells from the world's origin."""
        return joined_cells(self._readable, self.config.submap.cell_m, self.state_at)

    def _is_not_stale(self, number: int, points_world: np.ndarray) -> Bool[np.ndarray, "n"]:
        return np.asarray(self._state_in(self._readable[number + 1 :], points_world) != FREE)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that grids and snapshots number."""
        return all_labels(self._readable)

    def state(self) -> dict[str, np.ndarray]:
        """All submaps, adopted ones included, and where they are, as named arrays."""
        from embodied_mem.layers.occupancy._atlas_saving import pack

        return pack(self._submaps, self._adopted, self._num_begun, self.codebook)

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Hold what `state()` gave (or one map's, as the oldest submap); nothing changes when it is refused.

        Raises: as `OccupancyLayer.load_state`.
        """
        from embodied_mem.layers.occupancy._atlas_saving import unpack

        self._submaps, self._adopted, self._num_begun = unpack(state, self._share, self.codebook)
        self._last_stamps = {}
        for submap in self._submaps:
            for key, stamp_ns in submap.layer.last_stamps.items():
                self._last_stamps[key] = max(self._last_stamps.get(key, stamp_ns), stamp_ns)

    def occupied_points(self) -> Float32[np.ndarray, "n 3"]:
        """The means, in world, of all occupied Gaussians that no newer submap saw through."""
        return self.snapshot().occupied().means_world


def _in_submap(instance: ObservedInstance, T_anchor_world: np.ndarray) -> ObservedInstance:
    """The instance with its points in the axes of a submap, where they get codes."""
    points = transform(T_anchor_world, instance.points_world.astype(np.float64)).astype(np.float32)
    return dataclasses.replace(instance, points_world=points, box=_box_in(T_anchor_world, instance.box))


def _placed(event: MapEvent, T_world_anchor: np.ndarray) -> MapEvent:
    """The event's boxes in world: around those of the submap."""
    before = None if event.before_box is None else _box_in(T_world_anchor, event.before_box)
    return dataclasses.replace(event, box=_box_in(T_world_anchor, event.box), before_box=before)


def _box_in(T: np.ndarray, box: Box) -> Box:
    return Box.around(transform(T, box.corners()))
