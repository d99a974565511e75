"""Which pixel belongs to which detection: from segmentation ids, masks or boxes, on a grid of every n-th pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int16, Int32

from embodied_mem.messages import Detection, Frame

MAX_TABLE = 1 << 22
"""Largest segmentation id that we look up in a table; larger ones are searched (3 ms instead of 0.3)."""

NOBODY = -1


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Every `stride_px`-th pixel of an image, starting half a stride in."""

    stride_px: int

    @classmethod
    def at_most(cls, num_pixels: int, *, height_px: int, width_px: int) -> Grid:
        """The finest grid of at most `num_pixels` points."""
        return cls(stride_px=max(1, int(np.ceil(np.sqrt(height_px * width_px / num_pixels)))))

    @property
    def offset_px(self) -> int:
        return self.stride_px // 2

    def sample(self, image: np.ndarray) -> np.ndarray:
        """The image at the grid's pixels, as a copy."""
        return np.array(image[self.offset_px :: self.stride_px, self.offset_px :: self.stride_px], order="C")

    def spread(self, sampled: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """A grid's values on all pixels of an image of `shape`, each in the block around its grid point."""
        wide = sampled.repeat(self.stride_px, axis=0).repeat(self.stride_px, axis=1)
        missing = [(0, max(0, side - have)) for side, have in zip(shape, wide.shape, strict=True)]
        return np.pad(wide, missing, mode="edge")[: shape[0], : shape[1]]


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """`owner` holds for each grid point an index into the frame's detections, or -1; `label_index` for each
    pixel of the image an index into `labels`, or -1 (None when nothing in the frame tells).
    """

    owner: Int16[np.ndarray, "gh gw"]
    labels: tuple[str, ...]
    label_index: Int16[np.ndarray, "h w"] | None


def assign(frame: Frame, depth_m: Float32[np.ndarray, "gh gw"], grid: Grid, min_score: float) -> Assignment:
    """Give each pixel to one detection of at least `min_score`; where several claim it, an instance of the
    segmentation goes before a mask, a mask before a box, and then the higher score.
    """
    labels = tuple(dict.fromkeys(detection.label for detection in frame.detections))
    # One more entry than detections: index -1 (nobody) reads the last one.
    label_of = np.array([labels.index(d.label) for d in frame.detections] + [NOBODY], dtype=np.int16)
    ranked = sorted(
        (index for index, d in enumerate(frame.detections) if d.score >= min_score),
        key=lambda index: frame.detections[index].score,
    )
    painted = [i for i in ranked if frame.detections[i].instance is None]
    owner = np.full(depth_m.shape, NOBODY, dtype=np.int16)
    for index in sorted(painted, key=lambda i: frame.detections[i].mask is not None):
        _paint(owner, index, frame.detections[index], depth_m, grid)
    label_index = grid.spread(label_of[owner], frame.depth_m.shape) if painted else None
    if frame.segmentation is not None:
        lookup = _Lookup([(frame.detections[i].instance, i) for i in ranked], len(frame.detections))
        of_instance = lookup.owners(grid.sample(frame.segmentation))
        exact = lookup.through(frame.segmentation, label_of)
        owner = np.where(of_instance != NOBODY, of_instance, owner) if painted else of_instance
        label_index = exact if label_index is None else np.where(exact != NOBODY, exact, label_index)
    return Assignment(owner=owner, labels=labels, label_index=label_index)


class _Lookup:
    """Segmentation id -> detection index, and on to anything that is kept per detection."""

    def __init__(self, named: list[tuple[int | None, int]], num_detections: int) -> None:
        pairs = {
            instance: index for instance, index in named if instance is not None
        }  # the highest score is last
        self._ids = np.array(sorted(pairs), dtype=np.int64)
        self._index = np.array([pairs[i] for i in sorted(pairs)], dtype=np.int16)
        self._identity = np.array([*range(num_detections), NOBODY], dtype=np.int16)

    def owners(self, segmentation: Int32[np.ndarray, "a b"]) -> Int16[np.ndarray, "a b"]:
        return self.through(segmentation, self._identity)

    def through(
        self, segmentation: Int32[np.ndarray, "a b"], value_of: Int16[np.ndarray, "d+1"]
    ) -> Int16[np.ndarray, "a b"]:
        """`value_of[detection]` at each pixel; its last entry where no detection names the id."""
        if not len(self._ids):
            return np.full(segmentation.shape, value_of[-1], dtype=np.int16)
        if not 0 <= self._ids[0] <= self._ids[-1] < MAX_TABLE:
            return self._search(segmentation, value_of)
        table = np.full(int(self._ids[-1]) + 2, value_of[-1], dtype=np.int16)
        table[self._ids] = value_of[self._index]
        # Read as unsigned, negative ids are huge: clipped to the last entry like every id that nobody named.
        return np.asarray(np.take(table, segmentation.view(np.uint32), mode="clip"))

    def _search(
        self, segmentation: Int32[np.ndarray, "a b"], value_of: Int16[np.ndarray, "d+1"]
    ) -> Int16[np.ndarray, "a b"]:
        place = np.searchsorted(self._ids, segmentation).clip(max=len(self._ids) - 1)
        return np.asarray(
            np.where(self._ids[place] == segmentation, value_of[self._index[place]], value_of[-1])
        )


def _paint(
    owner: Int16[np.ndarray, "gh gw"],
    index: int,
    detection: Detection,
    depth_m: Float32[np.ndarray, "gh gw"],
    grid: Grid,
) -> None:
    if detection.mask is not None:
        owner[grid.sample(detection.mask)] = index
    elif detection.box_px is not None:
        u_min, v_min, u_max, v_max = ((np.array(detection.box_px) - grid.offset_px) / grid.stride_px).tolist()
        rows = slice(max(0, int(np.ceil(v_min))), max(0, int(np.floor(v_max)) + 1))
        columns = slice(max(0, int(np.ceil(u_min))), max(0, int(np.floor(u_max)) + 1))
        owner[rows, columns][nearest_surface(depth_m[rows, columns])] = index


def nearest_surface(depth_m: Float32[np.ndarray, "a b"], *, share: float = 0.25) -> Bool[np.ndarray, "a b"]:
    """The pixels of the nearest surface that fills at least `share` of a box's middle.

    Depths (0: no return) are clustered in bins that grow with distance (4 %, as a stereo camera's noise does);
    an empty bin ends a surface. Nothing is selected where nothing was measured.
    """
    measured = depth_m > 0
    height, width = depth_m.shape
    middle = np.zeros_like(measured)
    middle[height // 5 : height - height // 5, width // 5 : width - width // 5] = True
    in_middle = measured & middle
    if not in_middle.any():
        return measured & False
    bins = np.full(depth_m.shape, -1, dtype=np.int64)
    bins[measured] = np.floor(np.log(depth_m[measured] / 0.05).clip(min=0) / np.log(1.04)).astype(np.int64)
    counts = np.bincount(bins[in_middle])
    counts[counts <= 0.01 * counts.sum()] = 0
    filled = np.flatnonzero(counts)
    if not len(filled):
        return in_middle
    surfaces = np.split(filled, np.flatnonzero(np.diff(filled) > 1) + 1)
    sizes = np.array([counts[surface].sum() for surface in surfaces])
    large = np.flatnonzero(sizes >= share * sizes.sum())
    surface = surfaces[large[0] if len(large) else int(sizes.argmax())]
    return np.asarray((bins >= surface[0]) & (bins <= surface[-1]))
