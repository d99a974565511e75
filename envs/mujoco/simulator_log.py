"""Everything true about an episode, written as JSON lines for whoever checks answers afterwards.

Line types: `start` (the home and every thing in it), `deed` (what the robot or the person did), `frame` (robot
pose, camera position and viewing direction, pixels per thing in the robot's picture, things that moved since the last frame). Never shown to a memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TextIO

from .categories import CATEGORY_NAMES
from .config import HouseholdConfig
from .journal import Deed, Whereabouts, whereabouts
from .parts import Rectangle
from .plan import HomePlan
from .world import HouseholdWorld

LOG_VERSION = 1


class SimulatorLog(Protocol):
    """Where an env reports the truth to."""

    def start(self, world: HouseholdWorld, config: HouseholdConfig, seed: int | None) -> None: ...

    def deed(self, deed: Deed) -> None: ...

    def frame(self, world: HouseholdWorld, stamp_ns: int, pixels: Mapping[str, int]) -> None: ...

    def close(self) -> None: ...


class NoLog:
    """Keeps nothing."""

    def start(self, world: HouseholdWorld, config: HouseholdConfig, seed: int | None) -> None:
        del world, config, seed

    def deed(self, deed: Deed) -> None:
        del deed

    def frame(self, world: HouseholdWorld, stamp_ns: int, pixels: Mapping[str, int]) -> None:
        del world, stamp_ns, pixels

    def close(self) -> None:
        """Nothing is open."""


class JsonLinesLog:
    """Writes to one file; several episodes follow each other, each begins with a `start` line."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._file: TextIO | None = None
        self._last: dict[str, Whereabouts] = {}

    def start(self, world: HouseholdWorld, config: HouseholdConfig, seed: int | None) -> None:
        self._last = {name: whereabouts(world, name) for name in world.things}
        self._write(
            {
                "type": "start",
                "version": LOG_VERSION,
                "seed": seed,
                "config": asdict(config),
                "categories": CATEGORY_NAMES,
                "plan": plan_record(world.plan),
                "joints": {
                    name: {
                        "category": joint.category,
                        "centre_world": joint.position_world,
                        "opened": world.opened[name],
                    }
                    for name, joint in world.joints.items()
                },
                "objects": [self._object_record(world, name) for name in world.things],
            }
        )

    def deed(self, deed: Deed) -> None:
        self._write({"type": "deed", **asdict(deed)})

    def frame(self, world: HouseholdWorld, stamp_ns: int, pixels: Mapping[str, int]) -> None:
        now = {name: whereabouts(world, name) for name in world.things}
        moved = {name: asdict(where) for name, where in now.items() if where != self._last[name]}
        self._last = now
        robot, person, T_world_camera = world.robot, world.person, world.T_world_camera()
        self._write(
            {
                "type": "frame",
                "stamp_ns": stamp_ns,
                "robot": [robot.x, robot.y, robot.yaw_rad],
                "camera": [*T_world_camera[:3, 3].tolist(), *T_world_camera[:3, 2].tolist()],
                "room": world.robot_room(),
                "person": [person.x, person.y, person.yaw_rad] if person.is_inside else None,
                "pixels": dict(pixels),
                "moved": moved,
            }
        )

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _object_record(self, world: HouseholdWorld, name: str) -> dict[str, Any]:
        thing = world.things[name]
        return {
            "id": name,
            "category": thing.kind.name,
            "colour": thing.colour_name,
            "size_m": thing.size_m,
            "twin": thing.twin,
            "where": asdict(self._last[name]),
        }

    def _write(self, record: dict[str, Any]) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("w", encoding="utf-8")
        self._file.write(json.dumps(record, separators=(",", ":")) + "\n")
        self._file.flush()


def plan_record(plan: HomePlan) -> dict[str, Any]:
    """The floor plan as plain JSON values."""
    return {
        "rooms": [{"name": r.name, "kind": r.kind, "bounds": _numbers(r.bounds)} for r in plan.rooms],
        "doorways": [{"name": d.name, "rooms": d.rooms, "centre_m": d.centre_m} for d in plan.doorways],
        "furniture": [
            {
                "name": f.name,
                "category": f.model.category,
                "room": f.room,
                "centre_world": f.centre_world,
                "size_m": f.model.size_m,
                "quarters": f.quarters,
            }
            for f in plan.furniture
        ],
        "receptacles": [
            {
                "name": r.name,
                "category": r.category,
                "room": r.room,
                "furniture": r.furniture,
                "centre_world": r.centre_world,
                "drawer": r.drawer,
            }
            for r in plan.receptacles
        ],
    }


def _numbers(bounds: Rectangle) -> tuple[float, float, float, float]:
    return (bounds.x0, bounds.y0, bounds.x1, bounds.y1)
