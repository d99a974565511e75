"""What was left out and why: a counter for each cause, and warnings of at most one a second for each. No ROS import."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

WARN_PERIOD_S = 1.0


class DropLog:
    """Counts what was dropped by cause, and lets through one warning a second for each cause. Thread-safe."""

    def __init__(self, warn: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._warn = warn
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._last_messages: dict[str, str] = {}
        self._warned_s: dict[str, float] = {}
        self._silent: Counter[str] = Counter()
        self.num_frames = 0

    def drop(self, stage: str, error: Exception, *, is_frame: bool = True) -> None:
        """Count one drop at `stage` because of `error`; `is_frame`: a frame was lost, not only a message."""
        cause = f"{stage}: {type(error).__name__}"
        with self._lock:
            self.num_frames += is_frame
            self._counts[cause] += 1
            self._last_messages[cause] = str(error)
            now_s = self._clock()
            if now_s - self._warned_s.get(cause, -WARN_PERIOD_S) < WARN_PERIOD_S:
                self._silent[cause] += 1
                return
            self._warned_s[cause] = now_s
            num_silent = self._silent.pop(cause, 0)
        again = f" ({num_silent} more like it since the last warning)" if num_silent else ""
        self._warn(
            f"{'frame' if is_frame else 'message'} dropped, {stage}: {' '.join(str(error).split())}{again}"
        )

    def counts(self) -> Mapping[str, int]:
        """How often each cause occurred."""
        with self._lock:
            return dict(self._counts)

    def last_messages(self) -> Mapping[str, str]:
        """The newest message of each cause, with its remedy."""
        with self._lock:
            return dict(self._last_messages)
