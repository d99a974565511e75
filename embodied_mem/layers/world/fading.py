"""The belief that something at rest is still where it was last seen: it fades by the half-life of its kind."""

from __future__ import annotations

from embodied_mem.layers.world.lasting import Lasting, Rest, of_thing
from embodied_mem.layers.world.thing import Thing
from embodied_mem.layers.world.world_state import WorldState

FRESH_NS = 60_000_000_000
"""What was seen this recently has not faded; and so long the rests of a label are kept, since a home has thousands."""


class Fading:
    """Half-lives are learned from this home's own history (see `lasting`); before, the size of a thing decides."""

    def __init__(self, state: WorldState) -> None:
        self._state = state
        self._rests_of: dict[str, tuple[int, list[Rest]]] = {}

    def still_there(self, thing: Thing) -> float:
        """The chance that nothing has moved it since it was last seen, as of the newest frame."""
        elapsed_ns = self._state.clock_ns - thing.last_seen_ns
        if elapsed_ns < FRESH_NS:
            return 1.0
        return self._lasting(thing).stays(elapsed_ns * 1e-9)

    def _lasting(self, thing: Thing) -> Lasting:
        kept = self._rests_of.get(thing.label)
        if kept is None or not 0 <= self._state.clock_ns - kept[0] < FRESH_NS:
            like_it = (one for one in self._state.roster if one.label == thing.label)
            kept = (self._state.clock_ns, [rest for one in like_it for rest in self._rests(one)])
            self._rests_of[thing.label] = kept
        return of_thing(kept[1], thing.entity_id, thing.label, float(max(thing.size_m)))

    def _rests(self, thing: Thing) -> list[Rest]:
        return [
            Rest(
                entity_id=thing.entity_id, label=thing.label, size_m=float(max(thing.size_m)),
                seconds=max(0, (thing.last_seen_ns if stay.to_ns is None else stay.to_ns) - stay.from_ns) * 1e-9,
                has_moved=stay.to_ns is not None,
            )
            for stay in thing.stays(self._state.config)
        ]  # fmt: skip
