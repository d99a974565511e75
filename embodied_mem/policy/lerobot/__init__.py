"""Memory for LeRobot's policies: importing this registers a processor step and a policy with LeRobot, by name.

`MemoryContextStep` ("embodied_mem_context") gives what a RobotMemory knows to any policy, in its task and as cameras.
`RememberingPolicy` ("remembering") is any LeRobot policy with a bank behind its tokens. See docs/policy.md.
"""

from embodied_mem.policy.lerobot.configuration_remembering import RememberingConfig
from embodied_mem.policy.lerobot.context_step import MemoryContextStep
from embodied_mem.policy.lerobot.modeling_remembering import RememberingPolicy

__all__ = ["MemoryContextStep", "RememberingConfig", "RememberingPolicy"]
