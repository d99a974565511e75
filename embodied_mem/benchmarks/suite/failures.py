"""Failed episodes again, as videos and as strips for the page: an episode is a function of its seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from embodied_mem.benchmarks.suite.play_out import Cell, play_out
from embodied_mem.benchmarks.suite.running import Done

MOST_IN_STRIP = 12
FRAME_MS = 400


def show_failures(done: Done, folder: Path, *, at_most: int) -> dict[str, UInt8[np.ndarray, "h w 3"]]:
    """Plays a failure of up to `at_most` tasks again, of the best memory that has one, and writes each as a GIF.

    Returns a strip of pictures for each, by caption.
    """
    strips: dict[str, UInt8[np.ndarray, "h w 3"]] = {}
    shown: set[str] = set()
    for cell, outcomes in sorted(done.items(), key=lambda one: -sum(o.success for o in one[1].values())):
        failed = [outcome for outcome in outcomes.values() if not outcome.success]
        if failed and cell.task not in shown and len(shown) < at_most:
            shown.add(cell.task)
            pictures = _pictures(cell, failed[0].seed)
            name = f"{cell.task}-{_plain(cell.policy)}-{_plain(cell.memory)}-delay{cell.delay}-seed{failed[0].seed}"
            _write_gif(pictures, folder / f"{name}.gif")
            caption = (
                f"{cell.task}, memory {cell.memory}, seed {failed[0].seed}: {failed[0].failure} ({name}.gif)"
            )
            strips[caption] = _strip(pictures)
    return strips


def _plain(name: str) -> str:
    """A policy's or memory's name as part of a file's."""
    return Path(name).name.replace(":", ".")


def _pictures(cell: Cell, seed: int) -> list[UInt8[np.ndarray, "h w 3"]]:
    pictures: list[UInt8[np.ndarray, "h w 3"]] = []
    for _ in play_out(cell, (seed,), pictures.append):
        pass
    return pictures


def _strip(pictures: list[UInt8[np.ndarray, "h w 3"]]) -> UInt8[np.ndarray, "h w 3"]:
    chosen = np.unique(
        np.linspace(0, len(pictures) - 1, min(MOST_IN_STRIP, len(pictures))).round().astype(int)
    )
    return np.concatenate([pictures[i] for i in chosen], axis=1)


def _write_gif(pictures: list[UInt8[np.ndarray, "h w 3"]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *rest = (Image.fromarray(picture) for picture in pictures)
    first.save(path, save_all=True, append_images=rest, duration=FRAME_MS, loop=0)
