"""Asking a memory node from Python: the package's own questions and answers over ROS services."""

from __future__ import annotations

import time
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile

from embodied_mem import errors
from embodied_mem.errors import EmbodiedMemError
from embodied_mem.messages import Answer, Event, Query
from embodied_mem.ros.conversions.answers import answer_from_msg
from embodied_mem.ros.conversions.events import event_to_msg
from embodied_mem.ros.conversions.questions import query_to_request
from embodied_mem_interfaces.msg import MemoryStatus
from embodied_mem_interfaces.srv import Load, Record, Reset, Save
from embodied_mem_interfaces.srv import Query as QuerySrv


class MemoryUnreachable(EmbodiedMemError):
    """No memory node answered in time."""


class MemoryClient:
    """Calls a memory node's services and waits for the responses; errors are raised as the memory raised them.

    `node` must not be spun by anybody else: the client does it while it waits.
    """

    def __init__(self, node: Any, *, name: str = "/memory_node", timeout_s: float = 20.0) -> None:
        self._node, self._name, self._timeout_s = node, name, timeout_s
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._clients = {
            kind: node.create_client(kind, f"{name}/{kind.__name__.lower()}")
            for kind in (QuerySrv, Record, Save, Load, Reset)
        }
        self.status: MemoryStatus | None = None
        node.create_subscription(MemoryStatus, f"{name}/status", self._on_status, QoSProfile(depth=10))

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until the node is active and answers.

        Raises:
            MemoryUnreachable: it did not within `timeout_s`.
        """
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.1)
            is_active = self.status is not None and self.status.state == "active"
            if is_active and all(client.service_is_ready() for client in self._clients.values()):
                return
        state = self.status.state if self.status is not None else "never heard of"
        raise MemoryUnreachable(
            f"{self._name} is not ready after {timeout_s:g} s (its state: {state}). Check that it runs in the same "
            "ROS_DOMAIN_ID, and its log."
        )

    def wait_until_done(self, stamp_ns: int, timeout_s: float = 60.0) -> None:
        """Wait until the memory has observed a frame of `stamp_ns` or later, and nothing waits.

        Raises:
            MemoryUnreachable: it did not within `timeout_s`.
        """
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.1)
            status = self.status
            if status is not None and _stamp_ns(status) >= stamp_ns and status.frames_waiting == 0:
                return
        raise MemoryUnreachable(
            f"{self._name} has not observed the frame of {stamp_ns} after {timeout_s:g} s; its newest is "
            f"{_stamp_ns(self.status) if self.status is not None else 'unknown'}. See its diagnostics for drops."
        )

    def spin_for(self, seconds: float) -> None:
        """Take in what comes for `seconds`; `status` is the newest one then."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def recall(self, query: Query) -> Answer[Any]:
        """The answer to a question, typed as the memory itself gives it."""
        return answer_from_msg(self._call(QuerySrv, query_to_request(query)).answer)

    def record(self, event: Event, *, frame_id: str = "map") -> tuple[str, ...]:
        """Tell what the robot did; the ids of the entities that it changed or named."""
        return tuple(self._call(Record, Record.Request(event=event_to_msg(event, frame_id))).entities)

    def save(self) -> str:
        """Save one generation; its folder."""
        return str(self._call(Save, Save.Request()).path)

    def load(self, path: str = "") -> int:
        """Go on with the last saved generation in `path`; how many entities it has."""
        return int(self._call(Load, Load.Request(path=path)).num_entities)

    def reset(self) -> None:
        """Forget everything that was not saved."""
        self._call(Reset, Reset.Request(confirm=True))

    def close(self) -> None:
        """Let go of the node."""
        self._executor.remove_node(self._node)
        self._executor.shutdown()

    def _call(self, kind: Any, request: Any) -> Any:
        future = self._clients[kind].call_async(request)
        self._executor.spin_until_future_complete(future, timeout_sec=self._timeout_s)
        if not future.done():
            self._clients[kind].remove_pending_request(future)
            raise MemoryUnreachable(
                f"{self._name}/{kind.__name__.lower()} did not answer within {self._timeout_s:g} s. Check that it "
                "runs in the same ROS_DOMAIN_ID, and its log."
            )
        response = future.result()
        if not response.success:
            error_type = getattr(errors, response.error_type, EmbodiedMemError)
            raise error_type(response.error)
        return response

    def _on_status(self, message: MemoryStatus) -> None:
        self.status = message


def _stamp_ns(status: MemoryStatus) -> int:
    return int(status.header.stamp.sec) * 1_000_000_000 + int(status.header.stamp.nanosec)
