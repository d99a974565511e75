"""Simulated worlds behind the Gymnasium interface. Import as `embodied_mem.envs`, which registers their ids."""

from __future__ import annotations

if __name__ == "envs":
    raise ImportError(
        "`import envs` found the package by its bare name, which would load it a second time beside "
        "embodied_mem.envs. Write `import embodied_mem.envs` instead."
    )

from typing import Any

import gymnasium

from .mujoco.mobile import HOME_TASK_NAMES, TRACK_PERSON
from .mujoco.tabletop import NUM_DISTRACTING_SCENES, TASK_NAMES

HOUSEHOLD_ID = "EmbodiedMem/Household-v0"
HABITAT_ID = "EmbodiedMem/Habitat-v0"
TRACKING_ENTRY = "embodied_mem.envs.mujoco.mobile.tracking:TrackPersonEnv"
MOBILE_ENTRY = "embodied_mem.envs.mujoco.mobile.env:MobileTaskEnv"
TABLETOP_ENTRY = "embodied_mem.envs.mujoco.tabletop.env:TabletopEnv"

__all__ = ["HABITAT_ID", "HOUSEHOLD_ID", "register_all", "task_id"]


def task_id(task: str, *, num_distracting_scenes: int = 0) -> str:
    """The registered id of a memory task: plain, or with the scenes that its Interference variant has."""
    return (
        f"EmbodiedMem/{task}-Interference{num_distracting_scenes}-v0"
        if num_distracting_scenes
        else f"EmbodiedMem/{task}-v0"
    )


def register_all() -> None:
    """Makes `gymnasium.make("EmbodiedMem/...")` work; simulators load only when an env is made."""
    if HOUSEHOLD_ID not in gymnasium.registry:
        gymnasium.register(id=HOUSEHOLD_ID, entry_point="embodied_mem.envs.mujoco.household:HouseholdEnv")
    if HABITAT_ID not in gymnasium.registry:
        gymnasium.register(id=HABITAT_ID, entry_point="embodied_mem.envs.habitat.env:HabitatEnv")
    for task in (*TASK_NAMES, *HOME_TASK_NAMES):
        for num_scenes in (0, NUM_DISTRACTING_SCENES):
            env_id = task_id(task, num_distracting_scenes=num_scenes)
            if env_id not in gymnasium.registry:
                gymnasium.register(id=env_id, **_made_by(task, num_scenes))


def _made_by(task: str, num_scenes: int) -> dict[str, Any]:
    options = {"interference": num_scenes} if num_scenes else {}
    if task == TRACK_PERSON:
        return {"entry_point": TRACKING_ENTRY, "kwargs": options}
    return {
        "entry_point": TABLETOP_ENTRY if task in TASK_NAMES else MOBILE_ENTRY,
        "kwargs": {"task": task, **options},
    }


register_all()
