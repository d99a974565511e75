"""Every option of the world layer, with its default."""

from __future__ import annotations

from dataclasses import dataclass

from embodied_mem.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class WorldConfig:
    """How entities are told apart, when they count as gone, and what counts as a change.

    Distances in metres, times in seconds, angles in degrees.
    """

    cell_m: float = 0.015
    """Edge of the cells that an entity's points are thinned to; doubled for large things until they fit."""
    max_cells: int = 400
    """Most cells that one entity keeps."""
    min_new_pixels: int = 20
    """An instance with fewer pixels never starts an entity."""
    max_new_distance_m: float = 6.0
    """Nor does one farther away."""
    shape_interval_s: float = 0.3
    """Points are added to a well-known entity at most this often."""

    look_interval_s: float = 1.0
    """A look at an entity counts anew after this time, or ..."""
    look_angle_deg: float = 10.0
    """... from a direction that differs by this much."""
    miss_rate: float = 0.1
    """How often the detector overlooks what is plainly in view."""
    false_alarm_rate: float = 0.02
    """How often it reports what is not there."""
    max_presence: float = 0.95
    """Belief that something is at its place never exceeds this, so that a few clear misses can change it."""
    absent_below: float = 0.2
    """Something whose presence is below counts as gone from its place."""
    misses_to_close: int = 2
    """Clear looks at the empty place after which its facts end, at the first of them."""
    max_look_distance_m: float = 4.5
    """Only from within this distance an empty place is a clear miss."""
    min_look_pixels: float = 80.0
    """Nor is it one when the thing would cover fewer pixels than this."""
    depth_margin_m: float = 0.035
    """Depth beyond a point by more than this (and 1 % of the distance) means that it was seen through."""

    min_move_m: float = 0.08
    """A thing found nearer than this to where it was has not moved."""
    refine_m: float = 0.01
    """A placement is rewritten when its best estimate has drifted by this much."""
    max_speed_mps: float = 2.0
    """Things in motion are followed up to this speed."""
    follow_gap_s: float = 1.0
    """Something in motion is followed over gaps in view of at most this time."""
    settle_s: float = 0.6
    """Something in motion has come to rest when it stays within `min_move_m` for this time."""
    min_look_alike: float = 0.75
    """Cosine of appearances from which two sightings may be the same thing elsewhere."""

    showing_interval_s: float = 0.2
    """What is to be seen in turn is followed by frames of one camera this far apart at least."""

    view_interval_s: float = 0.5
    """Depth thumbnails, which tell that a place was once empty, are kept this far apart at least."""
    max_views: int = 1200
    """Most thumbnails kept; the oldest go first."""
    max_merges: int = 1000
    """The newest merges that can be undone; older ones stay as they are."""
    max_showings: int = 20_000
    """Most showings that have ended are kept; the oldest go first."""

    agent_labels: tuple[str, ...] = ("person", "human", "robot", "dog", "cat")
    """Labels of what moves by itself: followed, but never a changed object."""
    hinged_labels: tuple[str, ...] = ("door", "drawer", "cabinet door", "fridge door", "window")
    """Labels of what opens and closes where it is: its motion is an `open` or `close`, never a `move`."""

    def __post_init__(self) -> None:
        for name in (
            "cell_m",
            "look_interval_s",
            "min_move_m",
            "refine_m",
            "depth_margin_m",
            "max_speed_mps",
        ):
            if not getattr(self, name) > 0:
                raise ConfigError(f"WorldConfig.{name} is {getattr(self, name)}; it must be above 0.")
        for name in ("miss_rate", "false_alarm_rate", "max_presence", "absent_below"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ConfigError(f"WorldConfig.{name} is {getattr(self, name)}; it must be between 0 and 1.")
        for name in ("max_views", "max_merges", "max_showings"):
            if getattr(self, name) < 1:
                raise ConfigError(f"WorldConfig.{name} is {getattr(self, name)}; it must be at least 1.")
        if self.misses_to_close < 1 or self.max_cells < 32:
            raise ConfigError(
                f"WorldConfig has misses_to_close={self.misses_to_close} (at least 1), max_cells={self.max_cells} "
                "(at least 32)."
            )
