"""What the memory holds, published in a thread of its own: a message of a thousand things takes 50 ms to build, which
neither questions nor images shall wait for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

from embodied_mem.robot_memory import RobotMemory
from embodied_mem.ros.clouds import entity_markers, occupied_cloud
from embodied_mem.ros.conversions.entities import entities_to_msg
from embodied_mem.ros.node_config import OutputConfig
from embodied_mem_interfaces.msg import EntityArray

Stamped = tuple[RobotMemory, int]
"""The memory, and the stamp of the newest frame in it."""


class MemoryOutputs:
    """Publishes `~/entities ~/markers ~/occupied` at the configured rates, while somebody listens.

    They are latched: who comes late hears the last one at once, and a fresh one within a period.
    """

    def __init__(
        self, node: Any, config: OutputConfig, world_frame: str, memory: Callable[[], Stamped]
    ) -> None:
        self._node, self._config, self._frame, self._memory = node, config, world_frame, memory
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        wanted: list[tuple[float, Any, str, Callable[[RobotMemory, int], Any]]] = [
            (config.entities_hz, EntityArray, "~/entities", self._entities),
            (config.markers_hz, MarkerArray, "~/markers", self._markers),
            (config.cloud_hz, PointCloud2, "~/occupied", self._cloud),
        ]
        self._publishers: list[Any] = []
        calls = []
        for rate_hz, message_type, topic, build in wanted:
            publisher = node.create_publisher(message_type, topic, latched)
            self._publishers.append(publisher)
            if rate_hz > 0:
                calls.append((1.0 / rate_hz, self._publishing(publisher, build)))
        self._thread = PeriodicThread(calls)

    def destroy(self) -> None:
        """Stop publishing; waits for what is being built."""
        self._thread.stop()
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)

    def _publishing(self, publisher: Any, build: Callable[[RobotMemory, int], Any]) -> Callable[[], None]:
        def publish() -> None:
            if not publisher.get_subscription_count():
                return
            try:
                publisher.publish(build(*self._memory()))
            except (
                Exception
            ) as error:  # the memory may be loaded anew just now; a bug must not end the others
                self._node.get_logger().warning(
                    f"{publisher.topic_name} is not published: {error}", throttle_duration_sec=1.0
                )

        return publish

    def _entities(self, memory: RobotMemory, stamp_ns: int) -> EntityArray:
        return entities_to_msg(memory.entities(), stamp_ns, self._frame)

    def _markers(self, memory: RobotMemory, stamp_ns: int) -> MarkerArray:
        return entity_markers(memory.entities(), stamp_ns, self._frame)

    def _cloud(self, memory: RobotMemory, stamp_ns: int) -> PointCloud2:
        least = self._config.cloud_min_occupancy
        return occupied_cloud(memory.map_snapshot(), least, stamp_ns, self._frame)


class PeriodicThread:
    """Makes calls at their periods (seconds), one after another in one thread, until it is stopped."""

    def __init__(self, calls: Sequence[tuple[float, Callable[[], None]]]) -> None:
        self._calls = list(calls)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory_outputs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Make no more calls; returns when the last one has ended."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        due_s = [time.monotonic() + period_s for period_s, _ in self._calls]
        while not self._stopping.wait(max(0.0, min(due_s, default=1e9) - time.monotonic())):
            for index, (period_s, call) in enumerate(self._calls):
                if (now_s := time.monotonic()) >= due_s[index] and not self._stopping.is_set():
                    call()
                    due_s[index] = max(due_s[index] + period_s, now_s)
