"""Observations in, chunks of actions out, one action at a time, slot by slot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from embodied_mem.errors import InvalidMessage, StampRunsBackwards, UnknownSlot
from embodied_mem.messages import Context
from embodied_mem.policy import ActionChunk, ChunkedExecution, Observation, Policy
from embodied_mem.policy.seam import Contexts, Instructions
from embodied_mem.testing import SyntheticRoom


class Counting:
    """Decides on chunks of four: (slot, number of the decision, step)."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[int], Contexts, Instructions]] = []
        self.decisions: dict[int, int] = {}
        self.resets: list[Sequence[int] | None] = []

    def act(
        self, observation: Observation, context: Contexts = None, instruction: Instructions = ""
    ) -> ActionChunk:
        slots = observation.slots.tolist()
        self.calls.append((slots, context, instruction))
        for slot in slots:
            self.decisions[slot] = self.decisions.get(slot, 0) + 1
        actions = [[[slot, self.decisions[slot], step] for step in range(4)] for slot in slots]
        return ActionChunk(
            stamp_ns=observation.stamp_ns, actions=np.array(actions, dtype=np.float32), period_s=0.1,
            slots=observation.slots,
        )  # fmt: skip

    def reset(self, slots: Sequence[int] | None = None) -> None:
        self.resets.append(slots)


def sensed(stamp_ns: int, slots: Sequence[int] = (0,)) -> Observation:
    num = len(slots)
    return Observation(
        stamp_ns=np.full(num, stamp_ns), images={"front": np.zeros((num, 8, 8, 3), dtype=np.uint8)},
        proprio=np.zeros((num, 2), dtype=np.float32), slots=np.array(slots),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("execute_steps", "expected"),
    [(None, [1, 1, 1, 1, 2, 2]), (2, [1, 1, 2, 2, 3, 3]), (1, [1, 2, 3, 4, 5, 6])],
)
def test_so_many_steps_of_a_chunk_are_carried_out(execute_steps: int | None, expected: list[int]) -> None:
    execution = ChunkedExecution(Counting(), execute_steps=execute_steps)
    actions = [execution.next_actions(sensed(i))[0] for i in range(6)]
    assert [int(action[1]) for action in actions] == expected


def test_only_slots_whose_chunk_is_used_up_are_decided_for_together() -> None:
    policy = Counting()
    execution = ChunkedExecution(policy)
    execution.next_actions(sensed(0, [0, 1, 2]))
    execution.reset([1])
    actions = execution.next_actions(sensed(1, [2, 1, 0]), instruction=["c", "b", "a"])
    assert [call[0] for call in policy.calls] == [[0, 1, 2], [1]]
    assert policy.calls[1][2] == ["b"]
    assert policy.resets == [[1]]
    assert actions.tolist() == [[2, 1, 1], [1, 2, 0], [0, 1, 1]]


def test_late_observations_change_nothing() -> None:
    execution = ChunkedExecution(Counting())
    execution.next_actions(sensed(5))
    with pytest.raises(StampRunsBackwards, match=r"reset\(\[slot\]\)"):
        execution.next_actions(sensed(4))
    assert execution.next_actions(sensed(6)).tolist() == [[0, 1, 1]]
    execution.reset()
    assert execution.next_actions(sensed(0)).tolist() == [[0, 2, 0]]


def test_a_frame_is_an_observation_of_one_row() -> None:
    frame = next(iter(SyntheticRoom(seed=0).frames(1)))
    observation = Observation.of_frame(frame, proprio=(0.1, 0.2), slot=3)
    assert observation.images[frame.sensor].shape == (1, *frame.depth_m.shape, 3)
    assert observation.slots.tolist() == [3]
    assert isinstance(Counting(), Policy)


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(UnknownSlot, match="twice"):
        sensed(0, [1, 1])
    with pytest.raises(InvalidMessage, match="proprio"):
        Observation(stamp_ns=np.array([0]), images={}, proprio=np.zeros((2, 1), np.float32))
    with pytest.raises(InvalidMessage, match="NaN"):
        Observation(stamp_ns=np.array([0]), images={}, proprio=np.full((1, 1), np.nan, np.float32))
    with pytest.raises(InvalidMessage, match="at least one step"):
        ActionChunk(
            stamp_ns=np.array([0]), actions=np.zeros((1, 0, 3), np.float32), period_s=0.1, slots=np.array([0])
        )
    with pytest.raises(InvalidMessage, match="execute_steps is 0"):
        ChunkedExecution(Counting(), execute_steps=0)


def test_contexts_go_with_their_rows() -> None:
    policy = Counting()
    execution = ChunkedExecution(policy)
    execution.next_actions(sensed(0, [0]))
    contexts: list[Context] = ["first", "second"]  # type: ignore[list-item]  # only handed through
    execution.next_actions(sensed(1, [0, 1]), contexts)
    assert policy.calls[1][1] == ["second"]
