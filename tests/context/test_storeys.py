"""Two floors are known apart, and stairs join them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embodied_mem import RobotMemory, RobotMemoryConfig
from embodied_mem.context.planner_view import planner_view
from embodied_mem.context.routes import ways_from
from embodied_mem.context.storeys import floor_plan
from embodied_mem.errors import InvalidQuery
from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy import OccupancyConfig
from embodied_mem.messages import FLOOR_FREE, Region
from embodied_mem.serve.tools import call_tool
from tests.context.two_rooms import Home, thing
from tests.context.two_storeys import (
    CELL_M,
    EYE_M,
    FURNITURE,
    HOLE_POINT,
    STEPS,
    UPPER_M,
    box,
    cells_of,
    plan,
    walk,
)

DOWNSTAIRS, UPSTAIRS = (5.8, 2.5, EYE_M), (5.8, 2.5, UPPER_M + EYE_M)
UPPER_MUG = box((1.0, 0.8, UPPER_M + 0.5), (1.1, 0.9, UPPER_M + 0.62))


@pytest.fixture
def home() -> Home:
    made = Home(plan())
    for shift_m in (0.0, 0.1, 0.2, 0.3):
        made.see(
            (3.5 + shift_m, 2.5, EYE_M),
            *(thing(label, FURNITURE[label]) for label in ("fridge", "counter", "mug")),
        )
    for shift_m in (0.0, 0.1, 0.2, 0.3):
        made.see(
            (3.5 + shift_m, 2.5, UPPER_M + EYE_M), thing("bed", FURNITURE["bed"]), thing("mug", UPPER_MUG)
        )
    made.see(DOWNSTAIRS)
    return made


def test_two_floors_and_the_stairs_between_them_are_found() -> None:
    found = plan()
    assert [storey.floor_z_m for storey in found.storeys] == pytest.approx([0.0, UPPER_M], abs=CELL_M)
    (flight,) = found.flights_world
    assert flight[0, 2] < 0.3
    assert flight[-1, 2] > UPPER_M - 0.3


def test_one_floor_is_one_floor_whatever_stands_on_it() -> None:
    tower = Box(min_m=(1.0, 1.0, 0.0), max_m=(2.5, 2.5, 2.3))
    hall = floor_plan(
        *cells_of([box((-1.0, -1.0, -0.3), (8.0, 6.0, 0.0)), tower, FURNITURE["counter"]]), CELL_M
    )
    assert hall is not None
    assert len(hall.storeys) == 1
    low = floor_plan(*cells_of([FURNITURE["counter"]], (7.0, 5.0, 2.4)), CELL_M)
    assert low is not None
    assert low.flights_world == ()


def test_nobody_drives_over_the_stairwell() -> None:
    upper = plan().storeys[1]
    assert upper.drivable[upper.cell_of(*HOLE_POINT)] != FLOOR_FREE
    assert upper.drivable[upper.cell_of(3.4, 3.0)] == FLOOR_FREE


def test_each_room_is_on_its_floor_and_stairs_join_those_above_each_other(home: Home) -> None:
    rooms = {room.category: room for room in home.recall.rooms().value or ()}
    assert {name: room.floor for name, room in rooms.items()} == {"kitchen": 0, "bedroom": 1}
    assert rooms["kitchen"].neighbors == (rooms["bedroom"].room_id,)
    assert rooms["bedroom"].floor_z_m == pytest.approx(UPPER_M, abs=CELL_M)
    beneath = home.recall.room_of("fridge").value
    assert beneath is not None
    assert beneath.room_id == rooms["kitchen"].room_id


@pytest.mark.parametrize(
    ("place", "upper"),
    [
        ("upstairs", True), ("floor 1", True), ("top floor", True), ("bedroom on floor 1", True), ("the bed", True),
        ("downstairs", False), ("the ground floor", False), ("on the ground floor", False), ("floor 0", False), ("downstairs kitchen", False),
        ("the counter", False),
    ],
)  # fmt: skip
def test_questions_keep_to_the_floor_that_they_name(home: Home, place: str, upper: bool) -> None:
    found = home.recall.find("mug", region=place).value or ()
    assert [one.placement.position_world_m[2] > UPPER_M for one in found] == [upper]
    assert home.world.count("mug", region=home.recall.region(place)).value == 1


def test_visits_are_those_of_the_floor(home: Home) -> None:
    up, down = home.recall.visited("upstairs").value or (), home.recall.visited("downstairs").value or ()
    assert len(up) == 1
    assert len(down) == 2
    assert up[0].from_ns > down[0].to_ns


def test_rooms_of_one_kind_on_two_floors_are_one_place_unless_a_floor_is_named(home: Home) -> None:
    home.see((3.0, 2.5, UPPER_M + EYE_M), thing("bed", FURNITURE["bed"]))
    for shift_m in (0.0, 0.1, 0.2, 0.3):
        beds = [box((x, 2.0, 0.0), (x + 0.9, 3.9, 0.5)) for x in (0.5, 2.0, 3.5, 5.0)]
        home.see((4.5 + shift_m, 1.5, EYE_M), *(thing("bed", one) for one in beds), after_s=6.0)
    assert {room.category for room in home.recall.rooms().value or ()} == {"bedroom"}
    assert len(home.recall.find("mug", region="bedroom").value or ()) == 2
    assert len(home.recall.find("mug", region="upstairs bedroom").value or ()) == 1


def test_a_floor_or_a_room_on_a_floor_that_is_not_there_is_refused_with_those_that_are(home: Home) -> None:
    with pytest.raises(InvalidQuery, match=r"'floor 2'.*ground floor.*floor 1"):
        home.recall.find("mug", region="floor 2")
    with pytest.raises(InvalidQuery, match="kitchen upstairs"):
        home.recall.region("kitchen upstairs")
    one_floor = Home()
    one_floor.furnish()
    with pytest.raises(InvalidQuery, match="upstairs"):
        one_floor.recall.region("upstairs")
    assert one_floor.recall.find("mug", region="ground floor").value


def test_a_way_upstairs_goes_over_the_stairs_step_by_step(home: Home) -> None:
    answer = home.recall.path_to("bed")
    assert answer.value is not None
    points = np.array(answer.value.waypoints_world_m)
    assert points[0, 2] == pytest.approx(0.0, abs=CELL_M)
    assert points[-1, 2] == pytest.approx(UPPER_M, abs=CELL_M)
    assert (np.abs(np.diff(points[:, 2])) <= 0.25 + 1e-6).all()
    assert (points[1:-1, 1] > 3.5).any()
    assert answer.value.length_m > 8.0
    assert len(answer.value.rooms) == 2
    back = home.recall.path_to("fridge", start_world_m=UPSTAIRS).value
    assert back is not None
    assert back.waypoints_world_m[-1][2] == pytest.approx(0.0, abs=CELL_M)
    assert home.recall.path_to("upstairs").status == "known"


@pytest.mark.parametrize("y_m", [4.2, 4.5, 4.8])
@pytest.mark.parametrize("step", [3, 4, 7, 11])
def test_a_way_that_begins_on_the_stairs_begins_there(step: int, y_m: float) -> None:
    under = STEPS[step]
    ways = ways_from(plan(), (float(under.center[0]), y_m, under.max_m[2] + EYE_M))
    assert ways is not None
    for goal in ("bed", "fridge"):
        reached = ways.to_box(FURNITURE[goal])
        assert reached is not None
        first = ways.trace(reached[1])[0]
        assert first == pytest.approx((under.center[0], y_m, under.max_m[2]), abs=0.25)


def test_without_whole_stairs_the_upper_floor_is_out_of_reach() -> None:
    broken = Home(plan([*STEPS[:5], *STEPS[9:]]))
    broken.see((3.5, 2.5, UPPER_M + EYE_M), thing("bed", FURNITURE["bed"]))
    broken.see(DOWNSTAIRS)
    answer = broken.recall.path_to("bed")
    assert answer.status == "unknown"
    assert "from floor 0 to floor 1" in answer.reason
    assert broken.recall.nearest("bed", metric="path").value in (None, ())


def test_a_planner_is_told_which_rooms_are_upstairs(home: Home) -> None:
    text = planner_view(home.recall).text
    assert "bedroom on floor 1" in text
    assert "kitchen on floor" not in text


def test_a_robot_that_walked_upstairs_knows_both_floors_also_after_a_restart(tmp_path: Path) -> None:
    config = RobotMemoryConfig(occupancy=OccupancyConfig(stride_px=2))
    with RobotMemory.open(tmp_path / "home", config=config) as memory:
        for frame in walk():
            memory.observe(frame)
        before = [(room.room_id, room.category, room.floor) for room in memory.questions.rooms().value or ()]
        memory.save()
    assert sorted((category, floor) for _, category, floor in before) == [("bedroom", 1), ("kitchen", 0)]
    with RobotMemory.open(tmp_path / "home", config=config) as memory:
        after = [(room.room_id, room.category, room.floor) for room in memory.questions.rooms().value or ()]
        assert after == before
        assert memory.count("lamp", region=Region(room="upstairs")).value == 1
        assert memory.count("lamp", region=Region(room="ground floor")).value == 0
        assert call_tool(memory, "count", {"label": "counter", "place": "downstairs"})["value"] == 1
        way = memory.questions.path_to("fridge")
        assert way.value is not None
        assert len(way.value.rooms) == 2
