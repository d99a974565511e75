"""What tests and first steps need: a room without a simulator, a clock that only moves when told to."""

from embodied_mem.testing.fake_clock import FakeClock
from embodied_mem.testing.synthetic_room import SyntheticRoom, Thing

__all__ = ["FakeClock", "SyntheticRoom", "Thing"]
