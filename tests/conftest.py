"""Markers, what they need, and where real data lies.

`EMBODIED_MEM_REQUIRE=ros,mujoco` turns a missing requirement of those markers from a skip into a failure;
`EMBODIED_MEM_DATA` names the folder of real data (default: `shared/data` beside the checkout).
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("EMBODIED_MEM_DATA", REPOSITORY.parent / "shared" / "data"))

# A busy machine fails no test, and two runs of the tests try the same examples.
settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("MUJOCO_GL", "egl")


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _missing(marker: str) -> str | None:
    """Why tests with `marker` cannot run here, or None when they can."""
    if marker == "ros" and not (_has("rclpy") and _has("embodied_mem_interfaces")):
        return "rclpy or embodied_mem_interfaces is not installed; run `make setup`"
    if marker == "mujoco" and not _has("mujoco"):
        return "mujoco is not installed; run `make setup`"
    if marker == "habitat" and not _has("habitat_sim"):
        return "habitat_sim is not installed; see docs/habitat.md"
    if marker == "lerobot" and not _has("lerobot"):
        return "LeRobot is not installed; run `make test-lerobot`"
    if marker == "data" and not DATA.is_dir():
        return f"no real data at {DATA}; set EMBODIED_MEM_DATA"
    if marker == "gpu":
        import torch

        return None if torch.cuda.is_available() else "no CUDA device"
    if marker == "slow" and "slow" not in os.environ.get("EMBODIED_MEM_RUN", ""):
        return "slow; set EMBODIED_MEM_RUN=slow"
    return None


MARKERS = ("ros", "mujoco", "habitat", "lerobot", "data", "gpu", "slow")
IS_EXCUSED = pytest.StashKey[bool]()
"""Set for tests that lack something which nobody required."""


def _stage(item: pytest.Item) -> int:
    """Fast tests first, then those with two processes, then those that simulate."""
    markers = {mark.name for mark in item.iter_markers()}
    return 2 if "mujoco" in markers else 1 if "ros" in markers else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_stage)
    required = set(os.environ.get("EMBODIED_MEM_REQUIRE", "").split(","))
    for marker in MARKERS:
        marked = [item for item in items if item.get_closest_marker(marker)]
        reason = _missing(marker) if marked else None
        if reason and marker not in required:
            for item in marked:
                item.stash[IS_EXCUSED] = True
                item.add_marker(pytest.mark.skip(reason=reason))
        elif reason:
            raise pytest.UsageError(f"{marker} tests are required (EMBODIED_MEM_REQUIRE), but {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """A skip inside a test whose marker is required is a failure."""
    report = yield
    required = set(os.environ.get("EMBODIED_MEM_REQUIRE", "").split(","))
    is_required = any(item.get_closest_marker(marker) for marker in required if marker)
    if report.skipped and is_required and not item.stash.get(IS_EXCUSED, False):
        report.outcome = "failed"
        report.longrepr = f"skipped, but its marker is required: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data (use with the `data` marker)."""
    return DATA
