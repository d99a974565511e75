"""The demo on real ROS 2 nodes: simulator, memory and driver, each a process of its own; asked through services."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from embodied_mem.benchmarks.demo.asking import ask_all
from embodied_mem.benchmarks.demo.children import Children
from embodied_mem.benchmarks.demo.outcome import Outcome
from embodied_mem.benchmarks.demo.questions import demo_questions
from embodied_mem.benchmarks.demo.truth import scene_from_log
from embodied_mem.errors import MissingExtra
from embodied_mem.ros.transport import node_environment, random_domain_id

if TYPE_CHECKING:
    from embodied_mem.benchmarks.run_configs import EpisodeConfig

READY_S, EPISODE_S, FINISH_S = 60.0, 600.0, 60.0
NODES = {"sim_node": "embodied_mem.ros.sim_node", "memory_node": "embodied_mem.ros.memory_node"}


def run_demo(config: EpisodeConfig, folder: Path, on_progress: Callable[[str], None]) -> Outcome:
    """One episode in lockstep over ROS, then the questions through the Query service; every process is ended.

    Raises:
        MissingExtra: rclpy or the interfaces are not installed.
        ProcessFailed: a node ended early or the episode did not; the message ends with its log.
    """
    start_s = time.perf_counter()
    domain_id = random_domain_id()
    environment = node_environment(domain_id=domain_id)
    os.environ.update(environment)  # this process is a node too
    client_of = _client_type()
    log_path, memory_path = folder / "simulator.jsonl", folder / "memory"
    parameters = _parameter_files(config, folder, log_path, memory_path)
    with Children(folder, environment) as children:
        for name, module in NODES.items():
            children.start(name, module, ["--ros-args", "--params-file", str(parameters[name])])
        on_progress("waiting for the nodes")
        with _asking_node(domain_id) as node:
            client = client_of(node)
            client.wait_until_ready(READY_S)
            children.check_running(*NODES)
            driver = ["--ros-args", "--params-file", str(parameters["driver"])]
            children.start("driver", "embodied_mem.ros.driver", driver)
            _wait_for_driver(children, folder, on_progress)
            client.wait_until_done(_last_stamp_ns(log_path), FINISH_S)
            episode_s = time.perf_counter() - start_s
            on_progress("asking")
            graded = ask_all(demo_questions(scene_from_log(log_path)), client.recall)
            dropped = int(client.status.frames_dropped) if client.status is not None else 0
            observed = int(client.status.frames_observed) if client.status is not None else 0
            client.save()
            client.close()
    path_world = _robot_path(log_path)
    return Outcome(
        graded=graded, memory_path=memory_path, log_path=log_path, path_world=path_world,
        wall_s=time.perf_counter() - start_s,
        figures={
            "steps": len(path_world), "frames_observed": observed, "frames_dropped": dropped, "episode_s": episode_s,
        },
    )  # fmt: skip


def _client_type() -> Any:
    try:
        from embodied_mem.ros.client import MemoryClient
    except ImportError as error:
        raise MissingExtra(
            f"the demo needs rclpy and embodied_mem_interfaces ({error}); run `make setup`, or run the demo in one "
            "process without ROS: embodied-mem demo --local"
        ) from error
    return MemoryClient


class _asking_node:  # noqa: N801 (used like a function, in a with statement)
    """A node in this process for as long as the block lasts."""

    def __init__(self, domain_id: int) -> None:
        self._domain_id = domain_id

    def __enter__(self) -> Any:
        import rclpy

        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=self._domain_id)
        self._node = rclpy.create_node("demo", context=self._context)
        return self._node

    def __exit__(self, *_: object) -> None:
        self._node.destroy_node()
        self._context.try_shutdown()


def _parameter_files(
    config: EpisodeConfig, folder: Path, log_path: Path, memory_path: Path
) -> dict[str, Path]:
    from embodied_mem.ros.parameters import to_parameters

    options = dataclasses.asdict(config.env.options)
    logged = {**options, "log_path": str(log_path.resolve())}
    memory = {f"memory.{name}": value for name, value in to_parameters(config.memory).items()}
    chosen: dict[str, dict[str, Any]] = {
        "sim_node": {
            "env": config.env.id, "env_options": json.dumps(logged), "seed": config.seed, "lockstep": True,
            "control_hz": config.env.options.control_hz, "steps_per_frame": config.observe_every,
        },
        "memory_node": {
            **memory, "use_sim_time": True, "path": str(memory_path.resolve()), "input.use_segmentation": True,
            "input.reliability": "reliable",
        },
        "driver": {"env": config.env.id, "env_options": json.dumps(options), "seed": config.seed},
    }  # fmt: skip
    paths = {}
    for name, values in chosen.items():
        paths[name] = folder / f"{name}.yaml"
        paths[name].write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}), encoding="utf-8")
    return paths


def _wait_for_driver(children: Children, folder: Path, on_progress: Callable[[str], None]) -> None:
    end_s = time.monotonic() + EPISODE_S
    while (code := children.exit_code("driver")) is None:
        children.check_running(*NODES)
        if time.monotonic() > end_s:
            raise children.failure("driver", f"had not finished the episode after {EPISODE_S:g} s")
        lines = children.tail("driver").splitlines()
        on_progress(lines[-1].rpartition("]: ")[2] if lines else "driving")
        time.sleep(0.25)
    if code != 0:
        raise children.failure("driver", f"ended with exit code {code}")


def _last_stamp_ns(log_path: Path) -> int:
    return int(_frames(log_path)[-1]["stamp_ns"])


def _robot_path(log_path: Path) -> np.ndarray:
    return np.array([[*frame["robot"][:2], 0.0] for frame in _frames(log_path)], dtype=np.float64)


def _frames(log_path: Path) -> list[dict[str, Any]]:
    # Timing and the picture's path only; the truth is read by truth.py.
    records = (json.loads(line) for line in log_path.read_text(encoding="utf-8").splitlines())
    return [record for record in records if record["type"] == "frame"]
