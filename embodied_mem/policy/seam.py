"""The policy seam: what a policy is given, what it gives back, and what it has to offer. Numpy only.

Everything is batched by slot (robots, or the environments of a vectorised one); one robot is a batch of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from embodied_mem.errors import InvalidMessage, StampRunsBackwards, UnknownSlot
from embodied_mem.messages import Context, Frame
from embodied_mem.messages.sensing import check_array

Contexts = Context | Sequence[Context] | None
"""One for all rows, one for each, or none."""
Instructions = str | Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What robots sense at one moment, a row for each: pictures by camera, proprioception, and which slots they are.

    Attributes:
        stamp_ns: of each row, from 0.
        images: RGB by camera name; every camera has all rows.
        proprio: joint or gripper state; width 0 where there is none.
        slots: each row's slot; every slot at most once.

    Raises:
        InvalidMessage: something has another type or shape than these, no row or no pixel, or NaN or infinity in it.
        UnknownSlot: a slot is named twice.
    """

    stamp_ns: Int64[np.ndarray, "b"]
    images: Mapping[str, UInt8[np.ndarray, "b h w 3"]]
    proprio: Float32[np.ndarray, "b p"]
    slots: Int64[np.ndarray, "b"] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))

    def __post_init__(self) -> None:
        num = self.stamp_ns.size if isinstance(self.stamp_ns, np.ndarray) else 1
        check_array("stamp_ns", self.stamp_ns, np.int64, (num,), "Give each row's stamp in nanoseconds.")
        if not num or (self.stamp_ns < 0).any():
            raise InvalidMessage(
                f"stamp_ns is {self.stamp_ns.tolist()}; give one whole number of nanoseconds from 0 for each row, and at least "
                "one row."
            )
        check_array("slots", self.slots, np.int64, (num,), "Give the slot of each row.")
        if len(set(self.slots.tolist())) < num:
            raise UnknownSlot(f"slots {self.slots.tolist()} name one twice; give each robot its own slot.")
        _check_rows("proprio", self.proprio, np.float32, (num, -1), "Give a row of numbers for each slot.")
        if not np.isfinite(self.proprio).all():
            raise InvalidMessage(
                "proprio holds NaN or infinity; leave the observation out, and check the joint states."
            )
        for name, image in self.images.items():
            wanted = "Pictures are RGB from 0 to 255, rows first, one for each slot; convert them."
            _check_rows(f"images[{name!r}]", image, np.uint8, (num, -1, -1, 3), wanted)
            if not image.size:
                raise InvalidMessage(f"images[{name!r}] has shape {image.shape}, no pixels. {wanted}")

    @classmethod
    def of_frame(cls, frame: Frame, *, proprio: Sequence[float] = (), slot: int = 0) -> Observation:
        """One robot's frame, its camera under the sensor's name.

        Raises:
            InvalidMessage: the frame has no colour.
        """
        if frame.rgb is None:
            raise InvalidMessage(
                f"the frame of {frame.robot}/{frame.sensor} has no colour; policies need rgb. Subscribe to the colour image."
            )
        return cls(
            stamp_ns=np.array([frame.stamp_ns]), images={frame.sensor: frame.rgb[None]},
            proprio=np.asarray(proprio, dtype=np.float32)[None], slots=np.array([slot]),
        )  # fmt: skip

    def rows(self, which: Int64[np.ndarray, "k"]) -> Observation:
        """Only these rows."""
        return Observation(
            stamp_ns=self.stamp_ns[which], images={name: image[which] for name, image in self.images.items()},
            proprio=self.proprio[which], slots=self.slots[which],
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.stamp_ns)


@dataclass(frozen=True, kw_only=True)
class ActionChunk:
    """The next `h` actions of each row, `period_s` apart, the first of them due at `stamp_ns`.

    `sources` are the evidence ids of what the decision drew from, for each row.
    """

    stamp_ns: Int64[np.ndarray, "b"]
    actions: Float32[np.ndarray, "b h a"]
    period_s: float
    slots: Int64[np.ndarray, "b"]
    sources: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        is_shaped = self.actions.ndim == 3 and len(self.actions) == len(self.stamp_ns) == len(self.slots)
        if (
            not is_shaped
            or not self.actions.shape[1]
            or not np.isfinite(self.actions).all()
            or self.period_s <= 0
        ):
            raise InvalidMessage(
                f"actions have shape {self.actions.shape} for {len(self.slots)} slots, period_s {self.period_s}; they must be "
                "finite (slots, steps, width) with at least one step, and the period above 0."
            )


@runtime_checkable
class Policy(Protocol):
    """What acts. `act` is one decision; a policy with memory remembers the observation by it."""

    def act(
        self, observation: Observation, context: Contexts = None, instruction: Instructions = ""
    ) -> ActionChunk:
        """The next actions of every row."""
        ...

    def reset(self, slots: Sequence[int] | None = None) -> None:
        """New episodes begin in these slots (None: in all)."""
        ...


class ChunkedExecution:
    """One action after the other from a policy that decides in chunks: `execute_steps` of each, then it decides anew.

    With `execute_steps` 1 the policy decides at every step (receding horizon); with None a chunk is carried out whole.
    Slots run apart: only those whose chunk is used up are decided for, all of them in one call.
    """

    def __init__(self, policy: Policy, *, execute_steps: int | None = None) -> None:
        if execute_steps is not None and execute_steps < 1:
            raise InvalidMessage(
                f"execute_steps is {execute_steps}; it must be at least 1, or None for whole chunks."
            )
        self.policy = policy
        self.execute_steps = execute_steps
        self._pending: dict[int, list[Float32[np.ndarray, "a"]]] = {}
        self._last_ns: dict[int, int] = {}

    def next_actions(
        self, observation: Observation, context: Contexts = None, instruction: Instructions = ""
    ) -> Float32[np.ndarray, "b a"]:
        """The action of each row for now.

        Raises:
            StampRunsBackwards: a row is older than its slot's last; nothing was decided.
        """
        self._check_order(observation)
        slots = observation.slots.tolist()
        due = np.array([row for row, slot in enumerate(slots) if not self._pending.get(slot)], dtype=np.int64)
        if len(due):
            chunk = self.policy.act(observation.rows(due), _of_rows(context, due), _words(instruction, due))
            for row, actions in zip(due, chunk.actions, strict=True):
                self._pending[slots[row]] = list(actions[: self.execute_steps])
        self._last_ns.update(zip(slots, observation.stamp_ns.tolist(), strict=True))
        return np.stack([self._pending[slot].pop(0) for slot in slots])

    def reset(self, slots: Sequence[int] | None = None) -> None:
        """New episodes begin; what was pending is dropped."""
        for slot in list(self._last_ns) if slots is None else slots:
            self._pending.pop(slot, None)
            self._last_ns.pop(slot, None)
        self.policy.reset(slots)

    def _check_order(self, observation: Observation) -> None:
        for slot, stamp_ns in zip(observation.slots.tolist(), observation.stamp_ns.tolist(), strict=True):
            last_ns = self._last_ns.get(slot)
            if last_ns is not None and stamp_ns < last_ns:
                raise StampRunsBackwards(
                    f"slot {slot} got stamp {stamp_ns} ns after {last_ns} ns; observations come in order. "
                    "Drop late ones, or reset([slot]) for a new episode."
                )


def context_of(context: Contexts, row: int) -> Context | None:
    """The context that belongs to a row."""
    return context if context is None or isinstance(context, Context) else context[row]


def _check_rows(name: str, array: object, dtype: type, shape: tuple[int, ...], remedy: str) -> None:
    """`check_array`, with -1 for sizes that are free."""
    if isinstance(array, np.ndarray) and array.ndim == len(shape):
        shape = tuple(has if wanted == -1 else wanted for has, wanted in zip(array.shape, shape, strict=True))
    check_array(name, array, dtype, shape, f"{remedy} (-1: any size.)")


def _of_rows(context: Contexts, rows: Int64[np.ndarray, "k"]) -> Contexts:
    return context if context is None or isinstance(context, Context) else [context[row] for row in rows]


def _words(instruction: Instructions, rows: Int64[np.ndarray, "k"]) -> Instructions:
    return instruction if isinstance(instruction, str) else [instruction[row] for row in rows]
