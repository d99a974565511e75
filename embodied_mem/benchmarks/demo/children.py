"""Child processes that are always ended, each by its own id, with their logs in files."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from embodied_mem.errors import EmbodiedMemError

TERMINATE_S = 10.0
TAIL_LINES = 25


class ProcessFailed(EmbodiedMemError):
    """A process of the demo ended before it was asked to, or never became ready."""


class Children:
    """A context manager that starts processes and ends them: SIGINT first, so that nodes shut down, then SIGKILL."""

    def __init__(self, log_folder: Path, environment: Mapping[str, str]) -> None:
        self._log_folder = log_folder
        self._environment = dict(environment)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, module: str, arguments: Sequence[str] = ()) -> None:
        """Run `python -m module arguments...`, its output in `name`.log."""
        log_path = self.log_path(name)
        with log_path.open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], env=self._environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def log_path(self, name: str) -> Path:
        """Where the process `name` writes what it says."""
        return self._log_folder / f"{name}.log"

    def tail(self, name: str) -> str:
        """The last lines that a process wrote."""
        lines = self.log_path(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def exit_code(self, name: str) -> int | None:
        """How the process ended; None while it runs."""
        return self._processes[name].poll()

    def check_running(self, *names: str) -> None:
        """Raise when one of `names` has ended.

        Raises:
            ProcessFailed: with the end of its log.
        """
        for name in names:
            code = self.exit_code(name)
            if code is not None:
                raise self.failure(name, f"ended with exit code {code}")

    def failure(self, name: str, what: str) -> ProcessFailed:
        """An error that says what happened to `name`, with the end of its log."""
        return ProcessFailed(
            f"the process {name!r} {what}; its log is {self.log_path(name)} and ends with:\n{self.tail(name)}"
        )

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running = [process for process in self._processes.values() if process.poll() is None]
        for process in running:
            process.send_signal(signal.SIGINT)
        for process in running:
            try:
                process.wait(TERMINATE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
