"""Lessons in which a policy learns to name what it sees, from what the teacher knows of the things in view.

Things are small, so it learns from windows of pictures, most of them about a thing: each cell with a thing's middle is of its kind,
those next to it do not matter, all others show nothing that has a name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from embodied_mem.errors import InvalidMessage
from embodied_mem.policy.naming import CELL_PX, HEIGHT_PX, WIDTH_PX, Naming, brightness, naming_pictures
from embodied_mem.policy.training import Progress, rate_at
from embodied_mem.policy.training_set import Demonstration, Thing

WINDOW_PX = 48
CELLS = WINDOW_PX // CELL_PX
WINDOWS = 96
ABOUT_THINGS = 0.75
"""What part of a step's windows lies about a thing; the others lie anywhere."""
RATE, WEIGHT_DECAY = 4e-3, 1e-2
NOTHING_WEIGHT = 0.3
"""What cells without a thing count, in parts of those with one."""
SHUFFLED = 0.3
"""How many windows get their colours' channels in another order: most kinds come in many colours."""
NOTHING, UNCLEAR = 0, -1


def known_words(demonstrations: Sequence[Demonstration]) -> tuple[str, ...]:
    """All names of things that the teachers of these demonstrations know, in alphabetical order."""
    return tuple(sorted({thing.name for one in demonstrations for seen in one.things for thing in seen}))


def learn_naming(
    demonstrations: Sequence[Demonstration],
    words: Sequence[str],
    *,
    steps: int,
    seed: int,
    device: torch.device,
    on_step: Callable[[Progress], None] = lambda _: None,
) -> Naming:
    """A network that names the kinds `words`, taught for so many steps; the same seed gives the same one on a CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        naming = Naming(len(words)).to(device)
    optimizer = torch.optim.AdamW(naming.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    windows = _Windows(demonstrations, words, np.random.default_rng(seed))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps) * RATE
        pictures, kinds = windows.draw()
        loss = _loss(naming(pictures.to(device)), kinds.to(device))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(naming.parameters(), 1.0)
        optimizer.step()
        on_step(Progress(what="naming", step=step + 1, num_steps=steps, loss=float(loss.detach())))
    return naming.cpu().eval()


class _Windows:
    """Draws windows of demonstrations' pictures with the kind of each of their cells; every kind as often as any other."""

    def __init__(
        self, demonstrations: Sequence[Demonstration], words: Sequence[str], rng: np.random.Generator
    ) -> None:
        self._rng = rng
        self._views = [
            (image, things)
            for one in demonstrations
            for image, things in zip(one.images, one.things, strict=bool(one.things))
            if things
        ]
        self._kind_of = {word: kind for kind, word in enumerate(words, start=NOTHING + 1)}
        self._shown: dict[str, list[tuple[int, Thing]]] = {word: [] for word in words}
        for view, (_, things) in enumerate(self._views):
            for thing in things:
                if thing.name in self._shown:
                    self._shown[thing.name].append((view, thing))
        missing = [word for word, shown in self._shown.items() if not shown]
        if missing:
            raise InvalidMessage(
                f"no demonstration shows {', '.join(missing)}; leave out these words, or record more."
            )

    def draw(self) -> tuple[Float[Tensor, "b 3 p p"], Int64[Tensor, "b r c"]]:
        """So many windows, and of what kind each of their cells is."""
        num_about = round(ABOUT_THINGS * WINDOWS)
        drawn = [self._window(is_about=number < num_about) for number in range(WINDOWS)]
        pictures, kinds = zip(*drawn, strict=True)
        contrast = torch.from_numpy(self._rng.uniform(0.8, 1.2, (WINDOWS, 1, 1, 1)).astype(np.float32))
        return brightness(torch.stack(pictures)) * contrast, torch.from_numpy(np.stack(kinds))

    def _window(self, *, is_about: bool) -> tuple[UInt8[Tensor, "3 p p"], Int64[np.ndarray, "r c"]]:
        rng = self._rng
        if is_about:
            shown = self._shown[list(self._shown)[int(rng.integers(len(self._shown)))]]
            view, thing = shown[int(rng.integers(len(shown)))]
            middle = (
                np.array([thing.column * WIDTH_PX, thing.row * HEIGHT_PX])
                + rng.uniform(-0.35, 0.35, 2) * WINDOW_PX
            )
        else:
            view, middle = int(rng.integers(len(self._views))), rng.uniform(0, (WIDTH_PX, HEIGHT_PX))
        x, y = np.clip((middle - WINDOW_PX / 2).astype(int), 0, (WIDTH_PX - WINDOW_PX, HEIGHT_PX - WINDOW_PX))
        image, things = self._views[view]
        picture = naming_pictures(torch.from_numpy(image)[None])[0, :, y : y + WINDOW_PX, x : x + WINDOW_PX]
        kinds = self._kinds(things, int(x), int(y))
        if rng.random() < 0.5:
            picture, kinds = picture.flip(2), kinds[:, ::-1].copy()
        if rng.random() < SHUFFLED:
            picture = picture[torch.from_numpy(rng.permutation(3))]
        return picture, kinds

    def _kinds(self, things: Sequence[Thing], x: int, y: int) -> Int64[np.ndarray, "r c"]:
        """Of each cell of the window with this corner; one cell more at every side while it is made."""
        kinds = np.full((CELLS + 2, CELLS + 2), NOTHING)
        middles = [
            (self._kind_of[one.name], int((one.row * HEIGHT_PX - y) // CELL_PX) + 1, int((one.column * WIDTH_PX - x) // CELL_PX) + 1)
            for one in things
            if one.name in self._kind_of
        ]  # fmt: skip
        near = [one for one in middles if 0 <= one[1] < CELLS + 2 and 0 <= one[2] < CELLS + 2]
        for _, row, column in near:
            kinds[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = UNCLEAR
        for kind, row, column in near:
            kinds[row, column] = kind
        return kinds[1:-1, 1:-1]


def _loss(logits: Float[Tensor, "b k r c"], kinds: Int64[Tensor, "b r c"]) -> Float[Tensor, ""]:
    """The cross-entropy of the cells with a thing, and of those without in parts of it; as many count as there are things."""
    errors = nn.functional.cross_entropy(logits, kinds, ignore_index=UNCLEAR, reduction="none")
    is_nothing = kinds == NOTHING
    num_things = (kinds > NOTHING).sum().clamp(min=1)
    wrong: Tensor = (errors * torch.where(is_nothing, NOTHING_WEIGHT, 1.0)).sum() / num_things
    return wrong
