"""A simulator in a process of its own: the same calls as `HabitatWorld`, over a loopback socket."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Mapping
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

from embodied_mem.errors import EmbodiedMemError

from .server import packed, unpacked

SERVER = Path(__file__).with_name("server.py")


class SimulatorError(EmbodiedMemError):
    """The simulator's process refused a call, did not answer in time, or ended."""


class RemoteWorld:
    """Starts `python server.py` and speaks with it; every public method of the world there can be called here.

    Raises:
        SimulatorError: the process could not be started, refused a call, took longer than `timeout_s`, or ended.
    """

    def __init__(
        self, python: str, settings: Mapping[str, Any], *, timeout_s: float = 120.0, server: Path = SERVER
    ) -> None:
        self._timeout_s = timeout_s
        self._python = python
        self._is_closed = False
        key = secrets.token_bytes(32)
        self._process = subprocess.Popen(
            [python, str(server)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            self._connection = self._connect(key, settings)
            self._answer("open")
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise

    def _connect(self, key: bytes, settings: Mapping[str, Any]) -> Connection[Any, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = json.dumps({"key": key.hex(), "settings": dict(settings)})
        try:
            self._process.stdin.write(order + "\n")
            self._process.stdin.flush()
            # The port is the first line: what the simulator prints of itself comes later.
            said = self._process.stdout.readline().split()
        except OSError as error:
            raise self._failure("start", str(error)) from error
        if len(said) != 2 or said[0] != "PORT":
            raise self._failure("start", f"it said {' '.join(said)!r} instead of its port")
        return Client(("127.0.0.1", int(said[1])), authkey=key)

    def call(self, method: str, *arguments: Any) -> Any:
        """What the world there answers to `method`."""
        try:
            self._connection.send((method, packed(list(arguments))))
        except OSError as error:
            raise self._failure(method, str(error)) from error
        return self._answer(method)

    def _answer(self, method: str) -> Any:
        try:
            if not self._connection.poll(self._timeout_s):
                raise self._failure(method, f"no answer within {self._timeout_s} s; raise timeout_s")
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._failure(method, f"the connection ended ({error})") from error
        if answer[0] == "error":
            raise SimulatorError(f"the simulator refused {method!r}: {answer[1]}: {answer[2]}")
        return unpacked(answer[1])

    def _failure(self, method: str, why: str) -> SimulatorError:
        time.sleep(0.1)
        code = self._process.poll()
        state = "is still running" if code is None else f"ended with code {code}"
        return SimulatorError(
            f"{method!r} failed: {why}. The simulator's process {state}; its own messages are on standard error. "
            f"Try `{self._python} -c 'import habitat_sim'`."
        )

    def __getattr__(self, method: str) -> Any:
        if method.startswith("_"):
            raise AttributeError(method)
        return lambda *arguments: self.call(method, *arguments)

    def close(self) -> None:
        """End the process; once."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._connection.send(("close", []))
            self._connection.close()
        except OSError:
            pass
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
