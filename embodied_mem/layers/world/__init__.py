"""What is in the place, where, and how that changed: entities with an identity of their own, and bitemporal facts.

`world_layer.WorldLayer` takes percepts and the robot's own events, and answers where, find, history, changes, count.
"""

from embodied_mem.layers.world.settings import WorldConfig
from embodied_mem.layers.world.world_layer import WorldLayer

__all__ = ["WorldConfig", "WorldLayer"]
