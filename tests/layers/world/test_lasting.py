"""How long things stay: learned from moves and from rest, for a label and for one thing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from embodied_mem.layers.world.lasting import HOUR_S, Rest, of_label, of_thing, prior_of


def rest(label: str, hours: float, *, has_moved: bool, entity_id: str = "e1", size_m: float = 0.1) -> Rest:
    return Rest(entity_id=entity_id, label=label, size_m=size_m, seconds=hours * HOUR_S, has_moved=has_moved)


def test_before_anything_was_learned_a_cup_moves_sooner_than_a_sofa() -> None:
    assert prior_of(0.1).half_life_s < prior_of(0.7).half_life_s < prior_of(2.0).half_life_s


def test_half_of_the_belief_is_left_after_a_half_life() -> None:
    belief = of_label([rest("cup", 2, has_moved=True)], "cup", 0.1)
    assert abs(belief.stays(belief.half_life_s) - 0.5) < 1e-9


def test_many_moves_shorten_the_half_life_to_what_was_seen() -> None:
    seen = [rest("cup", 3, has_moved=True) for _ in range(200)]
    half_life_h = of_label(seen, "cup", 0.1).half_life_s / HOUR_S
    assert 0.9 * 3 * 0.693 < half_life_h < 1.1 * 3 * 0.693


def test_rest_alone_lengthens_it_and_other_labels_do_not_count() -> None:
    seen = [rest("vase", 5000, has_moved=False), rest("cup", 1, has_moved=True)]
    assert of_label(seen, "vase", 0.1).half_life_s > prior_of(0.1).half_life_s
    assert of_label(seen, "lamp", 0.1) == prior_of(0.1)


def test_a_thing_of_its_own_habits_parts_from_its_label() -> None:
    others = [rest("cup", 2, has_moved=True, entity_id=f"e{k}") for k in range(2, 30)]
    own = [rest("cup", 500, has_moved=False)]
    assert (
        of_thing([*others, *own], "e1", "cup", 0.1).half_life_s
        > 20 * of_label(others, "cup", 0.1).half_life_s
    )


@given(
    hours=st.lists(st.tuples(st.floats(0.0, 1e4), st.booleans()), max_size=8),
    first_s=st.floats(0.0, 1e8),
    more_s=st.floats(0.0, 1e8),
)
def test_the_belief_only_falls_with_time(
    hours: list[tuple[float, bool]], first_s: float, more_s: float
) -> None:
    belief = of_thing([rest("cup", h, has_moved=m) for h, m in hours], "e1", "cup", 0.1)
    assert 0.0 < belief.stays(first_s + more_s) <= belief.stays(first_s) <= belief.stays(0.0) == 1.0
