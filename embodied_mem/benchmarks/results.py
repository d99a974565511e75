"""What every benchmark writes: rows with a goal each, what was run, with what, on what machine.

One JSON file (`outputs/bench/<name>.json`; the demo: `outputs/demo/result.json`) beside a self-contained HTML page.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from embodied_mem.errors import ConfigError, did_you_mean
from embodied_mem.store.whole_file import whole_file

if TYPE_CHECKING:
    from embodied_mem.viz.report import Section

PACKAGES = (
    "numpy", "mujoco", "gymnasium", "warp-lang", "torch", "scipy", "apsw", "opencv-python-headless", "hydra-core",
    "ros-kilted-rclpy",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a row's value must reach."""

    op: Literal[">=", "<="]
    value: float

    def is_met_by(self, value: float) -> bool:
        """NaN meets nothing."""
        return value >= self.value if self.op == ">=" else value <= self.value

    def __str__(self) -> str:
        return f"{self.op} {self.value:g}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured figure. `interval` is (low, high) of its spread; `baseline` what a rival or a trivial method
    reaches.
    """

    metric: str
    value: float
    unit: str = ""
    interval: tuple[float, float] | None = None
    baseline: float | None = None
    goal: Goal | None = None

    @property
    def ok(self) -> bool | None:
        """Whether the goal is met; None without one."""
        return None if self.goal is None else self.goal.is_met_by(self.value)

    def as_json(self) -> dict[str, Any]:
        goal = None if self.goal is None else dataclasses.asdict(self.goal)
        interval = None if self.interval is None else [_number(end) for end in self.interval]
        return {
            "metric": self.metric, "value": _number(self.value), "unit": self.unit, "interval": interval,
            "baseline": None if self.baseline is None else _number(self.baseline), "goal": goal, "ok": self.ok,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BenchmarkResult:
    """A finished run: `config` is what was chosen, `seeds` what was drawn; the rest is read from this machine."""

    name: str
    rows: tuple[Row, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    seeds: Sequence[int] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    """More keys for the JSON, such as the demo's table of questions."""
    sections: Sequence[Section] = ()
    """What the HTML page shows before the rows: pictures, tables, text."""

    @property
    def title(self) -> str:
        """The page's heading."""
        return f"embodied_mem: {self.name}"

    @property
    def misses(self) -> tuple[Row, ...]:
        """The rows that have a goal and miss it."""
        return tuple(row for row in self.rows if row.ok is False)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "commit": commit(), "config": dict(self.config), "seeds": list(self.seeds),
            "versions": versions(), "machine": machine(), "rows": [row.as_json() for row in self.rows],
            **self.extra,
        }  # fmt: skip


def measured(goals: Mapping[str, Goal], metric: str, value: float, unit: str = "", **more: Any) -> Row:
    """A row with its goal from the benchmark's table. A name such as `observe.cpu_ms/p95` takes no goal.

    Raises:
        ConfigError: a metric that the table does not list although it has no `/` (a typing error would lose a goal).
    """
    if metric not in goals and "/" not in metric:
        raise ConfigError(
            f"metric {metric!r} has no goal; goals are set for {sorted(goals)}.{did_you_mean(metric, goals)}"
        )
    return Row(metric=metric, value=float(value), unit=unit, goal=goals.get(metric), **more)


def write_json(result: BenchmarkResult, path: Path) -> Path:
    """Write the result's JSON, complete or not at all."""
    text = json.dumps(result.as_json(), indent=1, allow_nan=False) + "\n"
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def commit() -> str | None:
    """The commit that this source tree is at, `-dirty` when tracked files differ; None outside a checkout."""
    command = [
        "git",
        "-C",
        str(Path(__file__).parent),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=12",
        "--exclude=*",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of what its figures depend on, as far as installed."""
    found = {"python": platform.python_version()}
    for package in ("embodied_mem", *PACKAGES):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Processor, cores, memory and system."""
    return {
        "processor": _processor(), "cores": os.cpu_count(), "load_1min": round(os.getloadavg()[0], 2),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
    }  # fmt: skip


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _number(value: float) -> float | None:
    # JSON has no NaN or infinity: a figure that could not be measured is null, and its goal is missed.
    return value if math.isfinite(value) else None
