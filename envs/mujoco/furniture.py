"""Pieces of furniture: their solids, the surfaces that hold things, and the drawers and doors that open.

Every piece is drawn in its own frame: x to the right along the wall, y from the front (negative) to the back
(positive, against the wall), z up from the floor, origin on the floor in the middle of its footprint.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .parts import Part, Vector3


@dataclass(frozen=True, kw_only=True)
class FlatTop:
    """A flat place to put things on: centre and extents in the piece's frame, free height above it."""

    centre_m: Vector3
    size_m: tuple[float, float]
    clearance_m: float = 0.9


@dataclass(frozen=True, kw_only=True)
class MovingPart:
    """A drawer (slides by -y) or a door (swings about a vertical hinge), drawn closed.

    `travel` is metres for a drawer, radians for a door.
    """

    name: str
    kind: str
    parts: tuple[Part, ...]
    travel: float
    hinge_m: Vector3 = (0.0, 0.0, 0.0)
    inside: FlatTop | None = None


@dataclass(frozen=True, kw_only=True)
class FurnitureModel:
    """One design of furniture. `open_front` means a robot looks at it from the front only."""

    category: str
    size_m: Vector3
    parts: tuple[Part, ...]
    tag: str = ""
    tops: tuple[FlatTop, ...] = ()
    moving: tuple[MovingPart, ...] = field(default=())
    open_front: bool = False
    clear_front_m: float = 0.7
