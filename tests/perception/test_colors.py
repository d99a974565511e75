import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_mem.perception.colors import COLOR_NAMES, color_histograms, color_name, colorless_vector

SWATCHES = {
    "red": (209, 26, 26), "green": (31, 148, 46), "blue": (31, 64, 204), "yellow": (242, 209, 26),
    "orange": (242, 122, 13), "purple": (128, 41, 158), "pink": (242, 128, 173), "cyan": (26, 184, 199),
    "white": (240, 240, 235), "black": (23, 23, 26), "gray": (128, 128, 133), "brown": (107, 64, 31),
}  # fmt: skip


@pytest.mark.parametrize("name", SWATCHES)
@pytest.mark.parametrize("light", [1.0, 0.85, 0.7])
def test_swatches_keep_their_name_in_less_light(name: str, light: float) -> None:
    dimmed = tuple(channel * light for channel in SWATCHES[name])
    # Dark orange is brown, and dim white is gray: no single pixel can tell.
    allowed = {"orange": {"orange", "brown"}, "white": {"white", "gray"}}.get(name, {name})
    assert color_name(dimmed) in allowed  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("color_rgb", "name"),
    [((135, 134, 123), "white"), ((115, 114, 118), "gray"), ((83, 38, 29), "brown"), ((125, 18, 15), "red"),
     ((140, 71, 8), "orange")],
)  # fmt: skip
def test_people_would_agree(color_rgb: tuple[float, float, float], name: str) -> None:
    assert color_name(color_rgb) == name


@given(st.tuples(*[st.floats(0, 255)] * 3))
def test_every_colour_has_a_name(color_rgb: tuple[float, float, float]) -> None:
    assert color_name(color_rgb) in COLOR_NAMES


def test_an_unknown_colour_has_no_name() -> None:
    assert color_name((float("nan"),) * 3) == ""


def _patch(color_rgb: tuple[int, int, int], spread: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(-spread, spread + 1, (200, 3))
    return np.clip(np.array(color_rgb) + noise, 0, 255).astype(np.uint8)


def test_histograms_are_unit_vectors() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (5, 100, 3), dtype=np.uint8)
    np.testing.assert_allclose(np.linalg.norm(color_histograms(rgb), axis=1), 1.0, rtol=1e-5)
    assert np.linalg.norm(colorless_vector()) == pytest.approx(1.0)


def test_the_same_thing_in_other_light_is_nearer_than_another_thing() -> None:
    for name, swatch in SWATCHES.items():
        dimmed = tuple(int(c * 0.8) for c in swatch)
        others = [SWATCHES[n] for n in SWATCHES if n != name]
        patches = np.stack([_patch(color, 12, i) for i, color in enumerate([swatch, dimmed, *others])])  # type: ignore[list-item]
        vectors = color_histograms(patches)
        similarity = vectors[1:] @ vectors[0]
        assert similarity.argmax() == 0, name
        assert similarity[0] > 0.8, name
