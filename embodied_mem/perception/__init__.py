"""Frame -> Percept: which pixels are which thing, where those things are in world, what they look like.

`rectification` (OpenCV) undistorts a frame and registers depth to colour; it is imported only where it is used.
"""

from embodied_mem.perception.colors import COLOR_NAMES, color_name
from embodied_mem.perception.perceive import Perception, PerceptionConfig

__all__ = ["COLOR_NAMES", "Perception", "PerceptionConfig", "color_name"]
