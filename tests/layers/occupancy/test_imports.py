"""Maps from elsewhere: point clouds and splats become Gaussians of this map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embodied_mem.errors import InvalidQuery, UnsupportedEncoding
from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy import OCCUPIED, STABLE, OccupancyConfig, OccupancyLayer
from embodied_mem.messages import Percept
from embodied_mem.viz.splats import read_cloud, read_splat_ply, splat_ply, write_cloud

See = Callable[..., Percept]
CONFIG = OccupancyConfig(cell_m=0.1, stride_px=1)
WALL = Box(min_m=(3.04, -4.0, -3.0), max_m=(3.2, 4.0, 5.0))
CRATE = Box(min_m=(1.64, -0.33, 0.67), max_m=(2.0, 0.33, 1.33))
EYE, AHEAD = (0.0, 0.0, 1.0), (3.0, 0.0, 1.0)


def seen(see: See) -> OccupancyLayer:
    layer = OccupancyLayer(CONFIG)
    rgb = np.full((60, 80, 3), (200, 100, 20), dtype=np.uint8)
    for i in range(5):
        layer.update(see(i, EYE, AHEAD, [CRATE, WALL], rgb=rgb))
    return layer


def test_a_cell_of_imported_points_has_their_mean_covariance_and_colour() -> None:
    points = np.random.default_rng(0).uniform(-0.1, 0.0, size=(40, 3))
    colors = np.tile(np.array([[200, 100, 20]], dtype=np.uint8), (40, 1))
    layer = OccupancyLayer(CONFIG)
    layer.add_points(points, color_rgb=colors, stamp_ns=7)
    snapshot = layer.snapshot()
    assert len(snapshot) == 1
    assert np.allclose(snapshot.means_world[0], points.mean(axis=0), atol=1e-5)
    own = (
        np.cov(points.T, bias=True)[np.triu_indices(3)] + np.array([1, 0, 0, 1, 0, 1]) * CONFIG.min_sigma_m**2
    )
    assert np.allclose(snapshot.covariances_m2[0], own, atol=1e-6)
    assert snapshot.state.tolist() == [STABLE]
    assert snapshot.color_rgb.tolist() == [[200, 100, 20]]
    assert snapshot.last_seen_ns.tolist() == [7]


@pytest.mark.parametrize("suffix", [".ply", ".pcd"])
def test_a_cloud_that_was_written_is_read_into_another_map(see: See, tmp_path: Path, suffix: str) -> None:
    layer, other = seen(see), OccupancyLayer(CONFIG)
    write_cloud(layer.snapshot(), tmp_path / f"map{suffix}")
    points, colors = read_cloud(tmp_path / f"map{suffix}")
    other.add_points(points, color_rgb=colors, stamp_ns=0)
    ours, theirs = layer.snapshot().occupied(), other.snapshot()
    assert len(theirs) == len(ours)
    assert (layer.state_at(theirs.means_world) == OCCUPIED).all()
    assert np.abs(theirs.color_rgb.astype(int) - [200, 100, 20]).max() <= 1


def test_splats_keep_their_shape(see: See) -> None:
    layer, other = seen(see), OccupancyLayer(CONFIG)
    means, covariances, colors, _ = read_splat_ply(splat_ply(layer.snapshot()))
    other.add_points(means, covariances_m2=covariances, color_rgb=colors, stamp_ns=0)
    origins = np.tile(np.array([EYE]), (2, 1))
    rays = np.array([[1.0, 0.0, 0.0], [3.0, 1.6, 0.0]])
    assert np.allclose(other.cast_rays(origins, rays)[0], layer.cast_rays(origins, rays)[0], atol=0.01)


def test_what_is_imported_joins_what_is_known_and_can_be_carved(see: See) -> None:
    layer = seen(see)
    before = layer.snapshot()
    layer.add_points(before.means_world, stamp_ns=0)
    assert len(layer.snapshot()) == len(before)
    layer.add_points(np.array([[1.05, 0.05, 1.05]]), stamp_ns=0)
    assert layer.state_at(np.array([[1.05, 0.05, 1.05]])).tolist() == [OCCUPIED]
    for i in range(10, 20):
        layer.update(see(i, EYE, AHEAD, [CRATE, WALL]))
    assert layer.state_at(np.array([[1.05, 0.05, 1.05]])).tolist() != [OCCUPIED]
    layer.add_points(np.zeros((0, 3)), stamp_ns=0)
    assert layer.state_at(np.array([[1.64, 0.0, 1.0]])).tolist() == [OCCUPIED]


def test_what_is_no_cloud_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidQuery, match="finite"):
        OccupancyLayer(CONFIG).add_points(np.array([[np.nan, 0.0, 0.0]]), stamp_ns=0)
    with pytest.raises(InvalidQuery, match="covariances"):
        OccupancyLayer(CONFIG).add_points(np.zeros((2, 3)), covariances_m2=np.zeros((1, 6)), stamp_ns=0)
    with pytest.raises(UnsupportedEncoding, match="suffix"):
        read_cloud(tmp_path / "map.png")
    (tmp_path / "map.ply").write_bytes(b"not a cloud")
    with pytest.raises(UnsupportedEncoding, match="no points"):
        read_cloud(tmp_path / "map.ply")
