"""The day as it truly was: read from the simulator's own log and from nothing else."""

from __future__ import annotations

import bisect
import json
from pathlib import Path
from typing import Any

import numpy as np

from embodied_mem.benchmarks.world.chronicle import Errand, Item, Point, Pose, RoomStay, Undecided
from embodied_mem.envs.mujoco.truth import HouseholdTruth
from embodied_mem.geometry import Box

SIGHT_NS = 2_000_000_000
"""Nobody is asked about so long before and after something came into view."""
CLEARLY_SEEN_PX = 120
"""A thing counts as observed when one frame (of 320x240) showed this many of its pixels where it now is."""


class TrueChronicle:
    """`Chronicle` over one episode of a simulator's log."""

    is_truth = True

    def __init__(self, path: Path) -> None:
        self._truth = self.household = HouseholdTruth.from_log(path)
        with path.open(encoding="utf-8") as lines:
            frames = [record for record in map(json.loads, lines) if record["type"] == "frame"]
        self._stamps = [int(frame["stamp_ns"]) for frame in frames]
        self._cameras = np.array([frame["camera"] for frame in frames])
        self._pixels = [frame["pixels"] for frame in frames]
        self._last_clear_ns = {
            name: stamp_ns
            for stamp_ns, pixels in zip(self._stamps, self._pixels, strict=True)
            for name, number in pixels.items()
            if number >= CLEARLY_SEEN_PX
        }
        self.start_ns, self.end_ns = self._truth.start_ns, self._truth.end_ns
        self._furniture = {
            name: _furniture_item(name, record) for name, record in self._truth.furniture.items()
        }

    def named(self, label: str, color: str | None = None) -> list[Item]:
        found = [one for one in self._truth.named(label, color) if not self._truth.is_gone(one.id)]
        if any(not self._is_at_rest(one.id) or not self._is_observed(one.id) for one in found):
            raise Undecided
        return [self._item(one.id) for one in found]

    def things(self) -> list[Item]:
        """Those that were observed where they now are; not what is in a hand."""
        return [
            self._item(name)
            for name in self._truth.objects
            if self._is_at_rest(name) and self._is_observed(name)
        ]

    def labels(self) -> list[str]:
        """What was only glimpsed, of a kind of which nothing was clearly seen, decides nothing."""
        clear = {item.label for item in self.things()}
        others = [one for one in self._truth.objects.values() if one.category not in clear]
        if any(self._is_at_rest(one.id) and self._truth.observed(one.id, 1) for one in others):
            raise Undecided
        return sorted(clear)

    def furniture(self, label: str | None = None) -> list[Item]:
        used = {record["furniture"] for record in self._truth.receptacles.values()}
        return [
            item
            for name, item in self._furniture.items()
            if name in used and label in (None, item.label) and name in self._last_clear_ns
        ]

    def errands(self) -> list[Errand]:
        deeds = [
            d for d in self._truth.robot_events() if d.outcome == "success" and d.kind in ("pick", "place")
        ]
        found: list[Errand] = []
        for pick, place in zip(deeds[::2], deeds[1::2], strict=False):
            assert pick.subject is not None and pick.before is not None and place.after is not None  # noqa: PT018
            found.append(
                Errand(
                    item=self._item(pick.subject), pick_ns=pick.end_ns, place_ns=place.end_ns, from_world_m=pick.before,
                    to_world_m=place.after, source=self._holder(pick.subject, pick.start_ns - 1),
                    target=self._holder(pick.subject, place.end_ns + 1),
                )
            )  # fmt: skip
        return found

    def rooms(self) -> list[Item]:
        return [
            Item(
                key=name, label=name, kind="room",
                position_world_m=(*rectangle.centre, 1.0),
                box=Box(min_m=(rectangle.x0, rectangle.y0, 0.0), max_m=(rectangle.x1, rectangle.y1, 2.5)),
            )
            for name, rectangle in self._truth.rooms.items()
        ]  # fmt: skip

    def room_of(self, position_world_m: Point) -> str:
        return self._truth.room_of(position_world_m[0], position_world_m[1])

    def stays(self) -> list[RoomStay]:
        found: list[RoomStay] = []
        for frame in self._truth.frames:
            if frame.room not in self._truth.rooms:
                continue
            if found and found[-1].room == frame.room:
                found[-1] = RoomStay(room=frame.room, from_ns=found[-1].from_ns, to_ns=frame.stamp_ns)
            else:
                found.append(RoomStay(room=frame.room, from_ns=frame.stamp_ns, to_ns=frame.stamp_ns))
        return found

    def pose(self, at_ns: int) -> Pose:
        row = self._cameras[max(0, bisect.bisect_right(self._stamps, at_ns) - 1)]
        return Pose(position_world_m=row[:3], forward=row[3:5] / np.linalg.norm(row[3:5]))

    def position_at(self, item: Item, at_ns: int) -> Point:
        place = self._truth.where(item.key, at_ns)
        if place.centre_world is None or place.carrier is not None:
            raise Undecided
        return place.centre_world

    def first_seen_ns(self, label: str) -> int | None:
        """When one was first clearly in view; a first glimpse of only a few pixels long before decides nothing."""
        some_ns, clear_ns = self._first_sights_ns(label)
        if some_ns is not None and (clear_ns is None or clear_ns - some_ns > SIGHT_NS):
            raise Undecided
        return clear_ns

    def was_seen(self, label: str, by_ns: int) -> bool:
        """Undecided from shortly before the first glimpse until shortly after the first clear view."""
        some_ns, clear_ns = self._first_sights_ns(label)
        if some_ns is None or by_ns <= some_ns - SIGHT_NS:
            return False
        if clear_ns is None or by_ns < clear_ns + SIGHT_NS:
            raise Undecided
        return True

    def _first_sights_ns(self, label: str) -> tuple[int | None, int | None]:
        """When anything of a label was first in view, and when it first was clearly."""
        names = [one.id for one in self._truth.named(label)]
        seen = [
            (stamp_ns, max((pixels.get(name, 0) for name in names), default=0))
            for stamp_ns, pixels in zip(self._stamps, self._pixels, strict=True)
        ]
        clear_ns = next((stamp_ns for stamp_ns, most in seen if most >= CLEARLY_SEEN_PX), None)
        return next((stamp_ns for stamp_ns, most in seen if most > 0), None), clear_ns

    def _is_at_rest(self, name: str) -> bool:
        place = self._truth.where(name)
        return place.centre_world is not None and place.carrier is None

    def _is_observed(self, name: str) -> bool:
        return self._last_clear_ns.get(name, -1) >= self._truth.where(name).from_ns

    def _item(self, name: str) -> Item:
        """A thing where it is, or where it last was when somebody carries it or has taken it out of the home."""
        thing, position = self._truth.objects[name], self._truth.history(name)[-1].centre_world
        assert position is not None
        center, half = np.array(position), np.array(thing.size_m) / 2
        box = Box(min_m=tuple((center - half).tolist()), max_m=tuple((center + half).tolist()))
        return Item(
            key=name, label=thing.category, color=thing.colour, position_world_m=position, box=box,
            is_at_rest=self._is_at_rest(name),
        )  # fmt: skip

    def _holder(self, name: str, at_ns: int) -> Item | None:
        receptacle = self._truth.where(name, at_ns).receptacle
        return (
            None if receptacle is None else self._furniture[self._truth.receptacles[receptacle]["furniture"]]
        )


def _furniture_item(name: str, record: dict[str, Any]) -> Item:
    size = np.array(record["size_m"])
    if record["quarters"] % 2:
        size[[0, 1]] = size[[1, 0]]
    center = np.array(record["centre_world"])
    box = Box(min_m=tuple((center - size / 2).tolist()), max_m=tuple((center + size / 2).tolist()))
    x, y, z = center.tolist()
    return Item(key=name, label=record["category"], position_world_m=(x, y, z), box=box, kind="furniture")
