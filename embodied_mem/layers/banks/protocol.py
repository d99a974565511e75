"""What every bank offers, and what it says about where an output came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float, Float32, Int64
from torch import Tensor

Stamps = int | Sequence[int] | Int64[Tensor, "b"]
"""Nanoseconds of each slot, or one stamp for all of them."""
Slots = Sequence[int] | Int64[Tensor, "b"] | None
"""Which slots the rows of `tokens` belong to; None means all, in order."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An entry that an output drew from, with its share of the attention (all shares of an output sum to 1).

    Attributes:
        first_ns, last_ns: the stamps of the oldest and newest observation in it; they name frames in the store.
        num_observations: how many observations were merged into it.
        share: of the attention, over all queries, heads and layers.
    """

    first_ns: int
    last_ns: int
    num_observations: int
    share: float


class Newest(NamedTuple):
    """A slot's entries, each as the mean of its tokens, with the stamp of the last observation in it; copies."""

    tokens: Float32[Tensor, "k d"]
    last_ns: Int64[Tensor, "k"]


@runtime_checkable
class Bank(Protocol):
    """A memory beside a policy: it takes what the policy sees at each step and gives it back with what it remembers.

    Slots are streams that never mix: robots, or the environments of a vectorised one. Times are int64 nanoseconds;
    inside, they are seconds since the slot's first step. A call that raises has changed nothing.
    """

    def step(self, tokens: Float[Tensor, "b n d"], stamp_ns: Stamps, slots: Slots = None) -> Tensor:
        """The tokens with what is remembered, in the same shape; then the tokens are remembered.

        Raises:
            InvalidMessage: tokens of another shape or type, or NaN or infinity among them; stamps that are none.
            UnknownSlot: a slot that the bank does not have, or that is named twice.
            StampRunsBackwards: a stamp before the slot's last one.
        """
        ...

    def sources(self, slot: int, num_sources: int = 3) -> list[Source]:
        """What dominated the slot's last output, strongest first, at most `num_sources`.

        Empty before the slot's second step, and always where a bank cannot tell (its docstring says why).

        Raises:
            UnknownSlot: the bank has no such slot.
            InvalidMessage: `num_sources` is no whole number from 0.
        """
        ...

    def newest(self, slot: int, num: int) -> Newest:
        """Up to `num` of a slot's entries, newest first (`last_ns` never rises), for whoever reads a memory beside the policy.

        Empty where the slot has seen nothing, and always where a bank keeps no entries that read as tokens.

        Raises:
            UnknownSlot: the bank has no such slot.
            InvalidMessage: `num` is no whole number from 0.
        """
        ...

    def reset(self, slots: Slots = None) -> None:
        """Forget what these slots have seen."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Weights and memory; outputs after `load_state_dict` are bit-equal to those without the interruption."""
        ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Go on where `state_dict` was taken."""
        ...

    def bytes(self) -> int:
        """What the memory takes, all slots together, without the weights."""
        ...
