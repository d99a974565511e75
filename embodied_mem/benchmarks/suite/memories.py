"""Baseline memories: none, the last few frames, a dictionary of where things were last, a list of everything."""

from __future__ import annotations

from collections import deque

from embodied_mem.benchmarks.suite.protocol import Sighting
from embodied_mem.benchmarks.suite.seeing import sightings_of
from embodied_mem.messages import Event, Frame

NUM_STACKED = 4


class NoMemory:
    """Remembers nothing: what a policy does with it is its chance level."""

    def reset(self) -> None:
        """Nothing to forget."""

    def observe(self, frame: Frame) -> None:
        """Gone at once."""

    def record(self, event: Event) -> None:
        """Gone at once."""

    def sightings(self, label: str) -> list[Sighting]:
        return []

    def deeds(self, kind: str) -> list[Event] | None:
        return None


class FrameStack:
    """What was seen in the last few frames, as policies that stack frames have it."""

    def __init__(self, num_frames: int = NUM_STACKED) -> None:
        self._frames: deque[list[Sighting]] = deque(maxlen=num_frames)
        self._deeds: deque[list[Event]] = deque(maxlen=num_frames)

    def reset(self) -> None:
        self._frames.clear()
        self._deeds.clear()

    def observe(self, frame: Frame) -> None:
        self._frames.append(sightings_of(frame))
        self._deeds.append([])

    def record(self, event: Event) -> None:
        if self._deeds:
            self._deeds[-1].append(event)

    def sightings(self, label: str) -> list[Sighting]:
        return [one for frame in self._frames for one in frame if one.label == label]

    def deeds(self, kind: str) -> list[Event] | None:
        return [event for events in self._deeds for event in events if event.kind == kind]


class LastSeen:
    """A dictionary from label and colour to where such a thing was last."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._last: dict[tuple[str, str], Sighting] = {}

    def observe(self, frame: Frame) -> None:
        for one in sightings_of(frame):
            self._last[one.label, one.color] = one

    def record(self, event: Event) -> None:
        """A dictionary of places has no room for deeds."""

    def sightings(self, label: str) -> list[Sighting]:
        found = [one for (kept, _), one in self._last.items() if kept == label]
        return sorted(found, key=lambda one: one.from_ns)

    def deeds(self, kind: str) -> list[Event] | None:
        return None


class AppendOnly:
    """Everything that was ever seen and done, in a list."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._seen: list[Sighting] = []
        self._deeds: list[Event] = []

    def observe(self, frame: Frame) -> None:
        self._seen += sightings_of(frame)

    def record(self, event: Event) -> None:
        self._deeds.append(event)

    def sightings(self, label: str) -> list[Sighting]:
        return [one for one in self._seen if one.label == label]

    def deeds(self, kind: str) -> list[Event] | None:
        return [event for event in self._deeds if event.kind == kind]
