"""Keyframes are kept where views change, never beyond their bytes, and come back as they were."""

from __future__ import annotations

import numpy as np
import pytest

from embodied_mem.context.context_keyframes import KeyframeAlbum, KeyframeConfig
from embodied_mem.errors import ConfigError
from embodied_mem.messages import Frame, PinholeCamera

CAMERA = PinholeCamera(fx=20.0, fy=20.0, cx=19.5, cy=14.5, width_px=40, height_px=30)
PERIOD_NS = 200_000_000


def view(index: int, rgb: np.ndarray) -> Frame:
    return Frame(
        stamp_ns=index * PERIOD_NS, camera=CAMERA, T_world_camera=np.eye(4),
        depth_m=np.ones((30, 40), dtype=np.float32), rgb=rgb,
    )  # fmt: skip


def picture(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (3, 4, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((10, 10, 1), dtype=np.uint8))


def noisy(image: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(-3, 4, image.shape)
    return np.clip(image.astype(np.int16) + noise, 0, 255).astype(np.uint8)


def test_a_change_of_scene_is_kept_and_sameness_is_not() -> None:
    album = KeyframeAlbum()
    for i in range(40):
        album.offer(view(i, noisy(picture(0 if i < 25 else 1), i)), ())
    stamps = [one.stamp_ns // PERIOD_NS for one in album.views]
    assert stamps[0] == 0
    assert any(25 <= stamp <= 27 for stamp in stamps)
    assert len(stamps) <= 6


def kept_of(levels: list[int]) -> list[int]:
    """Which of plain grey views, 0.2 s apart, are kept."""
    album = KeyframeAlbum()
    for i, level in enumerate(levels):
        album.offer(view(i, np.full((30, 40, 3), level, dtype=np.uint8)), ())
    return [one.stamp_ns // PERIOD_NS for one in album.views]


def test_a_leap_further_along_the_same_way_is_kept_for_its_surprise_alone() -> None:
    steady = list(range(10, 90, 2))
    leap = [*steady, *range(188, 208, 2)]  # all pixels brighten together throughout: the way never bends
    late = [index for index in kept_of(leap) if index >= 20]
    assert late == [len(steady)]


def test_a_turn_is_kept_for_its_bend_alone() -> None:
    there = list(range(10, 90, 2))
    back = there[-2::-1]  # towards what was expected, which lags behind: nothing surprises
    late = [index for index in kept_of([*there, *back]) if 20 <= index < len(there) + 10]
    assert late == [len(there)]


@pytest.mark.parametrize("max_bytes", [0, 6_000, 20_000])
def test_bytes_are_never_exceeded(max_bytes: int) -> None:
    album = KeyframeAlbum(KeyframeConfig(max_bytes=max_bytes, min_gap_s=0.0, sigmas=-10.0))
    for i in range(30):
        album.offer(view(i, picture(i)), ())
        assert album.num_bytes == sum(one.num_bytes for one in album.views) <= max_bytes
    assert bool(album.views) == (max_bytes > 0)


def test_of_many_alike_and_one_other_the_other_stays() -> None:
    album = KeyframeAlbum(KeyframeConfig(max_bytes=20_000, min_gap_s=0.0, sigmas=-10.0))
    for i in range(40):
        album.offer(view(i, noisy(picture(1 if i == 10 else 0), i)), ())
    assert 10 * PERIOD_NS in [one.stamp_ns for one in album.views]


def test_frames_without_colour_and_late_ones_are_passed_by() -> None:
    album = KeyframeAlbum(KeyframeConfig(min_gap_s=0.0, sigmas=-10.0))
    colourless = Frame(
        stamp_ns=0, camera=CAMERA, T_world_camera=np.eye(4), depth_m=np.ones((30, 40), np.float32)
    )
    assert not album.offer(colourless, ())
    assert album.offer(view(5, picture(0)), ())
    assert not album.offer(view(4, picture(1)), ())
    assert len(album.views) == 1


def test_what_is_saved_comes_back() -> None:
    album, other = KeyframeAlbum(), KeyframeAlbum()
    album.offer(view(0, picture(3)), ("e1", "e2"))
    other.load(album.arrays())
    assert other.num_bytes == album.num_bytes
    assert other.views[0].seen == ("e1", "e2")
    assert other.views[0].source == "robot/camera/0"
    assert np.array_equal(other.views[0].image(), album.views[0].image())
    assert np.abs(album.views[0].image().astype(int) - picture(3)).mean() < 12


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="jpeg_quality 0"):
        KeyframeConfig(jpeg_quality=0)
