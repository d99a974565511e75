"""Words are split into a colour and what is meant; the last word is always what is meant."""

from __future__ import annotations

import pytest

from embodied_mem.layers.world.words import parse


@pytest.mark.parametrize(
    ("text", "label", "color"),
    [
        ("the red coffee mug", "coffee mug", "red"),
        ("mug", "mug", None),
        ("an orange", "orange", None),
        ("orange orange", "orange", "orange"),
        ("the grey cup", "cup", "gray"),
    ],
)
def test_words_are_split_into_colour_and_label(text: str, label: str, color: str | None) -> None:
    words = parse(text)
    assert (words.label, words.color) == (label, color)
