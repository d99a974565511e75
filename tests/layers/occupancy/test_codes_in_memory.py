"""A memory keeps what places look like, finds them by text, and still does after it was saved and loaded."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from embodied_mem.errors import ConfigError, InvalidMessage, InvalidQuery
from embodied_mem.geometry import Box, look_at
from embodied_mem.layers.occupancy import (
    OccupancyConfig,
    OccupancyLayer,
    ProductCode,
    SubmapAtlas,
    SubmapConfig,
)
from embodied_mem.messages import Detection, Frame, PinholeCamera
from embodied_mem.robot_memory import RobotMemory, RobotMemoryConfig
from embodied_mem.testing.box_views import depth_of_boxes

CAMERA = PinholeCamera(fx=60.0, fy=60.0, cx=39.5, cy=29.5, width_px=80, height_px=60)
WALL = Box(min_m=(3.04, -4.0, -3.0), max_m=(3.2, 4.0, 5.0))
CRATE = Box(min_m=(1.64, -0.33, 0.67), max_m=(2.0, 0.33, 1.33))
ONE_MAP = RobotMemoryConfig(occupancy=OccupancyConfig(cell_m=0.1, stride_px=1))
SUBMAPS = dataclasses.replace(ONE_MAP, submaps=SubmapConfig(max_submaps=8, travel_m=0.2))
NUM_DIMS = 24
WORDS = ("crate", "wall", "cat")


@cache
def codebook() -> ProductCode:
    rng = np.random.default_rng(0)
    around = np.repeat([encode(word) for word in WORDS], 100, axis=0)
    return ProductCode.fit(around + 0.05 * rng.normal(size=around.shape))


def encode(text: str) -> np.ndarray:
    """A text encoder: texts are far from each other."""
    return np.eye(NUM_DIMS, dtype=np.float32)[len(text) * 3]


def view(index: int, *, has_features: bool) -> Frame:
    """The crate before the wall, the camera a little further to the left each time."""
    T = look_at(np.array([0.0, 0.05 * index, 1.0]), np.array([3.0, 0.05 * index, 1.0]))
    depth_m = depth_of_boxes(CAMERA, T, [CRATE, WALL]).astype(np.float32)
    is_crate = (depth_m > 0.0) & (depth_m < 2.5)
    frame = Frame(stamp_ns=index * 10**8, camera=CAMERA, T_world_camera=T, depth_m=depth_m)
    if has_features:
        features = np.where(is_crate[..., None], encode("crate"), encode("wall"))[::2, ::2]
        return dataclasses.replace(frame, features=features)
    crate = Detection(label="crate", mask=is_crate, embedding=encode("crate"))
    return dataclasses.replace(frame, detections=(crate,))


def filled(memory: RobotMemory, *, has_features: bool) -> None:
    for index in range(8):
        memory.observe(view(index, has_features=has_features))


@pytest.mark.parametrize("config", [ONE_MAP, SUBMAPS], ids=["one_map", "submaps"])
@pytest.mark.parametrize("has_features", [True, False], ids=["features", "detections"])
def test_a_text_lights_up_what_frames_said_looks_like_it(
    tmp_path: Path, config: RobotMemoryConfig, has_features: bool
) -> None:
    with RobotMemory.open(tmp_path, config, codebook=codebook()) as memory:
        filled(memory, has_features=has_features)
        lit = memory.find_regions("crate", encoder=encode, min_similarity=0.8, min_cells=4)
        assert sum(region.num_gaussians for region in lit[1:]) < 0.5 * lit[0].num_gaussians, lit
        assert CRATE.grown(0.12).contains(np.array([lit[0].center_world])).all()
        assert lit[0].num_gaussians > 20
        walls = memory.find_regions(encode("wall"), min_similarity=0.8, min_cells=40)
        assert bool(walls) == has_features
        assert all(region.center_world[0] > 2.9 for region in walls)
        assert memory.find_regions("cat", encoder=encode, min_similarity=0.8) == []
        memory.save()
    with RobotMemory.load(tmp_path, config) as again:
        lit_again = again.find_regions("crate", encoder=encode, min_similarity=0.8, min_cells=4)
        assert [(one.box, one.num_gaussians) for one in lit_again] == [
            (one.box, one.num_gaussians) for one in lit
        ]
        again.observe(view(20, has_features=has_features))
        assert again.find_regions("crate", encoder=encode, min_similarity=0.8)


def test_an_atlas_saves_its_codebook_once_and_refuses_another() -> None:
    atlas = SubmapAtlas(codebook=codebook())
    atlas.adopt(OccupancyLayer(), np.eye(4))  # one without codes is fine
    state = atlas.state()
    assert [name for name in state if name.endswith("code_means")] == ["code_means"]
    foreign = ProductCode.fit(np.random.default_rng(3).normal(size=(300, NUM_DIMS)))
    with pytest.raises(ConfigError, match="codebook"):
        atlas.adopt(OccupancyLayer(codebook=foreign), np.eye(4))
    again = SubmapAtlas(codebook=codebook())
    again.load_state(state)
    assert list(again.anchors) == list(atlas.anchors)


def test_questions_that_the_memory_cannot_answer_say_what_is_missing() -> None:
    with RobotMemory.open(config=ONE_MAP) as bare, pytest.raises(InvalidQuery, match="codebook"):
        bare.find_regions(encode("crate"))
    with RobotMemory.open(config=SUBMAPS) as bare, pytest.raises(InvalidQuery, match="codebook"):
        bare.find_regions(encode("crate"))
    with RobotMemory.open(config=ONE_MAP, codebook=codebook()) as memory:
        with pytest.raises(InvalidQuery, match="encoder"):
            memory.find_regions("crate")
        with pytest.raises(InvalidQuery, match="24"):
            memory.find_regions(np.ones(7))


@pytest.mark.parametrize("config", [ONE_MAP, SUBMAPS], ids=["one_map", "submaps"])
def test_a_frame_with_features_of_another_size_is_refused_and_changes_nothing(
    config: RobotMemoryConfig,
) -> None:
    wrong = dataclasses.replace(view(40, has_features=False), features=np.ones((3, 4, 7), np.float32))
    with RobotMemory.open(config=config, codebook=codebook()) as memory:
        filled(memory, has_features=True)
        before = memory._occupancy.state()
        with pytest.raises(InvalidQuery, match="24"):
            memory.observe(wrong)
        after = memory._occupancy.state()
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    "features",
    [np.ones((3, 4), np.float32), np.ones((3, 4, 5)), np.full((3, 4, 5), np.nan, np.float32)],
    ids=["no_numbers", "float64", "nan"],
)
def test_features_of_another_kind_are_refused(features: np.ndarray) -> None:
    with pytest.raises(InvalidMessage, match="features"):
        dataclasses.replace(view(0, has_features=False), features=features)


def test_fields_without_a_feature_paint_nothing() -> None:
    frame = view(0, has_features=True)
    assert frame.features is not None
    nothing = dataclasses.replace(frame, features=np.zeros_like(frame.features))
    with RobotMemory.open(config=ONE_MAP, codebook=codebook()) as memory:
        memory.observe(nothing)
        assert memory.find_regions(encode("crate"), min_similarity=-1.0) == []
