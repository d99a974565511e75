from __future__ import annotations

from typing import Any

import pytest

from embodied_mem.errors import StampRunsBackwards
from embodied_mem.layers.occupancy import OccupancyLayer
from embodied_mem.layers.world import WorldLayer
from embodied_mem.messages import Percept
from embodied_mem.perception import Perception
from embodied_mem.store.sqlite import SqliteRepository
from embodied_mem.testing import SyntheticRoom, check_memory_layer

PERCEPTS = [Perception().perceive(frame) for frame in SyntheticRoom(seed=0).frames(4)]


def test_the_occupancy_layer_keeps_the_contract() -> None:
    check_memory_layer(OccupancyLayer, PERCEPTS, state_of=lambda layer: layer.state())


def test_the_world_layer_keeps_the_contract() -> None:
    check_memory_layer(
        lambda: WorldLayer(SqliteRepository(":memory:")), PERCEPTS, state_of=lambda layer: layer.entities()
    )


class Counter:
    """A layer that keeps stamps; broken in one way on request."""

    def __init__(self, fault: str = "") -> None:
        self.fault, self.stamps = fault, [0]

    def update(self, percept: Percept) -> None:
        if percept.frame.stamp_ns <= self.stamps[-1]:
            if self.fault == "changes before it refuses":
                self.stamps.append(-1)
            named = "" if self.fault == "names no stamp" else self.stamps[-1]
            raise StampRunsBackwards(f"after {named}")
        self.stamps.append(percept.frame.stamp_ns)

    def reset(self) -> None:
        self.stamps = [0, 1] if self.fault == "leaves something" else [0]


def check(fault: str, state_of: Any = lambda layer: layer.stamps) -> None:
    check_memory_layer(lambda: Counter(fault), PERCEPTS, state_of=state_of)


def test_a_sound_layer_passes() -> None:
    check("")


@pytest.mark.parametrize("fault", ["changes before it refuses", "names no stamp", "leaves something"])
def test_a_broken_layer_is_caught(fault: str) -> None:
    with pytest.raises(AssertionError):
        check(fault)


def test_a_layer_whose_state_differs_from_run_to_run_is_caught() -> None:
    with pytest.raises(AssertionError, match="different states"):
        check("", state_of=lambda layer: (id(layer), len(layer.stamps)))


def test_a_layer_that_keeps_nothing_is_caught() -> None:
    with pytest.raises(AssertionError, match="kept nothing"):
        check("", state_of=lambda layer: 0)
