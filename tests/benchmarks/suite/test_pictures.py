"""The docs' pictures of the tasks."""

from __future__ import annotations

import numpy as np

from embodied_mem.benchmarks.suite.pictures import in_few_colours
from embodied_mem.perception.colors import color_name


def test_small_blocks_keep_their_colours_on_a_large_shaded_table() -> None:
    shade = np.random.default_rng(0).integers(0, 60, (144, 960, 3))  # a colour or more for every pixel
    picture = (np.array([210, 170, 160]) - shade).astype(np.uint8)
    colours = {"red": (200, 20, 20), "green": (20, 160, 30), "blue": (20, 40, 200), "yellow": (230, 220, 30)}
    for number, colour in enumerate(colours.values()):
        picture[60:66, 20 + 200 * number : 26 + 200 * number] = colour
    kept = np.asarray(in_few_colours(picture).convert("RGB"))
    for number, name in enumerate(colours):
        r, g, b = kept[63, 23 + 200 * number].astype(float).tolist()
        assert color_name((r, g, b)) == name
