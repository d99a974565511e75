"""The floors of the building: nothing imports upwards, layers do not know each other, truth stays outside."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "embodied_mem"

FLOORS = [
    {"messages", "geometry", "errors", "config"},
    {"store"},
    {"perception"},
    {"layers"},
    {"context"},
    {"robot_memory"},
    {"policy"},
    {"testing", "sensing"},
    {"viz", "envs"},
    {"replay"},
    {"ros", "serve"},
    {"benchmarks"},
    {"cli"},
]
"""Lowest first; a module may import its own part and those on lower floors."""

HEAVY = {
    "torch",
    "warp",
    "rclpy",
    "mujoco",
    "habitat_sim",
    "open3d",
    "rerun",
    "cv2",
    "scipy",
    "apsw",
    "hydra",
    "omegaconf",
    "gymnasium",
    "matplotlib",
    "rosbags",
}


ROS_PACKAGES = {"rclpy", "sensor_msgs", "nav_msgs", "geometry_msgs", "tf2_msgs", "embodied_mem_interfaces"}


def python_files(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*.py") if "__pycache__" not in p.parts)


def imported_modules(path: Path, *, package: str) -> Iterator[tuple[str, bool]]:
    """(dotted module, is it imported at the module's top level outside TYPE_CHECKING) of each import in `path`."""
    tree = ast.parse(path.read_text())
    type_checking = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    }
    top_level = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in top_level and id(node) not in type_checking
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join(parts[: len(parts) - node.level + 1])
                module = f"{base}.{module}" if module else base
            if module == "embodied_mem":
                for alias in node.names:
                    yield f"embodied_mem.{alias.name}", id(node) in top_level
            else:
                yield module, id(node) in top_level and id(node) not in type_checking


def files_of(*names: str) -> list[Path]:
    """Python files of parts of the package, given as folder or file names."""
    roots = [PACKAGE / name for name in names if (PACKAGE / name).exists()]
    return [path for root in roots for path in (python_files(root) if root.is_dir() else [root])]


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def floor_of(part: str) -> int:
    for index, parts in enumerate(FLOORS):
        if part in parts:
            return index
    raise AssertionError(
        f"embodied_mem/{part} is on no floor; add it to FLOORS in tests/test_architecture.py"
    )


def package_of(path: Path) -> str:
    return ".".join(("embodied_mem", *path.relative_to(PACKAGE).with_suffix("").parts[:-1]))


ALL_FILES = [p for p in python_files(PACKAGE) if p != PACKAGE / "__init__.py" and "configs" not in p.parts]


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_imports_upwards(path: Path) -> None:
    part = part_of(path)
    for module, _ in imported_modules(path, package=package_of(path)):
        if module.startswith("embodied_mem."):
            other = module.split(".")[1]
            if other.startswith("__") or other in ("RobotMemory", "RobotMemoryConfig"):
                continue
            if not ((PACKAGE / other).exists() or (PACKAGE / f"{other}.py").exists()):
                continue  # a name re-exported by the package itself
            is_ground = part in FLOORS[0] and other in FLOORS[0]
            is_below = other == part or is_ground or floor_of(other) < floor_of(part)
            assert is_below, f"{path} imports {module}, which lies above it"


def test_sensor_messages_and_bags_are_read_without_ros() -> None:
    for path in files_of("sensing", "replay"):
        for module, _ in imported_modules(path, package=package_of(path)):
            assert module.split(".")[0] not in ROS_PACKAGES, f"{path} imports {module}"


def test_layers_never_import_each_other() -> None:
    for path in python_files(PACKAGE / "layers"):
        relative = path.relative_to(PACKAGE / "layers")
        if len(relative.parts) == 1:
            continue
        for module, _ in imported_modules(path, package=package_of(path)):
            if module.startswith("embodied_mem.layers."):
                assert module.split(".")[2] == relative.parts[0], f"{path} imports {module}"


def test_the_core_imports_with_numpy_jaxtyping_and_beartype_alone() -> None:
    code = (
        "import sys, embodied_mem, embodied_mem.messages, embodied_mem.geometry, embodied_mem.errors, "
        "embodied_mem.config; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not HEAVY & set(loaded)


def test_core_code_reads_no_clock_no_environment_and_prints_nothing() -> None:
    forbidden = ("print", "time.time", "time.time_ns", "datetime.now", "os.getenv", "os.environ.get")
    for path in files_of("messages", "geometry.py", "errors.py", "perception", "layers", "robot_memory.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in forbidden, f"{path}:{node.lineno}"


def test_the_memory_never_reads_the_simulator_or_its_truth() -> None:
    for path in files_of("store", "perception", "layers", "robot_memory.py"):
        for module, _ in imported_modules(path, package=package_of(path)):
            assert not module.startswith(("embodied_mem.envs", "envs", "mujoco", "habitat_sim")), (
                f"{path}: {module}"
            )


def test_the_truth_of_the_demo_reads_only_the_simulators_log() -> None:
    truth = PACKAGE / "envs" / "mujoco" / "truth.py"
    for module, _ in imported_modules(truth, package=package_of(truth)):
        assert not module.startswith(("mujoco", "embodied_mem.robot_memory", "embodied_mem.layers")), module
        assert not module.startswith("embodied_mem.envs.mujoco.household"), module


def test_only_the_cli_prints() -> None:
    for path in ALL_FILES:
        if part_of(path) in ("cli", "benchmarks"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            is_print = (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            )
            assert not is_print, f"{path}:{getattr(node, 'lineno', 0)} prints"
