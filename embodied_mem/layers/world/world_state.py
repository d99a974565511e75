"""All that the world layer holds, and how it goes to disk and comes back: one record per thing, only changed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from embodied_mem.errors import UnknownEntity, did_you_mean
from embodied_mem.layers.world.ledger import Ledger
from embodied_mem.layers.world.roster import Roster
from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.layers.world.shape import Shape
from embodied_mem.layers.world.thing import Thing
from embodied_mem.layers.world.views import ViewLog
from embodied_mem.messages import Change, EntityId
from embodied_mem.store import Repository

THING, SHAPE, LAYER, MERGE = "thing", "shape", "layer", "merge"

MOST_CONFUSED = 1000
"""Pairs of look-alikes that are kept; the oldest go first."""


class WorldState:
    """Things, their facts, and earlier views; loaded from the repository when made.

    `aliases` maps ids that turned out to be another thing to that thing's; `apart` has pairs that somebody said are two.
    `clock_ns` is the newest stamp seen,
    `known_ns` the newest time at which something became known (it never runs backwards).
    """

    def __init__(self, repository: Repository, config: WorldConfig) -> None:
        self.repository = repository
        self.config = config
        self.roster = Roster()
        self.ledger = Ledger(repository, config)
        self.views = ViewLog(repository, config)
        header = orjson.loads(repository.record(LAYER, "header") or b"{}")
        self.aliases: dict[EntityId, EntityId] = header.get("aliases", {})
        self.apart: set[frozenset[EntityId]] = {frozenset(pair) for pair in header.get("apart", [])}
        self.confused: list[tuple[int, EntityId, EntityId]] = [
            (since_ns, a, b) for since_ns, a, b in header.get("confused", [])
        ]
        """Pairs of which nobody can tell which is which since a stamp: look-alikes that moved while nobody looked."""
        self.clock_ns: int = header.get("clock_ns", -1)
        self.known_ns: int = header.get("known_ns", -1)
        self.merged: list[EntityId] = [key for key, _ in repository.records(MERGE)]
        """Retired ids whose merge can be undone, in order of the merges."""
        self.num_merges_dropped: int = header.get("num_merges_dropped", 0)
        self.names: dict[EntityId, tuple[tuple[float, float, int], Any]] = {}  # see Belief
        self._next_number: int = header.get("next_number", 1)
        self.version = 0
        """Rises with every change; what was computed at the same version still holds."""
        self.named_now: tuple[int, list[Any]] = (-1, [])  # see Belief
        shapes = dict(repository.records(SHAPE))
        for key, payload in repository.records(THING):
            self.roster.add(Thing.from_bytes(payload, Shape.from_bytes(shapes[key], config.max_cells)))
        self._restless = {thing.entity_id for thing in self.roster if thing.status != "here"}

    def restless(self) -> list[Thing]:
        """What was not at its place when it was last published; there may be thousands of others."""
        return self.roster.ordered(self._restless)

    def new_id(self) -> EntityId:
        number, self._next_number = self._next_number, self._next_number + 1
        return f"e{number}"

    def thing(self, entity_id: EntityId, *, named_by: str, or_else: str = "") -> Thing:
        """What an id, or one that was retired in its favour, stands for; `named_by` says who asks, `or_else` what they may
        give in place of an id.

        Raises:
            UnknownEntity: nothing has that id.
        """
        found = self.roster.get(self.aliases.get(entity_id, entity_id))
        if found is None:
            known = [one.entity_id for one in self.roster]
            raise UnknownEntity(
                f"{named_by} names entity {entity_id!r}, which does not exist.{did_you_mean(entity_id, known)} "
                f"Ask find(...) for ids{or_else}."
            )
        return found

    def was_given(self, entity_id: EntityId) -> bool:
        """Whether an id like 'e17' was ever handed out."""
        digits = entity_id[1:]
        return entity_id[:1] == "e" and digits.isdecimal() and 0 < int(digits) < self._next_number

    def learn(self, stamp_ns: int, known_ns: int) -> int:
        """Note that something of `stamp_ns` became known; returns the time from which it counts as known."""
        self.clock_ns = max(self.clock_ns, stamp_ns)
        self.known_ns = max(self.known_ns, known_ns)
        return self.known_ns

    def confuse(self, alike: Sequence[Thing], stamp_ns: int) -> None:
        """Note that the first of several things could as well be each of the others."""
        first = alike[0].entity_id
        for other in alike[1:]:
            if other.entity_id not in self.rivals_of(first, None):
                self.confused = [*self.confused, (stamp_ns, first, other.entity_id)][-MOST_CONFUSED:]

    def rivals_of(self, entity_id: EntityId, as_of_ns: int | None) -> list[EntityId]:
        """What a thing could as well be, as of a stamp (None: now)."""
        pairs = [
            (self.aliases.get(a, a), self.aliases.get(b, b))
            for since_ns, a, b in self.confused
            if as_of_ns is None or since_ns <= as_of_ns
        ]
        rivals = [b if a == entity_id else a for a, b in pairs if entity_id in (a, b)]
        return [one for one in dict.fromkeys(rivals) if one != entity_id and one in self.roster]

    def keep_merge(self, retired_id: EntityId, payload: bytes) -> None:
        """Keep what is needed to undo a merge; the oldest ones are dropped above `max_merges`."""
        self.repository.put_record(MERGE, retired_id, payload)
        self.merged.append(retired_id)
        while len(self.merged) > self.config.max_merges:
            self.drop_merge(self.merged[0])
            self.num_merges_dropped += 1

    def drop_merge(self, retired_id: EntityId) -> None:
        """No longer keep what is needed to undo a merge."""
        self.merged = [one for one in self.merged if one != retired_id]
        self.repository.delete_record(MERGE, retired_id)

    def merge_ids(self, old: Thing, new: Thing) -> None:
        """Retire `new`'s id in favour of `old`'s, wherever it stands."""
        self.ledger.retract(new.entity_id, self.known_ns)
        self.roster.remove(new)
        self._delete_records(new.entity_id)
        self.aliases = {
            alias: old.entity_id if to == new.entity_id else to for alias, to in self.aliases.items()
        }
        self.aliases[new.entity_id] = old.entity_id
        for thing in self.roster.bound_to(new.entity_id):
            for index, (relation, support) in thing.supports.items():
                if support == new.entity_id:
                    thing.supports[index] = (relation, old.entity_id)
            self.roster.bind(thing)

    def drop(self, thing: Thing) -> None:
        """Take back a thing that was a false detection: what was known of it stays known of the past."""
        self.ledger.retract(thing.entity_id, self.known_ns)
        self.roster.remove(thing)
        self._delete_records(thing.entity_id)

    def forget(self, thing: Thing) -> None:
        """Erase a thing and every trace of it."""
        self.ledger.forget(thing.entity_id)
        self.roster.remove(thing)
        self._delete_records(thing.entity_id)
        gone = {thing.entity_id, *(alias for alias, to in self.aliases.items() if to == thing.entity_id)}
        for entity_id in gone:
            self.repository.forget(entity_id)
            self.drop_merge(entity_id)
        self.aliases = {alias: to for alias, to in self.aliases.items() if alias not in gone}
        self.confused = [one for one in self.confused if not gone & {*one[1:]}]
        for other in self.roster:
            other.supports = {k: s for k, s in other.supports.items() if s[1] != thing.entity_id}
            self.repository.put_record(THING, other.entity_id, other.to_bytes())

    def publish(self, things: dict[EntityId, Thing]) -> tuple[Change, ...]:
        """Bring facts of touched things up to date and write what changed; part of the caller's transaction."""
        changes: list[Change] = []
        for thing in things.values():
            if thing.entity_id not in self.roster:
                continue
            self.roster.bind(thing)
            changes.extend(self.ledger.publish(thing, self.known_ns))
            change = set.discard if thing.status == "here" else set.add
            change(self._restless, thing.entity_id)
            self.repository.put_record(THING, thing.entity_id, thing.to_bytes())
            if not thing.is_shape_saved:
                self.repository.put_record(SHAPE, thing.entity_id, thing.shape.to_bytes())
                thing.is_shape_saved = True
        self.save_header()
        return tuple(changes)

    def save_header(self) -> None:
        """Write what belongs to no single thing; part of the caller's transaction."""
        header = {
            "aliases": self.aliases,
            "apart": sorted(sorted(pair) for pair in self.apart),
            "confused": self.confused,
            "clock_ns": self.clock_ns,
            "known_ns": self.known_ns,
            "num_merges_dropped": self.num_merges_dropped,
            "next_number": self._next_number,
        }
        self.repository.put_record(LAYER, "header", orjson.dumps(header))

    def _delete_records(self, entity_id: EntityId) -> None:
        self.repository.delete_record(THING, entity_id)
        self.repository.delete_record(SHAPE, entity_id)
