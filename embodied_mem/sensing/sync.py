"""Which images belong together: approximate time matching around the depth image.."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from embodied_mem.errors import EmbodiedMemError, StampRunsBackwards

PIVOT = "depth"


MAX_AHEAD_NS = 1_000_000_000
"""An image that waits is given up when one so much older comes after it: its stamp was wrong, not the newer one's."""


class StampFarAhead(EmbodiedMemError):
    """A depth image whose stamp lay far in the future of those that came after it."""


class NoPartner(EmbodiedMemError):
    """A depth image without the other images that belong to it."""


@dataclass(frozen=True, kw_only=True)
class Stamped:
    """A message and its stamp."""

    stamp_ns: int
    message: Any


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Images that were taken together; `stamp_ns` is the depth image's."""

    stamp_ns: int
    images: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Matched:
    """What adding one message led to: sets that are complete now, and depth images given up, with the reason."""

    sets: tuple[ImageSet, ...] = ()
    refused: tuple[EmbodiedMemError, ...] = ()


class ImageSynchronizer:
    """Finds for each depth image the nearest image of every other stream, at most `slop_ns` away.

    Sets come out in the order of their depth stamps. A set waits until no nearer image can come: until the other
    stream has one at or after the depth stamp. At most `capacity` depth images wait. One image with a wrong stamp in
    the future does not shut out those that follow, unless it was given out (see `go_back_to`).
    """

    def __init__(self, streams: Iterable[str], *, slop_ns: int, capacity: int = 30) -> None:
        self._others = {stream: deque[Stamped](maxlen=2 * capacity) for stream in streams if stream != PIVOT}
        self._waiting: deque[Stamped] = deque()
        self._slop_ns = slop_ns
        self._capacity = capacity
        self._last_out_ns = -1

    def clear(self) -> None:
        """Forget what waits, and accept stamps from anywhere again."""
        self._waiting.clear()
        self._last_out_ns = -1
        for queue in self._others.values():
            queue.clear()

    def add(self, stream: str, stamp_ns: int, message: Any) -> Matched:
        """Take one image in."""
        if stream != PIVOT:
            if stamp_ns >= self._last_out_ns - self._slop_ns:  # else no depth image is left for it
                _give_up_far_ahead(self._others[stream], stamp_ns)
                self._others[stream].append(Stamped(stamp_ns=stamp_ns, message=message))
            return self._match()
        if stamp_ns <= self._last_out_ns:
            return Matched(refused=(self._backwards(stamp_ns),))
        given_up = _give_up_far_ahead(self._waiting, stamp_ns)
        if stamp_ns <= self._newest_ns:
            return Matched(refused=(*given_up, self._backwards(stamp_ns)))
        self._waiting.append(Stamped(stamp_ns=stamp_ns, message=message))
        matched = self._match()
        return Matched(sets=matched.sets, refused=(*given_up, *matched.refused))

    def go_back_to(self, stamp_ns: int) -> None:
        """Sets given out after `stamp_ns` were of no use: accept depth images from then on again."""
        self._last_out_ns = stamp_ns

    @property
    def _newest_ns(self) -> int:
        return self._waiting[-1].stamp_ns if self._waiting else self._last_out_ns

    def flush(self) -> Matched:
        """Give out what still waits, as the streams have ended."""
        outcomes = [self._assemble(depth) for depth in self._waiting]
        self._waiting.clear()
        return Matched(
            sets=tuple(outcome for outcome in outcomes if isinstance(outcome, ImageSet)),
            refused=tuple(outcome for outcome in outcomes if isinstance(outcome, NoPartner)),
        )

    def _backwards(self, stamp_ns: int) -> EmbodiedMemError:
        return StampRunsBackwards(
            f"a depth image of stamp {stamp_ns} came after one of {self._newest_ns}; stamps must rise. If the "
            "clock was set back or the recording starts over, reset the memory (~/reset) or start the node again."
        )

    def _match(self) -> Matched:
        sets: list[ImageSet] = []
        refused: list[EmbodiedMemError] = []
        while self._waiting:
            depth = self._waiting[0]
            missing = [
                name for name, queue in self._others.items() if not self._is_decided(queue, depth.stamp_ns)
            ]
            if missing and len(self._waiting) <= self._capacity:
                break
            self._waiting.popleft()
            outcome = self._assemble(depth)
            if isinstance(outcome, ImageSet):
                sets.append(outcome)
                self._last_out_ns = outcome.stamp_ns
            else:
                refused.append(outcome)
        return Matched(sets=tuple(sets), refused=tuple(refused))

    @staticmethod
    def _is_decided(queue: deque[Stamped], stamp_ns: int) -> bool:
        return any(image.stamp_ns >= stamp_ns for image in reversed(queue))

    def _assemble(self, depth: Stamped) -> ImageSet | NoPartner:
        images = {PIVOT: depth.message}
        for name, queue in self._others.items():
            nearest = min(queue, key=lambda image: abs(image.stamp_ns - depth.stamp_ns), default=None)
            if nearest is None:
                return NoPartner(
                    f"no {name} image has come yet. Check that {name} is published and remapped "
                    f"(ros2 topic hz), or set use_{name} to false."
                )
            if abs(nearest.stamp_ns - depth.stamp_ns) > self._slop_ns:
                return NoPartner(
                    f"the nearest {name} image is {abs(nearest.stamp_ns - depth.stamp_ns) / 1e9:.3f} s from the depth "
                    f"image; allowed is {self._slop_ns / 1e9:.3f} s. Trigger both together, or raise slop_s."
                )
            images[name] = nearest.message
        return ImageSet(stamp_ns=depth.stamp_ns, images=images)


def _give_up_far_ahead(queue: deque[Stamped], stamp_ns: int) -> list[EmbodiedMemError]:
    """Take out what lies too far in the future of `stamp_ns`, which came after it; why, for each."""
    refused: list[EmbodiedMemError] = []
    while queue and queue[-1].stamp_ns - stamp_ns > MAX_AHEAD_NS:
        ahead_s = (queue[-1].stamp_ns - stamp_ns) / 1e9
        refused.append(
            StampFarAhead(
                f"a depth image of stamp {queue.pop().stamp_ns} lies {ahead_s:.3f} s in the future of the one that came "
                "after it. Check the driver's clock (NTP, or PTP of the camera)."
            )
        )
    return refused
