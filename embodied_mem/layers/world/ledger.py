"""Keeps the published facts and changes equal to what the looks say, bitemporally.

Whatever a new look rewrites ends its `known` interval now and is replaced: what was true changes, what was known
at an earlier time never does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from embodied_mem.layers.world import timeline
from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.layers.world.thing import CONFIRMED_VIEWS, Thing
from embodied_mem.messages import Change, EntityId, Fact, Placement, is_stated
from embodied_mem.store import Repository


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What a thing's facts and changes were made from, and the placements (by place index) that they state."""

    grounds: tuple[object, ...]
    grounds_of_changes: tuple[object, ...]
    places: list[tuple[int, Placement]]


class Ledger:
    """`facts_of` and `changes_of` hold what is believed now, by entity; the repository also what was once believed."""

    def __init__(self, repository: Repository, config: WorldConfig) -> None:
        self._repository = repository
        self._config = config
        self.facts_of: dict[EntityId, list[Fact]] = defaultdict(list)
        self.changes_of: dict[EntityId, list[tuple[int, Change]]] = defaultdict(list)
        self._told: dict[EntityId, _Told] = {}
        for fact in repository.facts(any_time=True):
            if is_stated(fact):
                continue  # what somebody stated is no look's to rewrite
            self.facts_of[fact.subject].append(fact)
        for change_id, change in repository.changes():
            self.changes_of[change.entity_id].append((change_id, change))

    def publish(self, thing: Thing, known_ns: int) -> tuple[Change, ...]:
        """Bring facts and changes of `thing` up to date; returns the changes that are new."""
        told, grounds = self._told.get(thing.entity_id), _grounds(thing, self._config)
        grounds_of_changes = _grounds_of_changes(thing, self._config)
        are_facts_told = told is not None and told.grounds == grounds and self._is_at(thing, told.places)
        if told is not None and are_facts_told and told.grounds_of_changes == grounds_of_changes:
            return ()
        sojourns = thing.stays(self._config)
        if told is None or not are_facts_told:
            wanted = self._wanted_facts(thing, sojourns, known_ns)
            facts = self._publish_facts(thing.entity_id, wanted, known_ns)
            placements = [fact.value for fact in facts if isinstance(fact.value, Placement)]  # one a sojourn
            places = list(zip([stay.place_index for stay in sojourns], placements, strict=True))
        else:
            places = told.places
        self._told[thing.entity_id] = _Told(
            grounds=grounds, grounds_of_changes=grounds_of_changes, places=places
        )
        return self._publish_changes(thing, sojourns, known_ns)

    def _is_at(self, thing: Thing, places: list[tuple[int, Placement]]) -> bool:
        """Whether the thing's places are still what the facts say."""
        return all(_drift_m(thing.places[index], place) < self._config.refine_m for index, place in places)

    def retract(self, entity_id: EntityId, known_ns: int) -> None:
        """End everything believed about an entity that turned out to be none, or to be another one."""
        self._publish_facts(entity_id, [], known_ns)
        for change_id, _ in self.changes_of.pop(entity_id, []):
            self._repository.end_change(change_id, known_ns)
        self.facts_of.pop(entity_id, None)
        self._told.pop(entity_id, None)

    def forget(self, entity_id: EntityId) -> None:
        """Drop an entity that the repository forgets, and what names it."""
        self.facts_of.pop(entity_id, None)
        self.changes_of.pop(entity_id, None)
        self._told.clear()
        for subject, facts in self.facts_of.items():
            self.facts_of[subject] = [fact for fact in facts if fact.object != entity_id]

    def _wanted_facts(
        self, thing: Thing, sojourns: list[timeline.PlaceStay], known_ns: int
    ) -> Iterable[Fact]:
        def fact(predicate: str, from_ns: int, to_ns: int | None, **more: object) -> Fact:
            return Fact(
                fact_id=0, subject=thing.entity_id, predicate=predicate, valid_from_ns=from_ns, valid_to_ns=to_ns,
                known_from_ns=known_ns, **more,  # type: ignore[arg-type]
            )  # fmt: skip

        first_ns = min([thing.first_seen_ns, *(stay.from_ns for stay in sojourns)])
        yield fact("label", first_ns, None, value=thing.label)
        if thing.color:
            yield fact("color", first_ns, None, value=thing.color)
        for stay in sojourns:
            sources = tuple(dict.fromkeys((stay.first_source, stay.last_source)))
            is_sure = stay.num_looks > 1
            confidence = 1.0 - (self._config.false_alarm_rate if is_sure else self._config.miss_rate)
            span = {"confidence": confidence, "evidence": sources}
            yield fact("at", stay.from_ns, stay.to_ns, value=thing.places[stay.place_index], **span)
            support = thing.supports.get(stay.place_index)
            if support is not None:
                yield fact(support[0], stay.from_ns, stay.to_ns, object=support[1], **span)
            if stay is sojourns[-1] and stay.to_ns is not None and thing.status == "gone":
                yield fact("absent", stay.to_ns, None, evidence=(thing.runs[-1].last_source,))
        for index, (from_ns, state) in enumerate(thing.states):
            to_ns = thing.states[index + 1][0] if index + 1 < len(thing.states) else None
            yield fact("state", from_ns, to_ns, value=state, source="event")

    def _publish_facts(self, entity_id: EntityId, wanted: Iterable[Fact], known_ns: int) -> list[Fact]:
        stale = list(self.facts_of.get(entity_id, ()))
        kept: list[Fact] = []
        for fact in wanted:
            match = next((old for old in stale if self._says_the_same(old, fact)), None)
            if match is None:
                kept.append(self._repository.add_fact(fact))
            else:
                stale.remove(match)
                kept.append(match)
        for old in stale:
            self._repository.end_fact(old.fact_id, known_ns)
        self.facts_of[entity_id] = kept
        return kept

    def _says_the_same(self, old: Fact, new: Fact) -> bool:
        if old.predicate != new.predicate or old.object != new.object:
            return False
        if old.valid_from_ns != new.valid_from_ns or old.valid_to_ns != new.valid_to_ns:
            return False
        if isinstance(old.value, Placement) and isinstance(new.value, Placement):
            return _drift_m(old.value, new.value) < self._config.refine_m
        return old.value == new.value

    def _publish_changes(
        self, thing: Thing, sojourns: list[timeline.PlaceStay], known_ns: int
    ) -> tuple[Change, ...]:
        label = thing.label
        is_silent = label in self._config.agent_labels or thing.num_views < CONFIRMED_VIEWS
        wanted = [] if is_silent else timeline.changes(
            thing.entity_id, label, thing.places, sojourns, arrived_after_ns=thing.arrived_after_ns,
            is_hinged=label in self._config.hinged_labels, min_move_m=self._config.min_move_m,
        )  # fmt: skip
        stale = list(self.changes_of.get(thing.entity_id, ()))
        if not wanted and not stale:
            return ()
        kept: list[tuple[int, Change]] = []
        added: list[Change] = []
        for change in wanted:
            match = next((old for old in stale if self._is_same_change(old[1], change)), None)
            if match is None:
                kept.append((self._repository.add_change(change, known_ns), change))
                added.append(change)
            else:
                stale.remove(match)
                kept.append(match)
        for change_id, _ in stale:
            self._repository.end_change(change_id, known_ns)
        self.changes_of[thing.entity_id] = kept
        return tuple(added)

    def _is_same_change(self, old: Change, new: Change) -> bool:
        if (old.kind, old.label, old.after_ns, old.before_ns) != (
            new.kind,
            new.label,
            new.after_ns,
            new.before_ns,
        ):
            return False
        for a, b in ((old.before, new.before), (old.after, new.after)):
            if (a is None) != (b is None) or (a and b and _drift_m(a, b) >= 2 * self._config.refine_m):
                return False
        return True


def _grounds(thing: Thing, config: WorldConfig) -> tuple[object, ...]:
    """All that facts depend on but where exactly the thing's places are: while equal, so are they."""
    # More looks that missed it than this say nothing more, nor does a second one that saw it.
    enough = config.misses_to_close
    runs = tuple(
        (run.kind, run.place_index, run.from_ns, min(run.num_looks, enough) if run.kind == "gone" else 1)
        for run in thing.runs
    )
    return (
        thing.label, thing.color, thing.status, thing.first_seen_ns, runs, tuple(thing.supports.items()),
        tuple(thing.states),
    )  # fmt: skip


def _grounds_of_changes(thing: Thing, config: WorldConfig) -> tuple[object, ...]:
    """What changes depend on beside what facts do; a second look also checks that they are still where the thing is."""
    enough = max(2, config.misses_to_close)
    looks = tuple(min(run.num_looks, enough) for run in thing.runs)
    return thing.arrived_after_ns, thing.num_views >= CONFIRMED_VIEWS, looks


def _drift_m(a: Placement, b: Placement) -> float:
    """How far the centre, or half of any face, is apart."""
    center = _largest_difference(a.position_world_m, b.position_world_m)
    faces = _largest_difference(a.box.min_m + a.box.max_m, b.box.min_m + b.box.max_m) / 2
    size = _largest_difference(a.box.size_m, b.box.size_m) / 2
    return max(center, faces, size)


def _largest_difference(a: Sequence[float], b: Sequence[float]) -> float:
    return max(abs(x - y) for x, y in zip(a, b, strict=True))
