"""The two modes of every scorer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from embodied_mem.errors import InvalidMessage

Mode = Literal["strict", "compat"]
MODES: tuple[Mode, ...] = ("strict", "compat")


def mean(values: Sequence[float]) -> float:
    """Of at least one value.

    Raises:
        InvalidMessage: there is none.
    """
    if not values:
        raise InvalidMessage(
            "nothing to average: the file has no item of that kind; check that it is the right file."
        )
    return float(sum(values)) / len(values)
