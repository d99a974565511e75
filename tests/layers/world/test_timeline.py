"""Facts follow from the looks, whatever order they arrive in: compared with brute force over random histories."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_mem.geometry import Box
from embodied_mem.layers.world.ledger import Ledger
from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.layers.world.shape import Shape
from embodied_mem.layers.world.thing import Thing, placement_of
from embodied_mem.layers.world.timeline import changes, fold, stays
from embodied_mem.messages import Placement
from embodied_mem.store import Sighting
from embodied_mem.store.sqlite import SqliteRepository

CONFIG = WorldConfig()
PLACES = [placement_of(Box(min_m=(3.0 * k, 0, 0), max_m=(3.0 * k + 0.1, 0.1, 0.1))) for k in range(3)]
AWAY = ("away", -1)
LOOKS = st.sampled_from([("here", 0), ("here", 1), ("here", 2), ("gone", 0), ("gone", 1), ("gone", 2), AWAY])


def sighting(stamp_ns: int, known_ns: int, look: tuple[str, int]) -> Sighting:
    kind, place_index = look
    return Sighting(
        entity_id="e1", stamp_ns=stamp_ns, known_ns=known_ns, kind=kind, place_index=place_index,  # type: ignore[arg-type]
        position_world_m=None, source=f"robot/camera/{stamp_ns}",
    )  # fmt: skip


def brute_force(looks: list[Sighting], as_of_ns: int) -> int | None:
    """The place at `as_of_ns`, by asking of each look in turn what it says about that moment."""
    looks = sorted(looks, key=lambda look: look.stamp_ns)
    for index, look in enumerate(looks):
        if look.kind != "here" or look.stamp_ns > as_of_ns:
            continue
        misses: list[int] = []
        end_ns: float = np.inf
        for later in looks[index + 1 :]:
            if later.kind == "away" or (later.kind == "here" and later.place_index != look.place_index):
                end_ns = later.stamp_ns
                break
            if later.kind == "here":
                misses = []
            elif later.place_index == look.place_index:
                misses.append(later.stamp_ns)
                if len(misses) == CONFIG.misses_to_close:
                    end_ns = misses[0]
                    break
        if as_of_ns < end_ns:
            return look.place_index
    return None


@settings(max_examples=100, deadline=None)
@given(history=st.lists(LOOKS, min_size=1, max_size=9), data=st.data())
def test_every_as_of_and_known_at_equals_brute_force(
    history: list[tuple[str, int]], data: st.DataObject
) -> None:
    check_history(history, data.draw(st.permutations(range(len(history)))))


def test_a_thousand_random_histories_with_late_looks_answer_like_brute_force() -> None:
    rng = np.random.default_rng(4)
    looks = [*((kind, place) for kind in ("here", "gone") for place in range(3)), AWAY]
    for _ in range(1000):
        history = [looks[k] for k in rng.integers(len(looks), size=rng.integers(1, 8))]
        # Most looks arrive in order, some much later: a random key per look, near its own index.
        order = np.argsort(np.arange(len(history)) + rng.exponential(1.5, size=len(history)))
        check_history(history, order.tolist())


def check_history(history: list[tuple[str, int]], order: list[int]) -> None:
    """Publish the looks in their order of arrival, and compare every pair of times with brute force."""
    arrivals = [sighting(10 * (k + 1), 1000 + 10 * n, history[k]) for n, k in enumerate(order)]
    repository = SqliteRepository(":memory:")
    ledger = Ledger(repository, CONFIG)
    thing = Thing(entity_id="e1", shape=Shape(0.02, 64), first_seen_ns=0, last_seen_ns=0, places=list(PLACES))
    thing.label_votes["mug"] = 1.0
    for look in arrivals:
        repository.add_sighting(look)
        thing.runs = fold(repository.sightings("e1"))
        ledger.publish(thing, look.known_ns)
    for known_at_ns in range(995, 1000 + 10 * len(history), 10):
        known = [look for look in arrivals if look.known_ns <= known_at_ns]
        for as_of_ns in range(5, 10 * len(history) + 15, 5):
            facts = repository.facts(subject="e1", predicate="at", as_of_ns=as_of_ns, known_at_ns=known_at_ns)
            expected = brute_force(known, as_of_ns)
            assert [fact.value for fact in facts] == ([] if expected is None else [PLACES[expected]])
    repository.close()


def changes_of(
    looks: list[tuple[str, int]], *, arrived_after_ns: int | None = None
) -> list[tuple[str, int, int]]:
    sojourns = stays(fold(sighting(10 * k, 10 * k, look) for k, look in enumerate(looks)), 2)
    found = changes(
        "e1", "mug", PLACES, sojourns, arrived_after_ns=arrived_after_ns, is_hinged=False, min_move_m=0.08
    )
    return [(change.kind, change.after_ns, change.before_ns) for change in found]


def test_a_move_lies_between_last_seen_there_and_first_seen_here() -> None:
    assert changes_of([("here", 0), ("here", 0), ("gone", 0), ("here", 1)]) == [("move", 10, 30)]


def test_one_miss_is_the_detectors_and_two_are_a_vanishing() -> None:
    assert changes_of([("here", 0), ("gone", 0)]) == []
    assert changes_of([("here", 0), ("gone", 0), ("gone", 0)]) == [("vanish", 0, 10)]
    assert changes_of([("here", 0), ("gone", 0), ("here", 0), ("gone", 0)]) == []


def test_what_was_first_seen_is_no_change_unless_its_place_was_empty_before() -> None:
    assert changes_of([("here", 0)]) == []
    assert changes_of([("here", 0)], arrived_after_ns=-5) == [("appear", -5, 0)]


def test_a_thing_survives_its_bytes() -> None:
    shape = Shape(0.02, 64)
    shape.add(np.random.default_rng(0).uniform(0, 1, (300, 3)).astype(np.float32))
    thing = Thing(
        entity_id="e7", shape=shape, first_seen_ns=1, last_seen_ns=2, places=[*PLACES], place_index=1
    )
    thing.label_votes.update(mug=2.0, cup=0.5)
    thing.runs = fold([sighting(1, 1, ("here", 0)), sighting(2, 2, AWAY)])
    thing.supports[1] = ("on", "e3")
    again = Thing.from_bytes(thing.to_bytes(), Shape.from_bytes(shape.to_bytes(), 64))
    assert again.to_bytes() == thing.to_bytes()
    assert again.shape.to_bytes() == shape.to_bytes()
    assert isinstance(again.places[0], Placement)
    assert again.runs == thing.runs
