"""Where a policy meets the memory.

`seam` has `Policy.act(observation, context, instruction) -> ActionChunk` and `ChunkedExecution`; `ways` (prompt, extra
cameras), `prefix.PrefixTokens` and `adapter.MemoryAdapter` put memory into a policy that was made without one. The
subpackage `lerobot`, imported by itself, does so for LeRobot's policies by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embodied_mem.policy.seam import ActionChunk, ChunkedExecution, Observation, Policy

if TYPE_CHECKING:
    from embodied_mem.policy.adapter import MemoryAdapter
    from embodied_mem.policy.prefix import PrefixTokens

__all__ = ["ActionChunk", "ChunkedExecution", "MemoryAdapter", "Observation", "Policy", "PrefixTokens"]


def __getattr__(name: str) -> Any:
    # These two need torch; the seam itself does not, and a robot's client installs without it.
    if name == "MemoryAdapter":
        from embodied_mem.policy.adapter import MemoryAdapter

        return MemoryAdapter
    if name == "PrefixTokens":
        from embodied_mem.policy.prefix import PrefixTokens

        return PrefixTokens
    raise AttributeError(f"module 'embodied_mem.policy' has no attribute {name!r}; it has {__all__}.")
