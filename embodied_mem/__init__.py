"""The memory a robot's policy reads.

    from embodied_mem import RobotMemory
    memory = RobotMemory.open("home.emem")
    memory.observe(frame)                 # posed RGB-D in
    memory.where("red mug").value         # typed answers with evidence out

`embodied_mem.messages` has what flows in and out, `embodied_mem.robot_memory` the spine. Importing this package
needs numpy, jaxtyping and beartype only; `RobotMemory` loads the layers on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embodied_mem.messages import Detection, Event, Frame, Interval, PinholeCamera, Query, Region

if TYPE_CHECKING:
    from embodied_mem.robot_memory import RobotMemory, RobotMemoryConfig

__version__ = "0.1.0"

__all__ = [
    "Detection",
    "Event",
    "Frame",
    "Interval",
    "PinholeCamera",
    "Query",
    "Region",
    "RobotMemory",
    "RobotMemoryConfig",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in ("RobotMemory", "RobotMemoryConfig"):
        from embodied_mem import robot_memory

        return getattr(robot_memory, name)
    raise AttributeError(f"module 'embodied_mem' has no attribute {name!r}; it has {__all__}.")
