"""Distracting scenes behind the gate: like cues, on a dark cloth, and independent of what was hidden."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .props import COLOURS, Colour, Prop, Vector3, block, cover

NUM_DISTRACTORS = 3
SCENE_STEPS = 3
COVER_COLOUR: Colour = (0.16, 0.22, 0.36)
CLOTHS: tuple[Colour, ...] = ((0.20, 0.20, 0.22), (0.28, 0.20, 0.20), (0.20, 0.28, 0.22))


@dataclass(frozen=True, kw_only=True)
class Distraction:
    """One scene: blocks of some colours at some places on a dark cloth."""

    places: tuple[Vector3, ...]
    colours: tuple[Colour, ...]
    cloth: Colour


def gate_props() -> tuple[Prop, ...]:
    """What the gate needs beside the task's own props."""
    blocks = tuple(block(f"distractor{i}", COLOURS["red"], graspable=False) for i in range(NUM_DISTRACTORS))
    return (cover("cover", COVER_COLOUR), *blocks)


def draw_distractions(rng: np.random.Generator, num_scenes: int) -> list[Distraction]:
    """So many scenes, from the nuisance stream."""
    return [_draw(rng) for _ in range(num_scenes)]


def _draw(rng: np.random.Generator) -> Distraction:
    count = int(rng.integers(1, NUM_DISTRACTORS + 1))
    palette = list(COLOURS.values())
    picks = rng.choice(len(palette), count, replace=False)
    rows = rng.permutation(5)[:count]
    places: tuple[Vector3, ...] = tuple(
        (float(rng.uniform(-0.12, 0.2)), 0.13 * (int(row) - 2), 0.002) for row in rows
    )
    return Distraction(
        places=places,
        colours=tuple(palette[int(i)] for i in picks),
        cloth=CLOTHS[int(rng.integers(len(CLOTHS)))],
    )
