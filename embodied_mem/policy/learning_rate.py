"""How fast is learned at each step: a short rise, then a fall along a cosine."""

from __future__ import annotations

import math


def rate_at(step: int, num_steps: int) -> float:
    """What part of the highest rate is used at a step: it rises for up to 50 steps and ends at 0.02."""
    warm = min(50, max(1, num_steps // 10))
    if step < warm:
        return (step + 1) / warm
    return 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, num_steps - warm)))
