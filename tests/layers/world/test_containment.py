"""Things in boxes and under cups stay known, go where their container goes, and come back as themselves."""

from __future__ import annotations

import numpy as np

from embodied_mem.messages import Event, ObjectMention
from tests.context.two_rooms import COUNTER, KITCHEN_POINT, RED, Home, box, thing

BALL = box((2.0, 0.35, 0.93), (0.05, 0.05, 0.05))
CHEST = box((2.0, 0.35, 1.0), (0.3, 0.3, 0.2))
CUP = box((2.0, 0.35, 0.96), (0.1, 0.1, 0.12))
S = 1_000_000_000


def center(home: Home, entity_id: str) -> np.ndarray:
    value = home.world.where(entity_id).value
    assert value is not None
    return np.array(value.placement.position_world_m)


def act(home: Home, kind: str, *objects: str | ObjectMention, at_s: int) -> None:
    home.world.record(
        Event(kind=kind, actor="robot", objects=objects, start_ns=at_s * S, end_ns=at_s * S + S // 2)
    )


def ball_beside(container: str) -> tuple[Home, str, str]:
    """A ball on the counter and a container beside it, both known."""
    home = Home()
    beside = box(
        (2.6, 0.35, 1.0 if container == "box" else 0.96), tuple((CHEST if container == "box" else CUP).size)
    )  # type: ignore[arg-type]
    for look in range(3):
        seen = (COUNTER, thing("ball", BALL, color=RED), thing(container, beside))
        home.see((2.0 + 0.2 * look, 1.5, 1.2), *seen)
    ball, vessel = home.world.where("ball").value, home.world.where(container).value
    assert ball is not None
    assert vessel is not None
    return home, ball.entity_id, vessel.entity_id


def test_what_is_in_a_box_goes_along_and_is_in_the_hand_meanwhile() -> None:
    home, ball, chest = ball_beside("box")
    act(home, "pick", ball, at_s=10)
    act(home, "place", ObjectMention(label="ball", position_world_m=(2.6, 0.35, 0.95)), chest, at_s=12)
    assert home.world.where(ball).value.support == chest  # type: ignore[union-attr]
    act(home, "pick", chest, at_s=14)
    held = home.world.where(ball)
    assert held.status == "unknown"
    assert "held by robot" in held.reason
    act(home, "place", ObjectMention(label="box", position_world_m=(7.3, 3.0, 0.6)), at_s=16)
    assert np.linalg.norm(center(home, ball) - (7.3, 3.0, 0.55)) < 0.02
    assert home.world.where(ball).value.support == chest  # type: ignore[union-attr]
    (relation,) = home.recall.relation(ball, "in").value or ()
    assert relation.object == chest
    assert len(home.world.history(ball).value or ()) == 3
    # Taken out and seen again, it is the same ball.
    for look in range(3):
        home.now_ns = max(home.now_ns, 20 * S)
        home.see(
            (7.0 + 0.1 * look, 2.0, 1.2), thing("ball", box((7.3, 3.0, 0.56), (0.05, 0.05, 0.05)), color=RED)
        )
    assert home.world.count("ball").value == 1
    assert home.world.find("ball").value[0].entity_id == ball  # type: ignore[index]


def test_a_cup_put_over_a_ball_hides_it_and_takes_it_along_when_pushed_but_not_when_lifted() -> None:
    home, ball, cup = ball_beside("cup")
    act(home, "pick", cup, at_s=10)
    act(home, "place", ObjectMention(label="cup", position_world_m=(2.0, 0.35, 0.96)), at_s=12)
    (under,) = home.recall.relation(ball, "under", cup).value or ()
    assert under.confidence > 0.9
    act(home, "push", ObjectMention(label="cup", position_world_m=(2.0, 0.35, 0.96)), at_s=13)
    home.world.record(
        Event(kind="push", actor="robot", objects=(ObjectMention(label="cup", position_world_m=(2.3, 0.35, 0.96)),),
              start_ns=14 * S, end_ns=15 * S)
    )  # fmt: skip
    assert np.linalg.norm(center(home, ball) - (2.3, 0.35, 0.93)) < 0.02
    act(home, "pick", cup, at_s=16)
    assert np.linalg.norm(center(home, ball) - (2.3, 0.35, 0.93)) < 0.02
    assert home.recall.relation(ball, "under", cup).value == ()


def test_a_container_that_is_not_there_any_more_takes_nothing_along() -> None:
    home, ball, chest = ball_beside("box")
    act(home, "pick", chest, at_s=10)
    act(home, "place", ObjectMention(label="box", position_world_m=(7.3, 3.0, 0.6)), at_s=12)
    assert np.linalg.norm(center(home, ball) - BALL.center) < 0.02


def test_a_failed_event_changes_nothing() -> None:
    home, ball, _ = ball_beside("box")
    home.world.record(
        Event(kind="pick", actor="robot", objects=(ball,), start_ns=10 * S, end_ns=11 * S, outcome="failed")
    )
    assert home.world.where(ball).status == "known"
    assert home.recall.events().value == ()
    assert len(home.recall.events(with_failed=True).value or ()) == 1


def test_what_is_near_is_next_to_it_and_what_is_half_a_metre_away_is_not() -> None:
    home, ball, chest = ball_beside("box")
    kinds = {(one.kind, one.object) for one in home.recall.relation(ball).value or ()}
    counter = home.world.where("counter").value
    assert counter is not None
    assert ("on", counter.entity_id) in kinds
    assert ("next to", chest) not in kinds
    home.see(KITCHEN_POINT, thing("bowl", box((2.15, 0.35, 0.94), (0.12, 0.12, 0.08))))
    home.see((2.3, 1.6, 1.2), thing("bowl", box((2.15, 0.35, 0.94), (0.12, 0.12, 0.08))))
    bowl = home.world.where("bowl").value
    assert bowl is not None
    assert ("next to", bowl.entity_id) in {(r.kind, r.object) for r in home.recall.relation(ball).value or ()}
