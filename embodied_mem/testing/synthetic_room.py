"""A furnished room made of boxes, ray-cast in numpy: posed RGB-D with segmentation, and its exact truth.

It needs no simulator and no GPU (about 10 ms a frame at 160x120), so that examples, unit tests and third-party
layers can run anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from embodied_mem.geometry import Box, look_at
from embodied_mem.messages import Detection, Frame, PinholeCamera
from embodied_mem.testing.box_views import pixel_rays, slab
from embodied_mem.testing.fake_clock import FakeClock

ROOM = Box(min_m=(0.0, 0.0, 0.0), max_m=(5.0, 4.0, 2.5))
TABLE_CENTER = np.array([2.5, 2.0, 0.75])
PALETTE = {
    "red": (200, 40, 40), "blue": (40, 60, 200), "green": (40, 160, 60), "yellow": (220, 200, 40),
    "white": (235, 235, 235), "brown": (120, 80, 50), "gray": (128, 128, 128), "purple": (130, 50, 160),
}  # fmt: skip
FURNITURE = {
    "table": ("brown", (2.5, 2.0, 0.36), (1.4, 0.9, 0.72)),
    "sofa": ("gray", (2.5, 0.45, 0.4), (1.9, 0.85, 0.8)),
    "shelf": ("white", (4.75, 2.0, 0.5), (0.4, 1.4, 1.0)),
}
OBJECTS = {
    "red mug": ("mug", "red", (0.09, 0.09, 0.11), "table"),
    "blue mug": ("mug", "blue", (0.09, 0.09, 0.11), "table"),
    "bottle": ("bottle", "green", (0.08, 0.08, 0.26), "table"),
    "bowl": ("bowl", "yellow", (0.18, 0.18, 0.08), "table"),
    "book": ("book", "purple", (0.2, 0.15, 0.05), "shelf"),
}
STRUCTURE = ("floor", "wall", "ceiling")
CATEGORIES = ("void", *STRUCTURE, *FURNITURE, *sorted({label for label, *_ in OBJECTS.values()}), "drawer")


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One box in the room: its label, colour word, and where it is."""

    label: str
    color: str
    box: Box


class SyntheticRoom:
    """A room of 5 x 4 x 2.5 m with a table, a sofa, a shelf and five objects, seen by a camera that circles the table.

    `things` is the truth, by name; `frames()` looks around, `move` and `remove` change the room in between.
    The same seed gives the same frames. Segmentation ids are `category * 1000 + a number drawn for the frame`.
    """

    def __init__(self, seed: int = 0, *, width_px: int = 160, height_px: int = 120) -> None:
        self._rng = np.random.default_rng(seed)
        self.clock = FakeClock()
        focal_px = 0.8 * width_px
        self.camera = PinholeCamera(
            fx=focal_px, fy=focal_px, cx=(width_px - 1) / 2, cy=(height_px - 1) / 2,
            width_px=width_px, height_px=height_px,
        )  # fmt: skip
        self.things: dict[str, Thing] = {
            name: Thing(label=name, color=color, box=_box_at(np.array(center), np.array(size)))
            for name, (color, center, size) in FURNITURE.items()
        }
        for name, (label, color, size, support) in OBJECTS.items():
            center = self._free_place(np.array(size), self.things[support].box)
            self.things[name] = Thing(label=label, color=color, box=_box_at(center, np.array(size)))

    def frames(self, num_frames: int = 24, *, period_s: float = 0.5) -> Iterator[Frame]:
        """One turn around the table, looking at it, `period_s` apart."""
        for angle in np.linspace(0.0, 2 * np.pi, num_frames, endpoint=False):
            eye = TABLE_CENTER + np.array([1.9 * np.cos(angle), 1.45 * np.sin(angle), 0.75])
            self.clock.advance(period_s)
            yield self.look(look_at(eye, TABLE_CENTER))

    def look(self, T_world_camera: Float64[np.ndarray, "4 4"]) -> Frame:
        """The frame that the camera sees from `T_world_camera` now."""
        depth_m, hit, face = self._cast(T_world_camera)
        instances = 1000 * self._categories()[hit] + self._instance_numbers()[hit]
        detections = tuple(
            Detection(label=CATEGORIES[instance // 1000], instance=int(instance))
            for instance in np.unique(instances)
        )
        shade = np.array([0.8, 0.9, 1.0])[face][..., None]  # faces across x, y, z differ, so that edges show
        return Frame(
            stamp_ns=self.clock.now_ns,
            camera=self.camera,
            T_world_camera=T_world_camera,
            depth_m=depth_m.astype(np.float32),
            rgb=(self._colors()[hit] * shade).astype(np.uint8),
            segmentation=instances.astype(np.int32),
            detections=detections,
        )

    def move(self, name: str, center_m: tuple[float, float, float]) -> None:
        """Put a thing elsewhere: its box is centred at `center_m` from the next look on."""
        thing = self._thing(name)
        self.things[name] = Thing(
            label=thing.label, color=thing.color, box=_box_at(np.array(center_m), thing.box.size)
        )

    def remove(self, name: str) -> None:
        """Take a thing out of the room."""
        self._thing(name)
        del self.things[name]

    def _thing(self, name: str) -> Thing:
        if name not in self.things:
            raise KeyError(f"no thing named {name!r} in the room; it has {sorted(self.things)}")
        return self.things[name]

    def _free_place(self, size: np.ndarray, support: Box) -> np.ndarray:
        low = np.array(support.min_m[:2]) + size[:2] / 2 + 0.05
        high = np.array(support.max_m[:2]) - size[:2] / 2 - 0.05
        for _ in range(1000):
            center = np.append(self._rng.uniform(low, high), support.max_m[2] + size[2] / 2)
            wanted = _box_at(center, size).grown(0.1)
            if not any(_overlap(wanted, thing.box) for name, thing in self.things.items() if name in OBJECTS):
                return center
        raise RuntimeError("no free place found on the support after 1000 tries; use another seed")

    def _categories(self) -> np.ndarray:
        labels = [*STRUCTURE, *(thing.label for thing in self.things.values())]
        return np.array([CATEGORIES.index(label) for label in labels])

    def _instance_numbers(self) -> np.ndarray:
        return self._rng.permutation(999)[: len(STRUCTURE) + len(self.things)] + 1

    def _colors(self) -> np.ndarray:
        structure = [(150, 140, 130), (205, 200, 190), (240, 240, 240)]
        return np.array(
            [*structure, *(PALETTE[thing.color] for thing in self.things.values())], dtype=np.float64
        )

    def _cast(self, T_world_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Planar depth in metres, index of what is hit (structure first), and the axis of the face, per pixel."""
        rays, eye = pixel_rays(self.camera, T_world_camera), T_world_camera[:3, 3]
        _, leave, axis = slab(ROOM, eye, rays)
        depth_m, face = leave, axis
        is_up = np.take_along_axis(rays, axis[..., None], axis=-1)[..., 0] > 0
        hit = np.where(axis == 2, np.where(is_up, 2, 0), 1)
        for index, thing in enumerate(self.things.values(), start=len(STRUCTURE)):
            enter, leave, axis = slab(thing.box, eye, rays, entering=True)
            is_hit = (enter < leave) & (enter > 0.0) & (enter < depth_m)
            depth_m, hit, face = (
                np.where(is_hit, enter, depth_m), np.where(is_hit, index, hit), np.where(is_hit, axis, face),
            )  # fmt: skip
        return depth_m, hit, face


def _box_at(center: np.ndarray, size: np.ndarray) -> Box:
    return Box(min_m=tuple((center - size / 2).tolist()), max_m=tuple((center + size / 2).tolist()))


def _overlap(a: Box, b: Box) -> bool:
    return bool((np.maximum(a.min_m, b.min_m) < np.minimum(a.max_m, b.max_m)).all())
