"""The memory node's services and its action. Questions are answered at once, everything else in the worker's turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future

from embodied_mem.errors import EmbodiedMemError, InvalidQuery, did_you_mean
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.ros.conversions.answers import answer_to_msg
from embodied_mem.ros.conversions.contexts import budget_from_request, fill_context
from embodied_mem.ros.conversions.events import check_frame, event_from_msg
from embodied_mem.ros.conversions.questions import query_from_request
from embodied_mem_interfaces.action import LongJob
from embodied_mem_interfaces.srv import GetContext, Load, Query, Record, Reset, Save

if TYPE_CHECKING:
    from embodied_mem.ros.memory_node import MemoryNode

FEEDBACK_PERIOD_S = 0.2
JOBS = ("save", "replay")


class MemoryServices:
    """`~/query ~/get_context ~/record ~/save ~/load ~/reset` and the action `~/long_job` of a memory node.

    Every response has `success`, and on failure `error_type` and `error` with the remedy.
    """

    def __init__(self, node: MemoryNode) -> None:
        self._node = node
        # A job that waits for the worker must not keep images and questions from being taken.
        waiting = ReentrantCallbackGroup()
        self._services = [
            node.create_service(Query, "~/query", self._on_query),
            node.create_service(GetContext, "~/get_context", self._on_get_context),
            node.create_service(Record, "~/record", self._on_record, callback_group=waiting),
            node.create_service(Save, "~/save", self._on_save, callback_group=waiting),
            node.create_service(Load, "~/load", self._on_load, callback_group=waiting),
            node.create_service(Reset, "~/reset", self._on_reset, callback_group=waiting),
        ]
        self._action = ActionServer(
            node,
            LongJob,
            "~/long_job",
            self._on_long_job,
            callback_group=waiting,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    def destroy(self) -> None:
        """Stop answering."""
        self._action.destroy()
        for service in self._services:
            self._node.destroy_service(service)

    # -- questions ------------------------------------------------------------------------------------------------

    def _on_query(self, request: Any, response: Any) -> Any:
        start_s = time.perf_counter()

        def ask() -> None:
            query = query_from_request(request)
            answer = self._node.memory_now().recall(query)
            frame = self._node.config.input.world_frame
            response.answer = answer_to_msg(answer, query, self._node.newest_frame_ns, frame)

        _report(ask, response)
        response.duration_ms = (time.perf_counter() - start_s) * 1000
        return response

    def _on_get_context(self, request: Any, response: Any) -> Any:
        def ask() -> None:
            context = self._node.memory_now().context(
                request.instruction, budget=budget_from_request(request), robot=request.robot or None
            )
            fill_context(response, context)

        _report(ask, response)
        return response

    # -- writing, in the worker's turn ----------------------------------------------------------------------------

    async def _on_record(self, request: Any, response: Any) -> Any:
        known_ns = int(self._node.get_clock().now().nanoseconds)

        def record() -> None:
            check_frame(request.event, self._node.config.input.world_frame)
            event = event_from_msg(request.event)
            delta = self._node.memory_now().record(event, known_ns=max(known_ns, event.end_ns))
            response.entities = list(dict.fromkeys((*delta.seen, *delta.added)))

        return await self._in_turn(record, response)

    async def _on_save(self, request: Any, response: Any) -> Any:
        def save() -> None:
            response.path = str(self._node.memory_now().save())
            response.num_entities = len(self._node.memory_now().entities())

        return await self._in_turn(save, response)

    async def _on_load(self, request: Any, response: Any) -> Any:
        def load() -> None:
            self._replace_memory(request.path or self._node.config.path)
            response.path = request.path or self._node.config.path
            response.num_entities = len(self._node.memory_now().entities())

        response = await self._in_turn(load, response)
        self._node.intake.clear()
        return response

    async def _on_reset(self, request: Any, response: Any) -> Any:
        def reset() -> None:
            if not request.confirm:
                raise InvalidQuery(
                    "reset forgets everything that was not saved; set confirm to true to do it."
                )
            self._node.memory_now().reset()
            self._node.newest_frame_ns = 0

        response = await self._in_turn(reset, response)
        if response.success:
            self._node.intake.clear()
        return response

    def _replace_memory(self, path: str) -> None:
        """Load from `path`; when that fails the node goes on with what it had."""
        if not path:
            raise InvalidQuery(
                "nothing to load: give a path, or set the parameter path to the memory's folder."
            )
        node, config = self._node, self._node.config.memory
        is_own = bool(node.config.path) and Path(path).resolve() == Path(node.config.path).resolve()
        if not is_own:
            loaded = RobotMemory.load(path, config)
            old, node.memory = node.memory_now(), loaded
            old.close()
            return
        old, node.memory = (
            node.memory_now(),
            None,
        )  # one process at a time may have a folder open: this one has
        old.close()
        try:
            node.memory = RobotMemory.load(path, config)
        except Exception:
            node.memory = RobotMemory.open(path, config)
            raise

    async def _in_turn(self, job: Callable[[], None], response: Any) -> Any:
        """Run `job` in the worker's thread and wait for it without holding up the executor."""
        await self._done(lambda: _report(job, response))
        return response

    def _done(self, task: Callable[[], None]) -> Future:
        executor = self._node.executor
        done: Future = Future(executor=executor)

        def run() -> None:
            try:
                task()
            finally:
                done.set_result(None)
                executor.wake()  # rclpy does not look at a future that another thread has set

        self._node.worker.put_job(run)
        return done

    # -- the long job ---------------------------------------------------------------------------------------------

    async def _on_long_job(self, goal: Any) -> Any:
        result = LongJob.Result()
        await self._done(lambda: _report(lambda: self._run_job(goal, result), result))
        if goal.is_cancel_requested:
            goal.canceled()
        elif result.success:
            goal.succeed()
        else:
            goal.abort()
        return result

    def _run_job(self, goal: Any, result: Any) -> None:
        job, path = goal.request.job, goal.request.path
        if job == "save":
            result.path = str(self._node.memory_now().save())
        elif job == "replay":
            self._replay(goal, path, result)
        else:
            raise InvalidQuery(f"no job {job!r}; it must be one of {list(JOBS)}.{did_you_mean(job, JOBS)}")

    def _replay(self, goal: Any, path: str, result: Any) -> None:
        from embodied_mem.replay import open_recording

        recording = open_recording(path)
        feedback = LongJob.Feedback(step="replay", total=len(recording))
        told_s = 0.0
        for frame in recording.frames(on_skip=lambda skipped: self._count_skip(result)):
            if goal.is_cancel_requested:
                return
            if self._node.worker.is_stopping:
                raise EmbodiedMemError(
                    f"the node was ended after {result.done} of {len(recording)} frames; replay the recording again."
                )
            try:
                self._node.memory_now().observe(frame)
            except EmbodiedMemError:
                self._count_skip(result)
                continue
            self._node.newest_frame_ns = max(self._node.newest_frame_ns, frame.stamp_ns)
            result.done += 1
            if time.monotonic() - told_s >= FEEDBACK_PERIOD_S:
                told_s, feedback.done = time.monotonic(), result.done
                goal.publish_feedback(feedback)

    @staticmethod
    def _count_skip(result: Any) -> None:
        result.skipped += 1


def _report(job: Callable[[], None], response: Any) -> None:
    """Run `job` and say in `response` whether it succeeded; only errors of our own are the caller's fault."""
    try:
        job()
    except EmbodiedMemError as error:
        response.success, response.error_type, response.error = False, type(error).__name__, str(error)
    except Exception as error:  # a bug or a full disk must not end the node; the caller hears of it
        response.success = False
        response.error_type, response.error = (
            type(error).__name__,
            f"unexpected {type(error).__name__}: {error}",
        )
    else:
        response.success = True
