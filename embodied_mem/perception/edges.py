"""Where depth jumps: rims whose pixels lie between two surfaces, and things that something nearer covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int16

GRAZING = 6.0
"""A surface seen at 1/6 rad (10 degrees) still counts as one surface, not as a jump."""


@dataclass(frozen=True, kw_only=True)
class Edges:
    """Of each grid point: does depth jump to a neighbour (`is_jump`), does it border another detection or none
    (`is_rim`), does such a neighbour lie nearer (`is_covered`).
    """

    is_jump: Bool[np.ndarray, "gh gw"]
    is_rim: Bool[np.ndarray, "gh gw"]
    is_covered: Bool[np.ndarray, "gh gw"]


def find_edges(
    depth_m: Float32[np.ndarray, "gh gw"],
    owner: Int16[np.ndarray, "gh gw"],
    *,
    step_rad: float,
    jump_m: float,
) -> Edges:
    """Compare each point with its four neighbours, which are `step_rad` apart as the camera sees them.

    `depth_m` is NaN where nothing was measured: such a neighbour neither jumps nor covers.
    """
    found = np.zeros((3, *depth_m.shape), dtype=bool)
    allowed = depth_m * np.float32(GRAZING * step_rad) + np.float32(jump_m)
    _compare(depth_m, owner, allowed, found)
    _compare(depth_m.T, owner.T, allowed.T, found.transpose(0, 2, 1))
    return Edges(is_jump=found[0], is_rim=found[1], is_covered=found[2])


def _compare(
    depth_m: Float32[np.ndarray, "a b"],
    owner: Int16[np.ndarray, "a b"],
    allowed_m: Float32[np.ndarray, "a b"],
    found: Bool[np.ndarray, "3 a b"],
) -> None:
    """Mark in `found` what each row's comparison with the next row shows, on both of them."""
    is_jump, is_rim, is_covered = found
    rise = depth_m[1:] - depth_m[:-1]
    other = owner[1:] != owner[:-1]
    up, down = rise > allowed_m[:-1], rise < -allowed_m[:-1]
    jump = up | down
    is_jump[1:] |= jump
    is_jump[:-1] |= jump
    is_rim[1:] |= other
    is_rim[:-1] |= other
    is_covered[1:] |= up & other
    is_covered[:-1] |= down & other
