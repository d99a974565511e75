"""The memory on a robot: RGB-D and poses in; entities, markers, the occupied cloud, answers and diagnostics out.

A lifecycle node. Input and questions run on one single-threaded executor; decoding and updating run in one worker thread
(`MemoryWorker`), so a question waits for at most one update; what the memory holds is published by a third
(`MemoryOutputs`). The interface is described in
docs/ros_interface.md.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import deque
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile

from embodied_mem.errors import EmbodiedMemError, StoreError
from embodied_mem.messages import Event
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.ros.conversions.basics import header, time_from_ns
from embodied_mem.ros.conversions.entities import change_to_msg
from embodied_mem.ros.drops import DropLog
from embodied_mem.ros.health import diagnostics
from embodied_mem.ros.intake import FrameIntake
from embodied_mem.ros.node_config import MemoryNodeConfig
from embodied_mem.ros.outputs import MemoryOutputs
from embodied_mem.ros.parameters import declare
from embodied_mem.ros.services import MemoryServices
from embodied_mem.ros.transport import transport_problem
from embodied_mem.ros.worker import MemoryWorker
from embodied_mem.sensing.rgbd import RgbdSet, StageFailed, build_frame
from embodied_mem_interfaces.msg import Change as ChangeMsg
from embodied_mem_interfaces.msg import MemoryStatus

SWITCH_INTERVAL_S = 0.0005
"""How often Python lets another thread run; its default of 5 ms would be added to every answer during an update."""


class MemoryNode(LifecycleNode):
    """Opens the memory when configured, listens while active, saves and closes when cleaned up or shut down."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("memory_node", **node_options)
        self.config = declare(self, MemoryNodeConfig())
        self.drops = DropLog(self.get_logger().warning)
        self.memory: RobotMemory | None = None
        self._is_configured = False
        self.newest_frame_ns = 0
        self.num_observed = 0
        self._num_entities = self._num_gaussians = 0
        self._update_ms: deque[float] = deque(maxlen=10)
        self._state = "unconfigured"
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)

    # -- life cycle -----------------------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            self._configure()
        except EmbodiedMemError as error:
            self.get_logger().error(f"cannot open the memory: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception:  # rclpy would keep it to itself
            self.get_logger().error("cannot configure", exc_info=True)
            if self.memory is not None:
                self.memory.close()
            raise
        problem = transport_problem()
        if problem:
            self.get_logger().warning(problem)
        self._is_configured = True
        self._state = "inactive"
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        self.memory = RobotMemory.open(self.config.path or None, self.config.memory)
        self.worker = MemoryWorker(
            queue_size=self.config.input.queue_size,
            on_overtaken=lambda error: self.drops.drop("queue", error),
        )
        self.intake = FrameIntake(
            self, self.config.input, self.drops, on_set=self._queue_frame, on_event=self._queue_event
        )
        self._memory_services = MemoryServices(self)
        self._create_outputs()

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.intake.is_active = True
        self._state = "active"
        self.get_logger().info(f"listening to {', '.join(self.intake.topics())}")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.intake.is_active = False
        self.intake.clear()
        self._state = "inactive"
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """Finish what is queued, save if so configured, and give everything back. Closing twice is fine."""
        if not self._is_configured:
            return
        self._is_configured = False
        self.intake.destroy()
        self._memory_services.destroy()
        self._outputs.destroy()
        self.destroy_timer(self._health_timer)
        self.worker.stop()  # what is queued still tells of changes
        for publisher in (self._changes_out, self._status_out, self._diagnostics_out):
            self.destroy_publisher(publisher)
        if self.memory is not None:
            if self.config.path and self.config.save_on_exit:
                self.memory.save()
            self.memory.close()
        self.memory = None
        self._state = "unconfigured"

    # -- frames and events, in the worker's thread -------------------------------------------------------------------

    def _queue_frame(self, rgbd: RgbdSet) -> None:
        self.worker.put_frame(lambda: self._observe(rgbd))

    def _queue_event(self, event: Event) -> None:
        known_ns = max(int(self.get_clock().now().nanoseconds), event.end_ns)
        self.worker.put_job(lambda: self._record(event, known_ns))

    def _observe(self, rgbd: RgbdSet) -> None:
        start_s = time.perf_counter()
        try:
            report = self.memory_now().observe(build_frame(rgbd, self.config.input))
        except StageFailed as failure:
            self.drops.drop(failure.stage, failure.error)
            return
        except EmbodiedMemError as error:
            self.drops.drop("memory", error)
            return
        except (
            Exception
        ) as error:  # the node outlives a bug in a layer: the frame is dropped, the trace is logged
            self.drops.drop("memory", error)
            self.get_logger().error(f"unexpected {type(error).__name__}", exc_info=True)
            return
        self.num_observed += 1
        self.newest_frame_ns = max(self.newest_frame_ns, rgbd.stamp_ns)
        self._update_ms.append((time.perf_counter() - start_s) * 1000)
        if report.map_change is not None:
            self._num_gaussians = report.map_change.num_live
        for change in report.world_delta.changes:
            self._changes_out.publish(change_to_msg(change))
        self._status_out.publish(self.status())

    def _record(self, event: Event, known_ns: int) -> None:
        try:
            delta = self.memory_now().record(event, known_ns=known_ns)
        except EmbodiedMemError as error:
            self.drops.drop("event", error, is_frame=False)
            return
        for change in delta.changes:
            self._changes_out.publish(change_to_msg(change))

    def memory_now(self) -> RobotMemory:
        """The memory.

        Raises:
            StoreError: there is none at the moment.
        """
        memory = self.memory  # another thread may take it away
        if memory is None:
            raise StoreError("the memory is being loaded or closed just now; ask again in a moment.")
        return memory

    # -- out --------------------------------------------------------------------------------------------------------

    def _create_outputs(self) -> None:
        # No lifecycle publishers: answers, status and diagnostics matter most when the node is not active.
        self._changes_out = self.create_publisher(ChangeMsg, "~/changes", QoSProfile(depth=100))
        self._status_out = self.create_publisher(MemoryStatus, "~/status", QoSProfile(depth=10))
        self._diagnostics_out = self.create_publisher(DiagnosticArray, "/diagnostics", QoSProfile(depth=10))
        self._health_timer = self.create_timer(1.0, self._publish_health, clock=self._steady)
        self._outputs = MemoryOutputs(
            self,
            self.config.output,
            self.config.input.world_frame,
            lambda: (self.memory_now(), self.newest_frame_ns),
        )

    def status(self) -> MemoryStatus:
        """How far the memory is."""
        world_frame = self.config.input.world_frame
        message = MemoryStatus(header=header(self.newest_frame_ns, world_frame), state=self._state)
        message.frames_received = self.intake.num_depth_images
        message.frames_observed = self.num_observed
        message.frames_dropped = self.drops.num_frames
        message.frames_waiting = self.worker.num_waiting + self.intake.num_waiting
        message.newest_received = time_from_ns(self.intake.newest_ns)
        message.num_entities, message.num_gaussians = self._num_entities, self._num_gaussians
        message.update_ms = sum(self._update_ms) / max(1, len(self._update_ms))
        return message

    def _publish_health(self) -> None:
        self._num_entities = self.memory.num_entities if self.memory is not None else 0
        status = self.status()
        self._status_out.publish(status)
        self._diagnostics_out.publish(
            diagnostics(
                self.get_fully_qualified_name(),
                int(self.get_clock().now().nanoseconds),
                drops=self.drops,
                intake={
                    "frames received": status.frames_received,
                    "frames observed": status.frames_observed,
                    "frames dropped": status.frames_dropped,
                    "frames waiting": status.frames_waiting,
                },
                memory={
                    "state": self._state,
                    "entities": self._num_entities,
                    "gaussians": self._num_gaussians,
                    "update ms": f"{status.update_ms:.1f}",
                    "path": self.config.path or "in RAM only",
                },
                transport_problem=transport_problem(),
                is_worker_alive=self.worker.is_alive,
            )
        )


def main(arguments: list[str] | None = None) -> None:
    """Run the node until it is told to stop."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    rclpy.init(args=arguments)
    node = MemoryNode()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    if node.config.autostart and node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
        node.trigger_activate()
    # A full collection over what was imported and loaded stopped every thread for 60 to 340 ms; it need not look there.
    gc.collect()
    gc.freeze()
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.close()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
