"""What is expected of a home: where to look, what belongs where, what is out of place, and how long things stay."""

from __future__ import annotations

import pytest

from embodied_mem.errors import InvalidQuery
from embodied_mem.layers.world.placements import Placements
from embodied_mem.messages import Event
from tests.context.two_rooms import (
    BED,
    BLUE,
    COUNTER,
    COUNTER_MUG,
    FRIDGE,
    KITCHEN_POINT,
    RED,
    Home,
    box,
    thing,
)

ON_BED = box((7.3, 3.0, 0.55), (0.09, 0.09, 0.1))


def other_homes() -> Placements:
    """Homes where toasters and mugs are kept on counters, and pillows on beds."""
    homes = Placements()
    for _ in range(6):
        homes.add_home(
            [("counter", "kitchen"), ("fridge", "kitchen"), ("bed", "bedroom")],
            [
                ("mug", ("counter", "kitchen")),
                ("toaster", ("counter", "kitchen")),
                ("pillow", ("bed", "bedroom")),
            ],
        )
    return homes


@pytest.fixture
def home() -> Home:
    made = Home()
    made.furnish()
    made.recall.expect.learn_from(other_homes())
    return made


def test_what_was_never_seen_is_looked_for_where_other_homes_keep_it(home: Home) -> None:
    places = home.recall.expect.where_to_look("toaster").value
    assert places is not None
    assert (places[0].label, places[0].room) == ("counter", "kitchen")
    assert places[0].probability > 2 * places[1].probability
    pillow = home.recall.expect.where_to_look("pillow").value
    assert pillow is not None
    assert pillow[0].label == "bed"


def test_where_it_was_is_no_place_to_look_for_what_was_taken(home: Home) -> None:
    mug = home.recall.find("red mug").value
    assert mug is not None
    home.world.record(
        Event(
            kind="pick", actor="anna", objects=(mug[0].entity_id,), start_ns=home.now_ns, end_ns=home.now_ns
        )
    )
    places = home.recall.expect.where_to_look("red mug", k=100).value
    assert places is not None
    assert next(one.probability for one in places if one.label == "counter") == 0.0


def test_probabilities_sum_to_less_than_one(home: Home) -> None:
    for what in ("toaster", "red mug"):
        places = home.recall.expect.where_to_look(what, k=100).value
        assert places is not None
        assert 0.9 < sum(one.probability for one in places) <= 1.0


def test_what_was_just_seen_is_looked_for_there_and_the_belief_fades_with_days(home: Home) -> None:
    fresh = home.recall.expect.where_to_look("blue mug").value
    assert fresh is not None
    assert fresh[0].label == "bed"
    assert fresh[0].probability > 0.7
    home.see(KITCHEN_POINT, FRIDGE, after_s=20 * 86_400.0)
    stale = home.recall.expect.where_to_look("blue mug", k=100).value
    assert stale is not None
    on_bed = next(one.probability for one in stale if one.label == "bed")
    assert on_bed < 0.5 * fresh[0].probability


def test_a_mug_on_the_bed_is_more_out_of_place_than_one_on_the_counter(home: Home) -> None:
    found = home.recall.expect.out_of_place().value
    assert found is not None
    score = {one.location.entity_id: one.score for one in found}
    on_bed, on_counter = (home.recall.find(words).value[0].entity_id for words in ("blue mug", "red mug"))  # type: ignore[index]
    assert score[on_bed] > score[on_counter]
    assert found[0].location.entity_id == on_bed
    assert found[0].belongs[0].label == "counter"


def test_a_home_of_its_own_habits_overrules_the_others() -> None:
    """A red mug that is found on the bed again and again belongs there, whatever other homes do."""
    home = Home()
    home.recall.expect.learn_from(other_homes())
    home.furnish()
    before = home.recall.expect.belongs("red mug").value
    for _ in range(6):
        for spot, places in ((ON_BED, (BED,)), (COUNTER_MUG, (COUNTER, FRIDGE))):
            mug = home.recall.find("red mug").value
            assert mug is not None
            home.pick_and_place("robot", mug[0].entity_id, spot)
            for _ in range(3):
                x, y, z = spot.center.tolist()
                home.see((x, y - 1.0, z + 0.5), thing("mug", spot, color=RED), *places)
    after = home.recall.expect.belongs("red mug").value
    assert before is not None
    assert after is not None
    share = [next((p.probability for p in found if p.label == "bed"), 0.0) for found in (before, after)]
    assert share[1] > 2 * share[0]


def test_a_thing_that_was_moved_often_has_a_short_half_life(home: Home) -> None:
    resting = home.recall.expect.lasts("blue mug").value
    for turn in range(4):
        spot = box((7.0 + 0.4 * (turn % 2), 3.0, 0.55), (0.09, 0.09, 0.1))
        mug = home.recall.find("blue mug").value
        assert mug is not None
        home.pick_and_place("robot", mug[0].entity_id, spot)
        for _ in range(3):
            home.see((7.3, 2.0, 1.2), BED, thing("mug", spot, color=BLUE))
    moved = home.recall.expect.lasts("blue mug").value
    assert resting is not None
    assert moved is not None
    assert moved.num_moves >= 4 > resting.num_moves
    assert moved.half_life_s < 0.2 * resting.half_life_s
    fridge = home.recall.expect.lasts("fridge").value
    assert fridge is not None
    assert fridge.half_life_s > resting.half_life_s


def test_what_cannot_be_told_is_unknown_or_refused(home: Home) -> None:
    assert home.recall.expect.where_to_look("mug").status == "ambiguous"
    assert home.recall.expect.where_to_look("fridge").status == "unknown"
    assert home.recall.expect.belongs("toaster").status == "unknown"
    assert Home().recall.expect.where_to_look("mug").status == "unknown"
    assert Home().recall.expect.out_of_place().status == "unknown"
    with pytest.raises(InvalidQuery, match="k is 0"):
        home.recall.expect.where_to_look("toaster", k=0)


def test_what_a_home_learned_can_be_learned_from(home: Home) -> None:
    counted = home.recall.expect.placements()
    assert counted.rate("mug", ("counter", "kitchen")) > counted.rate("mug", ("fridge", "kitchen"))
    assert Placements.from_json(counted.to_json()).to_json() == counted.to_json()


def test_what_is_kept_where_is_told_by_the_names_that_rooms_have_after_learning() -> None:
    home, others = Home(), Placements()
    home.furnish()
    assert home.recall.expect.placements().rate("mug", ("counter", "kitchen")) > 0.0
    for _ in range(40):
        others.add_home([("counter", "office"), ("fridge", "office")], [("mug", ("counter", "office"))])
    home.recall.expect.learn_from(others)
    assert "office" in {room.category for room in home.recall.rooms().value or ()}
    told = home.recall.expect.placements().to_json()
    assert "office" in told
    assert "kitchen" not in told
