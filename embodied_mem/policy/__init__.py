"""Where a policy meets the memory: `MemoryAdapter` puts a bank into a torch policy that was made without one."""

from embodied_mem.policy.adapter import MemoryAdapter

__all__ = ["MemoryAdapter"]
