"""A kitchen, a bedroom above it and stairs between them: as the cells of a map, and as depth images of a walk through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from embodied_mem.context.storeys import floor_plan
from embodied_mem.geometry import Box, look_at
from embodied_mem.messages import Detection, FloorPlan, Frame, PinholeCamera
from embodied_mem.testing.box_views import pixel_rays, slab

CELL_M = 0.1
SIZE_M = (7.0, 5.0, 5.25)
CEILING_M, UPPER_M = 2.5, 2.75
NUM_RISERS, TREAD_M, FOOT_X_M, STAIRS_Y_M = 15, 0.27, 1.5, 4.0
RISE_M = UPPER_M / NUM_RISERS
HEAD_X_M = FOOT_X_M + (NUM_RISERS - 1) * TREAD_M
EYE_M = 1.3
CAMERA = PinholeCamera(fx=60.0, fy=60.0, cx=59.5, cy=44.5, width_px=120, height_px=90)


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> Box:
    return Box(min_m=low, max_m=high)


STEPS = tuple(
    box(
        (FOOT_X_M + (k - 1) * TREAD_M, STAIRS_Y_M, max(0.0, k * RISE_M - 0.3)),
        (FOOT_X_M + k * TREAD_M, SIZE_M[1], k * RISE_M),
    )
    for k in range(1, NUM_RISERS)
)
SLABS = (
    box((-0.2, -0.2, -0.3), (SIZE_M[0] + 0.2, SIZE_M[1] + 0.2, 0.0)),
    box((0.0, 0.0, CEILING_M), (SIZE_M[0], STAIRS_Y_M, UPPER_M)),
    box((0.0, STAIRS_Y_M, CEILING_M), (FOOT_X_M, SIZE_M[1], UPPER_M)),
    box((HEAD_X_M, STAIRS_Y_M, CEILING_M), (SIZE_M[0], SIZE_M[1], UPPER_M)),
)
FURNITURE = {
    "fridge": box((0.2, 0.1, 0.0), (0.9, 0.8, 1.8)),
    "counter": box((1.2, 0.1, 0.0), (3.0, 0.7, 0.9)),
    "mug": box((2.0, 0.3, 0.9), (2.1, 0.4, 1.02)),
    "bed": box((0.3, 0.2, UPPER_M), (2.3, 1.7, UPPER_M + 0.5)),
    "lamp": box((3.0, 0.2, UPPER_M), (3.3, 0.5, UPPER_M + 0.6)),
}
HOLE_POINT = (3.4, 4.5)
"""Above the middle of the stairs, where upstairs there is no floor."""


def cells_of(
    boxes: Sequence[Box], size_m: tuple[float, float, float] = SIZE_M
) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the free and of the occupied cells of a space with boxes in it."""
    axes = [
        np.arange(low + CELL_M / 2, high, CELL_M) for low, high in zip((0.0, 0.0, -0.1), size_m, strict=True)
    ]
    cells = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    is_occupied = np.any([one.contains(cells) for one in boxes], axis=0)
    cells = cells.astype(np.float32)
    return cells[~is_occupied], cells[is_occupied]


def plan(steps: Sequence[Box] = STEPS) -> FloorPlan:
    """The floors that a map of the whole home gives."""
    found = floor_plan(*cells_of([*SLABS, *steps, *FURNITURE.values()]), CELL_M)
    assert found is not None
    return found


def walk() -> Iterator[Frame]:
    """Look around downstairs, climb the stairs, look around upstairs."""
    for index, (eye, target) in enumerate(_views()):
        yield _seen(eye, target, stamp_ns=(index + 1) * 400_000_000)


def _views() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for floor_z_m in (0.0, UPPER_M):
        for x, y in ((1.8, 2.5), (5.2, 2.5), (6.3, 4.4), (0.7, 4.4)):
            eye = np.array([x, y, floor_z_m + EYE_M])
            for angle in np.arange(0.0, 2 * np.pi, np.pi / 3):
                for drop_m in (0.7, 0.0):
                    yield eye, eye + np.array([np.cos(angle), np.sin(angle), -drop_m])
        for k in range(-1, NUM_RISERS) if floor_z_m == 0.0 else ():
            eye = np.array([FOOT_X_M + (k + 0.5) * TREAD_M, 4.5, max(k, 0) * RISE_M + EYE_M])
            for drop_m in (0.3, 1.5):
                yield eye, eye + np.array([1.0, 0.0, -drop_m])


def _seen(eye: np.ndarray, target: np.ndarray, *, stamp_ns: int) -> Frame:
    T_world_camera = look_at(eye, target)
    rays = pixel_rays(CAMERA, T_world_camera)
    _, depth_m, _ = slab(box((0.0, 0.0, 0.0), SIZE_M), eye, rays)
    hit = np.zeros(depth_m.shape, dtype=np.int32)
    for number, one in enumerate((*FURNITURE.values(), *SLABS, *STEPS), start=1):
        enter, leave, _ = slab(one, eye, rays, entering=True)
        is_hit = (enter < leave) & (enter > 0.0) & (enter < depth_m)
        depth_m, hit = np.where(is_hit, enter, depth_m), np.where(is_hit, number, hit)
    hit = np.where(hit > len(FURNITURE), 0, hit)
    named = [(number, label) for number, label in enumerate(FURNITURE, start=1) if (hit == number).any()]
    return Frame(
        stamp_ns=stamp_ns, camera=CAMERA, T_world_camera=T_world_camera, depth_m=depth_m.astype(np.float32),
        segmentation=hit.astype(np.int32),
        detections=tuple(Detection(label=label, instance=number) for number, label in named),
    )  # fmt: skip
