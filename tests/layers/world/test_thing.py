"""What views say of a thing's colour: well lit ones more, parts of it only while it was never seen whole."""

from __future__ import annotations

from dataclasses import replace

from embodied_mem.geometry import Box
from embodied_mem.layers.world.shape import Shape
from embodied_mem.layers.world.thing import Thing
from embodied_mem.messages import ObservedInstance
from tests.context.two_rooms import thing as seen_as

BLACK, WHITE, SHADED = (12.0, 12.0, 20.0), (190.0, 185.0, 173.0), (70.0, 68.0, 64.0)
BOX = Box(min_m=(1.0, 1.0, 0.7), max_m=(1.1, 1.1, 0.9))


def view(color: tuple[float, float, float], *, is_cut: bool = False) -> ObservedInstance:
    return replace(seen_as("bottle", BOX, color=color), is_cut=is_cut)


def color_after(*views: ObservedInstance) -> str:
    thing = Thing(entity_id="e1", shape=Shape(cell_m=0.05, max_cells=8), first_seen_ns=0, last_seen_ns=0)
    for one in views:
        thing.vote(one)
    return thing.color


def test_a_bottle_of_which_only_the_cap_is_in_view_while_it_is_carried_keeps_its_colour() -> None:
    caps = [view(WHITE, is_cut=True)] * 50
    assert color_after(view(BLACK), *caps) == "black"
    assert color_after(*caps) == "white"


def test_shade_does_not_darken_what_was_seen_in_the_light() -> None:
    assert color_after(view(SHADED), view(SHADED), view(WHITE)) == color_after(view(WHITE))
