"""What tests and first steps need: a room without a simulator, a clock that only moves when told to, contracts."""

from embodied_mem.testing.fake_clock import FakeClock
from embodied_mem.testing.memory_layer_contract import MemoryLayer, check_memory_layer
from embodied_mem.testing.synthetic_room import SyntheticRoom, Thing

__all__ = ["FakeClock", "MemoryLayer", "SyntheticRoom", "Thing", "check_memory_layer"]
