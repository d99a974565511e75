"""What was not seen for long is less sure to be where it was, and a cup sooner than a table."""

from __future__ import annotations

import pytest

from embodied_mem.layers.world import WorldLayer
from embodied_mem.store.sqlite import SqliteRepository
from tests.layers.world.stage import Stage

HOUR_S = 3600.0
CORNER, AWAY = (0.6, 0.6, 1.2), (0.0, 0.0, 1.0)


def told() -> tuple[Stage, WorldLayer]:
    stage, world = Stage(), WorldLayer(SqliteRepository(":memory:"))
    stage.put("cup", 2.5, 2.0)
    for percept in stage.circle(num=8):
        world.update(percept)
    return stage, world


def look_away(stage: Stage, world: WorldLayer, after_s: float) -> None:
    world.update(stage.look(CORNER, AWAY, after_s=after_s))


def test_confidence_fades_with_time_out_of_view_and_comes_back_with_a_look() -> None:
    stage, world = told()
    seen = [world.where("mug").confidence]
    for hours in (1.0, 10.0, 100.0):
        look_away(stage, world, hours * HOUR_S)
        answer = world.where("mug")
        assert answer.status == "known"
        seen.append(answer.confidence)
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > 0.9
    assert seen[-1] < 0.4
    for percept in stage.circle(num=4):
        world.update(percept)
    assert world.where("mug").confidence == pytest.approx(seen[0], abs=0.02)


def test_a_table_is_more_sure_to_stay_than_a_cup_and_the_past_does_not_fade() -> None:
    stage, world = told()
    seen_ns = stage.now_ns
    at_once = world.where("mug", as_of_ns=seen_ns).confidence
    look_away(stage, world, 24 * HOUR_S)
    assert world.where("table").confidence > world.where("mug").confidence + 0.2
    assert world.where("mug", as_of_ns=seen_ns).confidence == at_once
    assert world.find("mug").confidence == world.where("mug").confidence


def test_a_home_where_cups_move_often_trusts_its_cups_less() -> None:
    stage, restless = told()
    for turn in range(3):
        stage.put("cup", 2.5 + 0.3 * (-1) ** turn, 2.0)
        for percept in stage.circle(num=8):
            restless.update(percept)
    assert len(restless.history("mug").value or ()) >= 3
    calm_stage, calm = told()
    for percept in calm_stage.circle(num=16):
        calm.update(percept)
    look_away(stage, restless, HOUR_S)
    look_away(calm_stage, calm, HOUR_S)
    assert restless.where("mug").confidence < calm.where("mug").confidence - 0.2
