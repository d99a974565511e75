"""Every test has a ROS domain of its own, on this machine only."""

import random

import pytest

from .robot_bench import Bench


@pytest.fixture(autouse=True)
def _own_domain(monkeypatch):
    from embodied_mem.ros.transport import PROFILE_PATH, PROFILE_VARIABLE

    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv(PROFILE_VARIABLE, str(PROFILE_PATH))
    monkeypatch.setenv("ROS_DOMAIN_ID", str(random.SystemRandom().randint(1, 101)))


@pytest.fixture
def bench():
    made = []

    def make(**parameters):
        made.append(Bench(parameters))
        return made[-1]

    yield make
    for one in made:
        one.close()
