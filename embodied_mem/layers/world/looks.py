"""What one look does to a thing: seen in place, seen elsewhere, seen in motion, or plainly missed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from embodied_mem.geometry import Box
from embodied_mem.layers.world import timeline
from embodied_mem.layers.world.motion import Motion
from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.layers.world.shape import Shape
from embodied_mem.layers.world.thing import LastLook, Thing, placement_of
from embodied_mem.layers.world.visibility import PointLooks
from embodied_mem.messages import EntityId, ObservedInstance
from embodied_mem.store import Repository, Sighting, SightingKind

FLAT_M = 0.06
"""Lower things lie within the depth margin of what is beneath: labels must say that they are gone."""
SETTLED_VIEWS = 5
OFTEN_SEEN = 15
OUTGROWN_M = 0.08
"""A hinged thing known from `OFTEN_SEEN` views that reaches farther out than this may have opened."""
LEAST_SHOWN = 0.3
"""Of its points; a smaller part of a hinged thing at the rim of a picture does not show how it stands."""


@dataclass(frozen=True, kw_only=True)
class Glance:
    """One frame as it bears on things: when, from where, under what name."""

    stamp_ns: int
    known_ns: int
    eye_world: tuple[float, float, float]
    source: str

    def direction_to(self, box: Box) -> tuple[float, float, float]:
        """Unit vector; plain floats, since a thousand such are made for every array operation's worth of time."""
        (x, y, z), (eye_x, eye_y, eye_z) = box.center_m, self.eye_world
        length_m = max(math.dist((x, y, z), self.eye_world), 1e-6)
        return (x - eye_x) / length_m, (y - eye_y) / length_m, (z - eye_z) / length_m


def note(
    thing: Thing,
    kind: SightingKind,
    place_index: int,
    glance: Glance,
    position: tuple[float, float, float] | None,
    repository: Repository,
) -> None:
    """Keep a look in the repository and in the thing's runs; it must not be older than they are."""
    sighting = Sighting(
        entity_id=thing.entity_id, stamp_ns=glance.stamp_ns, known_ns=glance.known_ns, kind=kind,
        place_index=place_index, position_world_m=position, source=glance.source,
    )  # fmt: skip
    repository.add_sighting(sighting)
    timeline.extend(thing.runs, sighting)


def started(entity_id: EntityId, instance: ObservedInstance, glance: Glance, config: WorldConfig) -> Thing:
    """A new thing, from the first view of it."""
    thing = Thing(
        entity_id=entity_id, shape=Shape(config.cell_m, config.max_cells),
        first_seen_ns=glance.stamp_ns, last_seen_ns=glance.stamp_ns,
    )  # fmt: skip
    thing.vote(instance)
    thing.num_views = 1
    _settle(thing, instance, glance)
    return thing


def seen_in_place(
    thing: Thing, instance: ObservedInstance, glance: Glance, config: WorldConfig, repository: Repository
) -> bool:
    """The thing is where it was: refine its shape, raise its presence. True when the look told something new."""
    _know_again(thing, instance, glance)
    elapsed_s = abs(glance.stamp_ns - thing.shape_stamp_ns) * 1e-9
    if (
        thing.num_views <= SETTLED_VIEWS
        or elapsed_s >= config.shape_interval_s
        or (not instance.is_cut and not thing.is_whole)
    ):
        _add_points(thing, instance, glance)
    was_missing = thing.status != "here" or thing.runs[-1].kind != "here"
    is_anew = thing.seen.is_anew(glance.stamp_ns, glance.direction_to(instance.box), config)
    if is_anew or was_missing:
        _raise_presence(thing, glance, instance, config)
        note(thing, "here", thing.place_index, glance, thing.position_world_m, repository)
    else:
        thing.runs[-1] = replace(thing.runs[-1], to_ns=glance.stamp_ns, last_source=glance.source)
    thing.status, thing.holder = "here", None
    return is_anew or was_missing


def put_elsewhere(
    thing: Thing, instance: ObservedInstance, glance: Glance, config: WorldConfig, repository: Repository
) -> None:
    """The thing has come to rest at a new place, or a hinged one back at an old one."""
    _know_again(thing, instance, glance)
    known_place = _place_like(thing, instance.box) if thing.label in config.hinged_labels else None
    _settle(thing, instance, glance, place_index=known_place)
    _raise_presence(thing, glance, instance, config)
    thing.presence_logit = _logit(config.max_presence)
    note(thing, "here", thing.place_index, glance, thing.position_world_m, repository)


def follow(
    thing: Thing, instance: ObservedInstance, glance: Glance, config: WorldConfig, repository: Repository
) -> None:
    """The thing is in motion; when it has not moved for `settle_s` it is at a new place."""
    x, y, z = instance.box.center_m
    before = thing.motion or Motion(
        stamp_ns=thing.last_seen_ns, position_world_m=thing.placement.position_world_m
    )
    thing.motion = before.seen((x, y, z), glance.stamp_ns)
    _know_again(thing, instance, glance)
    if thing.status != "away":
        thing.status, thing.rest_since_ns = "away", glance.stamp_ns
        thing.position_world_m = (x, y, z)
        note(thing, "away", -1, glance, (x, y, z), repository)
        thing.seen = LastLook(stamp_ns=glance.stamp_ns, direction=glance.direction_to(instance.box))
    elif math.dist(thing.position_world_m, (x, y, z)) > config.min_move_m:
        thing.position_world_m, thing.rest_since_ns = (x, y, z), glance.stamp_ns
        if thing.seen.is_anew(glance.stamp_ns, glance.direction_to(instance.box), config):
            thing.seen = LastLook(stamp_ns=glance.stamp_ns, direction=glance.direction_to(instance.box))
            note(thing, "away", -1, glance, (x, y, z), repository)
    elif glance.stamp_ns - thing.rest_since_ns >= config.settle_s * 1e9:
        put_elsewhere(thing, instance, glance, config, repository)


def seen_held(thing: Thing, instance: ObservedInstance, glance: Glance) -> None:
    """The thing is in view in the hand that holds it: that tells nothing about a place."""
    _know_again(thing, instance, glance)
    thing.position_world_m = instance.box.center_m


def missed(thing: Thing, glance: Glance, config: WorldConfig, repository: Repository) -> bool:
    """Its place was plainly seen without it. True when it now counts as gone."""
    direction = glance.direction_to(thing.box)
    if not thing.missed.is_anew(glance.stamp_ns, direction, config):
        return False
    thing.missed = LastLook(stamp_ns=glance.stamp_ns, direction=direction)
    thing.presence_logit += math.log(config.miss_rate / (1.0 - config.false_alarm_rate))
    note(thing, "gone", thing.place_index, glance, None, repository)
    sojourns = thing.stays(config)
    if thing.presence < config.absent_below and sojourns and sojourns[-1].to_ns is not None:
        thing.status = "gone"
        return True
    return False


def is_plainly_missing(
    thing: Thing, looks: PointLooks, label_index: int | None, focal_px: float, config: WorldConfig
) -> bool:
    """Whether a frame in which the thing was not found shows its place well, and empty.

    `label_index` is the index of its label among the percept's, -1 when the label is not in view, None when the
    frame has no labels.
    """
    is_open = looks.is_surface | looks.is_through
    num_open = int(is_open.sum())
    if num_open < max(6, 0.5 * len(is_open)):
        return False
    depth_m = float(np.median(looks.depth_m[is_open]))
    num_pixels = num_open * (thing.shape.cell_m * focal_px / depth_m) ** 2
    if depth_m > config.max_look_distance_m or num_pixels < config.min_look_pixels:
        return False
    is_other = looks.is_surface & (looks.label_index >= 0)
    if label_index is None:
        is_other = looks.is_surface
    elif (looks.is_surface & (looks.label_index == label_index)).sum() > 0.15 * num_open:
        return False
    through, other = int(looks.is_through.sum()) / num_open, int(is_other.sum()) / num_open
    if thing.box.size_m[2] < FLAT_M:
        return through + other >= 0.8
    return through >= 0.5 or (label_index is not None and through >= 0.2 and through + other >= 0.85)


def has_shifted(
    thing: Thing, instance: ObservedInstance, looks: PointLooks | None, config: WorldConfig
) -> bool:
    """Whether a thing found where its old box reaches stands differently all the same."""
    seen, known = instance.box, thing.box
    offset_m = math.dist(seen.center_m, known.center_m)
    if thing.label in config.agent_labels:
        return offset_m > 0.25
    if looks is not None and thing.label in config.hinged_labels:
        num_open = int((looks.is_surface | looks.is_through).sum())
        return not instance.is_cut and num_open >= 10 and int(looks.is_through.sum()) > 0.35 * num_open
    if instance.is_cut or not thing.is_whole:
        return False
    sizes = list(zip(seen.size_m, known.size_m, strict=True))
    is_as_large = all(abs(size - old) <= 0.25 * old + 0.02 for size, old in sizes)
    return is_as_large and offset_m > max(config.min_move_m, 0.3 * max(old for _, old in sizes))


def is_half_open(
    thing: Thing, instance: ObservedInstance, looks: PointLooks | None, config: WorldConfig
) -> bool:
    """Whether a hinged thing may stand otherwise than it did, without this view showing how: it then tells nothing."""
    if thing.label not in config.hinged_labels or thing.num_views <= OFTEN_SEEN:
        return False
    if _outgrows_m(thing.box, instance.box) > OUTGROWN_M:
        return True
    if looks is None:
        return False
    num_open = int((looks.is_surface | looks.is_through).sum())
    if instance.is_cut and num_open < LEAST_SHOWN * len(looks.is_through):
        return True
    return num_open >= 10 and int(looks.is_through.sum()) > 0.1 * num_open


def _outgrows_m(known: Box, seen: Box) -> float:
    """How far a box reaches out of another."""
    low, high = np.subtract(known.min_m, seen.min_m), np.subtract(seen.max_m, known.max_m)
    return float(max(low.max(), high.max()))


def _know_again(thing: Thing, instance: ObservedInstance, glance: Glance) -> None:
    thing.vote(instance)
    thing.num_views += 1
    thing.last_seen_ns = max(thing.last_seen_ns, glance.stamp_ns)


def _add_points(thing: Thing, instance: ObservedInstance, glance: Glance) -> None:
    thing.shape.add(instance.points_world)
    thing.shape_stamp_ns, thing.is_shape_saved = glance.stamp_ns, False
    thing.is_whole = thing.is_whole or not instance.is_cut
    refresh_placement(thing)


def refresh_placement(thing: Thing) -> None:
    """Take the current place's box from the shape."""
    thing.places[thing.place_index] = placement_of(thing.shape.box())
    thing.position_world_m = thing.placement.position_world_m
    thing.size_m = list(thing.box.size_m)


def _settle(thing: Thing, instance: ObservedInstance, glance: Glance, place_index: int | None = None) -> None:
    thing.shape = Shape(
        thing.shape.cell_m if not thing.places else min(thing.shape.cell_m, 0.03), thing.shape.max_cells
    )
    if place_index is None:
        thing.places.append(placement_of(instance.box))
        place_index = len(thing.places) - 1
    thing.place_index, thing.is_whole = place_index, False
    thing.status, thing.holder, thing.motion = "here", None, None
    _add_points(thing, instance, glance)


def _raise_presence(thing: Thing, glance: Glance, instance: ObservedInstance, config: WorldConfig) -> None:
    gain = math.log((1.0 - config.miss_rate) / config.false_alarm_rate)
    thing.presence_logit = min(_logit(config.max_presence), max(thing.presence_logit, 0.0) + gain)
    thing.seen = LastLook(stamp_ns=glance.stamp_ns, direction=glance.direction_to(instance.box))
    thing.missed = LastLook()


def _place_like(thing: Thing, box: Box) -> int | None:
    distances = [float(np.linalg.norm(place.box.center - box.center)) for place in thing.places]
    nearest = int(np.argmin(distances))
    return nearest if distances[nearest] < 0.12 else None


def _logit(probability: float) -> float:
    return math.log(probability / (1.0 - probability))
