"""Simulated weeks: somebody with habits carries things about a generated home, a robot looks in now and then.

The home, what it holds and where things may lie come from the household generator; nothing is rendered by a simulator. A
camera above each room sees the tops of boxes, so that a week costs seconds. Things hidden in drawers are left out.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from embodied_mem.context import Recall
from embodied_mem.envs.mujoco.catalog import COLOURS, KIND_BY_NAME
from embodied_mem.envs.mujoco.home import Home, generate_home
from embodied_mem.envs.mujoco.plan import WALL_HEIGHT_M
from embodied_mem.geometry import Box
from embodied_mem.layers.world import WorldLayer
from embodied_mem.layers.world.placements import Kind, Placements
from embodied_mem.messages import (
    FLOOR_BLOCKED,
    FLOOR_FREE,
    FLOOR_UNKNOWN,
    FloorMap,
    FloorPlan,
    Frame,
    ObservedInstance,
    Percept,
    PinholeCamera,
)
from embodied_mem.store.sqlite import SqliteRepository

NUM_ROOMS = 5
CELL_M = 0.1
EYE_M = 3.6
CAMERA = PinholeCamera(fx=400.0, fy=400.0, cx=399.5, cy=319.5, width_px=800, height_px=640)
LOOKS_M = (-0.35, 0.35, -0.35)
LOOK_S = 1.5
SLOT_M = 0.32
HOURS_PER_MOVE = (4.0, 12.0, 60.0, 600.0)
"""How often things are moved; which of these a label has is drawn from its name, the same in every home."""
HABITUAL = 3
HOUR_NS = 3_600_000_000_000
Shown = tuple[str, Box, tuple[float, float, float]]
"""Label, box and colour of something in a room."""


@dataclass
class HabitThing:
    """A movable thing: where it lies now, and how likely its owner puts it on which receptacle."""

    name: str
    label: str
    color: str
    size_m: tuple[float, float, float]
    on: str
    slot: int
    habits: dict[str, float] = field(default_factory=dict)


class HabitHome:
    """A home that is lived in. `things` is the truth; `advance` lets hours pass, `look_into` shows a room to a world."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([7, seed])
        self.home: Home = generate_home(np.random.default_rng(seed), NUM_ROOMS)
        self.plan = self.home.plan
        self.tops = {r.furniture: r for r in self.plan.open_receptacles}
        self.boxes = {piece.name: self._furniture_box(piece.name) for piece in self.plan.furniture}
        self._slots = {name: _slots(self.boxes[name]) for name in self.tops}
        self.things: dict[str, HabitThing] = {}
        self.hour = 0.0
        for thing in self.home.objects:
            on = self.plan.receptacle(thing.receptacle)
            slot = self._free_slot(on.furniture) if on.drawer is None else None
            if slot is not None:
                self._add(thing.id, thing.kind.name, thing.colour_name, thing.size_m, on.furniture, slot)

    def advance(self, hours: float) -> None:
        """Every thing is carried to one of its habitual receptacles now and then."""
        self.hour += hours
        for thing in self.things.values():
            for _ in range(int(self._rng.poisson(hours / hours_per_move(thing.label)))):
                names = list(thing.habits)
                on = names[int(self._rng.choice(len(names), p=[thing.habits[name] for name in names]))]
                slot = self._free_slot(on)
                if on != thing.on and slot is not None:
                    thing.on, thing.slot = on, slot

    def look_into(self, room: str, world: WorldLayer, *, with_things: bool = True) -> None:
        """Three looks at a room from under its ceiling."""
        self.show(room, self.contents(room, with_things=with_things), world)

    def show(self, room: str, contents: Sequence[Shown], world: WorldLayer) -> None:
        """Three looks at a room as if only this were in it."""
        x, y = self.plan.room(room).bounds.centre
        for index, shift_m in enumerate(LOOKS_M):
            stamp_ns = round((self.hour * HOUR_NS) + (1 + self._turn(room) * 10 + index * LOOK_S) * 1e9)
            T_world_camera = np.eye(4)
            T_world_camera[:3, :3] = np.diag([1.0, -1.0, -1.0])
            T_world_camera[:3, 3] = (x + shift_m, y, EYE_M)
            world.update(self._seen(room, contents, T_world_camera, stamp_ns))

    def contents(self, room: str, *, with_things: bool = True) -> list[Shown]:
        """What is in a room: label, box and colour of its furniture and of the things on it."""
        here: list[Shown] = [
            (p.model.category, self.boxes[p.name], (150.0, 120.0, 90.0))
            for p in self.plan.furniture
            if p.room == room
        ]
        if with_things:
            rooms = {piece.name: piece.room for piece in self.plan.furniture}
            for thing in self.things.values():
                if rooms[thing.on] == room:
                    red, green, blue = (255.0 * c for c in COLOURS[thing.color])
                    here.append((thing.label, self.box_of(thing), (red, green, blue)))
        return here

    def kinds(self) -> list[Kind]:
        """Every piece of furniture as placement statistics count it."""
        return [(piece.model.category, self.plan.room(piece.room).kind) for piece in self.plan.furniture]

    def count_into(self, counted: Placements) -> None:
        """Add the home as it is now to placement statistics."""
        kind_of = dict(zip((piece.name for piece in self.plan.furniture), self.kinds(), strict=True))
        counted.add_home(
            kind_of.values(), [(thing.label, kind_of[thing.on]) for thing in self.things.values()]
        )

    def box_of(self, thing: HabitThing) -> Box:
        """Where a thing lies."""
        x, y, z = self._slots[thing.on][thing.slot]
        half = np.array(thing.size_m) / 2
        center = np.array([x, y, z + half[2] + 0.002])
        return Box(min_m=tuple((center - half).tolist()), max_m=tuple((center + half).tolist()))

    def floor(self) -> FloorMap:
        """The floor plan that a map of the home would give."""
        bounds = self.plan.bounds
        shape = (int((bounds.x1 - bounds.x0) / CELL_M) + 2, int((bounds.y1 - bounds.y0) / CELL_M) + 2)
        xs = bounds.x0 + CELL_M * np.arange(shape[0])
        ys = bounds.y0 + CELL_M * np.arange(shape[1])
        drivable = np.full(shape, FLOOR_BLOCKED, dtype=np.int8)
        open_above = np.full(shape, FLOOR_UNKNOWN, dtype=np.int8)
        for wall in self.plan.walls:
            open_above[np.ix_(_within(xs, wall.bounds.x0, wall.bounds.x1), _within(ys, wall.bounds.y0, wall.bounds.y1))] = (
                FLOOR_BLOCKED
            )  # fmt: skip
        for room in self.plan.rooms:
            inside = np.ix_(
                _within(xs, room.bounds.x0, room.bounds.x1), _within(ys, room.bounds.y0, room.bounds.y1)
            )
            drivable[inside] = FLOOR_FREE
            open_above[inside] = FLOOR_FREE
        for door in self.plan.doorways:
            x, y = door.centre_m
            drivable[np.ix_(_within(xs, x - 0.3, x + 0.3), _within(ys, y - 0.3, y + 0.3))] = FLOOR_FREE
        return FloorMap(
            origin_world_m=(bounds.x0, bounds.y0), cell_m=CELL_M, floor_z_m=0.0, drivable=drivable,
            open_above=open_above, is_shut=open_above == FLOOR_BLOCKED,
        )  # fmt: skip

    def _turn(self, room: str) -> int:
        return [one.name for one in self.plan.rooms].index(room)

    def _add(
        self, name: str, label: str, color: str, size_m: tuple[float, float, float], on: str, slot: int
    ) -> None:
        suits = KIND_BY_NAME[label].suits
        others = [key for key, top in self.tops.items() if top.tag in suits and key != on]
        chosen = [on, *(others[int(i)] for i in self._rng.permutation(len(others))[: HABITUAL - 1])]
        shares = self._rng.dirichlet(np.full(len(chosen), 1.0))
        habits = dict(zip(chosen, shares.tolist(), strict=True))
        self.things[name] = HabitThing(
            name=name, label=label, color=color, size_m=size_m, on=on, slot=slot, habits=habits
        )

    def _free_slot(self, on: str) -> int | None:
        taken = {thing.slot for thing in self.things.values() if thing.on == on}
        free = [index for index in range(len(self._slots[on])) if index not in taken]
        return None if not free else free[int(self._rng.integers(len(free)))]

    def _furniture_box(self, name: str) -> Box:
        """Up to its highest top: what stands above it (a bed's head) is left out."""
        piece = next(one for one in self.plan.furniture if one.name == name)
        top = self.tops.get(name)
        height_m = piece.model.size_m[2]
        if top is not None:
            height_m = max(surface.centre_world[2] for surface in top.surfaces)
        r = piece.footprint()
        return Box(min_m=(r.x0, r.y0, 0.0), max_m=(r.x1, r.y1, height_m))

    def _seen(self, room: str, here: Sequence[Shown], T_world_camera: np.ndarray, stamp_ns: int) -> Percept:
        labels = tuple(sorted({label for label, _, _ in here}))
        eye = T_world_camera[:3, 3]
        bounds = self.plan.room(room).bounds
        ground = Box(min_m=(bounds.x0, bounds.y0, 0.0), max_m=(bounds.x1, bounds.y1, 0.0))
        depth_m = np.full((CAMERA.height_px, CAMERA.width_px), EYE_M - WALL_HEIGHT_M, dtype=np.float32)
        rows, columns, _ = _pixels(ground, eye)
        depth_m[rows, columns] = EYE_M
        label_index = np.full(depth_m.shape, -1, dtype=np.int16)
        instances: list[ObservedInstance] = []
        for label, box, color in sorted(here, key=lambda one: one[1].max_m[2]):
            rows, columns, is_cut = _pixels(box, eye)
            depth_m[rows, columns] = eye[2] - box.max_m[2]
            label_index[rows, columns] = labels.index(label)
            num_pixels = max(0, rows.stop - rows.start) * max(0, columns.stop - columns.start)
            if num_pixels >= 24:
                instances.append(_instance(label, box, color, num_pixels, eye, is_cut=is_cut))
        frame = Frame(stamp_ns=stamp_ns, camera=CAMERA, T_world_camera=T_world_camera, depth_m=depth_m)
        return Percept(frame=frame, instances=tuple(instances), labels=labels, label_index=label_index)


def hours_per_move(label: str) -> float:
    """How long a thing of a label stays put on average."""
    return HOURS_PER_MOVE[zlib.crc32(label.encode()) % len(HOURS_PER_MOVE)]


def memory_of(home: HabitHome) -> tuple[WorldLayer, Recall]:
    """An empty world model that knows the home's floor plan."""
    world, floor = WorldLayer(SqliteRepository(":memory:")), home.floor()
    return world, Recall(world, lambda: FloorPlan(storeys=(floor,)))


def _within(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.flatnonzero((values >= low) & (values <= high))


def _slots(box: Box) -> list[tuple[float, float, float]]:
    """Places on a top, far enough apart for anything."""
    axes = []
    for low, high in zip(box.min_m[:2], box.max_m[:2], strict=True):
        number = max(1, int((high - low) / SLOT_M))
        axes.append(low + (np.arange(number) + 0.5) * (high - low) / number)
    return [(float(x), float(y), box.max_m[2]) for x in axes[0] for y in axes[1]]


def _pixels(box: Box, eye: np.ndarray) -> tuple[slice, slice, bool]:
    """Rows and columns of a box's top seen from straight above, and whether the picture's border cuts it."""
    scale = CAMERA.fx / (eye[2] - box.max_m[2])
    u0, u1 = (
        (CAMERA.cx + scale * (np.array([box.min_m[0], box.max_m[0]]) - eye[0])).round().astype(int).tolist()
    )
    v0, v1 = (
        (CAMERA.cy - scale * (np.array([box.max_m[1], box.min_m[1]]) - eye[1])).round().astype(int).tolist()
    )
    is_cut = u0 < 0 or v0 < 0 or u1 >= CAMERA.width_px or v1 >= CAMERA.height_px
    rows = slice(min(max(v0, 0), CAMERA.height_px), min(max(v1 + 1, 0), CAMERA.height_px))
    columns = slice(min(max(u0, 0), CAMERA.width_px), min(max(u1 + 1, 0), CAMERA.width_px))
    return rows, columns, is_cut


def _instance(
    label: str, box: Box, color: tuple[float, float, float], num_pixels: int, eye: np.ndarray, *, is_cut: bool
) -> ObservedInstance:
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 7)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    surface = grid[((grid == 0) | (grid == 1)).any(axis=1)]
    looks = np.array(color) + 1.0
    return ObservedInstance(
        label=label, score=1.0, points_world=(np.array(box.min_m) + surface * box.size).astype(np.float32), box=box,
        num_pixels=num_pixels, distance_m=float(np.linalg.norm(box.center - eye)),
        appearance=(looks / np.linalg.norm(looks)).astype(np.float32), color_rgb=color, is_cut=is_cut,
    )  # fmt: skip
