"""Distracting scenes behind the gate: the same things elsewhere, looked at as in a cue, independent of what was hidden."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..tabletop.interference import SCENE_STEPS
from .config import NUM_PLACES


@dataclass(frozen=True, kw_only=True)
class Scene:
    """spots: (place, which of its two spots) of each thing. looks: the places that the robot is taken to, one a step."""

    spots: tuple[tuple[int, int], ...]
    looks: tuple[int, ...]


def draw_scenes(rng: np.random.Generator, num_scenes: int) -> list[Scene]:
    """So many scenes, from the nuisance stream."""
    return [_draw(rng) for _ in range(num_scenes)]


def _draw(rng: np.random.Generator) -> Scene:
    places, spots = rng.permutation(NUM_PLACES).tolist(), rng.integers(2, size=NUM_PLACES).tolist()
    looks = rng.permutation(NUM_PLACES)[:SCENE_STEPS].tolist()
    return Scene(spots=tuple(zip(places, spots, strict=True)), looks=tuple(looks))
