"""The one place where MuJoCo is imported, with an offscreen backend chosen before it loads."""

from __future__ import annotations

import os

from embodied_mem.errors import MissingExtra

if not os.environ.get("DISPLAY"):
    os.environ.setdefault("MUJOCO_GL", "egl")  # MuJoCo reads it once, while it is imported

try:
    import mujoco
except ImportError as error:
    raise MissingExtra(
        "the household world needs MuJoCo, which could not be imported; run `pip install mujoco` and, on Debian "
        "or Ubuntu, `apt install libegl1 libegl-mesa0 libgl1-mesa-dri` (or libosmesa6 with MUJOCO_GL=osmesa)"
    ) from error

__all__ = ["mujoco"]
