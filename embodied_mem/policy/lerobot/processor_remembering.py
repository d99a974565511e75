"""The processors of a LeRobot policy with memory: those of the policy itself, after what the memory knows was added."""

from __future__ import annotations

from typing import Any

from lerobot.policies.factory import make_pre_post_processors

from embodied_mem.policy.lerobot.configuration_remembering import RememberingConfig
from embodied_mem.policy.lerobot.context_step import MemoryContextStep


def make_remembering_pre_post_processors(
    config: RememberingConfig, dataset_stats: dict[str, Any] | None = None, dataset_meta: Any = None
) -> tuple[Any, Any]:
    """The base's processors; the first step is a `MemoryContextStep` where the config asks for one."""
    base = config.base_config
    before, after = make_pre_post_processors(base, dataset_stats=dataset_stats, dataset_meta=dataset_meta)
    if config.memory_cameras or config.tells_task:
        step = MemoryContextStep(cameras=list(config.memory_cameras), tells_task=config.tells_task)
        before.steps = [step, *before.steps]
    return before, after
