"""Absence and change where the truth is exact: rooms of boxes that somebody rearranges between two visits.

A look is clear when at least `CLEAR_SHARE` of what the thing would show is uncovered, and hidden when nothing of it is; both
come from the boxes, not from the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from embodied_mem.benchmarks.world.calibration import Bin, reliability
from embodied_mem.benchmarks.world.degrade import Condition, degraded
from embodied_mem.geometry import Box, look_at
from embodied_mem.layers.world import WorldLayer
from embodied_mem.messages import Change, Entity, Frame
from embodied_mem.perception import Perception
from embodied_mem.store.sqlite import SqliteRepository
from embodied_mem.testing.box_views import depth_of_boxes
from embodied_mem.testing.synthetic_room import OBJECTS, TABLE_CENTER, SyntheticRoom

MISSES = Condition(name="10 % misses", miss_rate=0.1)
CLEAR_SHARE, CLEAR_PX = 0.8, 100
SAME_M = 0.15
LOOK_S = 1.5
LABELS = tuple(sorted({label for label, *_ in OBJECTS.values()}))
NUM_FRAMES = 16


@dataclass
class AbsenceScore:
    """Beliefs in what is gone and in what is there after two clear looks, changes of belief by hidden looks, every
    belief after one or two with whether the thing was there, and changes that were reported, true, and both.
    """

    gone: list[float] = field(default_factory=list)
    there: list[float] = field(default_factory=list)
    hidden_shift: list[float] = field(default_factory=list)
    stated: list[tuple[float, bool]] = field(default_factory=list)
    num_reported: int = 0
    num_true: int = 0
    num_both: int = 0

    def calibration(self) -> list[Bin]:
        """Beliefs that something is there, beside how often it was."""
        return reliability(self.stated, bins=5)

    def calibration_error(self) -> float:
        """Expected calibration error of presence."""
        return sum(one.error for one in self.calibration()) / max(len(self.stated), 1)


class Visit:
    """A room, its camera with faults, and the world layer that is told what it shows."""

    def __init__(self, seed: int, condition: Condition) -> None:
        self.room = SyntheticRoom(seed, width_px=256, height_px=192)
        self.rng = np.random.default_rng([5, seed])
        self.world = WorldLayer(SqliteRepository(":memory:"))
        self._perception, self._condition = Perception(), condition

    def tell(self, frame: Frame) -> None:
        """One frame, as the faulty detector gives it."""
        frame = degraded(frame, self._condition, LABELS, self.rng)
        self.world.update(self._perception.perceive(frame))

    def around(self) -> None:
        """Once around the table."""
        for frame in self.room.frames(NUM_FRAMES):
            self.tell(frame)

    def entity_at(self, box: Box, label: str) -> Entity | None:
        """What the memory knows of the thing that is, or was, in a box."""
        near = [
            (float(np.linalg.norm(entity.placement.box.center - box.center)), entity.entity_id, entity)
            for entity in self.world.entities()
            if entity.label == label
        ]
        best = min(near, default=None)
        return best[2] if best is not None and best[0] < SAME_M else None

    def share_shown(self, frame: Frame, box: Box) -> tuple[float, int]:
        """What share of a box's own pixels nothing else covers, and how many pixels it has of its own."""
        alone_m = depth_of_boxes(frame.camera, frame.T_world_camera, [box])
        is_own = alone_m > 0.0
        is_shown = is_own & (frame.depth_m > alone_m - 1e-3)
        return float(is_shown.sum()) / max(1, int(is_own.sum())), int(is_own.sum())


def measure_absence(seeds: Sequence[int], progress: Callable[[str], None]) -> AbsenceScore:
    """One thing is taken out of each room; then two clear looks at everything, after them one with a screen before it."""
    score = AbsenceScore()
    for seed in seeds:
        progress(f"absence in room {seed}")
        visit = Visit(seed, MISSES)
        visit.around()
        names = sorted(OBJECTS)
        gone = names[int(visit.rng.integers(len(names)))]
        boxes = {name: visit.room.things[name].box for name in names}
        known = {name: visit.entity_at(boxes[name], OBJECTS[name][0]) for name in names}
        visit.room.remove(gone)
        beliefs: dict[str, list[float]] = {name: [] for name in names}
        for name in _two_looks(visit, boxes):
            entity = known[name]
            if entity is not None:
                beliefs[name].append(_presence(visit, entity.entity_id))
        for name, stated in beliefs.items():
            score.stated += [(presence, name != gone) for presence in stated]
            if len(stated) == 2:
                (score.gone if name == gone else score.there).append(stated[1])
        _look_past_a_screen(visit, boxes, known, score)
    return score


def measure_changes(
    seeds: Sequence[int], condition: Condition, progress: Callable[[str], None]
) -> AbsenceScore:
    """Between two turns around the table one thing is moved on it and another taken away."""
    score = AbsenceScore()
    for seed in seeds:
        progress(f"changes in room {seed}, {condition.name}")
        visit = Visit(seed, condition)
        visit.around()
        before = dict(visit.room.things)
        since_ns = visit.room.clock.now_ns
        on_table = sorted(name for name, (*_, support) in OBJECTS.items() if support == "table")
        moved, removed = (on_table[int(i)] for i in visit.rng.permutation(len(on_table))[:2])
        visit.room.move(moved, _free_spot(visit, moved))
        visit.room.remove(removed)
        visit.around()
        visit.around()
        true = [("move", moved, visit.room.things[moved].box), ("vanish", removed, before[removed].box)]
        reported = list(visit.world.changes(since_ns=since_ns).value or ())
        score.num_true += len(true)
        score.num_reported += len(reported)
        for kind, name, box in true:
            hit = next((one for one in reported if _is_that(one, kind, OBJECTS[name][0], box)), None)
            if hit is not None:
                reported.remove(hit)
                score.num_both += 1
    return score


def _two_looks(visit: Visit, boxes: dict[str, Box]) -> Iterator[str]:
    """Looks at each thing's place in turn until it had two clear ones, 40 degrees and 1.5 s apart; the name of what was
    just seen clearly, for the first and the second time.
    """
    num_clear = dict.fromkeys(boxes, 0)
    for angle in np.deg2rad(np.arange(0.0, 360.0, 40.0)):
        wanted = [name for name, number in num_clear.items() if number < 2]
        if not wanted:
            break
        eye = TABLE_CENTER + np.array([1.9 * np.cos(angle), 1.45 * np.sin(angle), 0.9])
        visit.room.clock.advance(LOOK_S)
        frame = visit.room.look(look_at(eye, TABLE_CENTER))
        shown = {name: visit.share_shown(frame, boxes[name]) for name in boxes}
        if any(
            share > 0.0 and not _is_clear(share, px) for name, (share, px) in shown.items() if name in wanted
        ):
            continue  # half-covered looks are neither clear nor hidden: they would blur what is counted
        visit.tell(frame)
        for name, (share, px) in shown.items():
            num_clear[name] += _is_clear(share, px)
            if _is_clear(share, px) and num_clear[name] <= 2:
                yield name


def _is_clear(share: float, num_pixels: int) -> bool:
    return share >= CLEAR_SHARE and num_pixels >= CLEAR_PX


def _look_past_a_screen(
    visit: Visit, boxes: dict[str, Box], known: dict[str, Entity | None], score: AbsenceScore
) -> None:
    """A screen stands before the camera: no belief about what it hides may change."""
    eye = TABLE_CENTER + np.array([0.0, 1.45, 0.75])
    middle = (eye + TABLE_CENTER) / 2
    low, high = np.subtract(middle, (1.2, 0.03, 1.2)), np.add(middle, (1.2, 0.03, 0.4))
    screen = Box(
        min_m=(float(low[0]), float(low[1]), 0.0), max_m=(float(high[0]), float(high[1]), float(high[2]))
    )
    template = visit.room.things["shelf"]
    visit.room.things["screen"] = replace(template, label="shelf", box=screen)
    before = {name: _presence(visit, e.entity_id) for name, e in known.items() if e is not None}
    visit.room.clock.advance(LOOK_S)
    frame = visit.room.look(look_at(eye, TABLE_CENTER))
    visit.tell(frame)
    for name, presence in before.items():
        share, px = visit.share_shown(frame, boxes[name])
        entity = known[name]
        if share == 0.0 and px >= CLEAR_PX and entity is not None:
            score.hidden_shift.append(abs(_presence(visit, entity.entity_id) - presence))


def _presence(visit: Visit, entity_id: str) -> float:
    with visit.world.reading() as view:
        return view.presence(entity_id)


def _free_spot(visit: Visit, name: str) -> tuple[float, float, float]:
    """Somewhere on the table, away from everything, at least 30 cm from where the thing was."""
    table, box = visit.room.things["table"].box, visit.room.things[name].box
    while True:
        x, y = visit.rng.uniform(np.add(table.min_m[:2], 0.15), np.subtract(table.max_m[:2], 0.15)).tolist()
        center = np.array([x, y, box.center[2]])
        others = [t.box.center for key, t in visit.room.things.items() if key in OBJECTS]
        if min(float(np.linalg.norm(center - other)) for other in others) > 0.3:
            return x, y, float(center[2])


def _is_that(change: Change, kind: str, label: str, box: Box) -> bool:
    placement = change.after if kind == "move" else change.before
    return (
        change.kind == kind
        and change.label == label
        and placement is not None
        and float(np.linalg.norm(placement.box.center - box.center)) < SAME_M
    )
