"""Simulated worlds behind the Gymnasium interface. Import as `embodied_mem.envs`, which registers their ids."""

from __future__ import annotations

if __name__ == "envs":
    raise ImportError(
        "`import envs` found the package by its bare name, which would load it a second time beside "
        "embodied_mem.envs. Write `import embodied_mem.envs` instead."
    )

import gymnasium

from .mujoco.mobile import MOBILE_TASK_NAMES
from .mujoco.tabletop import NUM_DISTRACTING_SCENES, TASK_NAMES, WITHOUT_GATE

HOUSEHOLD_ID = "EmbodiedMem/Household-v0"
HABITAT_ID = "EmbodiedMem/Habitat-v0"
TRACKING_ID = "EmbodiedMem/TrackPerson-v0"
TRACKING_ENTRY = "embodied_mem.envs.mujoco.mobile.tracking:TrackPersonEnv"
MOBILE_ENTRY = "embodied_mem.envs.mujoco.mobile.env:MobileTaskEnv"
TABLETOP_ENTRY = "embodied_mem.envs.mujoco.tabletop.env:TabletopEnv"

__all__ = ["HABITAT_ID", "HOUSEHOLD_ID", "register_all", "tabletop_id"]


def tabletop_id(task: str, *, num_distracting_scenes: int = 0) -> str:
    """The registered id of a tabletop task: plain, or with the scenes that its Interference variant has."""
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
    if TRACKING_ID not in gymnasium.registry:
        gymnasium.register(id=TRACKING_ID, entry_point=TRACKING_ENTRY)
    for task in MOBILE_TASK_NAMES:
        if f"EmbodiedMem/{task}-v0" not in gymnasium.registry:
            gymnasium.register(id=f"EmbodiedMem/{task}-v0", entry_point=MOBILE_ENTRY, kwargs={"task": task})
    for task in TASK_NAMES:
        for num_scenes in (0,) if task in WITHOUT_GATE else (0, NUM_DISTRACTING_SCENES):
            env_id = tabletop_id(task, num_distracting_scenes=num_scenes)
            if env_id not in gymnasium.registry:
                options = {"task": task, **({"interference": num_scenes} if num_scenes else {})}
                gymnasium.register(id=env_id, entry_point=TABLETOP_ENTRY, kwargs=options)


register_all()
