"""Who can fetch it, who knows where it is, who is mistaken, and what becomes of the tasks of one that drops out."""

from __future__ import annotations

import pytest

from embodied_mem.errors import InvalidMessage, InvalidQuery
from embodied_mem.messages import Operation
from embodied_mem.messages.team import Embodiment, Task
from tests.context.two_rooms import (
    BED,
    COUNTER,
    COUNTER_MUG,
    KITCHEN_POINT,
    RED,
    Home,
    box,
    thing,
)

BEDROOM_POINT = (7.3, 2.0, 1.2)
ON_BED = box((7.3, 3.0, 0.55), (0.09, 0.09, 0.1))
TALL = Embodiment(
    robot="tall", reach_low_m=0.4, reach_high_m=1.6, payload_kg=2.0, can=("fetch",), tools=("gripper",)
)
LOW = Embodiment(robot="low", reach_low_m=0.0, reach_high_m=0.6, payload_kg=8.0, can=("fetch", "vacuum"))
EYES = Embodiment(robot="eyes", can=("inspect",), sensors=("camera",))


@pytest.fixture
def home() -> Home:
    """`tall` and `low` saw the red mug on the counter; all three are introduced."""
    made = Home()
    for turn in range(3):
        for robot in ("tall", "low"):
            made.see((2.0 + 0.2 * turn, 2.0, 1.2), COUNTER, thing("mug", COUNTER_MUG, color=RED), robot=robot)
    for robot in (TALL, LOW, EYES):
        made.recall.team.introduce(robot)
    return made


def able(home: Home, kind: str = "fetch", **more: object) -> dict[str, bool]:
    found = home.recall.team.who_can(kind, "red mug", **more).value  # type: ignore[arg-type]
    assert found is not None
    return {one.robot: one.is_able for one in found}


def move_to_bed(home: Home, robot: str) -> None:
    mug = home.recall.find("red mug").value
    assert mug is not None
    home.pick_and_place(robot, mug[0].entity_id, ON_BED)


def test_only_who_reaches_it_can_fetch_it_and_the_others_say_why(home: Home) -> None:
    found = home.recall.team.who_can("fetch", "red mug").value
    assert found is not None
    assert [one.robot for one in found if one.is_able] == ["tall"]
    why = {one.robot: " ".join(one.hindrances) for one in found}
    assert "reaches from 0 to 0.6 m" in why["low"]
    assert "cannot fetch" in why["eyes"]
    assert able(home, "inspect") == {"tall": False, "low": False, "eyes": True}


def test_a_stated_mass_and_missing_tools_hinder(home: Home) -> None:
    mug = home.recall.find("red mug").value
    assert mug is not None
    assert able(home, needs=("gripper",))["tall"]
    assert not able(home, needs=("suction cup",))["tall"]
    home.world.write(
        Operation(kind="ADD", source="anna", subject=mug[0].entity_id, predicate="mass_kg", value="3.5")
    )
    assert not able(home)["tall"]


def test_who_saw_it_moved_knows_where_it_is_and_who_was_away_does_not(home: Home) -> None:
    move_to_bed(home, "low")
    home.see(BEDROOM_POINT, BED, thing("mug", ON_BED, color=RED), robot="low")
    found = home.recall.team.who_can("fetch", "red mug").value
    assert found is not None
    assert {one.robot: one.knows_where for one in found} == {"tall": False, "low": True, "eyes": False}


def test_false_beliefs_are_told_per_observer_and_end_with_a_look(home: Home) -> None:
    """Moved while one was away: the other believes the old place until it sees the new one."""
    assert home.recall.team.mistaken().value == ()
    move_to_bed(home, "low")
    home.see(BEDROOM_POINT, BED, thing("mug", ON_BED, color=RED), robot="low")
    mistaken = home.recall.team.mistaken().value
    assert mistaken is not None
    assert [one.robot for one in mistaken] == ["tall"]
    assert abs(mistaken[0].believed_world_m[0] - COUNTER_MUG.center[0]) < 0.05
    assert mistaken[0].is_world_m is not None
    assert abs(mistaken[0].is_world_m[0] - ON_BED.center[0]) < 0.05
    assert home.recall.team.mistaken("low").value == ()
    home.see(BEDROOM_POINT, BED, thing("mug", ON_BED, color=RED), robot="tall")
    assert home.recall.team.mistaken().value == ()


def test_the_tasks_of_one_that_drops_out_are_offered_to_those_who_can(home: Home) -> None:
    strong = Embodiment(robot="strong", reach_high_m=2.0, payload_kg=20.0, can=("fetch",))
    home.recall.team.introduce(strong)
    home.recall.team.give(Task(task_id="t1", kind="fetch", entity="red mug", assignee="tall"))
    home.recall.team.give(Task(task_id="t2", kind="vacuum", entity="counter", assignee="low"))
    home.recall.team.give(Task(task_id="t3", kind="fetch", entity="red mug", assignee="tall"))
    home.recall.team.finish("t3")
    offers = home.recall.team.drop_out("tall")
    assert [offer.task.task_id for offer in offers] == ["t1"]
    assert [one.robot for one in offers[0].candidates] == ["strong"]
    assert home.recall.team.offers() == offers
    home.recall.team.give(Task(task_id="t1", kind="fetch", entity="red mug", assignee="strong"))
    assert home.recall.team.offers() == ()
    assert {t.task_id: (t.assignee, t.status) for t in home.recall.team.tasks()} == {
        "t1": ("strong", "open"), "t2": ("low", "open"), "t3": ("tall", "done"),
    }  # fmt: skip


def test_who_was_introduced_again_is_back(home: Home) -> None:
    home.recall.team.drop_out("tall")
    assert not able(home)["tall"]
    home.recall.team.introduce(TALL)
    assert able(home)["tall"]
    assert [one.robot for one in home.recall.team.members()] == ["eyes", "low", "tall"]


def test_what_cannot_be_is_refused(home: Home) -> None:
    with pytest.raises(InvalidQuery, match="Did you mean 'tall'"):
        home.recall.team.drop_out("tal")
    with pytest.raises(InvalidQuery, match="no task 't9'"):
        home.recall.team.finish("t9")
    with pytest.raises(InvalidQuery, match="names 'unicorn'"):
        home.recall.team.give(Task(task_id="t1", kind="fetch", entity="unicorn"))
    with pytest.raises(InvalidMessage, match="reach must not end"):
        Embodiment(robot="odd", reach_low_m=1.0, reach_high_m=0.5)
    assert home.recall.team.who_can("fetch", "unicorn").status == "unknown"
    assert Home().recall.team.who_can("fetch", "mug").status == "unknown"
    assert home.see(KITCHEN_POINT) is None
