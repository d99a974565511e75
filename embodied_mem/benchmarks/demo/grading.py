"""What is true, in the shape of an answer, and whether a given answer says so.

Positions may be off by POSITION_TOLERANCE_M. Times are graded as brackets: nobody who was away can know when
something was moved, only that it was after the last look at the old state and before the first look at the new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from embodied_mem.messages import Answer, Change, ChangeKind, Location, Stay

POSITION_TOLERANCE_M = 0.1

Position = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether an answer is right, how far its positions are off, and what it said and should have said."""

    is_right: bool
    error_m: float | None
    said: str
    truth: str


class Truth(Protocol):
    """Something true that an answer can be held against."""

    def grade(self, answer: Answer[Any]) -> Verdict: ...


@dataclass(frozen=True, kw_only=True)
class TruePlace:
    """It is at `position_world_m`."""

    position_world_m: Position

    def grade(self, answer: Answer[Any]) -> Verdict:
        truth = at(self.position_world_m)
        if not isinstance(answer.value, Location):
            return _no_value(answer, truth)
        position = answer.value.placement.position_world_m
        error_m = distance_m(position, self.position_world_m)
        return Verdict(
            is_right=error_m < POSITION_TOLERANCE_M, error_m=error_m, said=at(position), truth=truth
        )


@dataclass(frozen=True, kw_only=True)
class TrueAbsence:
    """It is nowhere that the robot could have seen: the memory must not name a place."""

    def grade(self, answer: Answer[Any]) -> Verdict:
        if isinstance(answer.value, Location):
            said = at(answer.value.placement.position_world_m)
            return Verdict(is_right=False, error_m=None, said=said, truth="gone")
        # A name that fits nothing it ever knew is no knowledge of an absence.
        knows_it = answer.status == "unknown" and bool(answer.evidence)
        said = "gone" if knows_it else _status(answer)
        return Verdict(is_right=knows_it, error_m=None, said=said, truth="gone")


@dataclass(frozen=True, kw_only=True)
class TruePlaces:
    """These are all there are."""

    positions_world_m: tuple[Position, ...]

    def grade(self, answer: Answer[Any]) -> Verdict:
        truth = "; ".join(at(position) for position in self.positions_world_m) or "none"
        if answer.status != "known" or answer.value is None:
            return _no_value(answer, truth)
        found = [location.placement.position_world_m for location in answer.value]
        error_m = _matched_error_m(found, self.positions_world_m)
        said = "; ".join(at(position) for position in found) or "none"
        return Verdict(is_right=_is_close(error_m), error_m=error_m, said=said, truth=truth)


@dataclass(frozen=True, kw_only=True)
class TrueStay:
    """One stop in a true history; None as an end means that it is still there."""

    position_world_m: Position
    from_ns: int
    to_ns: int | None


@dataclass(frozen=True, kw_only=True)
class TrueHistory:
    """It was at these places, one after the other."""

    stays: tuple[TrueStay, ...]

    def grade(self, answer: Answer[Any]) -> Verdict:
        truth = " then ".join(at(stay.position_world_m) for stay in self.stays)
        if answer.status != "known" or answer.value is None:
            return _no_value(answer, truth)
        given: tuple[Stay, ...] = answer.value
        said = " then ".join(at(stay.placement.position_world_m) for stay in given) or "nowhere"
        if len(given) != len(self.stays):
            return Verdict(is_right=False, error_m=None, said=said, truth=truth)
        pairs = list(zip(given, self.stays, strict=True))
        error_m = max(
            distance_m(stay.placement.position_world_m, true.position_world_m) for stay, true in pairs
        )
        in_time = all(_times_fit(stay, true) for stay, true in pairs)
        said = said if in_time else f"{said} at impossible times"
        return Verdict(is_right=in_time and _is_close(error_m), error_m=error_m, said=said, truth=truth)


@dataclass(frozen=True, kw_only=True)
class TrueChange:
    """What became different, and when."""

    kind: ChangeKind
    label: str
    before_world_m: Position | None
    after_world_m: Position | None
    start_ns: int
    end_ns: int


@dataclass(frozen=True, kw_only=True)
class TrueChanges:
    """These are all the changes there were; `may_name` happened too, but was perhaps out of the robot's sight."""

    changes: tuple[TrueChange, ...]
    may_name: tuple[TrueChange, ...] = ()

    def grade(self, answer: Answer[Any]) -> Verdict:
        truth = "; ".join(f"{change.label}: {change.kind}" for change in self.changes) or "none"
        if answer.status != "known" or answer.value is None:
            return _no_value(answer, truth)
        given: list[Change] = list(answer.value)
        said = "; ".join(f"{change.label}: {change.kind}" for change in given) or "none"
        errors_m: list[float] = []
        for true in self.changes:
            fit = next((change for change in given if _change_fits(change, true)), None)
            if fit is None:
                return Verdict(is_right=False, error_m=None, said=said, truth=truth)
            given.remove(fit)
            errors_m += _change_errors_m(fit, true)
        given = [one for one in given if not any(_change_fits(one, true) for true in self.may_name)]
        error_m = max(errors_m, default=None)
        return Verdict(
            is_right=not given and _is_close(error_m, if_none=True), error_m=error_m, said=said, truth=truth
        )


@dataclass(frozen=True, kw_only=True)
class TrueCount:
    """There are this many."""

    number: int

    def grade(self, answer: Answer[Any]) -> Verdict:
        truth = str(self.number)
        if answer.status != "known" or answer.value is None:
            return _no_value(answer, truth)
        return Verdict(
            is_right=answer.value == self.number, error_m=None, said=str(answer.value), truth=truth
        )


def at(position_world_m: Sequence[float]) -> str:
    """A position in words."""
    return "({:.2f}, {:.2f}, {:.2f})".format(*position_world_m)


def distance_m(a: Sequence[float], b: Sequence[float]) -> float:
    """Euclidean distance."""
    return float(np.linalg.norm(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)))


def _matched_error_m(found: Sequence[Position], true: Sequence[Position]) -> float | None:
    """The largest distance under the best one-to-one matching; None when the numbers differ."""
    from scipy.optimize import linear_sum_assignment

    if len(found) != len(true):
        return None
    if not true:
        return 0.0
    costs = np.linalg.norm(np.array(found)[:, None] - np.array(true)[None], axis=2)
    rows, columns = linear_sum_assignment(costs)
    return float(costs[rows, columns].max())


def _times_fit(stay: Stay, true: TrueStay) -> bool:
    starts_in_it = true.from_ns <= stay.from_ns and (true.to_ns is None or stay.from_ns <= true.to_ns)
    if true.to_ns is None:
        return starts_in_it and stay.to_ns is None
    return starts_in_it and stay.to_ns is not None and stay.to_ns >= true.to_ns


def _change_fits(change: Change, true: TrueChange) -> bool:
    is_bracketed = change.after_ns <= true.end_ns and change.before_ns >= true.start_ns
    return change.kind == true.kind and change.label == true.label and is_bracketed


def _change_errors_m(change: Change, true: TrueChange) -> list[float]:
    sides = ((change.before, true.before_world_m), (change.after, true.after_world_m))
    return [
        distance_m(placement.position_world_m, position) if placement is not None else float("inf")
        for placement, position in sides
        if position is not None
    ]


def _is_close(error_m: float | None, *, if_none: bool = False) -> bool:
    return if_none if error_m is None else error_m < POSITION_TOLERANCE_M


def _status(answer: Answer[Any]) -> str:
    if answer.status == "ambiguous":
        return f"ambiguous: {', '.join(entity.entity_id for entity in answer.candidates)}"
    return f"{answer.status}{': ' if answer.reason else ''}{answer.reason}"


def _no_value(answer: Answer[Any], truth: str) -> Verdict:
    return Verdict(is_right=False, error_m=None, said=_status(answer), truth=truth)
