"""Simpler memories that get the same percepts and the same questions.

`LastSeen` is a dictionary from words to where they were last seen. `AppendOnly` keeps every caption with position, time
and a vector of its words, never changes one, and answers from the best matches (ReMEmbR's shape, without the language
model). Both are told the robot's own actions.
"""

from __future__ import annotations

import bisect
import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from embodied_mem.benchmarks.world.chronicle import (
    CannotAnswer,
    Chronicle,
    Errand,
    Item,
    Point,
    Pose,
    RoomStay,
)
from embodied_mem.messages import Event, ObjectMention, Percept
from embodied_mem.perception.colors import color_name

SKIPPED = ("person", "robot", "door", "drawer", "picture")
FURNITURE_M = 0.45
SAME_PLACE_M = 0.5
"""Matches for one caption nearer than this are taken for one thing: the best value on the tuning days."""


class Baseline(Chronicle):
    """What the two have in common: the robot's own way and actions, as they were told."""

    is_truth = False

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._poses: list[np.ndarray] = []
        self._events: list[Event] = []
        self._first_ns: dict[str, int] = {}

    def observe(self, percept: Percept) -> None:
        """Take in one frame's percept."""
        frame = percept.frame
        self._stamps.append(frame.stamp_ns)
        self._poses.append(np.append(frame.T_world_camera[:3, 3], frame.T_world_camera[:2, 2]))
        for instance in percept.instances:
            self._first_ns.setdefault(instance.label, frame.stamp_ns)
            if instance.label in SKIPPED:
                continue
            x, y, z = instance.box.center.tolist()
            color = color_name(instance.color_rgb) if np.isfinite(instance.color_rgb).all() else ""
            item = Item(
                key=f"{color} {instance.label}", label=instance.label, color=color, position_world_m=(x, y, z),
                box=instance.box,
            )  # fmt: skip
            self._keep(item, frame.stamp_ns)

    def record(self, event: Event) -> None:
        """Take in what the robot did."""
        if event.outcome not in ("failed", "failure"):
            self._events.append(event)

    def things(self) -> list[Item]:
        return [item for item in self._items() if item.size_m <= FURNITURE_M]

    def furniture(self, label: str | None = None) -> list[Item]:
        return [one for one in self._items() if one.size_m > FURNITURE_M and label in (None, one.label)]

    def errands(self) -> list[Errand]:
        """Picks and places as told; on what, neither of them knows."""
        found: list[Errand] = []
        for pick, place in zip(self._events[::2], self._events[1::2], strict=False):
            a, b = pick.objects[0], place.objects[0]
            if not isinstance(a, ObjectMention) or not isinstance(b, ObjectMention):
                raise CannotAnswer
            item = Item(key=a.label, label=a.label, position_world_m=b.position_world_m)
            found.append(
                Errand(
                    item=item, pick_ns=pick.end_ns, place_ns=place.end_ns, from_world_m=a.position_world_m,
                    to_world_m=b.position_world_m, source=None, target=None,
                )
            )  # fmt: skip
        return found

    def named(self, label: str, color: str | None = None) -> list[Item]:
        raise CannotAnswer

    def position_at(self, item: Item, at_ns: int) -> Point:
        raise CannotAnswer

    def rooms(self) -> list[Item]:
        raise CannotAnswer

    def room_of(self, position_world_m: Point) -> str:
        raise CannotAnswer

    def stays(self) -> list[RoomStay]:
        raise CannotAnswer

    def first_seen_ns(self, label: str) -> int | None:
        return self._first_ns.get(label)

    def pose(self, at_ns: int) -> Pose:
        if not self._poses:
            raise CannotAnswer
        row = self._poses[max(0, bisect.bisect_right(self._stamps, at_ns) - 1)]
        return Pose(position_world_m=row[:3], forward=row[3:] / np.linalg.norm(row[3:]))

    def _keep(self, item: Item, stamp_ns: int) -> None:
        raise CannotAnswer

    def _items(self) -> Iterable[Item]:
        raise CannotAnswer


class LastSeen(Baseline):
    """Where each colour and label was last seen; two alike are one."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, Item] = {}

    def named(self, label: str, color: str | None = None) -> list[Item]:
        return [i for i in self._last.values() if i.label == label and color in (None, i.color)]

    def position_at(self, item: Item, at_ns: int) -> Point:
        raise CannotAnswer

    def pose(self, at_ns: int) -> Pose:
        if not self._stamps or at_ns < self._stamps[-1]:
            raise CannotAnswer
        return super().pose(at_ns)

    def _keep(self, item: Item, stamp_ns: int) -> None:
        self._last[item.key] = item

    def _items(self) -> Iterable[Item]:
        return self._last.values()


class AppendOnly(Baseline):
    """Every caption with where and when, searched by the cosine of hashed words; nothing is ever closed."""

    DIM = 512

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[tuple[Item, int]] = []
        self._rows: dict[str, list[int]] = {}
        self._vectors: dict[str, np.ndarray] = {}

    def named(self, label: str, color: str | None = None) -> list[Item]:
        return self._distinct(self._matches(f"{color} {label}" if color else label))

    def position_at(self, item: Item, at_ns: int) -> Point:
        before = [row for row in self._matches(item.key) if self._entries[row][1] <= at_ns]
        if not before:
            raise CannotAnswer
        return self._entries[max(before)][0].position_world_m

    def _keep(self, item: Item, stamp_ns: int) -> None:
        if item.key not in self._vectors:
            self._vectors[item.key] = self.embed(item.key)
        self._rows.setdefault(item.key, []).append(len(self._entries))
        self._entries.append((item, stamp_ns))

    def _matches(self, words: str) -> list[int]:
        """Rows of the captions nearest to the words: those that hold all of them, when some do."""
        if not self._vectors:
            return []
        wanted = self.embed(words)
        scores = {key: float(vector @ wanted) for key, vector in self._vectors.items()}
        best = max(scores.values())
        if best <= 0.1:
            return []
        return sorted(row for key, score in scores.items() if score >= best - 1e-6 for row in self._rows[key])

    def _distinct(self, rows: list[int]) -> list[Item]:
        """The newest entry of each place."""
        newest_first = [self._entries[row][0] for row in reversed(rows)]
        return [newest_first[k] for k in one_per_place([item.position_world_m for item in newest_first])]

    def _items(self) -> Iterable[Item]:
        return [item for rows in self._rows.values() for item in self._distinct(rows)]

    def embed(self, words: str) -> np.ndarray:
        """A unit vector of hashed words."""
        vector = np.zeros(self.DIM)
        for word in words.lower().split():
            vector[zlib.crc32(word.encode()) % self.DIM] += 1.0
        return vector / max(float(np.linalg.norm(vector)), 1e-9)


def one_per_place(points_world_m: Sequence[Point]) -> list[int]:
    """Indices of the points that lie farther than `SAME_PLACE_M` from every earlier one that was chosen."""
    points = np.array(points_world_m).reshape(-1, 3)
    chosen: list[int] = []
    left = np.arange(len(points))
    while len(left):
        chosen.append(int(left[0]))
        left = left[np.linalg.norm(points[left] - points[left[0]], axis=1) > SAME_PLACE_M]
    return chosen
