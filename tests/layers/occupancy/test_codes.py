"""Codes of sixteen bytes keep what embeddings mean, and light up where the map looks like a text."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_mem.errors import ConfigError, DamagedStore, InvalidQuery
from embodied_mem.geometry import Box
from embodied_mem.layers.occupancy import OccupancyConfig, OccupancyLayer, ProductCode
from embodied_mem.messages import ObservedInstance, Percept

See = Callable[..., Percept]
WALL = Box(min_m=(3.04, -4.0, -3.0), max_m=(3.2, 4.0, 5.0))
CRATE = Box(min_m=(1.64, -0.33, 0.67), max_m=(2.0, 0.33, 1.33))
EYE, AHEAD = (0.0, 0.0, 1.0), (3.0, 0.0, 1.0)
CONFIG = OccupancyConfig(cell_m=0.1, stride_px=1)
NUM_CONCEPTS = 200


@cache
def codebook() -> tuple[ProductCode, np.ndarray]:
    """A codebook for 64 dimensions, and the concepts that its embeddings are around."""
    examples, concepts = embeddings(64, 1000)
    return ProductCode.fit(examples), concepts


def units(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def embeddings(
    num_dims: int, count: int, *, power: float = 0.7, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(examples, concepts) as image-text encoders give them: concepts around a common direction, examples around
    concepts, both with variances that fall with a power of the axis, along axes that are not the coordinates'."""
    rng = np.random.default_rng(seed)
    spread = (1.0 + np.arange(num_dims)) ** -power
    turn = np.linalg.qr(rng.normal(size=(num_dims, num_dims)))[0] * (spread / np.linalg.norm(spread))[:, None]
    concepts = units(
        units(rng.normal(size=(NUM_CONCEPTS, num_dims)) @ turn)
        + 0.7 * units(rng.normal(size=(1, num_dims)) @ turn)
    )
    noise = rng.normal(size=(count, num_dims)) @ turn
    return units(concepts[rng.integers(0, NUM_CONCEPTS, count)] + 0.4 * noise), concepts


@pytest.mark.parametrize("num_dims", [96, 512])
def test_codes_keep_the_direction_and_the_nearest_text_of_unseen_embeddings(num_dims: int) -> None:
    examples, concepts = embeddings(num_dims, 5000)
    code, unseen = ProductCode.fit(examples[:4500]), examples[4500:]
    codes = code.encode(unseen)
    assert codes.shape == (500, 16)
    assert codes.dtype == np.uint8
    assert (code.decode(codes) * unseen).sum(axis=1).mean() >= 0.95
    nearest = np.stack([code.similarities(text, codes) for text in concepts]).argmax(axis=0)
    assert (nearest == (unseen @ concepts.T).argmax(axis=1)).mean() >= 0.98


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([3, 16, 40]))
def test_similarities_by_tables_are_those_of_the_decoded_codes(seed: int, num_dims: int) -> None:
    examples, concepts = embeddings(num_dims, 300, seed=seed)
    code = ProductCode.fit(examples, seed=seed)
    codes = code.encode(examples[:50])
    for text in concepts[:5]:
        assert np.allclose(code.similarities(3.0 * text, codes), code.decode(codes) @ text, atol=1e-5)
    none = np.zeros((1, 16), dtype=np.uint8)
    assert np.isnan(code.similarities(concepts[0], none)).all()


def test_what_no_codebook_can_take_is_refused() -> None:
    examples, _ = embeddings(16, 300)
    code = ProductCode.fit(examples)
    with pytest.raises(InvalidQuery, match="256"):
        ProductCode.fit(examples[:100])
    with pytest.raises(InvalidQuery, match="16"):
        code.encode(np.ones((2, 17)))
    with pytest.raises(InvalidQuery, match="no codes"):
        OccupancyLayer(CONFIG).find(np.ones(16))
    with pytest.raises(InvalidQuery, match="as many"):
        OccupancyLayer(CONFIG, code).paint(np.zeros((3, 3)), np.ones((2, 16)))


def instance(label: str, box: Box, points: np.ndarray, appearance: np.ndarray) -> ObservedInstance:
    return ObservedInstance(
        label=label, score=1.0, points_world=points.astype(np.float32), box=box, num_pixels=len(points),
        distance_m=1.6, appearance=appearance.astype(np.float32), color_rgb=(0.0, 0.0, 0.0), is_cut=False,
    )  # fmt: skip


def painted(see: See) -> tuple[OccupancyLayer, np.ndarray]:
    """A crate before a wall, the crate as an instance and the wall by its points, with the texts of both."""
    code, concepts = codebook()
    layer = OccupancyLayer(CONFIG, code)
    for i in range(6):
        percept = see(i, EYE, AHEAD, [CRATE, WALL])
        means = layer.snapshot().means_world
        front = means[CRATE.contains(means, margin_m=0.05)]
        instances = (instance("crate", CRATE, front, concepts[3]),) if len(front) else ()
        layer.update(Percept(frame=percept.frame, instances=instances))
    means = layer.snapshot().means_world
    behind = means[means[:, 0] > 2.9]
    layer.paint(behind, np.repeat(concepts[8:9], len(behind), axis=0))
    return layer, concepts


def test_a_text_lights_up_the_region_that_looks_like_it(see: See) -> None:
    layer, concepts = painted(see)
    lit = layer.find(concepts[3], min_similarity=0.9)
    assert len(lit) == 1
    assert CRATE.grown(0.05).contains(np.array([lit[0].center_world])).all()
    assert lit[0].num_gaussians > 20
    assert lit[0].similarity > 0.95
    walls = layer.find(concepts[8], min_similarity=0.9)
    assert len(walls) >= 1
    assert walls[0].box.min_m[0] > 2.9
    assert layer.find(-concepts[3], min_similarity=0.9) == []
    assert layer.find(concepts[3], min_similarity=0.9, min_cells=10_000) == []


def test_codes_are_saved_merged_and_counted(see: See) -> None:
    layer, concepts = painted(see)
    state, again = layer.state(), OccupancyLayer(CONFIG, layer.codebook)
    again.load_state(state)
    (lit,), (lit_again,) = (one.find(concepts[3], min_similarity=0.9) for one in (layer, again))
    assert (lit.box, lit.num_gaussians, lit.similarity) == (
        lit_again.box,
        lit_again.num_gaussians,
        lit_again.similarity,
    )
    assert all(np.array_equal(again.state()[name], array) for name, array in state.items())
    other, bare = OccupancyLayer(CONFIG, layer.codebook), OccupancyLayer(CONFIG)
    for one in (other, bare):
        for i in range(6):
            one.update(see(100 + i, (0.0, 0.5, 1.0), AHEAD, [CRATE, WALL]))
    first, second = OccupancyLayer(CONFIG, layer.codebook), OccupancyLayer(CONFIG, layer.codebook)
    first.load_state(state)
    first.merge(other.state())
    second.load_state(other.state())
    second.merge(state)
    assert all(np.array_equal(second.state()[name], array) for name, array in first.state().items())
    assert len(first.find(concepts[3], min_similarity=0.9)) == 1
    assert other.num_bytes - bare.num_bytes == 16 * other._map.storage.capacity.num_gaussians
    # Room grows by 6 %, so that what a live Gaussian takes beyond the map without codes stays below 20 bytes.
    assert other.num_bytes / bare.num_bytes < 84 / 64
    assert np.array_equal(other.snapshot().means_world, bare.snapshot().means_world)


def test_codes_of_another_codebook_are_refused(see: See) -> None:
    layer, _ = painted(see)
    state = layer.state()
    with pytest.raises(ConfigError, match="codebook"):
        OccupancyLayer(CONFIG).load_state(state)
    foreign = ProductCode.fit(embeddings(64, 1000, seed=5)[0])
    with pytest.raises(ConfigError, match="another codebook"):
        OccupancyLayer(CONFIG, foreign).load_state(state)
    with pytest.raises(DamagedStore, match="code_axes"):
        ProductCode.of_arrays({name: array for name, array in state.items() if name != "code_axes"})
    bare = OccupancyLayer(CONFIG)
    bare.update(see(0, EYE, AHEAD, [WALL]))
    layer.load_state(bare.state())  # a map without codes gets them from now on
    assert layer.find(np.ones(64), min_similarity=-1.0) == []
