"""Messages, boxes and arrays as plain JSON values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from embodied_mem.messages import Area

MAX_ARRAY = 4096
"""Longer arrays are told by their shape: nobody reads them in a JSON answer."""


def plain(value: Any) -> Any:
    """Plain JSON values; NaN and infinity become null, areas their size and centre."""
    if isinstance(value, Area):
        return {
            "size_m2": round(value.size_m2, 2),
            "center_world_m": [round(float(c), 3) for c in value.center],
        }
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist()) if value.size <= MAX_ARRAY else {"shape": list(value.shape)}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, (bool, int, str, type(None))) else str(value)
