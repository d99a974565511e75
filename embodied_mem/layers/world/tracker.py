"""One frame in, beliefs updated: who is in view, who moved, who is plainly missing, who is new."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np

from embodied_mem.geometry import Box, bounds
from embodied_mem.layers.world import looks as take
from embodied_mem.layers.world.alignment import aligned, pose_error_m
from embodied_mem.layers.world.association import associate, corners, looks_alike, overlaps
from embodied_mem.layers.world.doubt import double_of
from embodied_mem.layers.world.identity import destinations_of, note_arrival, origins_of
from embodied_mem.layers.world.looks import Glance
from embodied_mem.layers.world.merging import merge
from embodied_mem.layers.world.support import find_support
from embodied_mem.layers.world.thing import CONFIRMED_VIEWS, Thing, moved
from embodied_mem.layers.world.visibility import DepthView, PointLooks
from embodied_mem.layers.world.world_state import WorldState
from embodied_mem.messages import EntityId, ObservedInstance, Percept, WorldDelta

NEAR_M = 0.5
"""Things within this of an instance are compared with it."""
HAND_REACH_M = 1.6
PIECE_M = 0.06
DRAWER_M = 0.1


def source_of(percept: Percept) -> str:
    """How evidence names a frame."""
    frame = percept.frame
    return f"{frame.robot}/{frame.sensor}/{frame.stamp_ns}"


class Tracker:
    """Takes in one percept that is not older than what came before; made anew for each."""

    def __init__(self, state: WorldState, percept: Percept, known_ns: int) -> None:
        self._state = state
        self._config = state.config
        self._percept = percept
        self._depth = DepthView.of(percept, state.config.depth_margin_m)
        self._glance = Glance(
            stamp_ns=percept.frame.stamp_ns, known_ns=known_ns, eye_world=tuple(self._depth.eye_world.tolist()),
            source=source_of(percept),
        )  # fmt: skip
        self._label_index = {label: index for index, label in enumerate(percept.labels)}
        self._matched: dict[EntityId, ObservedInstance] = {}
        self._touched: dict[EntityId, Thing] = {}
        self._added: list[Thing] = []
        self._looks: dict[EntityId, PointLooks] = {}
        self._restless = state.restless()
        """What is not at its place as the frame comes in."""

    def run(self) -> WorldDelta:
        """Do all of it; part of the caller's transaction."""
        instances = self._percept.instances
        candidates = self._candidates(instances)
        pairs = associate(
            instances,
            candidates,
            [self._expected_box(thing) for thing in candidates],
            self._config,
        )
        instances = self._align(pairs, candidates)
        for index, column in pairs.items():
            self._matched[candidates[column].entity_id] = instances[index]
        self._look_at_everything()
        for column in pairs.values():
            self._see(candidates[column])
        self._part_twins()
        newcomers = [instance for index, instance in enumerate(instances) if index not in pairs]
        for instance in newcomers:
            self._find_or_start(instance)
        gone = [thing for thing in self._in_view() if self._is_missed(thing)]
        self._join_pieces(candidates)
        self._reidentify(gone)
        self._state.views.add(self._percept.frame)
        changes = self._state.publish(self._touched)
        alive = [entity_id for entity_id in self._matched if entity_id in self._state.roster]
        added = tuple(thing.entity_id for thing in self._added if thing.entity_id in self._state.roster)
        return WorldDelta(seen=tuple(alive), added=added, changes=changes)

    def _align(self, pairs: Mapping[int, int], candidates: Sequence[Thing]) -> tuple[ObservedInstance, ...]:
        """The instances without the shift of the camera that the known things in view agree on."""
        mobile = (*self._config.agent_labels, *self._config.hinged_labels)
        known = [
            (self._percept.instances[index], candidates[column])
            for index, column in pairs.items()
            if candidates[column].status == "here" and candidates[column].label not in mobile
        ]
        error_m = pose_error_m(known)
        if error_m is not None:
            self._percept = aligned(self._percept, error_m)
            self._depth = DepthView.of(self._percept, self._config.depth_margin_m)
        return self._percept.instances

    def _candidates(self, instances: Sequence[ObservedInstance]) -> list[Thing]:
        boxes = corners([instance.box for instance in instances])
        near = self._state.roster.near(boxes[:, 0], boxes[:, 1], NEAR_M)
        away = [thing for thing in self._restless if thing.status == "away" and thing not in near]
        return [thing for thing in [*near, *away] if thing.status != "held"]

    def _look_at_everything(self) -> None:
        """Ask the depth image about the points of every thing that may be in view, all at once."""
        roster, eye_world = self._state.roster, self._depth.eye_world
        limit_m = self._config.max_look_distance_m
        slots = roster.slots_near(eye_world, eye_world, limit_m + roster.largest_m)
        center, radius = roster.balls(slots)
        is_near = np.linalg.norm(center - eye_world, axis=1) - radius <= limit_m
        seen = slots[is_near & self._depth.is_in_view(center, radius)]
        things = [thing for thing in roster.at(seen) if thing.status == "here"]
        if not things:
            return
        all_looks = self._depth.look(np.concatenate([thing.shape.points_world for thing in things]))
        start = 0
        for thing in things:
            part = slice(start, start + len(thing.shape))
            start = part.stop
            self._looks[thing.entity_id] = PointLooks(
                is_surface=all_looks.is_surface[part], is_through=all_looks.is_through[part],
                label_index=all_looks.label_index[part], depth_m=all_looks.depth_m[part],
            )  # fmt: skip

    def _in_view(self) -> list[Thing]:
        """Things at their places that this frame may tell about, and did not find."""
        return [
            self._state.roster[entity_id]
            for entity_id in self._looks
            if entity_id in self._state.roster and entity_id not in self._matched
        ]

    def _see(self, thing: Thing) -> None:
        instance = self._matched[thing.entity_id]
        looks = self._looks.get(thing.entity_id)
        repository, config, glance = self._state.repository, self._config, self._glance
        elapsed_s = (glance.stamp_ns - thing.last_seen_ns) * 1e-9
        is_anew = True
        if thing.status == "away":
            take.follow(thing, instance, glance, config, repository)
        elif take.has_shifted(thing, instance, looks, config):
            is_hinged = thing.label in config.hinged_labels
            if elapsed_s <= config.follow_gap_s and not is_hinged:
                take.follow(thing, instance, glance, config, repository)
            else:
                take.put_elsewhere(thing, instance, glance, config, repository)
        elif take.is_half_open(thing, instance, looks, config):
            thing.last_seen_ns, is_anew = glance.stamp_ns, False
        else:
            if looks is not None and len(looks.is_through) == len(thing.shape):
                thing.shape.carve(looks.is_through)
            is_anew = take.seen_in_place(thing, instance, glance, config, repository)
        self._touch(thing, is_anew=is_anew)

    def _touch(self, thing: Thing, *, is_anew: bool) -> None:
        self._touched[thing.entity_id] = thing
        self._state.roster.place(thing)
        if not is_anew or thing.status != "here":
            return
        if thing.label not in self._config.agent_labels:
            support = find_support(thing, self._state.roster, self._config.agent_labels)
            if support is not None:
                thing.supports[thing.place_index] = support
                self._state.roster.bind(thing)
            else:
                thing.supports.pop(thing.place_index, None)
        if thing.num_views >= CONFIRMED_VIEWS:
            note_arrival(thing, self._state.views, is_uncovered=self._lies_in_hinged)

    def _lies_in_hinged(self, thing: Thing) -> bool:
        """Whether a drawer or the like is where the thing is, or moves through it."""
        low, high = corners([thing.box])[0]
        hinged = [other for other in self._state.roster if other.label in self._config.hinged_labels]
        reaches = corners([other.reach for other in hinged])
        gap_m = np.maximum(reaches[:, 0] - high, low - reaches[:, 1])
        return bool((gap_m <= DRAWER_M).all(axis=1).any())

    def _part_twins(self) -> None:
        """Where two things of one label are in view, neither keeps points that lie on the other."""
        by_label: dict[str, list[tuple[Thing, ObservedInstance]]] = defaultdict(list)
        for entity_id, instance in self._matched.items():
            thing = self._state.roster.get(entity_id)
            if thing is not None:
                by_label[thing.label].append((thing, instance))
        for matched in by_label.values():
            if len(matched) > 1:
                self._part(matched)

    def _part(self, matched: Sequence[tuple[Thing, ObservedInstance]]) -> None:
        boxes = corners([instance.box for _, instance in matched])
        for index, (thing, own) in enumerate(matched):
            if thing.status != "here":
                continue
            low, high = bounds(thing.shape.points_world)
            is_near = ((low <= boxes[:, 1]) & (high >= boxes[:, 0])).all(axis=1)
            for other_index in np.flatnonzero(is_near).tolist():
                if other_index == index:
                    continue
                instance = matched[other_index][1]
                points = thing.shape.points_world
                is_other = instance.box.contains(points) & ~own.box.contains(points, margin_m=0.03)
                if is_other.any() and not is_other.all():
                    thing.shape.keep(~is_other)
                    thing.is_shape_saved = False
                    take.refresh_placement(thing)
                    self._state.roster.place(thing)

    def _find_or_start(self, instance: ObservedInstance) -> None:
        """An instance where nothing is known to be: something held, an agent, something in motion, or new."""
        repository, config, glance = self._state.repository, self._config, self._glance
        free = [
            t
            for t in self._that_may_come(instance)
            if t.entity_id not in self._matched and t.label_share(instance.label) >= 0.4
        ]
        held = [t for t in free if t.status == "held" and instance.distance_m < HAND_REACH_M]
        if held:
            self._matched[held[0].entity_id] = instance
            take.seen_held(held[0], instance, glance)
            self._touch(held[0], is_anew=False)
            return
        if instance.num_pixels < config.min_new_pixels or instance.distance_m > config.max_new_distance_m:
            return
        if self._is_duplicate(instance):
            return
        moving = [t for t in free if self._may_have_come(t, instance)]
        if moving:
            thing = min(moving, key=lambda t: math.dist(self._expected_m(t), instance.box.center.tolist()))
            self._matched[thing.entity_id] = instance
            if thing.status == "gone" or (thing.label in config.agent_labels and thing.status != "away"):
                thing.position_world_m = thing.placement.position_world_m
            take.follow(thing, instance, glance, config, repository)
            self._touch(thing, is_anew=True)
            return
        thing = take.started(self._state.new_id(), instance, glance, config)
        take.note(thing, "here", 0, glance, thing.position_world_m, repository)
        thing.presence_logit = 2.0
        self._state.roster.add(thing)
        self._matched[thing.entity_id] = instance
        self._added.append(thing)
        self._touch(thing, is_anew=True)

    def _that_may_come(self, instance: ObservedInstance) -> Iterable[Thing]:
        """What may be where it was not before: agents from anywhere, of all else what is near by or was called so."""
        roster, config = self._state.roster, self._config
        if instance.label in config.agent_labels:
            return roster
        reach_m = config.max_speed_mps * config.follow_gap_s + 0.1
        boxes = corners([instance.box])
        near = roster.near(boxes[:, 0], boxes[:, 1], reach_m)
        restless = self._restless_called.get(instance.label, ())
        return [t for t in {t.entity_id: t for t in (*restless, *near)}.values() if t.entity_id in roster]

    @cached_property
    def _restless_called(self) -> dict[str, list[Thing]]:
        """`_restless` by every label that some view gave it."""
        found: dict[str, list[Thing]] = defaultdict(list)
        for thing in self._restless:
            for label in thing.label_votes:
                found[label].append(thing)
        return found

    def _is_duplicate(self, instance: ObservedInstance) -> bool:
        """A second detection of what was already found in this frame."""
        others = [other for other in self._matched.values() if other.label == instance.label]
        if not others:
            return False
        lie = overlaps(corners([instance.box]), corners([other.box for other in others]))
        return bool((lie.iou >= 0.5).any())

    def _may_have_come(self, thing: Thing, instance: ObservedInstance) -> bool:
        """Whether a thing that is not where it was can be what is seen elsewhere now, moving continuously."""
        config = self._config
        elapsed_s = abs(self._glance.stamp_ns - thing.last_seen_ns) * 1e-9
        reach_m = config.max_speed_mps * elapsed_s + 0.1
        if looks_alike(instance.appearance, thing) < 0.6:
            return False
        if thing.label in config.agent_labels:
            return _distance_m(thing, instance) <= reach_m + 0.5
        if elapsed_s > config.follow_gap_s or _distance_m(thing, instance) > reach_m:
            return False
        return thing.status == "away" or (thing.status == "here" and self._is_plainly_missing(thing))

    def _expected_m(self, thing: Thing) -> tuple[float, float, float]:
        """Where it is to be looked for: at its place, or where its motion has brought it by now."""
        if thing.status != "away":
            return thing.placement.position_world_m
        motion = thing.motion
        return thing.position_world_m if motion is None else motion.at(self._glance.stamp_ns).position_world_m

    def _expected_box(self, thing: Thing) -> Box:
        if thing.status != "away":
            return thing.box
        return moved(thing.placement, np.array(self._expected_m(thing))).box

    def _is_plainly_missing(self, thing: Thing) -> bool:
        looks = self._looks.get(thing.entity_id)
        if looks is None or len(looks.depth_m) != len(thing.shape):
            return False
        label_index = None if self._percept.label_index is None else self._label_index.get(thing.label, -2)
        return take.is_plainly_missing(thing, looks, label_index, self._percept.frame.camera.fx, self._config)

    def _is_missed(self, thing: Thing) -> bool:
        """Note a clear miss; true when the thing now counts as gone."""
        if thing.status != "here" or not self._is_plainly_missing(thing):
            return False
        is_gone = take.missed(thing, self._glance, self._config, self._state.repository)
        if is_gone and thing.num_views < CONFIRMED_VIEWS:
            double = double_of(thing, self._state.roster)
            if double is None:
                self._state.drop(thing)
            else:  # a view of it under another name
                self._state.merge_ids(double, thing)
            return False
        self._touched[thing.entity_id] = thing
        return is_gone

    def _join_pieces(self, candidates: Sequence[Thing]) -> None:
        """Two things that lie within one instance are pieces of one thing, first seen from different sides."""
        spare = [
            t
            for t in candidates
            if t.status == "here" and t.entity_id not in self._matched and t.entity_id in self._state.roster
        ]
        for entity_id, instance in list(self._matched.items()):
            thing = self._state.roster.get(entity_id)
            if thing is None or thing.status != "here":
                continue
            for piece in spare:
                if (
                    piece.entity_id in self._state.roster
                    and piece.label == thing.label
                    and _is_piece(piece, instance)
                ):
                    old, new = sorted(
                        (thing, piece), key=lambda t: (-len(t.places), t.first_seen_ns, t.entity_id)
                    )
                    if len(new.places) > 1 or not self._merge(old, new, is_piece=True):
                        continue
                    take.refresh_placement(old)
                    self._touch(old, is_anew=True)
                    self._matched[old.entity_id] = instance
                    break

    def _reidentify(self, gone: Sequence[Thing]) -> None:
        """What was just found may be what is missed, and what is just missed may have been found before."""
        things = self._state.roster
        fresh = [t for t in self._matched if t in things and things[t].num_views <= CONFIRMED_VIEWS + 7]
        unsettled = {t.entity_id: t for t in (*self._restless, *self._touched.values(), *gone)}
        missing: dict[str, list[Thing]] = defaultdict(list)
        for one in unsettled.values():
            if one.entity_id in things and one.status in ("gone", "away"):
                missing[one.label].append(one)
        for entity_id in fresh:
            thing = things.get(entity_id)
            if thing is None or thing.status != "here" or len(thing.places) != 1:
                continue
            likely = [one for label in thing.label_votes for one in missing.get(label, ())]
            origins = origins_of(thing, likely, self._config)
            if origins and self._merge(origins[0], thing):
                self._state.confuse(origins, self._glance.stamp_ns)
                self._touch(origins[0], is_anew=True)
        for thing in gone:
            if thing.entity_id not in things or thing.status != "gone":
                continue
            destinations = destinations_of(thing, things.called(thing.label), self._state.views, self._config)
            if destinations and self._merge(thing, destinations[0]):
                self._state.confuse([thing, *destinations[1:]], self._glance.stamp_ns)
                self._touch(thing, is_anew=True)

    def _merge(self, old: Thing, new: Thing, *, is_piece: bool = False) -> bool:
        if not merge(self._state, old, new, is_piece=is_piece):
            return False
        self._touched.pop(new.entity_id, None)
        if new.entity_id in self._matched:
            self._matched[old.entity_id] = self._matched.pop(new.entity_id)
        return True


def _distance_m(thing: Thing, instance: ObservedInstance) -> float:
    position = thing.position_world_m if thing.status == "away" else thing.placement.position_world_m
    return float(np.linalg.norm(instance.box.center - np.array(position)))


def _is_piece(piece: Thing, instance: ObservedInstance) -> bool:
    """Whether nearly all of a thing lies on the points of one instance."""
    cells = piece.shape.points_world
    if not len(cells) or instance.box.grown(PIECE_M).contains(cells).mean() < 0.8:
        return False
    nearest_m = np.linalg.norm(cells[::2, None] - instance.points_world[None, ::2], axis=2).min(axis=1)
    return float((nearest_m < max(PIECE_M, piece.shape.cell_m)).mean()) >= 0.6
