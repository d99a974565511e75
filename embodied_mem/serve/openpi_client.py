"""A client of openpi policy servers (pi0 and the like): one websocket, an observation out, an action chunk back."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any

from embodied_mem.errors import InvalidMessage, MissingExtra
from embodied_mem.serve.openpi_wire import pack, unpack


class RemotePolicyError(InvalidMessage):
    """The server could not answer; its own words follow."""


class OpenPiClient:
    """A connection to a policy server; close it, or use it as a context manager.

    `metadata` is what the server said of itself.
    """

    def __init__(self, host: str = "localhost", port: int = 8000, *, timeout_s: float = 30.0) -> None:
        self._timeout_s = timeout_s
        with ExitStack() as opened:
            connecting = _websockets_client().connect(
                f"ws://{host}:{port}", compression=None, max_size=None, open_timeout=timeout_s
            )
            self._socket = opened.enter_context(connecting)
            self.metadata: dict[str, Any] = self._receive()
            self._opened = opened.pop_all()

    def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
        """The server's answer: `actions` (h, a), and whatever it adds.

        Raises:
            RemotePolicyError: it answers with an error.
            TimeoutError: it does not answer in time.
        """
        self._socket.send(pack(observation))
        return self._receive()

    def close(self) -> None:
        """Hang up; the server ends the session."""
        self._opened.close()

    def __enter__(self) -> OpenPiClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _receive(self) -> dict[str, Any]:
        answer = self._socket.recv(timeout=self._timeout_s)
        if isinstance(answer, str):
            raise RemotePolicyError(f"the policy server answered with an error:\n{answer}")
        return unpack(answer)


def _websockets_client() -> Any:
    try:
        from websockets.sync import client
    except ImportError as error:
        raise MissingExtra(
            "openpi's protocol needs websockets; pip install 'embodied_mem[policy]'."
        ) from error
    return client
