"""A clock that moves only when told to."""

from __future__ import annotations


class FakeClock:
    """Nanoseconds since a chosen start."""

    def __init__(self, start_ns: int = 1_000_000_000) -> None:
        self.now_ns = start_ns

    def advance(self, seconds: float) -> int:
        """Move on by `seconds` (>= 0) and return the new time in nanoseconds."""
        if seconds < 0:
            raise ValueError(f"a clock cannot go back by {-seconds} s; advance it by 0 or more")
        self.now_ns += round(seconds * 1e9)
        return self.now_ns
