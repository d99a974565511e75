"""What one look may conclude."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from embodied_mem.layers.world import WorldConfig, looks
from embodied_mem.layers.world.thing import Thing
from embodied_mem.layers.world.visibility import PointLooks
from embodied_mem.messages import ObservedInstance
from tests.layers.world.stage import Stage

CLOSED_M, OPEN_M = 1.2, 1.5
EYE = np.array((2.4, 2.0, 1.2))


def drawer_front(stage: Stage, x: float) -> ObservedInstance:
    stage.put("drawer", x, 2.0, label="drawer", color="gray", size_m=(0.02, 0.4, 0.2))
    percept = stage.look(tuple(EYE), (x, 2.0, 0.8))
    return next(one for one in percept.instances if one.label == "drawer")


def known_drawer(stage: Stage, num_views: int) -> Thing:
    config = WorldConfig()
    glance = looks.Glance(stamp_ns=1, known_ns=1, eye_world=EYE.astype(np.float32), source="frame")
    thing = looks.started("e1", drawer_front(stage, CLOSED_M), glance, config)
    thing.num_views = num_views
    return thing


@pytest.mark.parametrize(
    ("num_views", "x", "is_half_open"),
    [
        (looks.OFTEN_SEEN + 1, OPEN_M, True),
        (looks.OFTEN_SEEN + 1, CLOSED_M, False),
        (looks.OFTEN_SEEN, OPEN_M, False),  # it may only have been half seen so far
    ],
)
def test_a_drawer_that_reaches_out_is_not_taken_for_closed_when_its_old_place_is_out_of_view(
    num_views: int, x: float, is_half_open: bool
) -> None:
    stage = Stage()
    thing = known_drawer(stage, num_views)
    seen = drawer_front(stage, x)
    assert looks.is_half_open(thing, seen, None, WorldConfig()) is is_half_open


def test_a_small_part_of_a_drawer_at_the_rim_of_a_picture_does_not_show_that_it_is_closed() -> None:
    stage = Stage()
    thing = known_drawer(stage, looks.OFTEN_SEEN + 1)
    seen = replace(drawer_front(stage, CLOSED_M), is_cut=True)
    is_shown = np.arange(len(thing.shape)) < 0.2 * len(thing.shape)
    shown = PointLooks(
        is_surface=is_shown, is_through=np.zeros_like(is_shown),
        label_index=np.zeros(len(is_shown), dtype=np.int16), depth_m=np.ones(len(is_shown), dtype=np.float32),
    )  # fmt: skip
    assert looks.is_half_open(thing, seen, shown, WorldConfig())
    whole = replace(shown, is_surface=np.ones_like(is_shown))
    assert not looks.is_half_open(thing, seen, whole, WorldConfig())
