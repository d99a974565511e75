"""A proxy that adds memory before another openpi server, over real sockets; what that one cannot answer, the client reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("msgpack")
pytest.importorskip("websockets")

from embodied_mem.errors import InvalidMessage
from embodied_mem.messages import Budget, Context
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.serve.openpi_client import OpenPiClient, RemotePolicyError
from embodied_mem.serve.openpi_proxy import MemoryProxy, ProxyConfig, with_memory
from embodied_mem.serve.openpi_server import OpenPiServer
from embodied_mem.testing import SyntheticRoom


class Echo:
    """An openpi server's service that remembers what it was given."""

    metadata = {"model": "echo"}  # noqa: RUF012  # never changed

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []

    def open(self) -> Echo:
        return self

    def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
        self.given.append(observation)
        return {"actions": np.zeros((2, 7), dtype=np.float32)}

    def close(self) -> None:
        return


@pytest.fixture(scope="module")
def memory() -> Iterator[RobotMemory]:
    with RobotMemory.open() as filled:
        for frame in SyntheticRoom(seed=0).frames(12):
            filled.observe(frame)
        yield filled


def test_an_existing_server_gains_memory_by_the_proxy(memory: RobotMemory) -> None:
    echo = Echo()

    def context_of(words: str, budget: Budget) -> Context:
        return memory.context(words, budget=budget)

    config = ProxyConfig(
        image_keys=("observation/spare", "observation/wrist"), budget=Budget(tokens=512, ms=1e6)
    )
    with (
        OpenPiServer(echo) as upstream,
        OpenPiServer(MemoryProxy(context_of, lambda: OpenPiClient(port=upstream.port), config)) as proxy,
        OpenPiClient(port=proxy.port) as client,
    ):
        assert client.metadata == {"model": "echo", "memory": True}
        wrist = np.full((64, 64, 3), 7, dtype=np.uint8)
        answer = client.infer({"prompt": "bring the red mug", "observation/wrist": wrist})
    given = echo.given[0]
    assert answer["actions"].shape == (2, 7)
    assert any(source.startswith("fact/") for source in answer["memory_sources"])
    assert "- red mug e" in given["prompt"]
    assert given["prompt"].endswith("Task: bring the red mug")
    assert given["observation/spare"].shape == (224, 224, 3)
    assert given["observation/spare"].max() > 0
    assert np.array_equal(given["observation/wrist"], wrist)


def test_a_black_slot_is_filled_in_its_own_size(memory: RobotMemory) -> None:
    context = memory.context("mug", budget=Budget(tokens=512, ms=1e6))
    config = ProxyConfig(image_keys=("right",))
    changed = with_memory({"prompt": "go", "right": np.zeros((48, 64, 3), np.uint8)}, context, config)
    assert changed["right"].shape == (48, 64, 3)
    assert changed["right"].any()


@pytest.mark.parametrize(
    "black", [np.zeros((3, 48, 64), np.uint8), np.zeros((48, 64, 3), np.float32), np.zeros(5, np.uint8)]
)
def test_what_is_black_but_no_picture_is_not_filled(memory: RobotMemory, black: np.ndarray) -> None:
    context = memory.context("mug", budget=Budget(tokens=512, ms=1e6))
    with pytest.raises(InvalidMessage, match="right is black"):
        with_memory({"prompt": "go", "right": black}, context, ProxyConfig(image_keys=("right",)))


class Upstream:
    """An openpi server's service whose sessions note what they were given; one that is asked "why" refuses, "wait" waits."""

    metadata = {"model": "pi"}  # noqa: RUF012  # never changed

    def __init__(self) -> None:
        self.sessions: list[Echo] = []
        self.may_answer = threading.Event()

    def open(self) -> Echo:
        outer = self

        class Asked(Echo):
            def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
                if observation["prompt"].endswith("why"):
                    raise InvalidMessage("the wrist picture is missing")
                if observation["prompt"].endswith("wait"):
                    outer.may_answer.wait()
                return super().infer(observation)

        self.sessions.append(Asked())
        return self.sessions[-1]


@pytest.fixture
def upstream() -> Iterator[tuple[Upstream, OpenPiServer]]:
    service = Upstream()
    with OpenPiServer(service) as server:
        yield service, server
        service.may_answer.set()


@pytest.fixture
def proxy(memory: RobotMemory, upstream: tuple[Upstream, OpenPiServer]) -> Iterator[OpenPiServer]:
    port = upstream[1].port
    service = MemoryProxy(
        lambda words, budget: memory.context(words, budget=budget), lambda: OpenPiClient("127.0.0.1", port)
    )
    with OpenPiServer(service) as server:
        yield server


def test_every_session_of_the_proxy_is_one_of_the_other_server(
    upstream: tuple[Upstream, OpenPiServer], proxy: OpenPiServer
) -> None:
    with OpenPiClient(port=proxy.port) as one, OpenPiClient(port=proxy.port) as two:
        one.infer({"prompt": "go", "episode": "a", "stamp_ns": 5})
        two.infer({"prompt": "go", "episode": 7})
        one.infer({"prompt": "go", "episode": "b"})
    # The first session is the one in which the proxy asked who serves.
    given = [[seen.get("episode") for seen in session.given] for session in upstream[0].sessions]
    assert given == [[], ["a", "b"], [7]]
    assert upstream[0].sessions[1].given[0]["stamp_ns"] == 5


def test_the_other_servers_refusal_reaches_the_client_and_the_session_goes_on(proxy: OpenPiServer) -> None:
    with OpenPiClient(port=proxy.port) as client:
        with pytest.raises(RemotePolicyError, match="the wrist picture is missing"):
            client.infer({"prompt": "why"})
        with pytest.raises(RemotePolicyError, match="must be text"):
            client.infer({"prompt": 5})
        assert client.infer({"prompt": "go"})["actions"].shape == (2, 7)


def test_a_client_reads_that_the_other_server_is_gone(
    upstream: tuple[Upstream, OpenPiServer], proxy: OpenPiServer
) -> None:
    with OpenPiClient(port=proxy.port) as client:
        client.infer({"prompt": "go"})
        upstream[1].stop()
        for _ in range(2):
            with pytest.raises(RemotePolicyError, match="no answer from the policy server at ws://127"):
                client.infer({"prompt": "go"})
    with pytest.raises(RemotePolicyError, match="no answer from the policy server at ws://127"):
        OpenPiClient(port=proxy.port)


def test_a_late_answer_is_not_taken_for_that_to_the_next_question(
    upstream: tuple[Upstream, OpenPiServer],
) -> None:
    with OpenPiClient(port=upstream[1].port) as client:
        client._timeout_s = 0.01  # it waits for an answer that never comes
        for _ in range(2):
            with pytest.raises(RemotePolicyError, match="no answer"):
                client.infer({"prompt": "wait"})
