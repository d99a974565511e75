"""A kitchen and a bedroom with a hallway between, as a floor plan; and a world that a few percepts furnish."""

from __future__ import annotations

import numpy as np

from embodied_mem.context import Recall
from embodied_mem.context.storeys import floor_plan
from embodied_mem.geometry import Box, look_at
from embodied_mem.layers.world import WorldLayer
from embodied_mem.messages import (
    Event,
    FloorMap,
    FloorPlan,
    Frame,
    ObjectMention,
    ObservedInstance,
    Percept,
    PinholeCamera,
)
from embodied_mem.store.sqlite import SqliteRepository

CELL_M = 0.1
SIZE_M = (9.0, 4.0, 2.4)
WALLS = (((4.0, 0.0), (4.1, 4.0), 1.5), ((5.4, 0.0), (5.5, 4.0), 2.5))
"""(low, high, y of the doorway's middle) of the walls that part the kitchen, the hallway and the bedroom."""
DOOR_HALF_M = 0.45
CAMERA = PinholeCamera(fx=40.0, fy=40.0, cx=19.5, cy=14.5, width_px=40, height_px=30)
KITCHEN_POINT, HALL_POINT, BEDROOM_POINT = (2.0, 2.0, 1.2), (4.75, 2.0, 1.2), (7.3, 2.0, 1.2)


def plan(
    *, blocked: tuple[Box, ...] = (), unseen: tuple[Box, ...] = (), walls_seen_to_m: float = SIZE_M[2]
) -> FloorMap:
    """The floor plan that a map of the home gives; `blocked` boxes stand on the floor, `unseen` ones were never in view.
    Above `walls_seen_to_m` rays have cut through the walls, except by the doors, as they do where a wall is seen only
    at a grazing angle.
    """
    axes = [np.arange(CELL_M / 2, size, CELL_M) for size in SIZE_M]
    cells = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    is_occupied = np.zeros(len(cells), dtype=bool)
    for (x0, y0), (x1, y1), door_y in WALLS:
        is_wall = (cells[:, 0] > x0) & (cells[:, 0] < x1) & (cells[:, 1] > y0) & (cells[:, 1] < y1)
        is_doorway = (np.abs(cells[:, 1] - door_y) < DOOR_HALF_M) & (cells[:, 2] < 2.0)
        is_seen = (cells[:, 2] < walls_seen_to_m) | (np.abs(cells[:, 1] - door_y) < 2 * DOOR_HALF_M)
        is_occupied |= is_wall & ~is_doorway & is_seen
    for box in blocked:
        is_occupied |= box.contains(cells)
    is_known = np.ones(len(cells), dtype=bool)
    for box in unseen:
        is_known &= ~box.contains(cells)
    cells = cells.astype(np.float32)
    found = floor_plan(cells[~is_occupied & is_known], cells[is_occupied & is_known], CELL_M)
    assert found is not None
    (floor,) = found.storeys
    return floor


class Home:
    """A world layer that is told what it sees: `see` makes a percept of boxes, from where the robot stands."""

    def __init__(self, floor: FloorMap | FloorPlan | None = None) -> None:
        self.world = WorldLayer(SqliteRepository(":memory:"))
        self.floor = floor or plan()
        self.recall = Recall(self.world, self._floors)
        self.now_ns = 0

    def _floors(self) -> FloorPlan:
        return self.floor if isinstance(self.floor, FloorPlan) else FloorPlan(storeys=(self.floor,))

    def see(
        self,
        eye: tuple[float, float, float],
        *things: ObservedInstance,
        after_s: float = 1.0,
        robot: str = "robot",
    ) -> None:
        self.now_ns += round(after_s * 1e9)
        target = things[0].box.center if things else np.add(eye, (1.0, 0.0, -0.2))
        frame = Frame(
            stamp_ns=self.now_ns, camera=CAMERA, T_world_camera=look_at(np.array(eye, dtype=float), target),
            depth_m=np.zeros((30, 40), dtype=np.float32), robot=robot,
        )  # fmt: skip
        self.world.update(Percept(frame=frame, instances=things))

    def pick_and_place(self, robot: str, entity_id: str, goal: Box, *, label: str = "mug") -> None:
        """A robot says that it carried a thing to where its box is `goal`."""
        target = ObjectMention(label=label, position_world_m=tuple(goal.center.tolist()))
        for kind, what in (("pick", entity_id), ("place", target)):
            self.now_ns += 1_000_000_000
            self.world.record(
                Event(kind=kind, actor=robot, objects=(what,), start_ns=self.now_ns, end_ns=self.now_ns)
            )

    def furnish(self, *, num_looks: int = 4) -> None:
        """Look at the kitchen's things, go through the hallway, look at the bedroom's."""
        for look in range(num_looks):
            self.see((2.0 + 0.1 * look, 2.0, 1.2), FRIDGE, COUNTER, thing("mug", COUNTER_MUG, color=RED))
        self.see(HALL_POINT)
        for look in range(num_looks):
            self.see((7.3 + 0.1 * look, 2.0, 1.2), BED, thing("mug", BED_MUG, color=BLUE))


RED, BLUE, WHITE = (200.0, 30.0, 30.0), (30.0, 50.0, 200.0), (235.0, 235.0, 235.0)


def thing(
    label: str, box: Box, *, color: tuple[float, float, float] = WHITE, looks: tuple[float, ...] | None = None
) -> ObservedInstance:
    """A thing seen whole: points on all the faces of its box."""
    low, size = np.array(box.min_m), box.size
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 7)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    surface = grid[((grid == 0) | (grid == 1)).any(axis=1)]
    appearance = np.array(looks if looks is not None else np.array(color) + 1.0)
    return ObservedInstance(
        label=label, score=1.0, points_world=(low + surface * size).astype(np.float32), box=box, num_pixels=900,
        distance_m=1.5, appearance=(appearance / np.linalg.norm(appearance)).astype(np.float32), color_rgb=color,
        is_cut=False,
    )  # fmt: skip


def box(center: tuple[float, float, float], size: tuple[float, float, float]) -> Box:
    low, high = np.array(center) - np.array(size) / 2, np.array(center) + np.array(size) / 2
    return Box(min_m=tuple(low.tolist()), max_m=tuple(high.tolist()))


FRIDGE = thing("fridge", box((0.4, 0.4, 0.9), (0.7, 0.7, 1.8)))
COUNTER = thing("counter", box((2.0, 0.35, 0.45), (1.6, 0.6, 0.9)))
COUNTER_MUG = box((2.2, 0.35, 0.95), (0.09, 0.09, 0.1))
BED = thing("bed", box((7.5, 3.2, 0.25), (2.0, 1.5, 0.5)))
BED_MUG = box((7.3, 3.0, 0.55), (0.09, 0.09, 0.1))
