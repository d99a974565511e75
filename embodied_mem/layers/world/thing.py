"""One entity as the world layer works on it: beliefs, places, looks; and its bytes on disk."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import orjson
from jaxtyping import Float64

from embodied_mem.geometry import Box
from embodied_mem.layers.world.motion import Motion
from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.layers.world.shape import Shape
from embodied_mem.layers.world.timeline import PlaceStay, Run, stays
from embodied_mem.messages import Entity, EntityId, ObservedInstance, Placement
from embodied_mem.perception.colors import color_name

Status = Literal["here", "gone", "away", "held"]
"""At its place; clearly not there any more; in motion; in a hand."""

LIT_POWER = 2.0
CONFIRMED_VIEWS = 3
"""An entity seen in fewer frames than this and then missed was a false detection."""


@dataclass(kw_only=True)
class LastLook:
    """When and from which direction something was last looked at."""

    stamp_ns: int = -(2**62)
    direction: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def is_anew(self, stamp_ns: int, direction: tuple[float, float, float], config: WorldConfig) -> bool:
        """Whether a look now tells something that the last one did not: later, or from another side."""
        if abs(stamp_ns - self.stamp_ns) >= config.look_interval_s * 1e9:
            return True
        cosine = sum(a * b for a, b in zip(self.direction, direction, strict=True))
        return cosine < math.cos(math.radians(config.look_angle_deg))


@dataclass(kw_only=True)
class Thing:
    """An entity. `places` are all its places so far (refined, never removed), `place_index` the current one;
    `runs` its looks, condensed; `supports` what it is on or in, by place; `is_whole` whether it was seen whole at its
    current place, `was_seen_whole` anywhere; `motion` how it moves while it is away from its places. Times are stamps in
    nanoseconds.
    """

    entity_id: EntityId
    shape: Shape
    first_seen_ns: int
    last_seen_ns: int
    status: Status = "here"
    label_votes: dict[str, float] = field(default_factory=dict)
    color_sum: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])
    appearance: Float64[np.ndarray, "d"] = field(default_factory=lambda: np.zeros(0))
    places: list[Placement] = field(default_factory=list)
    place_index: int = -1
    runs: list[Run] = field(default_factory=list)
    supports: dict[int, tuple[str, EntityId]] = field(default_factory=dict)
    states: list[tuple[int, str]] = field(default_factory=list)
    presence_logit: float = 0.0
    num_views: int = 0
    is_whole: bool = False
    was_seen_whole: bool = False
    size_m: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    arrived_after_ns: int | None = None
    num_arrival_checks: int = 0
    holder: str | None = None
    position_world_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rest_since_ns: int = 0
    motion: Motion | None = None
    shape_stamp_ns: int = -(2**62)
    seen: LastLook = field(default_factory=LastLook)
    missed: LastLook = field(default_factory=LastLook)
    is_shape_saved: bool = False

    @property
    def label(self) -> str:
        if len(self.label_votes) == 1:
            return next(iter(self.label_votes))
        return max(self.label_votes, key=self.label_votes.__getitem__)

    def label_share(self, label: str) -> float:
        """How much of the votes `label` has, 0..1."""
        if len(self.label_votes) == 1:
            return float(label in self.label_votes)
        total = sum(self.label_votes.values())
        return self.label_votes.get(label, 0.0) / total if total else 0.0

    @property
    def color(self) -> str:
        mean_rgb = self.mean_rgb
        return _color_word(mean_rgb) if mean_rgb is not None else ""

    @property
    def mean_rgb(self) -> tuple[float, float, float] | None:
        """The colour of its best lit views, 0..255; None when no view had colour."""
        red, green, blue, weight = self.color_sum
        return (red / weight, green / weight, blue / weight) if weight else None

    @property
    def placement(self) -> Placement:
        return self.places[self.place_index]

    @property
    def box(self) -> Box:
        return self.placement.box

    @property
    def reach(self) -> Box:
        """The box of all its places so far: what a drawer or a door moves through."""
        low = np.min([place.box.min_m for place in self.places], axis=0)
        high = np.max([place.box.max_m for place in self.places], axis=0)
        return Box(min_m=tuple(low.tolist()), max_m=tuple(high.tolist()))

    @property
    def presence(self) -> float:
        return 1.0 / (1.0 + math.exp(-self.presence_logit))

    def stays(self, config: WorldConfig) -> list[PlaceStay]:
        return stays(self.runs, config.misses_to_close)

    def vote(self, instance: ObservedInstance) -> None:
        """Take in what one view says about label, colour and looks; whole and near views count more."""
        weight = instance.score * (0.3 if instance.is_cut else 1.0) * min(1.0, instance.num_pixels / 400.0)
        self.label_votes[instance.label] = self.label_votes.get(instance.label, 0.0) + max(weight, 1e-3)
        is_part = instance.is_cut and self.was_seen_whole  # a bottle's cap has another colour than the bottle
        self.was_seen_whole = self.was_seen_whole or not instance.is_cut
        if not is_part and all(map(math.isfinite, instance.color_rgb)):
            # Shade darkens (a white book reads gray), nothing brightens: the best lit views say what colour it is.
            lit = weight * (max(instance.color_rgb) / 255.0) ** LIT_POWER + 1e-6
            for channel in range(3):
                self.color_sum[channel] += lit * instance.color_rgb[channel]
            self.color_sum[3] += lit
        seen = instance.appearance.astype(np.float64)
        old = self.appearance if len(self.appearance) == len(seen) else np.zeros_like(seen)
        share = max(0.05, 1.0 / (self.num_views + 1))
        mixed = (1 - share) * old + share * seen
        self.appearance = mixed / max(math.sqrt(float(np.dot(mixed, mixed))), 1e-9)

    def to_entity(self, config: WorldConfig) -> Entity:
        """The public picture of it, as believed now."""
        label = self.label
        support = self.supports.get(self.place_index)
        is_present = self.status in ("here", "away") and self.presence >= config.absent_below
        placement = (
            self.placement
            if self.status != "away"
            else moved(self.placement, np.array(self.position_world_m))
        )
        return Entity(
            entity_id=self.entity_id, label=label, label_confidence=self.label_share(label), color=self.color,
            placement=placement, support=support[1] if support and self.status == "here" else None,
            presence=self.presence, is_present=is_present, first_seen_ns=self.first_seen_ns,
            last_seen_ns=self.last_seen_ns, num_views=self.num_views,
        )  # fmt: skip

    def to_bytes(self) -> bytes:
        """Everything but the shape."""
        skipped = ("shape", "is_shape_saved")
        state: dict[str, Any] = {key: value for key, value in self.__dict__.items() if key not in skipped}
        state["places"] = [[*p.position_world_m, *p.box.min_m, *p.box.max_m] for p in self.places]
        state["runs"] = [list(run.__dict__.values()) for run in self.runs]
        state["seen"], state["missed"] = self.seen.__dict__, self.missed.__dict__
        return orjson.dumps(state, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)

    @classmethod
    def from_bytes(cls, payload: bytes, shape: Shape) -> Thing:
        """What `to_bytes` gave, with its shape."""
        state = orjson.loads(payload)
        state["appearance"] = np.array(state["appearance"], dtype=np.float64)
        state["places"] = [
            Placement(position_world_m=tuple(p[:3]), box=Box(min_m=tuple(p[3:6]), max_m=tuple(p[6:9])))
            for p in state["places"]
        ]
        names = list(Run.__dataclass_fields__)
        state["runs"] = [Run(**dict(zip(names, run, strict=True))) for run in state["runs"]]
        state["supports"] = {int(k): (v[0], v[1]) for k, v in state["supports"].items()}
        state["states"] = [(s[0], s[1]) for s in state["states"]]
        state["position_world_m"] = tuple(state["position_world_m"])
        if state.get("motion") is not None:
            motion = state["motion"]
            state["motion"] = Motion(
                stamp_ns=motion["stamp_ns"], position_world_m=tuple(motion["position_world_m"]),
                velocity_world_mps=tuple(motion["velocity_world_mps"]), variance=tuple(motion["variance"]),
            )  # fmt: skip
        for name in ("seen", "missed"):
            look = state[name]
            state[name] = LastLook(stamp_ns=look["stamp_ns"], direction=tuple(look["direction"]))
        return cls(shape=shape, is_shape_saved=True, **state)


@functools.lru_cache(maxsize=4096)
def _color_word(mean_rgb: tuple[float, float, float]) -> str:
    # Asked for several times a frame, for the same thing.
    return color_name(mean_rgb)


def placement_of(box: Box) -> Placement:
    """A placement at the centre of `box`."""
    return Placement(position_world_m=box.center_m, box=box)


def moved(placement: Placement, center_world_m: Float64[np.ndarray, "3"]) -> Placement:
    """`placement` with its centre put elsewhere."""
    half = placement.box.size / 2
    return placement_of(
        Box(min_m=tuple((center_world_m - half).tolist()), max_m=tuple((center_world_m + half).tolist()))
    )
