"""A client of openpi policy servers (pi0 and the like): one websocket, an observation out, an action chunk back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any

from embodied_mem.errors import InvalidMessage, MissingExtra
from embodied_mem.serve.openpi_wire import pack, unpack

LONGEST_GOODBYE_S = 1.0
"""A server that does not answer is not waited for again when the client hangs up."""


class RemotePolicyError(InvalidMessage):
    """The server answered with an error, whose words follow, or not at all."""


class OpenPiClient:
    """A connection to a policy server; close it, or use it as a context manager.

    `metadata` is what the server said of itself.
    """

    def __init__(self, host: str = "localhost", port: int = 8000, *, timeout_s: float = 30.0) -> None:
        """Connect, and wait for the server's greeting.

        Raises:
            RemotePolicyError: no such server answers, or it has no session to give.
        """
        client = _websockets_client()
        self._timeout_s, self._url = timeout_s, f"ws://{host}:{port}"
        self._opened = ExitStack()
        with self._told_of_failures(), ExitStack() as opened:
            connecting = client.connect(
                self._url, compression=None, max_size=None, open_timeout=timeout_s,
                close_timeout=min(timeout_s, LONGEST_GOODBYE_S),
            )  # fmt: skip
            self._socket = opened.enter_context(connecting)
            self.metadata: dict[str, Any] = self._receive()
            self._opened = opened.pop_all()

    def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
        """The server's answer: `actions` (h, a), and whatever it adds.

        Raises:
            RemotePolicyError: it answers with an error, has hung up, or does not answer in time; after the last two this client
                is of no more use.
        """
        with self._told_of_failures():
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

    @contextmanager
    def _told_of_failures(self) -> Iterator[None]:
        """What goes wrong on the way as an error of ours. A late answer must not be taken for that to the next question, so the
        client hangs up.
        """
        from websockets.exceptions import WebSocketException

        try:
            yield
        except (OSError, WebSocketException) as error:  # TimeoutError is an OSError
            self.close()
            why = str(error) or type(error).__name__
            raise RemotePolicyError(
                f"no answer from the policy server at {self._url} ({why}). See whether it runs, and connect anew."
            ) from error


def _websockets_client() -> Any:
    try:
        from websockets.sync import client
    except ImportError as error:
        raise MissingExtra(
            "openpi's protocol needs websockets; pip install 'embodied_mem[policy]'."
        ) from error
    return client
