"""The map as voxels: both ways of splatting, and what grids promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from embodied_mem.errors import InvalidQuery
from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy import FREE, OCCUPIED, UNKNOWN, OccupancyConfig, OccupancyLayer
from embodied_mem.layers.occupancy._map import EMPTY_SCORE
from embodied_mem.layers.occupancy._reference import ReadGaussian, splat_voxel
from embodied_mem.layers.occupancy.grid import OCC_SCANNET_SHAPE, SemanticGrid, occ_scannet_box
from embodied_mem.messages import Percept

See = Callable[..., Percept]
WALL = Box(min_m=(3.04, -4.0, -3.0), max_m=(3.2, 4.0, 5.0))
CRATE = Box(min_m=(1.64, -0.33, 0.67), max_m=(2.0, 0.33, 1.33))
CONFIG = OccupancyConfig(cell_m=0.1, stride_px=1)


@pytest.fixture
def layer(see: See) -> OccupancyLayer:
    """A crate before a wall, labelled, from a few places."""
    built = OccupancyLayer(CONFIG)
    for i in range(6):
        seen = see(i, (0.05 * i, 0.1 * i - 0.2, 1.0 + 0.05 * i), (3.0, 0.0, 1.0), [CRATE, WALL])
        label_index = np.where(seen.frame.depth_m < 2.3, 0, 1).astype(np.int16)
        built.update(
            Percept(frame=seen.frame, instances=(), labels=("crate", "wall"), label_index=label_index)
        )
    return built


def read_gaussians(layer: OccupancyLayer) -> list[ReadGaussian]:
    snapshot, state = layer.snapshot(), layer.state()
    by_cell = {
        tuple(c): i
        for i, c in enumerate(np.floor(snapshot.means_world / CONFIG.cell_m + 1e-6).astype(int).tolist())
    }
    found = []
    for row in range(len(state["gaussian_cell"])):
        brick, local = divmod(int(state["gaussian_cell"][row]), 512)
        cell = state["brick_coord"][brick] * 8 + [local // 64, local // 8 % 8, local % 8]
        i = by_cell.get(tuple(cell.tolist()))
        if i is None:
            continue
        c, weights = snapshot.covariances_m2[i].astype(float), state["label_weights"][row].astype(float)
        shares = {
            int(name): float(w / weights.sum())
            for name, w in zip(state["labels"][row], weights, strict=True)
            if name >= 0
        }
        found.append(
            ReadGaussian(
                mean=snapshot.means_world[i].astype(float),
                covariance=np.array([[c[0], c[1], c[2]], [c[1], c[3], c[4]], [c[2], c[4], c[5]]]),
                occupancy=float(snapshot.occupancy[i]),
                shares=shares,
            )
        )
    return found


@pytest.mark.parametrize("form", ["product", "additive"])
@pytest.mark.parametrize("voxel_m", [0.1, 0.07, 0.23])
def test_voxels_agree_with_the_plain_reference(layer: OccupancyLayer, form: str, voxel_m: float) -> None:
    box = Box(min_m=(1.31, -0.62, 0.51), max_m=(1.9, 0.5, 1.6))
    grid = layer.semantic_grid(box, voxel_m, form=form)
    gaussians = read_gaussians(layer)
    empty_score = EMPTY_SCORE if form == "additive" else None
    rng = np.random.default_rng(0)
    chosen = rng.choice(grid.occupancy.size, size=min(300, grid.occupancy.size), replace=False)
    expected = [
        splat_voxel(gaussians, center, voxel_m, CONFIG.cell_m, empty_score)
        for center in grid.centers_world.reshape(-1, 3)[chosen]
    ]
    value = np.nan_to_num(grid.occupancy.ravel()[chosen], nan=0.0)
    true = np.array([v if v > 0.5 or not np.isnan(g) else 0.0
                     for (v, _), g in zip(expected, grid.occupancy.ravel()[chosen], strict=True)])  # fmt: skip
    assert (true > 0.5).sum() >= 5
    assert (
        np.mean(np.abs(value - true) < 2e-3) >= 0.97
    )  # a mean at its cell's border may count to the next one
    labels = grid.label_index.ravel()[chosen]
    assert np.mean(labels == [label for _, label in expected]) >= 0.97


def test_surfaces_fill_their_voxels_and_the_rest_is_free_or_unknown(layer: OccupancyLayer) -> None:
    grid = layer.semantic_grid(Box(min_m=(1.0, -0.3, 0.7), max_m=(3.8, 0.3, 1.3)), 0.1)
    state, names = grid.state, np.array([*grid.labels, ""])[grid.label_index]
    assert (state[6] == OCCUPIED).mean() > 0.9  # 1.6..1.7 m: the crate's face
    assert set(names[6].ravel()) <= {"crate", ""}
    assert (state[2] == FREE).all()
    assert (state[25] == UNKNOWN).all()  # behind the wall
    assert (grid.label_index[state != OCCUPIED] == -1).all()
    beside = layer.semantic_grid(Box(min_m=(3.0, 0.9, 0.7), max_m=(3.1, 1.2, 1.3)), 0.1)
    assert {beside.labels[i] for i in beside.label_index.ravel()} == {"wall"}


def test_occ_scannets_layout(layer: OccupancyLayer) -> None:
    grid: SemanticGrid = layer.semantic_grid(occ_scannet_box(np.array([2.0, 0.0, 1.0])))
    assert grid.occupancy.shape == OCC_SCANNET_SHAPE
    assert np.allclose(grid.centers_world.mean(axis=(0, 1, 2)), [2.0, 0.0, 1.0])


def test_an_empty_map_is_unknown_everywhere() -> None:
    grid = OccupancyLayer(CONFIG).semantic_grid(Box(min_m=(0, 0, 0), max_m=(1, 1, 1)), 0.25)
    assert grid.occupancy.shape == (4, 4, 4)
    assert (grid.state == UNKNOWN).all()


def test_grids_that_cannot_be_made_are_refused() -> None:
    layer, box = OccupancyLayer(CONFIG), Box(min_m=(0, 0, 0), max_m=(10, 10, 10))
    with pytest.raises(InvalidQuery, match="product"):
        layer.semantic_grid(box, form="prodct")
    with pytest.raises(InvalidQuery, match="above 0"):
        layer.semantic_grid(box, 0.0)
    with pytest.raises(InvalidQuery, match="voxels"):
        layer.semantic_grid(box, 0.001)
