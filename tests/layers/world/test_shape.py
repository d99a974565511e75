"""A thing's cells: adding views one by one gives what grouping all of them at once gives."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embodied_mem.layers.world import shape
from embodied_mem.layers.world.shape import Shape

CELL_M = 0.02


def grouped(known: Shape, points: np.ndarray) -> Shape:
    """The slow way: cells of the view, put together with those known by sorting all of them."""
    cells = np.hstack([points, points, points, np.ones((len(points), 1)), np.zeros((len(points), 1))])
    keys, view = shape._grouped(shape._keys(points, known.cell_m), cells.astype(np.float32))
    view[:, shape.HITS] = 1
    both = Shape(known.cell_m, known.max_cells)
    both._put_all(np.concatenate([known._keys, keys]), np.concatenate([known._cells, view]))
    return both


@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_adding_a_view_gives_the_same_bytes_as_sorting_all_cells_anew(seed: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(seed)
    known = Shape(CELL_M, 10_000)
    for size in sizes:
        points = rng.uniform(-0.05, 0.05, (size, 3)).astype(np.float32)
        wanted = grouped(known, points).to_bytes()
        known.add(points)
        assert known.to_bytes() == wanted


def test_a_shape_with_too_many_cells_grows_coarser() -> None:
    points = np.random.default_rng(0).uniform(0.0, 1.0, (300, 3)).astype(np.float32)
    coarse = Shape(CELL_M, 50)
    coarse.add(points)
    assert 0 < len(coarse) <= 50
    assert coarse.cell_m > CELL_M
