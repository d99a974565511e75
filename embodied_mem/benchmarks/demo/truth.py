"""The scene of an episode, read from the simulator's own log and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embodied_mem.benchmarks.demo.grading import Position, TrueChange, TrueStay
from embodied_mem.benchmarks.demo.scene import Scene, SceneObject
from embodied_mem.errors import DamagedStore
from embodied_mem.geometry import Box

CEILING_M = 2.5
WALL_HALF_M = 0.06
"""Rooms reach to the middle of their walls, so that what stands against one counts as inside."""

Record = dict[str, Any]


def scene_from_log(path: Path) -> Scene:
    """What was true in the last episode of the log at `path`.

    The robot was away from the first thing that the person did to the last one; without a person, all is "before".

    Raises:
        DamagedStore: it is not a whole simulator log.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        start = max(index for index, record in enumerate(records) if record["type"] == "start")
        return _scene(records[start], records[start + 1 :])
    except (OSError, ValueError, LookupError) as error:
        raise DamagedStore(
            f"the simulator's log {path} cannot be read ({error}); run the episode again with this log_path."
        ) from error


def _scene(start: Record, records: Sequence[Record]) -> Scene:
    deeds = [one for one in records if one["type"] == "deed" and one["outcome"] == "success"]
    frames = [one for one in records if one["type"] == "frame"]
    by_person = [one for one in deeds if one["actor"] != "robot"]
    end_ns = int(frames[-1]["stamp_ns"])
    left_ns = min((int(one["start_ns"]) for one in by_person), default=end_ns + 1) - 1
    returned_ns = max((int(one["end_ns"]) for one in by_person), default=end_ns)
    before = _best_pixels([one for one in frames if one["stamp_ns"] <= left_ns])
    after = _best_pixels([one for one in frames if one["stamp_ns"] > returned_ns])
    objects = tuple(
        SceneObject(
            object_id=one["id"],
            category=one["category"],
            color=one["colour"],
            stays=_stays(one, [deed for deed in deeds if deed["subject"] == one["id"]]),
            best_pixels_before=before.get(one["id"], 0),
            best_pixels_after=after.get(one["id"], 0),
        )
        for one in start["objects"]
    )
    rooms = {room["name"]: _box(room["bounds"]) for room in start["plan"]["rooms"]}
    opened = tuple(
        TrueChange(
            kind=one["kind"], label=one["category"], before_world_m=None, after_world_m=None,
            start_ns=int(one["start_ns"]), end_ns=int(one["end_ns"]),
        )
        for one in by_person
        if one["kind"] in ("open", "close")
    )  # fmt: skip
    return Scene(
        objects=objects, rooms=rooms, left_ns=left_ns, returned_ns=returned_ns, end_ns=end_ns, opened=opened
    )


def _stays(thing: Record, deeds: Sequence[Record]) -> tuple[TrueStay, ...]:
    """From one place to the next: a pick ends a stay, a place begins one."""
    stays = [TrueStay(position_world_m=_position(thing["where"]), from_ns=0, to_ns=None)]
    for deed in deeds:
        if deed["kind"] == "pick":
            last = stays[-1]
            stays[-1] = TrueStay(
                position_world_m=last.position_world_m, from_ns=last.from_ns, to_ns=int(deed["start_ns"])
            )
        elif deed["kind"] == "place":
            position = _position(deed["after"])
            stays.append(TrueStay(position_world_m=position, from_ns=int(deed["start_ns"]), to_ns=None))
    return tuple(stays)


def _position(where: Record) -> Position:
    x, y, z = where["centre_world"]
    return (float(x), float(y), float(z))


def _best_pixels(frames: Sequence[Record]) -> dict[str, int]:
    best: dict[str, int] = {}
    for frame in frames:
        for thing, pixels in frame["pixels"].items():
            best[thing] = max(best.get(thing, 0), int(pixels))
    return best


def _box(bounds: Sequence[float]) -> Box:
    x0, y0, x1, y1 = bounds
    low = (x0 - WALL_HALF_M, y0 - WALL_HALF_M, -0.1)
    return Box(min_m=low, max_m=(x1 + WALL_HALF_M, y1 + WALL_HALF_M, CEILING_M))
