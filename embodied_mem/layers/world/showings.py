"""What was to be seen in turn: which colour something showed where and when, followed by eye while it stays in view.

The tracker asks what a thing is, and may not believe that the same thing looks different. This log asks less: an instance
near by that was in view a moment ago is the same one. So a lamp that blinks keeps its times, and look-alikes that change
places before the camera are not mixed up. It is off the tracker's path and changes nothing there.
"""

from __future__ import annotations

import bisect
import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
from scipy.optimize import linear_sum_assignment

from embodied_mem.geometry import Box
from embodied_mem.layers.world.followed import (
    NEAR_M,
    Followed,
    FollowedKind,
    alike,
    is_in_view,
    is_same_view,
    pixels_of,
    resumed,
    side_of,
)
from embodied_mem.layers.world.roster import Roster
from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.layers.world.thing import placement_of
from embodied_mem.messages import EntityId, Frame, Interval, ObservedInstance, Percept, Showing
from embodied_mem.perception.colors import surface_color
from embodied_mem.store import Repository

RECORD, DROPPED = "showing", "showings_dropped"
SAME_LOOKS = 0.97
"""Cosine of appearances: what looks less alike in the same view may show another colour."""
COLOUR_WEIGHT_M = 0.5
OUT_OF_REACH = 1e6
WRITTEN_EVERY_NS = 5_000_000_000
MOST_FOLLOWED = 200
"""Of one label; what was seen longest ago is no longer looked out for."""


class ShowingLog:
    """Every showing, oldest first, in `repository` and in RAM. Frames older than the last one are left out."""

    def __init__(self, repository: Repository, config: WorldConfig) -> None:
        self._repository, self._config = repository, config
        self._ended: list[tuple[int, Showing]] = []  # in order of their ends
        self.num_dropped = int(repository.record(DROPPED, "count") or 0)
        """How many that ended longest ago are no longer kept."""
        self._followed: dict[str, FollowedKind] = defaultdict(FollowedKind)
        self._last_ns: dict[tuple[str, str], int] = {}
        rows = [(int(key), _from_bytes(payload)) for key, payload in repository.records(RECORD)]
        self._next_key = max((key for key, _ in rows), default=-1) + 1
        self._next_follow = max((showing.follow for _, showing in rows), default=-1) + 1
        newest = {showing.follow: key for key, showing in rows}
        for key, showing in rows:
            if newest[showing.follow] == key:
                self._followed[showing.label].add(resumed(key, showing))
            else:
                self._ended.append((key, showing))
        self._ended.sort(key=_ending)

    def note(self, percept: Percept, roster: Roster) -> None:
        """Take in what a frame shows; part of the caller's transaction."""
        frame = percept.frame
        camera = (frame.robot, frame.sensor)
        since_ns = frame.stamp_ns - self._last_ns.get(camera, -(2**62))
        if since_ns < self._config.showing_interval_s * 1e9:
            return
        self._last_ns[camera] = frame.stamp_ns
        by_label: dict[str, list[ObservedInstance]] = defaultdict(list)
        for instance in percept.instances:
            by_label[instance.label].append(instance)
        for label, instances in by_label.items():
            kind = self._followed[label]
            since_ns = frame.stamp_ns - int(self._config.follow_gap_s * 1e9)
            seen_at = np.array([instance.box.center_m for instance in instances])
            pairs = self._pairs(instances, kind.near(seen_at, since_ns), frame)
            for index, instance in enumerate(instances):
                if index in pairs:
                    self._go_on(pairs[index], instance, frame)
                    kind.note(pairs[index])
                elif instance.num_pixels >= self._config.min_new_pixels:
                    kind.add(self._begun(instance, frame, roster))
            self._give_up(kind)

    def all(
        self, label: str | None = None, *, color: str | None = None, interval: Interval | None = None
    ) -> list[Showing]:
        """Showings that fit, in order of their beginnings."""
        kinds = [kind for name, kind in self._followed.items() if label in (None, name)]
        going_on = [one.showing for kind in kinds for one in kind]
        ended = [showing for _, showing in self._ended if label in (None, showing.label)]
        span = interval or Interval()
        found = [
            one
            for one in (*ended, *going_on)
            if color in (None, one.color)
            and (span.from_ns is None or one.to_ns >= span.from_ns)
            and (span.to_ns is None or one.from_ns <= span.to_ns)
        ]
        return sorted(found, key=lambda one: (one.from_ns, one.follow))

    def forget(self, entity_ids: Collection[EntityId]) -> None:
        """Erase what entities showed."""
        for kind in self._followed.values():
            for one in kind:
                if one.showing.entity_id in entity_ids:
                    self._repository.delete_record(RECORD, str(one.key))
            kind.keep([one for one in kind if one.showing.entity_id not in entity_ids])
        for key, showing in self._ended:
            if showing.entity_id in entity_ids:
                self._repository.delete_record(RECORD, str(key))
        self._ended = [row for row in self._ended if row[1].entity_id not in entity_ids]

    def _pairs(
        self, instances: Sequence[ObservedInstance], known: Sequence[Followed], frame: Frame
    ) -> dict[int, Followed]:
        """Which instance is which of those followed: all of them together move as little as possible."""
        if not known:
            return {}
        cost = np.full((len(instances), len(known)), OUT_OF_REACH)
        for column, one in enumerate(known):
            elapsed_s = (frame.stamp_ns - one.showing.to_ns) * 1e-9
            is_followed = elapsed_s <= self._config.follow_gap_s
            reach_m = self._config.max_speed_mps * elapsed_s + NEAR_M if is_followed else one.near_m
            was_at = one.center_world if is_followed else one.rest_world
            for row, instance in enumerate(instances):
                way_m = math.dist(instance.box.center_m, was_at)
                if way_m <= one.near_m or (way_m <= reach_m and is_in_view(was_at, frame)):
                    cost[row, column] = way_m + COLOUR_WEIGHT_M * (1.0 - alike(one.looks, instance))
        rows, columns = linear_sum_assignment(cost)
        return {int(i): known[j] for i, j in zip(rows, columns, strict=True) if cost[i, j] < OUT_OF_REACH}

    def _go_on(self, one: Followed, instance: ObservedInstance, frame: Frame) -> None:
        center = instance.box.center_m
        is_elsewhere = math.dist(center, one.rest_world) > one.near_m
        is_alike_view = is_same_view(one, instance, frame)
        is_other = is_alike_view and alike(one.looks, instance) < SAME_LOOKS
        one.center_world = center
        if not is_alike_view or is_other:
            one.looks, one.side, one.box = instance.appearance, side_of(instance, frame), instance.box
        # Half a table in view has its middle elsewhere; half a person has walked.
        is_elsewhere &= not instance.is_cut or instance.label in self._config.agent_labels
        is_named_anew = is_other or is_elsewhere
        color = surface_color(pixels_of(instance, frame)) if is_named_anew else one.showing.color
        if is_elsewhere or color != one.showing.color:
            self._turn(one, instance, frame, color)
            return
        one.showing = replace(one.showing, to_ns=frame.stamp_ns)
        if frame.stamp_ns - one.written_ns >= WRITTEN_EVERY_NS:
            self._write(one)

    def _turn(self, one: Followed, instance: ObservedInstance, frame: Frame, color: str) -> None:
        """The same thing shows something else, or elsewhere: one showing ends and another begins."""
        self._end(one)
        one.showing = replace(
            one.showing, color=color, placement=placement_of(instance.box), from_ns=frame.stamp_ns, to_ns=frame.stamp_ns
        )  # fmt: skip
        one.rest_world = instance.box.center_m
        one.looks, one.side, one.box = instance.appearance, side_of(instance, frame), instance.box
        one.key = self._new_key()
        self._write(one)

    def _begun(self, instance: ObservedInstance, frame: Frame, roster: Roster) -> Followed:
        number, self._next_follow = self._next_follow, self._next_follow + 1
        showing = Showing(
            label=instance.label, color=surface_color(pixels_of(instance, frame)), placement=placement_of(instance.box),
            from_ns=frame.stamp_ns, to_ns=frame.stamp_ns, follow=number, entity_id=_entity_at(instance, roster),
        )  # fmt: skip
        begun = replace(
            resumed(self._new_key(), showing), looks=instance.appearance, side=side_of(instance, frame)
        )
        self._write(begun)
        return begun

    def _give_up(self, kind: FollowedKind) -> None:
        if len(kind) > MOST_FOLLOWED:
            oldest_first = kind.oldest_first()
            for one in oldest_first[: len(kind) - MOST_FOLLOWED]:
                self._end(one)
            kind.keep(oldest_first[len(kind) - MOST_FOLLOWED :])

    def _end(self, one: Followed) -> None:
        """What it showed until now is over; above `max_showings` the one that ended first is dropped."""
        self._write(one)
        bisect.insort(self._ended, (one.key, one.showing), key=_ending)
        num_too_many = len(self._ended) - self._config.max_showings
        if num_too_many <= 0:
            return
        for key, _ in self._ended[:num_too_many]:
            self._repository.delete_record(RECORD, str(key))
        del self._ended[:num_too_many]
        self.num_dropped += num_too_many
        self._repository.put_record(DROPPED, "count", str(self.num_dropped).encode())

    def _new_key(self) -> int:
        key, self._next_key = self._next_key, self._next_key + 1
        return key

    def _write(self, one: Followed) -> None:
        self._repository.put_record(RECORD, str(one.key), _to_bytes(one.showing))
        one.written_ns = one.showing.to_ns


def _entity_at(instance: ObservedInstance, roster: Roster) -> EntityId | None:
    """What the world model takes it for."""
    low = np.array([instance.box.min_m], dtype=np.float32)
    high = np.array([instance.box.max_m], dtype=np.float32)
    center = instance.box.center_m
    there = [thing for thing in roster.near(low, high, 0.0) if thing.label == instance.label]
    nearest = min(there, key=lambda thing: math.dist(thing.placement.position_world_m, center), default=None)
    return None if nearest is None else nearest.entity_id


def _ending(row: tuple[int, Showing]) -> tuple[int, int]:
    key, showing = row
    return showing.to_ns, key


def _to_bytes(showing: Showing) -> bytes:
    box = showing.placement.box
    return orjson.dumps(
        [showing.label, showing.color, box.min_m, box.max_m, showing.from_ns, showing.to_ns, showing.follow, showing.entity_id]
    )  # fmt: skip


def _from_bytes(payload: bytes) -> Showing:
    row: list[Any] = orjson.loads(payload)
    label, color, low, high, from_ns, to_ns, follow, entity_id = row
    return Showing(
        label=label, color=color, placement=placement_of(Box(min_m=tuple(low), max_m=tuple(high))), from_ns=from_ns,
        to_ns=to_ns, follow=follow, entity_id=entity_id,
    )  # fmt: skip
