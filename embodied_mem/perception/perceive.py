"""The first stage of the spine: one posed RGB-D view in, the things in it out, in world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.geometry import Box
from embodied_mem.messages import Detection, Frame, ObservedInstance, Percept
from embodied_mem.perception.assignment import Assignment, Grid, assign
from embodied_mem.perception.colors import color_histograms, colorless_vector
from embodied_mem.perception.edges import find_edges


@dataclass(frozen=True, kw_only=True)
class PerceptionConfig:
    """How frames become instances. Lengths in metres, counts in pixels of the full image."""

    max_grid_pixels: int = 80_000
    """Instances are lifted from a grid of at most so many pixels: every second one of a 640x480 image."""
    min_pixels: int = 24
    """Smaller instances are left out."""
    max_points: int = 600
    """Points kept of one instance."""
    min_depth_m: float = 0.1
    max_depth_m: float = 10.0
    """Depths outside are not lifted; an instance that reaches beyond is cut."""
    min_score: float = 0.25
    """Detections below are ignored."""
    jump_m: float = 0.03
    """A step in depth (beyond what a slanted surface makes) from which a pixel lies on a rim and is left out."""
    covered_fraction: float = 0.05
    """An instance is cut when something nearer borders at least this share of its rim."""
    stuff_labels: tuple[str, ...] = (
        "wall",
        "floor",
        "ceiling",
        "void",
        "background",
        "window",
        "carpet",
        "rug",
    )
    """Labels of what cannot be counted: they colour the map and are no instances."""

    def __post_init__(self) -> None:
        if not (self.max_grid_pixels > 0 and self.max_points > 0 and self.min_pixels > 0):
            raise ConfigError(
                f"PerceptionConfig: max_grid_pixels={self.max_grid_pixels}, max_points={self.max_points} and "
                f"min_pixels={self.min_pixels} must be above 0."
            )
        if not 0.0 <= self.min_depth_m < self.max_depth_m:
            raise ConfigError(
                f"PerceptionConfig: min_depth_m={self.min_depth_m} must be >= 0 and below "
                f"max_depth_m={self.max_depth_m}."
            )


@dataclass(frozen=True, kw_only=True)
class _Lifted:
    """The k instances' points, all of one length m (short ones repeat points), `is_kept` once each and trimmed."""

    detections: Int64[np.ndarray, "k"]
    points_world: Float32[np.ndarray, "k 3 m"]
    is_kept: Bool[np.ndarray, "k m"]
    low_m: Float32[np.ndarray, "k 3"]
    high_m: Float32[np.ndarray, "k 3"]
    median_m: Float32[np.ndarray, "k 3"]
    rows: Int64[np.ndarray, "k m"]
    columns: Int64[np.ndarray, "k m"]


class Perception:
    """Turns frames into percepts; keeps nothing between them."""

    def __init__(self, config: PerceptionConfig = PerceptionConfig()) -> None:
        self.config = config

    def perceive(self, frame: Frame) -> Percept:
        """The instances in view with their points, boxes and looks in world, and each pixel's label.

        Raises:
            InvalidMessage: the camera is distorted, or a frame names more than 32,000 detections.
        """
        self._check(frame)
        camera = frame.camera
        grid = Grid.at_most(self.config.max_grid_pixels, height_px=camera.height_px, width_px=camera.width_px)
        depth_m = grid.sample(frame.depth_m)
        assigned = assign(frame, depth_m, grid, self.config.min_score)
        instances = self._instances(frame, depth_m, assigned, grid) if frame.detections else ()
        return Percept(
            frame=frame, instances=instances, labels=assigned.labels, label_index=assigned.label_index
        )

    def _check(self, frame: Frame) -> None:
        if frame.camera.is_distorted:
            raise InvalidMessage(
                f"the camera of frame {frame.stamp_ns} has distortion {frame.camera.distortion}; depth is lifted "
                "through an ideal pinhole. Use the rectified topic, or perception.rectification.rectify(frame)."
            )
        if len(frame.detections) > 32_000:
            raise InvalidMessage(
                f"frame {frame.stamp_ns} has {len(frame.detections)} detections; at most 32000 are allowed. "
                "Raise the detector's threshold."
            )

    def _instances(
        self, frame: Frame, depth_m: Float32[np.ndarray, "gh gw"], assigned: Assignment, grid: Grid
    ) -> tuple[ObservedInstance, ...]:
        config, owner = self.config, assigned.owner
        num_detections = len(frame.detections)
        is_far = depth_m > config.max_depth_m
        depth_m[is_far | (depth_m <= config.min_depth_m)] = np.nan
        edges = find_edges(depth_m, owner, step_rad=grid.stride_px / frame.camera.fx, jump_m=config.jump_m)

        num_pixels = _count(owner.ravel(), num_detections)
        is_wanted = np.array([d.label not in config.stuff_labels for d in frame.detections], dtype=bool)
        is_wanted &= num_pixels * grid.stride_px**2 >= config.min_pixels
        is_cut = self._cut(owner, edges.is_rim, edges.is_covered, is_far, num_detections)
        lifted = self._lift(frame, depth_m, owner, edges.is_jump, is_wanted, grid)
        if not len(lifted.detections):
            return ()
        looks, colors = _looks(frame, lifted)
        origin = frame.T_world_camera[:3, 3].astype(np.float32)
        distance_m = np.linalg.norm(lifted.median_m - origin, axis=1)
        return tuple(
            ObservedInstance(
                label=frame.detections[detection].label,
                score=frame.detections[detection].score,
                points_world=np.ascontiguousarray(lifted.points_world[k][:, lifted.is_kept[k]].T),
                box=Box(min_m=tuple(lifted.low_m[k].tolist()), max_m=tuple(lifted.high_m[k].tolist())),
                num_pixels=int(num_pixels[detection]) * grid.stride_px**2,
                distance_m=float(distance_m[k]),
                appearance=_embedding(frame.detections[detection], looks[k]),
                color_rgb=tuple(colors[k].tolist()),
                is_cut=bool(is_cut[detection]),
            )
            for k, detection in enumerate(lifted.detections)
        )

    def _cut(
        self,
        owner: np.ndarray,
        is_rim: Bool[np.ndarray, "gh gw"],
        is_covered: Bool[np.ndarray, "gh gw"],
        is_far: Bool[np.ndarray, "gh gw"],
        num_detections: int,
    ) -> Bool[np.ndarray, "d"]:
        """Which detections the image border, something nearer, or the depth limit cuts."""
        border = np.concatenate([owner[0], owner[-1], owner[:, 0], owner[:, -1]])
        rim = _count(owner[is_rim], num_detections)
        covered = _count(owner[is_covered], num_detections)
        far = _count(owner[is_far], num_detections)
        is_hidden = (covered >= 2) & (covered >= self.config.covered_fraction * rim)
        return np.asarray((_count(border, num_detections) > 0) | is_hidden | (far > 0))

    def _lift(
        self,
        frame: Frame,
        depth_m: Float32[np.ndarray, "gh gw"],
        owner: np.ndarray,
        is_jump: Bool[np.ndarray, "gh gw"],
        is_wanted: Bool[np.ndarray, "d"],
        grid: Grid,
    ) -> _Lifted:
        """The wanted detections' points in world: one sort by owner, then evenly spaced picks from each run."""
        wanted_or_nobody = np.append(is_wanted, False)  # owner -1 reads the last entry
        pixels = np.flatnonzero(wanted_or_nobody[owner].ravel() & (depth_m.ravel() == depth_m.ravel()))
        owners = owner.ravel()[pixels]
        is_clean = ~is_jump.ravel()[pixels]
        num_all, num_clean = _count(owners, len(is_wanted)), _count(owners[is_clean], len(is_wanted))
        # A thing so thin that it is all rim keeps its rim.
        is_thin = num_clean < np.maximum(8, 0.3 * num_all)
        is_used = is_clean | is_thin[owners]
        pixels, owners = pixels[is_used], owners[is_used]
        counts = _count(owners, len(is_wanted))
        detections = np.flatnonzero(counts >= 3)
        order = np.argsort(owners, kind="stable")
        starts = np.concatenate([[0], np.cumsum(counts)])[detections]
        picks = starts[:, None] + spaced(counts[detections], self.config.max_points)
        rows, columns = np.divmod(pixels[order[picks]], owner.shape[1])
        points = _to_world(frame, grid, depth_m[rows, columns], rows, columns)
        low, high, median, is_inside = trimmed_bounds(points)
        is_first = np.ones(picks.shape, dtype=bool)
        is_first[:, 1:] = picks[:, 1:] != picks[:, :-1]
        return _Lifted(
            detections=detections, points_world=points, is_kept=is_first & is_inside, low_m=low, high_m=high,
            median_m=median, rows=rows * grid.stride_px + grid.offset_px,
            columns=columns * grid.stride_px + grid.offset_px,
        )  # fmt: skip


def spaced(counts: Int64[np.ndarray, "k"], num: int) -> Int64[np.ndarray, "k num"]:
    """`num` indices into each of k runs of `counts` items, evenly spaced; short runs repeat theirs."""
    return np.asarray(np.arange(num, dtype=np.int64) * counts[:, None] // num)


def trimmed_bounds(
    points: Float32[np.ndarray, "k 3 m"],
) -> tuple[
    Float32[np.ndarray, "k 3"],
    Float32[np.ndarray, "k 3"],
    Float32[np.ndarray, "k 3"],
    Bool[np.ndarray, "k m"],
]:
    """Lowest and highest coordinates of each set's points without its outliers, its median, and who is none.

    An outlier lies farther from the middle 96 % than 0.75 of their extent plus 3 cm, on any axis: what is left of
    pixels between two surfaces after rims are eroded.
    """
    num = points.shape[2]
    ordered = np.sort(points, axis=2)
    low, high = ordered[:, :, int(0.02 * num)], ordered[:, :, num - 1 - int(0.02 * num)]
    reach = (high - low) * np.float32(0.75) + np.float32(0.03)
    fence_low, fence_high = (low - reach)[:, :, None], (high + reach)[:, :, None]
    is_inside = ((points >= fence_low) & (points <= fence_high)).all(axis=1)
    outside = ~is_inside[:, None, :]
    lowest = np.where(outside, np.float32(np.inf), points).min(axis=2)
    highest = np.where(outside, np.float32(-np.inf), points).max(axis=2)
    return lowest, highest, ordered[:, :, num // 2], is_inside


def _to_world(
    frame: Frame, grid: Grid, depth_m: Float32[np.ndarray, "k m"], rows: np.ndarray, columns: np.ndarray
) -> Float32[np.ndarray, "k 3 m"]:
    """World points of grid pixels, coordinates apart so that sorting each axis reads memory in order."""
    camera, T = frame.camera, frame.T_world_camera.astype(np.float32)
    u_px = columns * grid.stride_px + grid.offset_px
    v_px = rows * grid.stride_px + grid.offset_px
    rays = np.empty((len(depth_m), 3, depth_m.shape[1]), dtype=np.float32)
    rays[:, 0] = (u_px - camera.cx) / camera.fx * depth_m
    rays[:, 1] = (v_px - camera.cy) / camera.fy * depth_m
    rays[:, 2] = depth_m
    return np.asarray(T[:3, :3] @ rays + T[:3, 3][:, None])


def _looks(frame: Frame, lifted: _Lifted) -> tuple[Float32[np.ndarray, "k d"], Float32[np.ndarray, "k 3"]]:
    """Colour histograms and typical colours. The median of each channel stands for the mean: a pale cap or a dark
    handle does not shift it.
    """
    if frame.rgb is None:
        num = len(lifted.detections)
        return np.tile(colorless_vector(), (num, 1)), np.full((num, 3), np.nan, dtype=np.float32)
    rgb = frame.rgb[lifted.rows, lifted.columns]
    middle = rgb.shape[1] // 2
    channels = np.partition(np.ascontiguousarray(rgb.transpose(0, 2, 1)), middle, axis=2)
    return color_histograms(rgb[:, ::2]), channels[:, :, middle].astype(np.float32)


def _embedding(detection: Detection, look: Float32[np.ndarray, "d"]) -> Float32[np.ndarray, "e"]:
    """The detector's own vector at unit length where it gave one, else the colour histogram."""
    if detection.embedding is None or not (norm := float(np.linalg.norm(detection.embedding))):
        return look
    return np.asarray(detection.embedding / norm, dtype=np.float32)


def _count(owners: np.ndarray, num_detections: int) -> Int64[np.ndarray, "d"]:
    """How often each detection occurs; -1 is nobody."""
    return np.asarray(np.bincount(owners.ravel() + 1, minlength=num_detections + 1)[1:])
