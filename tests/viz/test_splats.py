"""The map in other programs' formats says what the map says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embodied_mem.errors import DamagedStore, UnsupportedEncoding
from embodied_mem.layers.occupancy import STABLE, MapSnapshot
from embodied_mem.viz.splats import FIELDS, read_splat_ply, splat_ply, write_cloud


def snapshot(num: int, *, seed: int = 0) -> MapSnapshot:
    """Random Gaussians, every fifth of them no longer occupied."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(num, 3, 3)) * 0.02
    full = roots @ roots.transpose(0, 2, 1) + 1e-6 * np.eye(3)
    return MapSnapshot(
        means_world=rng.uniform(-5, 5, size=(num, 3)).astype(np.float32),
        covariances_m2=full[:, *np.triu_indices(3)].astype(np.float32),
        occupancy=np.where(np.arange(num) % 5 == 4, 0.3, 0.9).astype(np.float32),
        state=np.full(num, STABLE, dtype=np.int8),
        color_rgb=rng.integers(0, 256, size=(num, 3)).astype(np.uint8),
        label_index=np.full(num, -1, dtype=np.int16),
        label_share=np.zeros(num, dtype=np.float32),
        first_seen_ns=np.zeros(num, dtype=np.int64),
        last_seen_ns=np.zeros(num, dtype=np.int64),
        labels=(),
        cell_m=0.08,
    )


@pytest.mark.parametrize("num", [0, 1, 200])
def test_splats_round_trip(num: int) -> None:
    before = snapshot(num)
    occupied = before.occupied()
    means, covariances, colors, opacity = read_splat_ply(splat_ply(before))
    assert np.array_equal(means, occupied.means_world)
    assert np.array_equal(colors, occupied.color_rgb)
    assert np.allclose(covariances, occupied.covariances_m2, rtol=1e-4, atol=1e-8)
    assert np.allclose(opacity, occupied.occupancy, atol=1e-6)


def test_splats_have_the_fields_that_viewers_look_for() -> None:
    head = splat_ply(snapshot(3)).split(b"end_header\n")[0].decode("ascii").splitlines()
    assert head[:3] == ["ply", "format binary_little_endian 1.0", "element vertex 3"]
    assert [line.split()[-1] for line in head[3:]] == list(FIELDS)


def test_damaged_and_foreign_files_are_refused() -> None:
    good = splat_ply(snapshot(10))
    with pytest.raises(DamagedStore, match="ends early"):
        read_splat_ply(good[:-1])
    with pytest.raises(UnsupportedEncoding, match="opacity"):
        read_splat_ply(good.replace(b"property float opacity", b"property float opacitz"))
    with pytest.raises(UnsupportedEncoding):
        read_splat_ply(b"something else")


@pytest.mark.parametrize("suffix", [".pcd", ".ply"])
def test_open3d_reads_the_cloud_back(tmp_path: Path, suffix: str) -> None:
    o3d = pytest.importorskip("open3d")
    before = snapshot(40)
    occupied, path = before.occupied(), tmp_path / f"map{suffix}"
    assert write_cloud(before, path) == len(occupied)
    cloud = o3d.io.read_point_cloud(str(path))
    assert np.allclose(np.asarray(cloud.points), occupied.means_world, atol=1e-5)
    assert np.abs(np.asarray(cloud.colors) * 255 - occupied.color_rgb).max() < 1.5
    assert np.allclose(np.linalg.norm(np.asarray(cloud.normals), axis=1), 1.0, atol=1e-4)


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedEncoding, match=r"\.pcd"):
        write_cloud(snapshot(2), tmp_path / "map.obj")
