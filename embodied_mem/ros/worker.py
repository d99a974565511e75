"""The one thread that writes to the memory: frames from a bounded queue, and jobs between them. No ROS import.

Input callbacks must return at once, so the heavy part of a frame (decoding, perceiving, updating) happens here.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from embodied_mem.errors import EmbodiedMemError

Task = Callable[[], None]


class Overtaken(EmbodiedMemError):
    """A frame that waited until newer ones filled the queue."""


@dataclass(frozen=True, kw_only=True)
class _Entry:
    task: Task
    is_frame: bool


class MemoryWorker:
    """Runs tasks one after another in a thread of its own, in the order given.

    At most `queue_size` frames wait; then `on_overtaken` hears of the oldest, which is dropped. Jobs are never
    dropped. Tasks handle their own errors: one that raises ends the thread, which `is_alive` shows.
    """

    def __init__(self, *, queue_size: int, on_overtaken: Callable[[Overtaken], None]) -> None:
        self._queue_size = queue_size
        self._on_overtaken = on_overtaken
        self._entries: deque[_Entry] = deque()
        self._condition = threading.Condition()
        self._is_stopping = False
        self._is_busy = False
        self._thread = threading.Thread(target=self._run, name="memory_worker", daemon=True)
        self._thread.start()

    @property
    def num_waiting(self) -> int:
        """Frames that wait or are being worked on."""
        with self._condition:
            return sum(entry.is_frame for entry in self._entries) + self._is_busy

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called: a task that could take long should end then."""
        return self._is_stopping

    def put_frame(self, task: Task) -> None:
        """Queue the work of one frame."""
        overtaken = None
        with self._condition:
            frames = [entry for entry in self._entries if entry.is_frame]
            if len(frames) >= self._queue_size:
                self._entries.remove(frames[0])
                overtaken = Overtaken(
                    f"{self._queue_size} frames wait already, the memory does not keep up. Lower the camera's rate or "
                    "resolution, raise input.queue_size, or give the node more CPU."
                )
            self._entries.append(_Entry(task=task, is_frame=True))
            self._condition.notify()
        if overtaken is not None:
            self._on_overtaken(overtaken)

    def put_job(self, task: Task) -> None:
        """Queue a job (save, load, reset, record), after the frames that wait now."""
        with self._condition:
            self._entries.append(_Entry(task=task, is_frame=False))
            self._condition.notify()

    def stop(self) -> None:
        """Finish what is queued, then end the thread. Must not be called from it."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._entries and not self._is_stopping:
                    self._condition.wait()
                if not self._entries:
                    return
                entry = self._entries.popleft()
                self._is_busy = entry.is_frame
            try:
                entry.task()
            finally:
                with self._condition:
                    self._is_busy = False
