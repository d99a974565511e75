"""Rooms, ways, visits, relations, events, search: typed answers with evidence, and errors that say what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from embodied_mem.errors import InvalidQuery, UnknownEntity
from embodied_mem.layers.world import places
from embodied_mem.messages import Event, FloorMap, Interval, ObjectMention, Operation, Region
from tests.context.two_rooms import (
    BED,
    BEDROOM_POINT,
    BLUE,
    COUNTER,
    COUNTER_MUG,
    HALL_POINT,
    KITCHEN_POINT,
    Home,
    box,
    plan,
    thing,
)


@pytest.fixture(scope="module")
def home() -> Home:
    made = Home()
    made.furnish()
    return made


def test_rooms_come_from_free_space_and_are_named_by_what_is_in_them(home: Home) -> None:
    rooms = home.recall.rooms().value or ()
    assert len(rooms) == 3
    by_category = {room.category: room for room in rooms}
    assert {"kitchen", "bedroom"} <= set(by_category)
    kitchen, bedroom = by_category["kitchen"], by_category["bedroom"]
    assert len(kitchen.contents) == 3
    assert kitchen.room_id not in bedroom.neighbors
    (hall,) = set(kitchen.neighbors)
    assert bedroom.neighbors == (hall,)
    assert 16.0 <= kitchen.area.size_m2 < 19.0  # with its walls


def test_what_was_hardly_seen_says_little_of_what_a_room_is_for() -> None:
    home = Home()
    home.furnish()
    corner = box((8.3, 0.6, 0.9), (0.7, 0.7, 1.8))
    home.see(BEDROOM_POINT, thing("fridge", corner), thing("sink", box((7.0, 0.4, 0.4), (0.6, 0.6, 0.8))))
    rooms = home.recall.rooms().value or ()
    (room,) = (room for room in rooms if room.area.contains(np.array([BEDROOM_POINT]))[0])
    assert room.category == "bedroom"


def test_rooms_keep_their_ids_when_they_are_found_again(home: Home) -> None:
    before = {room.room_id: room.area.center for room in home.recall.rooms().value or ()}
    home.floor = plan(blocked=(box((1.0, 3.0, 0.5), (1.0, 1.0, 1.0)),))
    home.see(KITCHEN_POINT, COUNTER, after_s=10.0)
    after = {room.room_id: room.area.center for room in home.recall.rooms().value or ()}
    assert before.keys() == after.keys()
    assert all(np.linalg.norm(before[key] - after[key]) < 0.2 for key in before)


def test_a_region_may_be_a_rooms_name(home: Home) -> None:
    (in_kitchen,) = home.recall.find("mug", region="kitchen").value or ()
    (in_bedroom,) = home.recall.find("mug", region=Region(room="the bedroom")).value or ()
    assert in_kitchen.placement.position_world_m[0] < 4.0 < in_bedroom.placement.position_world_m[0]
    with pytest.raises(InvalidQuery, match="through RobotMemory"):
        Region(room="kitchen").contains(np.zeros((1, 3)))


def test_visits_and_dwell_tell_when_the_robot_was_where(home: Home) -> None:
    (visit,) = (
        home.recall.visited("hallway").value
        or home.recall.visited(Region(box=box(HALL_POINT, (1.0, 3.0, 2.0)))).value
    )  # type: ignore[misc]
    assert (visit.from_ns, visit.to_ns) == (5_000_000_000, 5_000_000_000)
    bedroom = home.recall.dwell("bedroom")
    assert bedroom.value is not None
    assert (bedroom.value.num_visits, bedroom.value.total_ns) == (1, 3_000_000_000)
    assert bedroom.evidence == ("robot/camera/6000000000", "robot/camera/9000000000")
    first_s = Interval(from_ns=0, to_ns=2_000_000_000)
    assert home.recall.visited("bedroom", interval=first_s).value == ()


def test_a_trajectory_is_the_cameras_way(home: Home) -> None:
    way = home.recall.trajectory(Interval(from_ns=0, to_ns=9_000_000_000)).value
    assert way is not None
    assert len(way.glimpses) == 9
    assert 5.0 < way.length_m < 5.8
    assert home.recall.trajectory(Interval(from_ns=10**15)).status == "unknown"


def test_a_way_leads_through_the_doorways(home: Home) -> None:
    mug = (home.recall.find("mug", region="bedroom").value or ())[0].entity_id
    route = home.recall.path_to(mug, start_world_m=KITCHEN_POINT).value
    assert route is not None
    assert route.length_m > 5.0
    assert len(route.rooms) == 3
    xy = np.array(route.waypoints_world_m)[:, :2]
    for wall_x, door_y in ((4.05, 1.5), (5.45, 2.5)):
        index = int(np.flatnonzero((xy[:-1, 0] < wall_x) & (xy[1:, 0] >= wall_x))[0])
        a, b = xy[index], xy[index + 1]
        assert abs(a[1] + (wall_x - a[0]) / (b[0] - a[0]) * (b[1] - a[1]) - door_y) < 0.45


def test_no_way_leads_where_a_doorway_is_blocked() -> None:
    home = Home(plan(blocked=(box((4.05, 1.5, 0.5), (0.3, 1.2, 1.0)),)))
    home.furnish()
    answer = home.recall.path_to("bed", start_world_m=KITCHEN_POINT)
    assert (answer.status, answer.value) == ("unknown", None)
    assert home.recall.path_to("counter", start_world_m=KITCHEN_POINT).status == "known"


def test_nearest_and_farthest_depend_on_the_metric(home: Home) -> None:
    near = home.recall.nearest("mug", origin=KITCHEN_POINT).value
    far = home.recall.farthest("mug", origin="fridge", metric="floor").value
    assert near is not None
    assert far is not None
    assert (
        near[0].location.placement.position_world_m[0] < 4.0 < far[0].location.placement.position_world_m[0]
    )
    straight = home.recall.nearest("bed", origin=KITCHEN_POINT).value
    driven = home.recall.nearest("bed", origin=KITCHEN_POINT, metric="path").value
    assert straight is not None
    assert driven is not None
    assert driven[0].distance_m > straight[0].distance_m - 1.2


def test_what_lies_on_what_is_a_relation_with_confidence(home: Home) -> None:
    mug = (home.recall.find("mug", region="kitchen").value or ())[0].entity_id
    (on,) = home.recall.relation(mug, "on").value or ()
    counter = home.world.where("counter").value
    assert counter is not None
    assert (on.kind, on.object) == ("on", counter.entity_id)
    assert on.confidence > 0.9
    no = home.recall.relation("counter", "on", mug)
    assert (no.status, no.value) == ("known", ())


def test_things_in_one_frame_were_seen_together(home: Home) -> None:
    together = home.recall.seen_together("fridge", "counter")
    assert together.value is not None
    assert together.value[0].num_glimpses == 4
    assert together.evidence[0] == "robot/camera/1000000000"
    assert home.recall.seen_together("fridge", "bed").value == ()


def test_an_answer_is_explained_down_to_its_frames(home: Home) -> None:
    answer = home.world.where("bed")
    why = home.recall.explain(answer)
    assert [fact.predicate for fact in why.facts] == ["at"]
    assert why.frames[0].source == "robot/camera/6000000000"
    assert why.frames[0].position_world_m == pytest.approx((7.3, 2.0, 1.2))
    assert not why.missing
    assert any("bed" in step for step in why.steps)


def test_what_shares_views_and_supports_goes_together(home: Home) -> None:
    mug = (home.recall.find("mug", region="bedroom").value or ())[0].entity_id
    found = home.recall.goes_with(mug, k=1).value
    assert found is not None
    assert found[0].location.label == "bed"


def test_stated_words_are_found_and_ranked_and_can_be_asked_as_attributes() -> None:
    home = Home()
    home.furnish()
    mug = (home.recall.find("blue mug").value or ())[0].entity_id
    home.world.write(
        Operation(
            kind="ADD",
            source="anna",
            subject=mug,
            predicate="caption",
            value="grandmother's birthday present",
        )
    )
    home.world.write(
        Operation(kind="ADD", source="anna", subject=mug, predicate="owner", value="anna", trust=0.9)
    )
    (found,) = home.recall.find("birthday presents", order="score").value or ()
    assert found.entity_id == mug
    (owned,) = home.recall.find("cup", attributes={"owner": "anna"}).value or ()
    assert owned.entity_id == mug
    with pytest.raises(InvalidQuery, match="Did you mean 'owner'"):
        home.recall.find(attributes={"owners": "anna"})


def test_a_colour_that_nothing_has_finds_no_other_thing_of_that_label(home: Home) -> None:
    answer = home.recall.find("green mug", order="score")
    assert (answer.status, answer.value) == ("unknown", None)


def test_things_are_found_by_what_they_look_like() -> None:
    home = Home()
    home.see(KITCHEN_POINT, thing("mug", box((2.0, 1.0, 0.5), (0.1, 0.1, 0.1)), looks=(1.0, 0.0, 0.0)),
             thing("bowl", box((3.0, 1.0, 0.5), (0.1, 0.1, 0.1)), looks=(0.0, 1.0, 0.1)))  # fmt: skip
    found = home.recall.find(vector=np.array([0.0, 2.0, 0.0]), order="score").value or ()
    assert [one.label for one in found] == ["bowl"]
    with pytest.raises(InvalidQuery, match=r"2 numbers; things have \[3\]"):
        home.recall.find(vector=np.ones(2))


def test_find_orders_as_asked(home: Home) -> None:
    def labels(**order: object) -> list[str]:
        return [one.label for one in home.recall.find(label=None, **order).value or ()]  # type: ignore[arg-type]

    assert labels(order="nearest", origin_world_m=(0.4, 0.4, 0.9))[0] == "fridge"
    assert labels(order="label") == sorted(labels())
    assert labels(order="oldest") != labels(order="recent")


def robot_puts_the_mug_on_the_bed() -> Home:
    home = Home()
    home.furnish()
    red = home.world.where("red mug").value
    assert red is not None
    home.world.record(
        Event(
            kind="pick",
            actor="robot",
            objects=(red.entity_id,),
            start_ns=20_000_000_000,
            end_ns=21_000_000_000,
        )
    )
    mention = ObjectMention(label="mug", position_world_m=(7.8, 3.1, 0.55))
    home.world.record(
        Event(kind="place", actor="robot", objects=(mention,), start_ns=30_000_000_000, end_ns=31_000_000_000)
    )
    return home


def test_events_know_what_was_moved_from_what_to_what() -> None:
    home = robot_puts_the_mug_on_the_bed()
    where = {label: home.world.where(label).value for label in ("red mug", "counter", "bed")}
    mug, counter, bed = (where[label].entity_id for label in where)  # type: ignore[union-attr]
    (pick,) = home.recall.events(kind="pick").value or ()
    assert (pick.entity_ids, pick.from_support) == ((mug,), counter)
    (last,) = home.recall.events(object="red mug", order="last", k=1).value or ()
    assert (last.event.kind, last.to_support) == ("place", bed)
    (there,) = home.recall.events(place="bedroom").value or ()
    assert there.event.kind == "place"
    early = Interval(from_ns=0, to_ns=25_000_000_000)
    assert [one.event.kind for one in home.recall.events(interval=early).value or ()] == ["pick"]
    wrong = home.recall.events(kind="pik")
    assert wrong.value == ()
    assert "Did you mean 'pick'" in wrong.reason
    assert any("did 'place'" in step for step in home.recall.explain(home.recall.events()).steps)


def test_unknown_says_unknown_and_malformed_says_what_to_do(home: Home) -> None:
    assert home.recall.events().status == "unknown"
    assert home.recall.nearest("unicorn").status == "unknown"
    assert home.recall.path_to("unicorn").status == "unknown"
    assert home.recall.relation("mug", "on").status == "ambiguous"
    empty = Home()
    assert empty.recall.rooms().status == "unknown"
    assert empty.recall.trajectory().status == "unknown"
    for ask, message in (
        (lambda: home.recall.visited("kitchn"), "Did you mean 'kitchen'"),
        (lambda: home.recall.visited("room/99"), "no room is called"),
        (lambda: home.recall.visited("kitchen", robot="rob"), "Did you mean 'robot'"),
        (lambda: home.recall.relation("bed", "onn"), "Did you mean 'on'"),
        (lambda: home.recall.nearest("mug", metric="paths"), "Did you mean 'path'"),  # type: ignore[arg-type]
        (lambda: home.recall.nearest("mug", origin=(0.0, float("nan"), 0.0)), "finite"),
        (lambda: home.recall.find("mug", k=0), "at least 1"),
        (lambda: home.recall.find("mug", order="nearest"), "origin_world_m"),
        (lambda: home.recall.find("mug", order="newest"), "recent"),  # type: ignore[arg-type]
        (lambda: home.recall.events(order="next"), "'first' or 'last'"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidQuery, match=message):
            ask()
    with pytest.raises(UnknownEntity, match="e99"):
        home.recall.goes_with("e99")


def test_each_robot_believes_what_it_saw_itself() -> None:
    home = Home()
    for robot, eye in (("anna", 2.0), ("ben", 2.2), ("anna", 2.1), ("ben", 2.3)):
        home.see((eye, 2.0, 1.2), COUNTER, thing("mug", COUNTER_MUG), robot=robot)
    (mug,) = home.recall.find("mug").value or ()
    home.now_ns = 100_000_000_000
    for eye in (7.3, 7.4, 7.5):  # ben alone sees it again, on the bed
        home.world.record(
            Event(
                kind="pick", actor="ben", objects=(mug.entity_id,), start_ns=home.now_ns, end_ns=home.now_ns
            )
        )
        mention = ObjectMention(label="mug", position_world_m=(eye, 3.0, 0.55))
        home.world.record(
            Event(kind="place", actor="ben", objects=(mention,), start_ns=home.now_ns, end_ns=home.now_ns + 1)
        )
        home.now_ns += 10_000_000_000
    anna, ben = home.recall.believed_by("anna", "mug"), home.recall.believed_by("ben", "mug")
    assert anna.value is not None
    assert ben.value is not None
    assert np.linalg.norm(np.array(anna.value) - COUNTER_MUG.center) < 0.05
    assert np.linalg.norm(np.array(ben.value) - (7.5, 3.0, 0.55)) < 0.05
    assert anna.evidence == ("anna/camera/3000000000",)
    with pytest.raises(InvalidQuery, match="Did you mean 'anna'"):
        home.recall.believed_by("ana", "mug")


def test_what_was_put_down_a_little_above_the_bed_is_still_said_to_be_put_on_it() -> None:
    home = Home()
    home.furnish()
    red = home.world.where("red mug").value
    assert red is not None
    home.world.record(
        Event(kind="pick", actor="robot", objects=(red.entity_id,), start_ns=20 * 10**9, end_ns=21 * 10**9)
    )
    mention = ObjectMention(label="mug", position_world_m=(7.8, 3.1, 0.64))
    home.world.record(
        Event(kind="place", actor="robot", objects=(mention,), start_ns=30 * 10**9, end_ns=31 * 10**9)
    )
    bed = home.world.where("bed").value
    assert bed is not None
    (place,) = home.recall.events(kind="place").value or ()
    assert place.to_support == bed.entity_id


def test_rooms_that_look_alike_are_told_apart_by_what_is_in_them_and_next_to_them() -> None:
    home = Home()
    desk = thing("desk", box((1.0, 3.4, 0.4), (1.2, 0.6, 0.8)), color=BLUE)
    for look in range(4):
        home.see((2.0 + 0.1 * look, 2.0, 1.2), thing("bed", box((3.2, 1.0, 0.25), (1.2, 1.8, 0.5))), desk)
    home.see(HALL_POINT)
    for look in range(4):
        home.see((7.3 + 0.1 * look, 2.0, 1.2), BED, thing("wardrobe", box((8.4, 0.7, 0.9), (0.6, 1.0, 1.8))))
    points = np.array([KITCHEN_POINT, HALL_POINT, BEDROOM_POINT])

    def means(name: str) -> list[bool]:
        return home.recall.region(name).contains(points).tolist()

    assert means("bedroom") == [True, False, True]
    assert means("the bedroom with the blue desk") == [True, False, False]
    assert means("bedroom with a wardrobe") == [False, False, True]
    assert means("bedroom next to the hallway") == [True, False, True]
    assert home.recall.visited("bedroom with a wardrobe").value != home.recall.visited("bedroom").value
    with pytest.raises(InvalidQuery, match="none of the rooms"):
        home.recall.region("bedroom with a fridge")
    with pytest.raises(InvalidQuery, match="have"):
        home.recall.region("bedroom next to the bathroom")


def test_rooms_are_worked_out_once_until_something_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    home, named = Home(), []
    home.furnish()
    category_of = places.category_of
    monkeypatch.setattr(
        places, "category_of", lambda *args, **more: named.append(1) or category_of(*args, **more)
    )
    first = home.recall.rooms().value
    assert first is not None
    assert home.recall.rooms().value == first
    assert len(named) <= len(first)
    home.see(HALL_POINT)
    home.recall.rooms()
    assert len(named) > len(first)


def test_a_room_keeps_its_id_where_the_first_look_at_the_floor_was_wrong_about_its_height() -> None:
    home = Home()
    home.furnish()
    before = {room.room_id for room in home.recall.rooms().value or ()}
    assert isinstance(home.floor, FloorMap)
    home.floor = replace(home.floor, floor_z_m=-1.25)
    home.see(HALL_POINT, after_s=10.0)
    assert {room.room_id for room in home.recall.rooms().value or ()} == before
