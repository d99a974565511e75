"""Does a memory node keep up with a camera in another process? Counts frames, asks meanwhile, watches its memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rclpy
import yaml

from embodied_mem.messages import Query
from embodied_mem.ros.client import MemoryClient, MemoryUnreachable
from embodied_mem.ros.transport import PROFILE_VARIABLE, node_environment, random_domain_id

STOP_S = 15.0
SAMPLE_S = 1.0
ASK_PERIOD_S = 0.04
QUESTIONS = (
    Query(kind="where", entity="red mug"),
    Query(kind="find", label="mug"),
    Query(kind="history", entity="bottle"),
    Query(kind="changes"),
    Query(kind="count", label="mug"),
)


@contextmanager
def node_process(
    module: str,
    *,
    parameters: dict[str, Any],
    environment: dict[str, str],
    log_path: Path,
    node: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A node of this package in a process of its own, ended by its id when the block ends.

    `parameters` are dotted names; `node` is the node's name (default: the module's last word).
    """
    name = node or module.rpartition(".")[2]
    params_path = log_path.with_suffix(".yaml")
    params_path.write_text(yaml.safe_dump({f"/{name}": {"ros__parameters": parameters}}), encoding="utf-8")
    command = [sys.executable, "-m", module, "--ros-args", "--params-file", str(params_path)]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def measure_stream(
    seconds: float = 60.0,
    hz: float = 15.0,
    *,
    width_px: int = 640,
    height_px: int = 480,
    memory: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Stream RGB-D with segmentation to a memory node for `seconds` and ask it questions meanwhile; camera, memory and
    asker are separate processes. `memory` holds further parameters of the memory node, such as a `path`.

    Returns:
        `sent`, `received` (depth images that reached the node), `observed`, `dropped`, `delivered` (observed/sent),
        `update_ms`, `rss_mib` (one sample a second), `rss_growth_mib` (last against the end of the first third),
        `question_ms` (the round trip of each question).
    """
    environment = node_environment(domain_id=random_domain_id())
    camera = {"seconds": float(seconds), "hz": float(hz), "width_px": width_px, "height_px": height_px}
    with tempfile.TemporaryDirectory() as folder, _client_context(environment) as context:
        logs = Path(folder)
        memory_parameters = {"input.use_segmentation": True, **(memory or {})}
        with node_process(
            "embodied_mem.ros.memory_node",
            parameters=memory_parameters,
            environment=environment,
            log_path=logs / "memory.log",
        ) as memory_process:
            client = MemoryClient(rclpy.create_node("stream_watcher", context=context))
            client.wait_until_ready()
            with node_process(
                "embodied_mem.ros.room_node",
                parameters=camera,
                environment=environment,
                log_path=logs / "camera.log",
            ) as source:
                samples, question_ms = _watch(memory_process, source, client, seconds)
            sent = _sent(logs / "camera.log")
            status = _settled(client)
            client.close()
    return {
        "sent": sent,
        "received": int(status.frames_received),
        "observed": int(status.frames_observed),
        "dropped": int(status.frames_dropped),
        "delivered": int(status.frames_observed) / max(1, sent),
        "update_ms": float(status.update_ms),
        "question_ms": question_ms,
        "rss_mib": samples,
        "rss_growth_mib": samples[-1] - samples[len(samples) // 3] if samples else 0.0,
    }


@contextmanager
def _client_context(environment: dict[str, str]) -> Iterator[Any]:
    """A ROS context in this process, in the nodes' domain."""
    os.environ.setdefault(PROFILE_VARIABLE, environment[PROFILE_VARIABLE])
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", environment["ROS_AUTOMATIC_DISCOVERY_RANGE"])
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=int(environment["ROS_DOMAIN_ID"]))
    try:
        yield context
    finally:
        rclpy.try_shutdown(context=context)


def _watch(
    memory: subprocess.Popen[bytes], source: subprocess.Popen[bytes], client: MemoryClient, seconds: float
) -> tuple[list[float], list[float]]:
    """Resident memory of the node once a second while frames come, in MiB, and the round trips of questions, in ms."""
    samples: list[float] = []
    question_ms: list[float] = []
    end_s = time.monotonic() + seconds + 120.0
    while source.poll() is None and time.monotonic() < end_s:
        if memory.poll() is not None:
            raise MemoryUnreachable(
                f"the memory node ended with exit code {memory.returncode} during the stream."
            )
        if client.status is None or client.status.frames_observed == 0:
            client.spin_for(SAMPLE_S)
            continue
        sample_s = time.monotonic() + SAMPLE_S
        while time.monotonic() < sample_s:
            query = QUESTIONS[len(question_ms) % len(QUESTIONS)]
            start_s = time.perf_counter()
            client.recall(query)
            question_ms.append((time.perf_counter() - start_s) * 1e3)
            client.spin_for(ASK_PERIOD_S)
        samples.append(_resident_mib(memory.pid))
    return samples, question_ms


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return float(line.split()[1]) / 1024
    return 0.0


def _settled(client: MemoryClient) -> Any:
    """The status when nothing waits any more."""
    for _ in range(60):
        client.spin_for(0.5)
        if client.status is not None and client.status.frames_waiting == 0:
            client.spin_for(1.2)
            break
    return client.status


def _sent(log_path: Path) -> int:
    text = log_path.read_text(encoding="utf-8", errors="replace")
    if "SENT " not in text:
        raise MemoryUnreachable(f"the camera's process did not finish; its log ends with: {text[-500:]}")
    return int(text.rpartition("SENT ")[2].split()[0])
