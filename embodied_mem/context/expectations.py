"""What to expect of this home: where to look for a thing, where it belongs, what is out of place, how long it stays.

Counts from other homes (`learn_from`) say where things of a label are kept in general, this home's history says where its
own are; both are added as pseudo-counts, so that a home soon speaks for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from embodied_mem.context import schema
from embodied_mem.context.keeping import Household, Kept, household
from embodied_mem.context.places import PlaceBook
from embodied_mem.context.ranking import positive, refused
from embodied_mem.layers.world import lasting
from embodied_mem.layers.world.lasting import Lasting
from embodied_mem.layers.world.placements import FLOOR, Placements
from embodied_mem.layers.world.words import labels_named, parse
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import Answer, Lastingness, LikelyPlace, Misplaced

WEIGHT_OF_HOMES, WEIGHT_OF_LABEL, WEIGHT_OF_THING = 1.0, 0.3, 1.0
"""Pseudo-counts: what other homes say in all, a stay of another thing of the label, a stay of the thing itself."""
LOOKED_AT = 0.3
"""A receptacle that was seen after the thing was found to be gone still hides it with this share of the belief."""
ELSEWHERE = 0.03
"""The belief that a thing is on nothing that is known here."""
DEFAULT_SIZE_M = 0.2

Reading = Callable[[], AbstractContextManager[tuple[WorldView, PlaceBook]]]


class Expectations:
    """Beliefs about what is not seen right now; each answer says a probability, none says that something is so."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._known: tuple[int, WorldView, Household] | None = None

    def placements(self) -> Placements:
        """Where things are kept here, as counts that another home's memory can learn from."""
        with self._reading() as (view, places):
            return self._household(view, places).placements()

    def learn_from(self, homes: Placements) -> None:
        """Keep what other homes show, in place of what was learned of others before: where things are kept, and what rooms
        of a kind hold.
        """
        with self._reading() as (view, _):
            schema.learn(view, homes)
            self._known = None  # rooms may be called otherwise now

    def where_to_look(self, what: str, *, k: int = 5) -> Answer[tuple[LikelyPlace, ...]]:
        """Receptacles that may hold a thing, likeliest first: one that is known, or a label never seen here."""
        with self._reading() as (view, places):
            home = self._household(view, places)
            subject, why = view.which(what)
            if subject is None and why is not None and why.status == "ambiguous":
                return refused(why)
            thing = None if subject is None else home.things.get(subject)
            if subject is not None and thing is None:
                return Answer(
                    status="unknown",
                    reason=f"{view.label_of(subject)} holds things itself; it was never seen to be kept anywhere",
                )
            label = parse(what).label if thing is None else thing.label
            found = self._belief(view, home, label, thing)
            if not found:
                return Answer(status="unknown", reason="no furniture is known here yet")
            evidence = () if subject is None else tuple(f"fact/{f.fact_id}" for f in view.facts(subject))
            return Answer(
                status="known", value=found[: positive("k", k)], confidence=found[0].probability,
                evidence=evidence,
            )  # fmt: skip

    def belongs(self, entity: str, *, k: int = 3) -> Answer[tuple[LikelyPlace, ...]]:
        """Where a thing is usually kept, likeliest first; where it is now counts for nothing."""
        with self._reading() as (view, places):
            home = self._household(view, places)
            subject, why = view.which(entity)
            if subject is None:
                return refused(why)
            if subject not in home.things:
                return Answer(status="unknown", reason=f"{view.label_of(subject)} is no movable thing")
            found = self._usual(view, home, home.things[subject], without_now=True)
            return Answer(
                status="known", value=found[: positive("k", k)],
                confidence=found[0].probability if found else 0.0,
            )  # fmt: skip

    def out_of_place(self, *, k: int = 10, min_score: float = 0.0) -> Answer[tuple[Misplaced, ...]]:
        """Things by how out of place they are, the worst first."""
        with self._reading() as (view, places):
            home = self._household(view, places)
            found = [
                misplaced
                for thing in home.things.values()
                if (misplaced := self._misplaced(view, home, thing)) is not None
                and misplaced.score >= min_score
            ]
            if not home.things:
                return Answer(status="unknown", reason="no movable thing is known here yet")
            found.sort(key=lambda one: (-one.score, one.location.entity_id))
            return Answer(status="known", value=tuple(found[: positive("k", k)]), confidence=0.6)

    def lasts(self, what: str) -> Answer[Lastingness]:
        """How long a thing, or things of a label, stay where they are put: the half-life learned here."""
        with self._reading() as (view, places):
            home = self._household(view, places)
            subject, why = view.which(what)
            if subject is None and why is not None and why.status == "ambiguous" and parse(what).color:
                return refused(why)
            known = {rest.label for rest in home.rests}
            names = labels_named(parse(what).label, known)
            label = view.bare_label_of(subject) if subject is not None else next(iter(sorted(names)), "")
            if not label:
                return refused(why)
            sizes = [rest.size_m for rest in home.rests if rest.label == label]
            size_m = max(sizes, default=DEFAULT_SIZE_M)
            seen = [r for r in home.rests if (r.entity_id == subject if subject else r.label == label)]
            belief = (
                lasting.of_label(home.rests, label, size_m)
                if subject is None
                else lasting.of_thing(home.rests, subject, label, size_m)
            )
            return Answer(
                status="known", confidence=0.7,
                value=Lastingness(
                    label=label, half_life_s=belief.half_life_s,
                    num_moves=sum(rest.has_moved for rest in seen), rest_s=sum(rest.seconds for rest in seen),
                    presence=1.0 if subject is None else _presence(view, subject, belief),
                ),
            )  # fmt: skip

    # -- beliefs ------------------------------------------------------------------------------------------------

    def _household(self, view: WorldView, places: PlaceBook) -> Household:
        known = self._known
        if known is None or known[0] != view.version or known[1] is not view:
            known = self._known = (view.version, view, household(view, places))
        return known[2]

    def _belief(
        self, view: WorldView, home: Household, label: str, thing: Kept | None
    ) -> tuple[LikelyPlace, ...]:
        """Where it may be now: still at its last place, or moved to where such things are kept."""
        if thing is None:
            return self._usual(view, home, _unseen(label), without_now=False)
        belief = lasting.of_thing(home.rests, thing.entity_id, thing.label, thing.size_m)
        stays = 0.0 if thing.location is None else _presence(view, thing.entity_id, belief)
        usual = self._usual(view, home, thing, without_now=False)
        seen_ns = {one.entity_id: one.last_seen_ns for one in home.receptacles}
        weights = [one.probability * _hides(one, thing, seen_ns) for one in usual]
        total = sum(weights) or 1.0
        found = [
            LikelyPlace(
                receptacle=one.receptacle, label=one.label, room=one.room,
                probability=(1.0 - stays) * (1.0 - ELSEWHERE) * weight / total
                + (stays if one.receptacle == thing.on and thing.on is not None else 0.0),
            )
            for one, weight in zip(usual, weights, strict=True)
        ]  # fmt: skip
        return tuple(sorted(found, key=_likeliest))

    def _usual(
        self, view: WorldView, home: Household, thing: Kept, *, without_now: bool
    ) -> tuple[LikelyPlace, ...]:
        """Where such a thing is kept, from other homes and from this one's history."""
        homes = schema.learned(view)
        rates = [homes.rate(thing.label, one.kind) for one in home.receptacles]
        total = sum(rates) or 1.0
        here = {one.entity_id: 0.0 for one in home.receptacles if one.entity_id is not None}
        for other in home.things.values():
            if other.label != thing.label:
                continue
            is_same = other.entity_id == thing.entity_id
            for receptacle, number in other.stays_on.items():
                is_now = is_same and without_now and receptacle == thing.on
                here[receptacle] += (number - is_now) * (WEIGHT_OF_THING if is_same else WEIGHT_OF_LABEL)
        scores = [
            WEIGHT_OF_HOMES * rate / total + here.get(one.entity_id or "", 0.0)
            for rate, one in zip(rates, home.receptacles, strict=True)
        ]
        total = sum(scores) or 1.0
        found = [
            LikelyPlace(
                receptacle=one.entity_id, label=one.label, room=one.room, probability=(1.0 - ELSEWHERE) * score / total
            )
            for one, score in zip(home.receptacles, scores, strict=True)
        ]  # fmt: skip
        return tuple(sorted(found, key=_likeliest))

    def _misplaced(self, view: WorldView, home: Household, thing: Kept) -> Misplaced | None:
        if thing.location is None:
            return None
        usual = self._usual(view, home, thing, without_now=True)
        now = next(
            (
                one.probability
                for one in usual
                if (one.receptacle == thing.on if thing.on else one.label == FLOOR and one.room == thing.room)
            ),
            0.0,
        )
        better = sum(one.probability for one in usual if one.probability > now + 1e-12)
        return Misplaced(location=thing.location, score=better, belongs=usual[:3])


def _presence(view: WorldView, entity_id: str, belief: Lasting) -> float:
    """Seen there, and not moved since."""
    elapsed_s = max(0, view.now_ns - view.seen_until_ns(entity_id)) * 1e-9
    return view.presence(entity_id) * belief.stays(elapsed_s)


def _hides(place: LikelyPlace, thing: Kept, seen_ns: Mapping[str | None, int]) -> float:
    """How far a receptacle may still hold a thing that has left its last place."""
    if place.receptacle is not None and place.receptacle == thing.last_on:
        return 0.0
    was_looked_at = thing.gone_ns is not None and seen_ns.get(place.receptacle, -1) > thing.gone_ns
    return LOOKED_AT if was_looked_at else 1.0


def _unseen(label: str) -> Kept:
    return Kept(
        entity_id="", label=label, size_m=DEFAULT_SIZE_M, location=None, on=None, room="", last_on=None,
        gone_ns=None,
    )  # fmt: skip


def _likeliest(place: LikelyPlace) -> tuple[float, str, str]:
    return -place.probability, place.receptacle or "", place.room
