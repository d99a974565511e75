"""Simulated worlds behind the Gymnasium interface. Import as `embodied_mem.envs`, which registers their ids."""

from __future__ import annotations

if __name__ == "envs":
    raise ImportError(
        "`import envs` found the package by its bare name, which would load it a second time beside "
        "embodied_mem.envs. Write `import embodied_mem.envs` instead."
    )

import gymnasium

HOUSEHOLD_ID = "EmbodiedMem/Household-v0"

__all__ = ["HOUSEHOLD_ID", "register_all"]


def register_all() -> None:
    """Makes `gymnasium.make("EmbodiedMem/...")` work; simulators load only when an env is made."""
    if HOUSEHOLD_ID not in gymnasium.registry:
        gymnasium.register(id=HOUSEHOLD_ID, entry_point="embodied_mem.envs.mujoco.household:HouseholdEnv")


register_all()
