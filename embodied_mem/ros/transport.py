"""Which transport the nodes use: the Fast DDS profile without which images are lost between processes."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path

PROFILE_PATH = Path(__file__).with_name("fastdds.xml")
PROFILE_VARIABLE = "FASTDDS_DEFAULT_PROFILES_FILE"
MAX_DOMAIN_ID = 101
"""The highest ROS_DOMAIN_ID whose ports lie below Linux's ephemeral ones."""


def node_environment(
    *, domain_id: int | None = None, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Environment variables for a node's process on this machine: our profile, no spinning threads, EGL rendering.

    What `base` (default: this process's environment) already sets is kept, but a given `domain_id` wins.
    """
    environment = dict(os.environ if base is None else base)
    if domain_id is not None:
        environment["ROS_DOMAIN_ID"] = str(domain_id)
    environment.setdefault(PROFILE_VARIABLE, str(PROFILE_PATH))
    environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    environment.setdefault("GOMP_SPINCOUNT", "0")
    environment.setdefault("MUJOCO_GL", "egl")
    environment.setdefault("PYTHONUNBUFFERED", "1")
    return environment


def random_domain_id() -> int:
    """A ROS domain that other runs on this machine most likely do not use."""
    return random.SystemRandom().randint(1, MAX_DOMAIN_ID)


def transport_problem(environment: Mapping[str, str] | None = None) -> str | None:
    """What is wrong with the transport's settings, with the remedy, or None when images will get through."""
    environment = os.environ if environment is None else environment
    if environment.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp") not in (
        "rmw_fastrtps_cpp",
        "rmw_fastrtps_dynamic_cpp",
    ):
        return None
    profile = environment.get(PROFILE_VARIABLE, "")
    remedy = f"Set {PROFILE_VARIABLE}={PROFILE_PATH} in every process before it starts; our launch files do."
    if not profile:
        return f"{PROFILE_VARIABLE} is not set: Fast DDS loses images between processes. {remedy}"
    if not Path(profile).is_file():
        return f"{PROFILE_VARIABLE} names {profile}, which does not exist: Fast DDS loses images. {remedy}"
    return None
