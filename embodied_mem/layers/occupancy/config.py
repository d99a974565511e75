"""What can be set about the occupancy map, with its defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass

from embodied_mem.errors import ConfigError

MAX_RANGE_CELLS = 250
"""How many cells deep a view may be: the scratch memory of a frame grows with its cube."""


@dataclass(frozen=True, kw_only=True)
class OccupancyConfig:
    """The occupancy map's options.

    Attributes:
        cell_m: side of a cell; each holds at most one Gaussian.
        stride_px: every how many pixels, in u and v, depth is fused and carved.
        min_depth_m, max_depth_m: the depths that are fused; nearer ones are taken as not measured, further ones only
            say that the space up to max_depth_m is free.
        hit_log_odds, miss_log_odds: evidence of one frame that hits, or sees through, a cell.
        min_log_odds, max_log_odds: evidence is clamped to these, so that a change shows after a few frames.
        remove_log_odds: a Gaussian whose evidence falls to this is removed; its cell stays known as free.
        stable_log_odds: a Gaussian with this evidence is stable: three frames more agreed than disagreed.
        miss_weight_decay: what a miss multiplies a Gaussian's moments' weight by.
        edge_weight_decay, edge_cut: the same when only a rim of it was seen through, and the share of its width that it
            loses on that side, so that edges that waver lie where they are most often.
        depth_sigma_m, depth_sigma_per_m2: the sensor's noise, sigma = depth_sigma_m + depth_sigma_per_m2 * z**2.
        carve_margin_m: how far behind a cell's centre (or its Gaussian's mean) a depth must lie, besides three
            sigmas of noise, to say that the place was seen through.
        carve_window_px: a place is seen through only when the nearest depth this many pixels around it is behind it.
        max_edge_ratio: a pixel further than this times its depth from both neighbours is a flying pixel and left out
            (in coarse images, further than a surface that slants by 70 degrees).
        min_sigma_m: what is added (squared) to each covariance when rays are cast or a snapshot is taken.
        point_sigma_m: the same when points are asked for: a surface a few millimetres thin would slip between points
            that lie 2 or 3 cm apart.
        gate_sigmas, thickness_sigmas: how many sigmas around its mean a Gaussian fills, along each axis and across the
            surface. (A surface that fills its cell evenly reaches sqrt(3) sigmas; a little less leaves edges open,
            and rays that slip between two Gaussians into unknown space end there.)
        transient_labels: labels that carve but are never fused, such as people.
        budget_bytes: what the map may take, its hash included; the least important bricks are evicted beyond it.
        event_settle_s, event_min_cells: a change is told when nothing more has changed around it for so long; smaller
            ones are noise.
        device: "cpu", or a CUDA device such as "cuda:0".
    """

    cell_m: float = 0.08
    stride_px: int = 4
    min_depth_m: float = 0.15
    max_depth_m: float = 5.0
    hit_log_odds: float = 0.5
    miss_log_odds: float = -0.85
    min_log_odds: float = -2.0
    max_log_odds: float = 3.5
    remove_log_odds: float = -1.0
    stable_log_odds: float = 1.5
    miss_weight_decay: float = 0.7
    edge_weight_decay: float = 0.5
    edge_cut: float = 0.1
    depth_sigma_m: float = 0.0012
    depth_sigma_per_m2: float = 0.0019
    carve_margin_m: float = 0.0
    carve_window_px: int = 0
    max_edge_ratio: float = 0.03
    min_sigma_m: float = 0.004
    point_sigma_m: float = 0.008
    gate_sigmas: float = 1.65
    thickness_sigmas: float = 1.4
    transient_labels: tuple[str, ...] = ("person", "robot")
    budget_bytes: int = 256 * 1024 * 1024
    event_settle_s: float = 1.0
    event_min_cells: int = 8
    device: str = "cpu"

    def __post_init__(self) -> None:
        self._check("cell_m", 0.005 <= self.cell_m <= 2.0, "0.005..2 metres")
        self._check("stride_px", 1 <= self.stride_px <= 32, "1..32")
        self._check("min_depth_m", 0.0 <= self.min_depth_m < self.max_depth_m, "0 or more, below max_depth_m")
        deepest_m = MAX_RANGE_CELLS * self.cell_m
        self._check(
            "max_depth_m", self.max_depth_m <= deepest_m, f"at most {MAX_RANGE_CELLS} cells ({deepest_m:g} m)"
        )
        self._check("hit_log_odds", 0.0 < self.hit_log_odds <= 5.0, "above 0, at most 5")
        self._check("miss_log_odds", -5.0 <= self.miss_log_odds < 0.0, "-5 or more, below 0")
        self._check("min_log_odds", -8.0 <= self.min_log_odds < 0.0, "-8 or more, below 0")
        self._check("max_log_odds", 0.0 < self.max_log_odds <= 8.0, "above 0, at most 8")
        self._check(
            "remove_log_odds", self.min_log_odds <= self.remove_log_odds < 0, "from min_log_odds to below 0"
        )
        is_stable_reached = 0.0 < self.stable_log_odds <= self.max_log_odds
        self._check("stable_log_odds", is_stable_reached, "above 0, at most max_log_odds")
        self._check("miss_weight_decay", 0.0 < self.miss_weight_decay <= 1.0, "above 0, at most 1")
        self._check("edge_weight_decay", 0.0 < self.edge_weight_decay <= 1.0, "above 0, at most 1")
        self._check("edge_cut", 0.0 <= self.edge_cut <= 0.3, "0..0.3")
        self._check("depth_sigma_m", self.depth_sigma_m > 0.0, "above 0")
        self._check("depth_sigma_per_m2", self.depth_sigma_per_m2 >= 0.0, "0 or more")
        self._check("carve_margin_m", self.carve_margin_m >= 0.0, "0 or more")
        self._check("carve_window_px", 0 <= self.carve_window_px <= 64, "0..64")
        self._check("max_edge_ratio", self.max_edge_ratio > 0.0, "above 0")
        self._check("min_sigma_m", self.min_sigma_m > 0.0, "above 0")
        self._check("point_sigma_m", self.point_sigma_m > 0.0, "above 0")
        self._check("gate_sigmas", 0.5 <= self.gate_sigmas <= 6.0, "0.5..6")
        is_thin = 0.1 <= self.thickness_sigmas <= self.gate_sigmas
        self._check("thickness_sigmas", is_thin, "0.1 or more, at most gate_sigmas")
        self._check("event_settle_s", self.event_settle_s >= 0.0, "0 or more")
        self._check("event_min_cells", self.event_min_cells >= 1, "1 or more")
        self._check("budget_bytes", self.budget_bytes >= 1 << 20, "at least 1 MiB (1048576)")

    def _check(self, name: str, is_good: bool, allowed: str) -> None:
        if not is_good:
            raise ConfigError(
                f"occupancy.{name} is {getattr(self, name)!r}; it must be {allowed}. Change it there."
            )

    @property
    def log_odds_step(self) -> float:
        """The log-odds between two neighbouring levels of the 7 bits that a cell has."""
        return (self.max_log_odds - self.min_log_odds) / (NUM_LEVELS - 1)

    def level(self, log_odds: float) -> int:
        """The level (1..127) nearest to `log_odds`; 0 is kept for unknown."""
        clamped = min(max(log_odds, self.min_log_odds), self.max_log_odds)
        return 1 + round((clamped - self.min_log_odds) / self.log_odds_step)

    @property
    def occupied_level(self) -> int:
        """The lowest level whose log-odds are above 0 (more likely occupied than not)."""
        return 2 + math.floor(-self.min_log_odds / self.log_odds_step + 1e-9)

    @property
    def hit_levels(self) -> int:
        return max(1, round(self.hit_log_odds / self.log_odds_step))

    @property
    def miss_levels(self) -> int:
        return max(1, round(-self.miss_log_odds / self.log_odds_step))


@dataclass(frozen=True, kw_only=True)
class SubmapConfig:
    """Whether the map bends when its trajectory is corrected.

    Attributes:
        max_submaps: at most so many submaps, each of which may take its share of the map's budget; the oldest is dropped
            beyond it. 0 keeps one map, which cannot be corrected.
        travel_m, turn_rad: a camera that moved or turned this much since its submap began starts the next one.
    """

    max_submaps: int = 0
    travel_m: float = 2.0
    turn_rad: float = 1.5

    def __post_init__(self) -> None:
        if not (self.max_submaps >= 0 and self.travel_m > 0.0 and self.turn_rad > 0.0):
            raise ConfigError(
                f"submaps options max_submaps={self.max_submaps}, travel_m={self.travel_m}, turn_rad={self.turn_rad}: the "
                "first must be at least 0, the others above 0. Change them there."
            )


NUM_LEVELS = 127
"""Levels of evidence in 7 bits besides unknown."""
