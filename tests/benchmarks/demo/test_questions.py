"""Questions are made from the truth, at least twelve, over every kind, and only fair ones."""

import dataclasses

import pytest

from embodied_mem.benchmarks.demo.grading import TrueStay
from embodied_mem.benchmarks.demo.questions import demo_questions, words_for
from embodied_mem.benchmarks.demo.scene import Scene, SceneObject
from embodied_mem.errors import InvalidQuery
from embodied_mem.geometry import Box

ROOMS = {
    "kitchen": Box(min_m=(0, 0, 0), max_m=(4, 4, 2.5)),
    "bedroom": Box(min_m=(5, 0, 0), max_m=(9, 4, 2.5)),
}


def thing(object_id, category, color, *stays, seen=500):
    return SceneObject(
        object_id=object_id, category=category, color=color, best_pixels_before=seen, best_pixels_after=seen,
        stays=tuple(TrueStay(position_world_m=(x, y, 1.0), from_ns=a, to_ns=b) for x, y, a, b in stays),
    )  # fmt: skip


@pytest.fixture
def scene():
    objects = (
        thing("mug_1", "mug", "red", (1, 1, 0, 100), (6, 1, 110, None)),
        thing("mug_2", "mug", "blue", (2, 1, 0, None)),
        thing("book_1", "book", "green", (3, 1, 0, 105)),
        thing("can_1", "can", "white", (1, 3, 0, None)),
        thing("can_2", "can", "white", (2, 3, 0, None)),
        thing("lamp_1", "lamp", "yellow", (7, 3, 0, None)),
        thing("clock_1", "clock", "black", (8, 3, 0, None), seen=5),
    )
    return Scene(objects=objects, rooms=ROOMS, left_ns=90, returned_ns=120, end_ns=200)


def test_there_are_at_least_twelve_over_every_kind(scene):
    questions = demo_questions(scene)
    assert len(questions) >= 12
    assert {one.query.kind for one in questions} == {"where", "find", "history", "changes", "count"}
    assert len({one.text for one in questions}) == len(questions)


def test_a_thing_is_named_by_what_singles_it_out(scene):
    names = {one.object_id: words_for(scene, one) for one in scene.objects}
    assert names == {
        "mug_1": "red mug", "mug_2": "blue mug", "book_1": "book", "can_1": None, "can_2": None,
        "lamp_1": "lamp", "clock_1": "clock",
    }  # fmt: skip


def test_nothing_is_asked_about_what_the_robot_barely_saw(scene):
    assert not any("clock" in one.text for one in demo_questions(scene))


def test_what_the_robot_thought_is_not_asked_when_it_saw_the_thing_carried_past(scene):
    seen = dataclasses.replace(scene.objects[0], best_pixels_away=8)
    asked = {one.text for one in demo_questions(scene)}
    left = {
        one.text for one in demo_questions(dataclasses.replace(scene, objects=(seen, *scene.objects[1:])))
    }
    assert asked - left == {
        "Where did you think the red mug was while you were away?",
        "What did you know to have changed while you were away?",
    }


def test_what_was_taken_away_unseen_is_not_asked_about_and_need_not_be_named(scene):
    mug, other, book, *rest = scene.objects
    unseen = dataclasses.replace(
        scene, objects=(mug, other, dataclasses.replace(book, best_pixels_before=9), *rest)
    )
    texts = {one.text: one.truth for one in demo_questions(unseen)}
    assert not any("book" in text for text in texts)
    truth = texts["What has changed since you left?"]
    assert [change.label for change in truth.changes] == ["mug"]
    assert [change.label for change in truth.may_name] == ["book"]


def test_rooms_are_asked_about_by_where_things_truly_were(scene):
    texts = {one.text: one.truth for one in demo_questions(scene)}
    assert texts["How many mugs were in the kitchen before you left?"].number == 2
    assert texts["How many mugs were in the bedroom before you left?"].number == 0
    assert texts["Which mugs are in the bedroom?"].positions_world_m == ((6, 1, 1.0),)


def test_an_episode_in_which_nothing_was_moved_gives_no_demo(scene):
    still = tuple(one for one in scene.objects if not one.is_moved)
    with pytest.raises(InvalidQuery, match="needs exactly one such thing"):
        demo_questions(dataclasses.replace(scene, objects=still))


def test_a_still_thing_is_not_singled_out_by_a_colour_that_is_not_most_of_it(scene):
    clocks = (
        thing("clock_2", "clock", "purple", (2, 2, 0, None)),
        thing("clock_3", "clock", "red", (7, 2, 0, None)),
    )
    asked = demo_questions(dataclasses.replace(scene, objects=(*scene.objects, *clocks)))
    assert not any("clock" in one.text for one in asked)
