"""What other homes taught a memory, kept in its records: counts of what is kept where, in which kind of room."""

from __future__ import annotations

import functools

from embodied_mem.layers.world.placements import Placements
from embodied_mem.layers.world.world_view import WorldView

RECORD = "placements"
NOTHING = Placements()


def learned(view: WorldView) -> Placements:
    """The counts, to be read only; empty when nothing was learned. The same object as long as they are the same."""
    payload = view.record(RECORD)
    return NOTHING if payload is None else _read(payload)


def learn(view: WorldView, homes: Placements) -> None:
    """Keep counts in place of those that were learned before."""
    view.put_record(RECORD, homes.to_json().encode())


@functools.lru_cache(maxsize=4)
def _read(payload: bytes) -> Placements:
    return Placements.from_json(payload.decode())
