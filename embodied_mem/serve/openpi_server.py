"""A server that speaks openpi's protocol: each connection is a session with memory of its own.

`PolicyService` answers with one of our policies, a slot for each session; `MemoryProxy` (openpi_proxy.py) passes observations
on to another server with memory added.
"""

from __future__ import annotations

import logging
import threading
import time
from http import HTTPStatus
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from embodied_mem.errors import EmbodiedMemError, InvalidMessage, MissingExtra
from embodied_mem.policy.seam import Observation, Policy
from embodied_mem.serve.openpi_wire import pack, unpack

log = logging.getLogger(__name__)

EPISODE, STAMP = "episode", "stamp_ns"
"""Keys that a client may add: another episode (text or number) than before begins anew; when it was observed."""


class Session(Protocol):
    """One connection's side of a service."""

    def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
        """The answer to an observation."""
        ...

    def close(self) -> None:
        """The client hung up."""
        ...


class Service(Protocol):
    """What a server serves."""

    @property
    def metadata(self) -> dict[str, Any]:
        """What clients are told first."""
        ...

    def open(self) -> Session:
        """A new connection."""
        ...


class OpenPiServer:
    """Serves on `port` (0: any free one; see `port`) from `start` to `stop`, each connection in its own thread."""

    def __init__(self, service: Service, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._service = service
        self._server = _websockets_server().serve(
            self._handle, host, port, compression=None, max_size=None, process_request=_healthy
        )
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        return int(self._server.socket.getsockname()[1])

    def start(self) -> OpenPiServer:
        """Serve in a thread of its own."""
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def run(self) -> None:
        """Serve until interrupted."""
        self._server.serve_forever()

    def stop(self) -> None:
        """End every session."""
        self._server.shutdown()
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> OpenPiServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _handle(self, connection: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            session = self._service.open()
        except EmbodiedMemError as error:
            connection.send(f"{type(error).__name__}: {error}")
            return
        try:
            connection.send(pack(self._service.metadata))
            for payload in connection:
                connection.send(self._answer(session, payload))
        except ConnectionClosed:
            log.debug("a client hung up without saying so")
        finally:
            session.close()

    def _answer(self, session: Session, payload: str | bytes) -> str | bytes:
        start_s = time.perf_counter()
        try:
            if isinstance(payload, str):
                raise InvalidMessage("observations are sent as bytes (msgpack); this was text.")
            answer = session.infer(unpack(payload))
        except EmbodiedMemError as error:
            return f"{type(error).__name__}: {error}"
        timing = {"infer_ms": (time.perf_counter() - start_s) * 1e3}
        return pack({**answer, "server_timing": timing})


class PolicyService:
    """One of our policies behind openpi's protocol: every session gets a slot, as long as there are any.

    Observations: `observation/<camera>` pictures (h, w, 3) uint8, `observation/state` proprioception, `prompt`.
    """

    def __init__(self, policy: Policy, *, num_slots: int, name: str = "embodied_mem") -> None:
        self._policy, self._lock = policy, threading.Lock()
        self._free = list(range(num_slots))
        self._name, self._num_slots = name, num_slots

    @property
    def metadata(self) -> dict[str, Any]:
        return {"policy": self._name, "slots": self._num_slots}

    def open(self) -> Session:
        """A session with a slot of its own.

        Raises:
            InvalidMessage: all slots are taken.
        """
        with self._lock:
            if not self._free:
                raise InvalidMessage(
                    f"all {self._num_slots} sessions are taken; close one, or start the server with more slots."
                )
            slot = self._free.pop(0)
            self._policy.reset([slot])
        return _PolicySession(self, slot)

    def act(self, observation: Observation, prompt: str, *, is_new: bool) -> dict[str, Any]:
        """One session's decision; sessions take turns."""
        with self._lock:
            if is_new:
                self._policy.reset(observation.slots.tolist())
            chunk = self._policy.act(observation, None, prompt)
        return {"actions": chunk.actions[0], "period_s": chunk.period_s}

    def release(self, slot: int) -> None:
        """A session ended."""
        with self._lock:
            self._policy.reset([slot])
            self._free.append(slot)


class _PolicySession:
    def __init__(self, service: PolicyService, slot: int) -> None:
        self._service, self._slot = service, slot
        self._episode: Any = None

    def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
        episode = observation.get(EPISODE, self._episode)
        is_new, self._episode = episode != self._episode, episode
        return self._service.act(
            observed(observation, self._slot), str(observation.get("prompt", "")), is_new=is_new
        )

    def close(self) -> None:
        self._service.release(self._slot)


def observed(message: dict[str, Any], slot: int) -> Observation:
    """An openpi observation as ours; without `stamp_ns` it counts as observed now.

    Raises:
        InvalidMessage: pictures that are none, a state that is not a row of numbers.
    """
    images = {}
    for key, value in message.items():
        name = key.removeprefix("observation/")
        if name == key or name == "state":
            continue
        is_picture = isinstance(value, np.ndarray) and value.ndim == 3 and value.shape[2] == 3
        if not is_picture or value.dtype != np.uint8:
            what = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
            raise InvalidMessage(
                f"{key} is {what}; pictures are uint8 (h, w, 3). Convert it before it is sent."
            )
        images[name] = value[None]
    state = np.asarray(message.get("observation/state", np.zeros(0)), dtype=np.float32)
    if state.ndim != 1:
        raise InvalidMessage(f"observation/state has shape {state.shape}; it is a row of numbers.")
    stamp_ns = int(message.get(STAMP, time.time_ns()))
    return Observation(
        stamp_ns=np.array([stamp_ns]), images=images, proprio=state[None], slots=np.array([slot])
    )


def _healthy(connection: Any, request: Any) -> Any:
    """openpi's servers answer GET /healthz."""
    return connection.respond(HTTPStatus.OK, "OK\n") if request.path == "/healthz" else None


def _websockets_server() -> Any:
    try:
        from websockets.sync import server
    except ImportError as error:
        raise MissingExtra(
            "openpi's protocol needs websockets; pip install 'embodied_mem[policy]'."
        ) from error
    return server
