"""What every reader of recorded RGB-D gives: its length, and its frames in order of time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from embodied_mem.errors import EmbodiedMemError
from embodied_mem.messages import Frame


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A frame of a recording that cannot be used: which one, and why."""

    source: str
    error: EmbodiedMemError

    @property
    def cause(self) -> str:
        """What kind of fault it is, for counting."""
        return type(self.error).__name__


OnSkip = Callable[[Skipped], None]


def refuse(skipped: Skipped) -> None:
    """Raise at the first frame that cannot be used."""
    raise skipped.error


class Recording(ABC):
    """Frames that were recorded, with rising stamps. `len()` counts what the recording announces, for progress
    bars; frames that cannot be used are among them.
    """

    path: Path

    @property
    @abstractmethod
    def description(self) -> str:
        """What it is and where its parts come from, in one line."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def frames(self, on_skip: OnSkip = refuse) -> Iterator[Frame]:
        """The frames; what cannot be used goes to `on_skip`, which by default raises."""

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()
