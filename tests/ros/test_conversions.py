"""Questions and answers survive the way over ROS."""

import dataclasses

import pytest

from embodied_mem.errors import ConfigError, InvalidQuery
from embodied_mem.geometry import Box
from embodied_mem.messages import (
    Answer,
    Change,
    Entity,
    Event,
    Interval,
    Location,
    ObjectMention,
    Placement,
    Query,
    Region,
    Stay,
)

pytestmark = pytest.mark.ros

PLACEMENT = Placement(position_world_m=(1.0, 2.0, 0.5), box=Box(min_m=(0.9, 1.9, 0.4), max_m=(1.1, 2.1, 0.6)))
LOCATION = Location(
    entity_id="e3",
    label="mug",
    placement=PLACEMENT,
    support="e1",
    valid_from_ns=5,
    last_seen_ns=7_000_000_001,
)
ENTITY = Entity(
    entity_id="e3", label="mug", label_confidence=0.5, color="red", placement=PLACEMENT, support=None, presence=0.25,
    is_present=False, first_seen_ns=1, last_seen_ns=2, num_views=3,
)  # fmt: skip
STAYS = (
    Stay(placement=PLACEMENT, support=None, from_ns=3, to_ns=9),
    Stay(placement=PLACEMENT, support="e1", from_ns=9, to_ns=None),
)
CHANGE = Change(
    kind="vanish", entity_id="e3", label="mug", before=PLACEMENT, after=None, after_ns=1, before_ns=2
)
ANSWERS = {
    "where": LOCATION,
    "find": (LOCATION, LOCATION),
    "history": STAYS,
    "changes": (CHANGE, dataclasses.replace(CHANGE, kind="appear", before=None, after=PLACEMENT)),
    "count": 2,
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_comes_back_as_it_was(kind):
    from embodied_mem.ros.conversions.answers import answer_from_msg, answer_to_msg

    query = Query(kind=kind, entity="e3")
    answer = Answer(status="known", value=ANSWERS[kind], confidence=0.5, evidence=("fact/1",), reason="seen")
    assert answer_from_msg(answer_to_msg(answer, query, 1, "map")) == answer
    doubt = Answer(status="ambiguous", candidates=(ENTITY,), reason="two")
    assert answer_from_msg(answer_to_msg(doubt, query, 1, "map")) == doubt


@pytest.mark.parametrize(
    "query",
    [
        Query(kind="where", entity="red mug", as_of_ns=5, known_at_ns=10**18),
        Query(kind="find", label="mug", attributes={"color": "red"}, region=Region(box=PLACEMENT.box), k=3),
        Query(kind="count", label="mug", region=Region(center_world_m=(1.0, 2.0, 3.0), radius_m=0.5)),
        Query(kind="changes", interval=Interval(from_ns=4)),
    ],
)
def test_a_question_comes_back_as_it_was(query):
    from embodied_mem.ros.conversions.questions import query_from_request, query_to_request

    assert query_from_request(query_to_request(query)) == query


def test_questions_that_cannot_be_asked_say_what_can():
    from embodied_mem.ros.conversions.questions import query_from_request
    from embodied_mem_interfaces.srv import Query as QuerySrv

    with pytest.raises(InvalidQuery, match="Did you mean 'where'"):
        query_from_request(QuerySrv.Request(kind="wher"))
    with pytest.raises(InvalidQuery, match="name=value"):
        query_from_request(QuerySrv.Request(kind="find", attributes=["red"]))


def test_an_event_comes_back_as_it_was():
    from embodied_mem.ros.conversions.events import event_from_msg, event_to_msg

    mention = ObjectMention(label="cup", position_world_m=(1.0, 2.0, 3.0))
    event = Event(
        kind="pick", actor="robot", objects=("e3", mention), start_ns=5, end_ns=9, outcome="success"
    )
    assert event_from_msg(event_to_msg(event, "map")) == event


def test_every_option_of_the_memory_is_a_parameter_and_bad_values_are_refused():
    import rclpy

    from embodied_mem.config import options
    from embodied_mem.ros.node_config import MemoryNodeConfig
    from embodied_mem.ros.parameters import declare

    context = rclpy.Context()
    rclpy.init(context=context)
    given = [
        "--ros-args",
        "-p",
        "input.slop_s:=0.5",
        "-p",
        "memory.occupancy.cell_m:=0.1",
        "-p",
        "input.robot:=r2",
    ]
    try:
        node = rclpy.create_node("one", context=context, cli_args=given)
        config = declare(node, MemoryNodeConfig())
        assert (config.input.slop_s, config.memory.occupancy.cell_m, config.input.robot) == (0.5, 0.1, "r2")
        assert all(node.has_parameter(option.name) for option in options(MemoryNodeConfig()))
        wrong = rclpy.create_node(
            "two", context=context, cli_args=["--ros-args", "-p", "input.queue_size:=-1"]
        )
        with pytest.raises(ConfigError, match="queue_size is -1"):
            declare(wrong, MemoryNodeConfig())
    finally:
        rclpy.try_shutdown(context=context)
