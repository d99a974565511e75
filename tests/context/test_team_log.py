"""Logs of three robots with skewed clocks merge in any order to the same world, and causes stay before effects."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_mem.context import Recall
from embodied_mem.context.team import Team
from embodied_mem.context.team_log import Entry, TeamLog, replay, state_hash
from embodied_mem.errors import InvalidMessage
from embodied_mem.geometry import look_at
from embodied_mem.layers.world import WorldLayer
from embodied_mem.messages import Event, ObjectMention, Operation
from embodied_mem.messages.team import Embodiment, Task
from embodied_mem.store.sqlite import SqliteRepository
from tests.context.two_rooms import BED, BED_MUG, BLUE, COUNTER, COUNTER_MUG, FRIDGE, RED, box, thing

S = 1_000_000_000
SKEW_NS = {"anna": 0, "ben": 2 * S, "cleo": -2 * S}
POSE = look_at(np.array([2.0, 2.0, 1.2]), np.array([2.0, 0.4, 0.9]))
ON_BED = box((7.0, 3.0, 0.55), (0.09, 0.09, 0.1))


def deed(kind: str, actor: str, position: tuple[float, float, float], at_ns: int) -> Event:
    mention = ObjectMention(label="mug", position_world_m=position)
    return Event(kind=kind, actor=actor, objects=(mention,), start_ns=at_ns, end_ns=at_ns)


def a_day() -> list[TeamLog]:
    """Ben carries the red mug to the bed and tells Cleo, whose clock is 4 s behind his; she carries it back."""
    logs = {robot: TeamLog(robot) for robot in SKEW_NS}

    def now(robot: str, true_s: float) -> int:
        return round((10 + true_s) * S) + SKEW_NS[robot]

    for turn in range(3):
        for index, (robot, log) in enumerate(logs.items()):
            seen = (
                (FRIDGE, COUNTER, thing("mug", COUNTER_MUG, color=RED))
                if index < 2
                else (BED, thing("mug", BED_MUG, color=BLUE))
            )
            log.saw(seen, POSE, now(robot, turn + 0.1 * index))  # fmt: skip
    logs["cleo"].introduced(Embodiment(robot="cleo", reach_high_m=1.5, can=("fetch",)), now("cleo", 3))
    logs["ben"].hear(logs["cleo"])
    x, y, z = COUNTER_MUG.center.tolist()
    logs["anna"].said(
        Operation(kind="ADD", source="anna", subject="red mug", predicate="owner", value="anna"),
        now("anna", 4),
    )
    logs["ben"].did(deed("pick", "ben", (x, y, z), now("ben", 5)), now("ben", 5))
    logs["ben"].did(deed("place", "ben", tuple(ON_BED.center.tolist()), now("ben", 5.5)), now("ben", 5.5))
    logs["ben"].gave(Task(task_id="t1", kind="fetch", entity="red mug", assignee="cleo"), now("ben", 5.6))
    logs["cleo"].hear(logs["ben"])
    logs["cleo"].did(deed("pick", "cleo", tuple(ON_BED.center.tolist()), now("cleo", 6)), now("cleo", 6))
    logs["cleo"].did(deed("place", "cleo", (x, y, z), now("cleo", 6.5)), now("cleo", 6.5))
    logs["cleo"].gave(
        Task(task_id="t1", kind="fetch", entity="red mug", assignee="cleo", status="done"), now("cleo", 6.6)
    )
    return list(logs.values())


def world_of(entries: list[Entry], *, passed_over: int = 0) -> tuple[WorldLayer, Team]:
    world = WorldLayer(SqliteRepository(":memory:"))
    team = Recall(world, lambda: None).team
    assert len(replay(entries, world, team)) == passed_over
    return world, team


def test_every_order_of_merging_gives_the_same_hash() -> None:
    logs = a_day()
    hashes = set()
    for order in itertools.permutations(logs):
        merged = TeamLog("base")
        for log in order:
            merged.hear(log)
        hashes.add(state_hash(*world_of(list(merged))))
    assert len(hashes) == 1


@settings(max_examples=12, deadline=None)
@given(rng=st.randoms(use_true_random=False))
def test_entries_in_any_order_and_more_than_once_change_nothing(rng: object) -> None:
    entries = [entry for log in a_day() for entry in log]
    expected = state_hash(*world_of(list({entry.time: entry for entry in entries}.values())))
    shuffled = entries + entries[::2]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    merged = TeamLog("base")
    assert merged.hear(shuffled) == len({entry.time for entry in entries})
    assert merged.hear(shuffled) == 0
    assert state_hash(*world_of(list(merged))) == expected


def test_what_was_heard_of_comes_before_what_was_done_then_whatever_the_clocks_say() -> None:
    """Cleo's clock stands 4 s behind Ben's: by raw stamps she would have put the mug back before he took it."""
    merged = TeamLog("base")
    for log in a_day():
        merged.hear(log)
    world, team = world_of(list(merged))
    answer = world.where("red mug")
    assert answer.value is not None
    assert np.linalg.norm(np.subtract(answer.value.placement.position_world_m, COUNTER_MUG.center)) < 0.05
    assert [task.status for task in team.tasks()] == ["done"]
    actors = [event.actor for _, event, _ in _events(world)]
    assert actors == ["ben", "ben", "cleo", "cleo"]


def _events(world: WorldLayer) -> tuple[tuple[int, Event, tuple[str, ...]], ...]:
    with world.reading() as view:
        return view.all_events()


def test_another_history_has_another_hash() -> None:
    entries = [entry for log in a_day() for entry in log]
    known = list({entry.time: entry for entry in entries}.values())
    assert state_hash(*world_of(known)) != state_hash(*world_of(known[:-1]))


def test_what_means_nothing_in_the_merged_world_is_passed_over() -> None:
    log = TeamLog("anna")
    log.saw((FRIDGE,), POSE, 1 * S)
    log.said(Operation(kind="ADD", source="anna", subject="unicorn", predicate="owner", value="anna"), 2 * S)
    world, _ = world_of(list(log), passed_over=1)
    assert [entity.label for entity in world.entities()] == ["fridge"]


def test_logs_travel_as_lines() -> None:
    log = a_day()[2]
    assert list(TeamLog.from_lines(log.to_lines())) == list(log)
    with pytest.raises(InvalidMessage, match="line 1 of a team log"):
        TeamLog.from_lines("[1, 2]")
    with pytest.raises(InvalidMessage, match="no robot"):
        TeamLog("")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20), st.booleans()), max_size=30))
def test_times_rise_along_every_chain_of_hearing(steps: list[tuple[int, int, bool]]) -> None:
    logs = [TeamLog(name) for name in "abc"]
    for index, clock, hears in steps:
        log = logs[index]
        if hears:
            log.hear(logs[(index + 1) % 3])
        newest = max((entry.time for entry in log), default=None)
        log.said(Operation(kind="NOOP", source="x"), clock)
        written = max(entry.time for entry in log if entry.time.robot == log.robot)
        assert newest is None or written > newest
