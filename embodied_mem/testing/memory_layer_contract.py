"""The contract of a memory layer as a function, so that third parties can run it on theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from embodied_mem.errors import StampRunsBackwards
from embodied_mem.messages import Percept


class MemoryLayer(Protocol):
    """What every layer has: percepts in, and a way to be emptied."""

    def update(self, percept: Percept) -> Any:
        """Take one percept in and report what it changed."""

    def reset(self) -> None:
        """Forget everything."""


def check_memory_layer(
    make_layer: Callable[[], MemoryLayer],
    percepts: Sequence[Percept],
    *,
    state_of: Callable[[Any], Mapping[str, Any] | Sequence[Any]],
) -> None:
    """Assert that a layer is deterministic, resets fully, and survives late percepts.

    `make_layer` builds an empty layer; `percepts` are at least three, in order of time, all of one sensor;
    `state_of(layer)` is what the layer keeps, as arrays or plain values, to compare.

    Raises:
        AssertionError: naming the promise that was broken.
    """
    assert len(percepts) >= 3, f"the contract needs at least 3 percepts; got {len(percepts)}"
    empty = _frozen(state_of(make_layer()))
    first, second = make_layer(), make_layer()
    for percept in percepts:
        first.update(percept)
        second.update(percept)
    full = _frozen(state_of(first))
    assert full != empty, "the layer kept nothing of the percepts"
    assert full == _frozen(state_of(second)), "the same percepts gave two layers different states"
    _check_late_percept(first, percepts, state_of)
    first.reset()
    assert _frozen(state_of(first)) == empty, "reset left something behind"
    for percept in percepts:
        first.update(percept)
    assert _frozen(state_of(first)) == full, "after a reset the same percepts gave another state"


def _check_late_percept(
    layer: MemoryLayer,
    percepts: Sequence[Percept],
    state_of: Callable[[Any], Mapping[str, Any] | Sequence[Any]],
) -> None:
    before = _frozen(state_of(layer))
    try:
        layer.update(percepts[0])
    except StampRunsBackwards as error:
        assert _frozen(state_of(layer)) == before, "the layer refused a late percept but had changed by then"
        assert str(percepts[-1].frame.stamp_ns) in str(error), "the refusal does not name the previous stamp"


def _frozen(state: Any) -> Any:
    """`state` with arrays turned into bytes, so that it compares with ==."""
    if isinstance(state, np.ndarray):
        return (state.dtype.str, state.shape, state.tobytes())
    if isinstance(state, Mapping):
        return {key: _frozen(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return tuple(_frozen(item) for item in state)
    return state
