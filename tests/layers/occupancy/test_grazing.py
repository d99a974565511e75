"""Surfaces seen at grazing angles stay whole: a table top, from 2 m away, by a camera 0.45 m above it."""

from __future__ import annotations

import numpy as np
import pytest

from embodied_mem.geometry import Box, look_at
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.testing import SyntheticRoom
from embodied_mem.testing.synthetic_room import Thing


@pytest.mark.parametrize("top_m", [0.72, 0.74, 0.76])
def test_a_table_top_seen_at_a_grazing_angle_has_no_holes(top_m: float) -> None:
    room = SyntheticRoom(seed=0, width_px=320, height_px=240)
    for name in [name for name in room.things if name != "table"]:
        room.remove(name)
    table = room.things["table"]
    (x0, y0, z0), (x1, y1, _) = table.box.min_m, table.box.max_m
    room.things["table"] = Thing(
        label="table", color=table.color, box=Box(min_m=(x0, y0, z0), max_m=(x1, y1, top_m))
    )
    rng = np.random.default_rng(0)
    with RobotMemory.open() as memory:
        for angle in np.linspace(0.0, 2.0 * np.pi, 60):
            eye = np.array([2.5 + 2.5 * np.cos(angle), 2.0 + 1.5 * np.sin(angle), 1.2])
            room.clock.advance(0.1)
            target = np.array([2.5, 2.0, 0.7]) + rng.normal(0.0, 0.2, 3)
            memory.observe(room.look(look_at(eye, target)))
        snapshot = memory.map_snapshot()
    means = snapshot.means_world[np.abs(snapshot.means_world[:, 2] - top_m) < 0.06]
    found = set(map(tuple, np.floor(means[:, :2] / snapshot.cell_m).astype(int).tolist()))
    first = np.ceil(np.array([x0, y0]) / snapshot.cell_m)
    last = np.floor(np.array([x1, y1]) / snapshot.cell_m)
    wanted = {(i, j) for i in range(int(first[0]), int(last[0])) for j in range(int(first[1]), int(last[1]))}
    assert len(found & wanted) >= 0.95 * len(wanted)
