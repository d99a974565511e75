"""What several robots saw and did, as logs that merge in any order to the same world.

Each entry carries a hybrid logical time (Kulkarni et al. 2014): the robot's own clock, raised to that of what it has heard
of, and a counter. So an entry never sorts before one that its writer knew of, however far clocks are apart. Merging is
the union of entries; the world is what comes of replaying them in order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from embodied_mem.context.team import Team
from embodied_mem.errors import InvalidMessage, InvalidQuery
from embodied_mem.geometry import Box
from embodied_mem.layers.world import WorldLayer
from embodied_mem.messages import (
    Event,
    Frame,
    ObjectMention,
    ObservedInstance,
    Operation,
    Percept,
    PinholeCamera,
    Placement,
)
from embodied_mem.messages.team import Embodiment, Task

Kind = Literal["saw", "did", "said", "task", "member"]
MOST_POINTS = 60
"""Points kept of each instance that is written down."""
NOTHING_SEEN = PinholeCamera(fx=1.0, fy=1.0, cx=0.5, cy=0.5, width_px=2, height_px=2)


@dataclass(frozen=True, order=True)
class LogTime:
    """When an entry was written, in an order that respects who knew of what; nanoseconds, a counter, the robot."""

    clock_ns: int
    counter: int
    robot: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a log: what was seen, done, said or given out, as JSON."""

    time: LogTime
    kind: Kind
    body: str


class TeamLog:
    """One robot's log, with what it heard from others. `now_ns` arguments are that robot's own clock, skewed or not."""

    def __init__(self, robot: str) -> None:
        if not robot:
            raise InvalidMessage("a TeamLog has no robot; name whose log it is.")
        self.robot = robot
        self._entries: dict[LogTime, Entry] = {}
        self._last = LogTime(0, 0, robot)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self._entries.values(), key=lambda entry: entry.time))

    def saw(self, instances: Sequence[ObservedInstance], T_world_camera: np.ndarray, now_ns: int) -> None:
        """Write down the instances of one view."""
        body = {"pose": T_world_camera.tolist(), "things": [_instance_record(one) for one in instances]}
        self._write("saw", body, now_ns)

    def did(self, event: Event, now_ns: int) -> None:
        """Write down something that the robot did; its stamps become the log's time when it is replayed."""
        self._write("did", asdict(event), now_ns)

    def said(self, operation: Operation, now_ns: int) -> None:
        """Write down a statement; it should name things by words, since other memories give other ids."""
        self._write("said", asdict(operation), now_ns)

    def gave(self, task: Task, now_ns: int) -> None:
        """Write down a task: new, taken over by somebody, or done."""
        self._write("task", asdict(task), now_ns)

    def introduced(self, embodiment: Embodiment, now_ns: int) -> None:
        """Write down what a robot can do."""
        self._write("member", asdict(embodiment), now_ns)

    def hear(self, entries: Iterable[Entry]) -> int:
        """Take in another robot's entries, in any order, as often as one likes; how many were new."""
        before = len(self._entries)
        for entry in entries:
            self._entries[entry.time] = entry
            if (entry.time.clock_ns, entry.time.counter) > (self._last.clock_ns, self._last.counter):
                self._last = LogTime(entry.time.clock_ns, entry.time.counter, self.robot)
        return len(self._entries) - before

    def to_lines(self) -> str:
        """The entries as JSON, one a line, in order."""
        return "\n".join(json.dumps([*asdict(e.time).values(), e.kind, e.body]) for e in self)

    @staticmethod
    def from_lines(text: str) -> list[Entry]:
        """What `to_lines` gave, to be heard.

        Raises:
            InvalidMessage: a line is no entry.
        """
        found = []
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                clock_ns, counter, robot, kind, body = json.loads(line)
                found.append(
                    Entry(time=LogTime(int(clock_ns), int(counter), str(robot)), kind=kind, body=body)
                )
            except (TypeError, ValueError) as error:
                raise InvalidMessage(
                    f"line {number} of a team log is no entry ({error}); give what TeamLog.to_lines() wrote."
                ) from error
        return found

    def _write(self, kind: Kind, body: dict[str, Any], now_ns: int) -> None:
        is_ahead = now_ns > self._last.clock_ns
        clock_ns = max(now_ns, self._last.clock_ns)
        self._last = LogTime(clock_ns, 0 if is_ahead else self._last.counter + 1, self.robot)
        self._entries[self._last] = Entry(time=self._last, kind=kind, body=json.dumps(body, sort_keys=True))


def replay(entries: Iterable[Entry], world: WorldLayer, team: Team) -> tuple[Entry, ...]:
    """Let an empty world and team live through the entries in the order of their times; entries that mean nothing there
    (words that fit nothing or several things) are passed over and returned.
    """
    passed_over: list[Entry] = []
    for entry in sorted(entries, key=lambda one: one.time):
        try:
            _live(entry, world, team)
        except InvalidQuery:
            passed_over.append(entry)
    return tuple(passed_over)


def _live(entry: Entry, world: WorldLayer, team: Team) -> None:
    body = json.loads(entry.body)
    stamp_ns = entry.time.clock_ns + entry.time.counter
    match entry.kind:
        case "saw":
            world.update(_percept(body, stamp_ns, entry.time.robot))
        case "did":
            world.record(_event(body, stamp_ns), stamp_ns)
        case "said":
            world.write(_resolved(Operation(**body), world), stamp_ns)
        case "task":
            team.give(Task(**_tuples(body)))
        case "member":
            team.introduce(Embodiment(**_tuples(body)))


def _resolved(operation: Operation, world: WorldLayer) -> Operation:
    """The operation with the ids that its words mean in this world: ids mean nothing beyond their memory."""
    if operation.kind == "NOOP":
        return operation
    ids: dict[str, str] = {}
    with world.reading() as view:
        for name in filter(None, (operation.subject, operation.object)):
            entity_id, why = view.which(name)
            if entity_id is None:
                raise InvalidQuery(
                    f"{name!r} names no single thing here: {why.reason if why else 'nothing fits'}"
                )
            ids[name] = entity_id
    target = None if operation.object is None else ids[operation.object]
    return replace(operation, subject=ids[operation.subject], object=target)


def state_hash(world: WorldLayer, team: Team) -> str:
    """A digest of everything believed: facts over all times, events, statements and tasks. Two worlds with the same one
    give the same answers.
    """
    with world.reading() as view:
        facts = sorted(
            json.dumps(
                [f.subject, f.predicate, f.object, _plain(f.value), f.valid_from_ns, f.valid_to_ns, f.source]
            )
            for entity_id in view.ids()
            for f in view.facts(entity_id)
        )
        events = [[asdict(event), list(ids)] for _, event, ids in view.all_events()]
    members = [asdict(one) for one in team.members()]
    payload = [facts, events, members, [asdict(task) for task in team.tasks()]]
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()


def _tuples(record: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}


def _plain(value: object) -> object:
    if isinstance(value, Placement):
        return [*value.position_world_m, *value.box.min_m, *value.box.max_m]
    return value


def _instance_record(instance: ObservedInstance) -> dict[str, Any]:
    step = max(1, -(-len(instance.points_world) // MOST_POINTS))
    return {
        "label": instance.label, "score": float(instance.score), "num_pixels": int(instance.num_pixels),
        "distance_m": float(instance.distance_m), "is_cut": bool(instance.is_cut),
        "color_rgb": [float(c) for c in instance.color_rgb], "appearance": instance.appearance.tolist(),
        "points": np.round(instance.points_world[::step], 3).tolist(), "low": list(instance.box.min_m),
        "high": list(instance.box.max_m),
    }  # fmt: skip


def _percept(body: dict[str, Any], stamp_ns: int, robot: str) -> Percept:
    frame = Frame(
        stamp_ns=stamp_ns, camera=NOTHING_SEEN, T_world_camera=np.array(body["pose"]),
        depth_m=np.zeros((2, 2), dtype=np.float32), robot=robot, sensor="log",
    )  # fmt: skip
    return Percept(frame=frame, instances=tuple(_instance(record) for record in body["things"]))


def _instance(record: dict[str, Any]) -> ObservedInstance:
    red, green, blue = record["color_rgb"]
    return ObservedInstance(
        label=record["label"], score=record["score"], num_pixels=record["num_pixels"],
        distance_m=record["distance_m"], is_cut=record["is_cut"], color_rgb=(red, green, blue),
        appearance=np.array(record["appearance"], dtype=np.float32),
        points_world=np.array(record["points"], dtype=np.float32).reshape(-1, 3),
        box=Box(min_m=tuple(record["low"]), max_m=tuple(record["high"])),
    )  # fmt: skip


def _event(body: dict[str, Any], stamp_ns: int) -> Event:
    objects = tuple(
        one if isinstance(one, str) else ObjectMention(label=one["label"], position_world_m=tuple(one["position_world_m"]))
        for one in body["objects"]
    )  # fmt: skip
    duration_ns = int(body["end_ns"]) - int(body["start_ns"])
    return Event(
        kind=body["kind"], actor=body["actor"], objects=objects, start_ns=max(0, stamp_ns - duration_ns),
        end_ns=stamp_ns, place=body["place"], outcome=body["outcome"], task=body["task"],
    )  # fmt: skip
