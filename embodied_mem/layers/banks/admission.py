"""What may enter a bank: shapes, slots and times are checked here, before anything changes."""

from __future__ import annotations

import reprlib
from numbers import Integral
from typing import NamedTuple

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor, nn

from embodied_mem.errors import InvalidMessage, StampRunsBackwards, UnknownSlot
from embodied_mem.layers.banks.protocol import Newest, Slots, Stamps

NEVER = -1
"""The stamp of a slot that has seen nothing."""
MOST_PRINTED = 16
"""Values that a message shows one by one; of more it says how many are wrong, and where."""


class Admitted(NamedTuple):
    """A step's rows after the checks: which slot each belongs to, when it was, in ns and since the slot's start."""

    slots: Int64[Tensor, "b"]
    stamp_ns: Int64[Tensor, "b"]
    seconds: Float64[Tensor, "b"]


class SlotClock(nn.Module):
    """When each slot's stream began and when it was last stepped."""

    start_ns: Tensor
    last_ns: Tensor

    def __init__(self, num_slots: int) -> None:
        super().__init__()
        self.register_buffer("start_ns", torch.full((num_slots,), NEVER, dtype=torch.int64))
        self.register_buffer("last_ns", torch.full((num_slots,), NEVER, dtype=torch.int64))

    def admit(self, tokens: Tensor, stamp_ns: Stamps, slots: Slots, *, shape: tuple[int, int]) -> Admitted:
        """Check one step's input against the bank; nothing changes, whether it is refused or not."""
        rows = self.rows(slots)
        check_tokens(tokens, (len(rows), *shape))
        return self._timed(stamp_ns, rows)

    def check_times(self, stamp_ns: Stamps, slots: Slots) -> None:
        """Refuse what `admit` would, before there are tokens."""
        self._timed(stamp_ns, self.rows(slots))

    def _timed(self, stamp_ns: Stamps, rows: Int64[Tensor, "b"]) -> Admitted:
        stamps = self._stamps(stamp_ns, len(rows))
        last = self.last_ns[rows]
        if bool((stamps < last).any()):
            late = int((stamps < last).nonzero()[0, 0])
            raise StampRunsBackwards(
                f"slot {int(rows[late])} got stamp {int(stamps[late])} ns after {int(last[late])} ns; a bank takes steps "
                "in order. Drop late ones, or reset([slot]) for a new session after a clock jump."
            )
        start = self.start_ns[rows]
        start = torch.where(start == NEVER, stamps, start)
        return Admitted(rows, stamps, (stamps - start).double() / 1e9)

    def previous(self, step: Admitted) -> Int64[Tensor, "b"]:
        """When each slot was last stepped; for its first step, that step itself (or `start_ns` of its reset)."""
        last = self.last_ns[step.slots]
        return torch.where(last == NEVER, step.stamp_ns, last)

    def advance(self, step: Admitted) -> None:
        """The step was taken."""
        start = self.start_ns[step.slots]
        self.start_ns[step.slots] = torch.where(start == NEVER, step.stamp_ns, start)
        self.last_ns[step.slots] = step.stamp_ns

    def reset(self, rows: Int64[Tensor, "b"], start_ns: int | None) -> None:
        """Begin anew; time counts from `start_ns`, or from the next step."""
        if start_ns is not None and not (is_whole(start_ns) and 0 <= start_ns < 2**63):
            raise InvalidMessage(
                f"start_ns is {start_ns!r}; it must be a whole number of nanoseconds in 0..2**63-1. Convert seconds with "
                "round(seconds * 1e9)."
            )
        self.start_ns[rows] = self.last_ns[rows] = NEVER if start_ns is None else start_ns

    def rows(self, slots: Slots) -> Int64[Tensor, "b"]:
        """The slots as a tensor, each known and named once."""
        num_slots = len(self.start_ns)
        if slots is None:
            return torch.arange(num_slots, device=self.start_ns.device)
        rows = _numbers(slots, self.start_ns.device)
        if (
            rows is None
            or rows.ndim != 1
            or rows.numel() == 0
            or rows.dtype not in (torch.int64, torch.int32)
        ):
            raise UnknownSlot(f"slots are {slots!r}; give a list of whole numbers in 0..{num_slots - 1}.")
        named = rows.tolist()
        unknown = [slot for slot in named if not 0 <= slot < num_slots]
        if unknown or len(set(named)) < len(named):
            wrong = f"do not exist: {unknown}" if unknown else "are named twice"
            raise UnknownSlot(
                f"slots {named} {wrong}; the bank has slots 0..{num_slots - 1}, each at most once a step. "
                "Make the bank with a larger num_slots, or step a slot again in a second call."
            )
        return rows.long()

    def row(self, slot: int) -> int:
        """One slot, known."""
        return int(self.rows([slot])[0])

    def _stamps(self, stamp_ns: Stamps, num_rows: int) -> Int64[Tensor, "b"]:
        stamps = _numbers(stamp_ns, self.start_ns.device)
        if stamps is not None and stamps.ndim == 0:
            stamps = stamps.expand(num_rows)
        if (
            stamps is None
            or stamps.dtype != torch.int64
            or stamps.shape != (num_rows,)
            or bool((stamps < 0).any())
        ):
            raise InvalidMessage(
                f"stamp_ns is {stamp_ns!r} for {num_rows} slots; give one whole number of nanoseconds from 0 for each, or "
                "one for all. Convert seconds with round(seconds * 1e9)."
            )
        return stamps


def is_whole(value: object) -> bool:
    """Whether it is an integer, of Python or numpy; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _numbers(values: object, device: torch.device) -> Tensor | None:
    """A tensor of these numbers; None where they are none, or too large, or do not form rows."""
    try:
        return torch.as_tensor(values, device=device)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None


def check_number(name: str, number: int) -> None:
    """Refuse to give a number of things that is none."""
    if not is_whole(number) or number < 0:
        raise InvalidMessage(f"{name} is {number!r}; ask for a whole number, 0 or more.")


def check_replay(stream: Tensor, seconds: Tensor) -> None:
    """Refuse to replay a stream without a time for each of its steps."""
    if seconds.shape != stream.shape[:2]:
        raise InvalidMessage(
            f"replayed got a stream of shape {tuple(stream.shape)} with times of shape {tuple(seconds.shape)}; give one time in "
            "seconds for each step of each row."
        )


def forget(rows: Int64[Tensor, "b"], *tables: Tensor) -> None:
    """Zero these rows, so that what is saved depends on nothing that was there before."""
    for table in tables:
        table.index_fill_(0, rows, 0)


def newest_of(
    tokens: Float32[Tensor, "e *n d"], last_ns: Int64[Tensor, "e"], order: Int64[Tensor, "k"], num: int
) -> Newest:
    """Copies of the first `num` of a slot's entries in this order, newest first; no others are touched."""
    check_number("num", num)
    chosen = order[:num]
    rows = tokens[chosen].detach()
    return Newest(rows.mean(dim=1) if rows.ndim == 3 else rows, last_ns[chosen])


def check_values(
    name: str,
    values: Tensor,
    shape: tuple[int, ...],
    *,
    lowest: float = float("-inf"),
    highest: float = float("inf"),
    is_finite: bool = True,
) -> None:
    """Refuse what is no tensor of numbers with a point, of this shape, within these bounds, or NaN."""
    if isinstance(values, Tensor) and values.is_floating_point() and tuple(values.shape) == shape:
        fits = (values >= lowest) & (values <= highest)
        fits = fits & values.isfinite() if is_finite else fits
        if bool(fits.all()):
            return
        what = _misfits(values, fits)
    else:
        is_tensor = isinstance(values, Tensor)
        what = f"{values.dtype} of shape {tuple(values.shape)}" if is_tensor else reprlib.repr(values)
    raise InvalidMessage(
        f"{name} is {what}; it must be a floating tensor of shape {shape}, each value {'finite, ' * is_finite}within "
        f"{lowest:g}..{highest:g} and not NaN. Nothing was remembered."
    )


def _misfits(values: Tensor, fits: Tensor) -> str:
    """How many values do not fit and where the first is; all of them where they are few."""
    wrong = (~fits).nonzero()
    first = tuple(wrong[0].tolist())
    what = (
        f"{values.dtype} of shape {tuple(values.shape)} with {len(wrong)} of {values.numel()} values that do not fit, "
        f"the first {float(values[first]):g} at {list(first)}"
    )
    return f"{what}: {values.tolist()}" if values.numel() <= MOST_PRINTED else what


def check_tokens(tokens: Tensor, shape: tuple[int, int, int]) -> None:
    """Refuse what is not finite float32 of this shape."""
    if not isinstance(tokens, Tensor) or tuple(tokens.shape) != shape or tokens.dtype != torch.float32:
        is_tensor = isinstance(tokens, Tensor)
        what = f"{tokens.dtype} of shape {tuple(tokens.shape)}" if is_tensor else type(tokens).__name__
        raise InvalidMessage(
            f"tokens are {what}; they must be torch.float32 of shape {shape} (slots, tokens, width). "
            "Name the slots that the rows belong to, or make the bank with these num_tokens and token_width."
        )
    if not bool(torch.isfinite(tokens).all()):
        raise InvalidMessage(
            f"{int((~torch.isfinite(tokens)).sum())} of {tokens.numel()} token values are NaN or infinite; nothing was "
            "remembered. Leave the step out, and look for what the encoder was given."
        )
