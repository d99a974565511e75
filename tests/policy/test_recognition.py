"""What was seen is recognised by its colours, wherever it was and is."""

from __future__ import annotations

import torch
from torch import Tensor

from embodied_mem.policy import vision
from embodied_mem.policy.recognition import nothing_recognised, recognised

RED, GREEN, BLUE = (200, 30, 30), (30, 180, 40), (40, 60, 220)
TABLE = (180, 160, 130)
Blocks = dict[tuple[int, int], tuple[int, int, int]]


def tokens_of(blocks: Blocks, ground: tuple[int, int, int] = TABLE) -> Tensor:
    """A table with a dark border behind it, and blocks of ten pixels at (row, column)."""
    image = torch.tensor(ground, dtype=torch.uint8).expand(1, 128, 128, 3).clone()
    image[:, :20] = 0
    for (row, column), colour in blocks.items():
        image[:, row : row + 10, column : column + 10] = torch.tensor(colour, dtype=torch.uint8)
    return vision.fixed_tokens(vision.small_pictures(image))


def patch_of(place: tuple[int, int]) -> int:
    size = vision.SIDE_PX // vision.EYE_GRID
    return (place[0] + 5) // size * vision.EYE_GRID + (place[1] + 5) // size


def kept(*pictures: Tensor) -> tuple[Tensor, Tensor]:
    return torch.stack(pictures, dim=1), torch.ones(1, len(pictures), dtype=torch.bool)


def test_the_block_that_was_shown_is_recognised_among_others_elsewhere() -> None:
    places = [(50, 20), (50, 64), (50, 100)]
    for order in ((RED, GREEN, BLUE), (BLUE, RED, GREEN), (GREEN, BLUE, RED)):
        now = tokens_of(dict(zip(places, order, strict=True)))
        cloth = tokens_of({}, ground=(30, 50, 110))
        found = recognised(now, *kept(tokens_of({(90, 60): GREEN}), cloth, cloth))
        assert int(found.argmax()) == patch_of(places[order.index(GREEN)])
        assert 0.5 < float(found.max()) <= 1.0


def test_it_is_recognised_in_another_scene() -> None:
    places = [(50, 20), (50, 64), (50, 100)]
    now = tokens_of(dict(zip(places, (RED, GREEN, BLUE), strict=True)), ground=(160, 150, 140))
    for colour, place in zip((RED, GREEN, BLUE), places, strict=True):
        found = recognised(now, *kept(tokens_of({(88, 57): colour}), tokens_of({}, ground=(30, 50, 110))))
        assert int(found.argmax()) == patch_of(place)


def test_where_it_was_does_not_matter() -> None:
    picture = tokens_of({(50, 20): RED, (50, 100): BLUE})
    assert int(recognised(picture, *kept(tokens_of({(50, 20): RED}))).argmax()) == patch_of((50, 20))
    assert int(recognised(picture, *kept(tokens_of({(50, 20): BLUE}))).argmax()) == patch_of((50, 100))


def test_what_is_not_kept_does_not_count() -> None:
    now, shown = tokens_of({(50, 20): RED, (50, 100): BLUE}), tokens_of({(90, 60): RED})
    pictures, _ = kept(shown, tokens_of({(90, 60): BLUE}))
    only_first, only_second = torch.tensor([[True, False]]), torch.tensor([[False, True]])
    assert int(recognised(now, pictures, only_first).argmax()) == patch_of((50, 20))
    assert int(recognised(now, pictures, only_second).argmax()) == patch_of((50, 100))
    nothing = recognised(now, pictures, torch.zeros(1, 2, dtype=torch.bool))
    assert torch.equal(nothing, nothing_recognised(1))
