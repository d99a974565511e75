"""A server that speaks openpi's protocol: each connection is a session with memory of its own.

`PolicyService` (policy_service.py) answers with our policy, a slot for each session; `MemoryProxy` (openpi_proxy.py) passes
observations on to another server with memory added.
"""

from __future__ import annotations

import logging
import threading
import time
from http import HTTPStatus
from types import TracebackType
from typing import Any, Protocol

from embodied_mem.errors import EmbodiedMemError, InvalidMessage, MissingExtra
from embodied_mem.serve.openpi_wire import pack, unpack

log = logging.getLogger(__name__)


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
