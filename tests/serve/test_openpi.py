"""openpi's protocol over real sockets: our policy as a server, our client, and a proxy that adds memory."""

from __future__ import annotations

import queue
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("msgpack")
pytest.importorskip("websockets")

import msgpack

from embodied_mem.errors import InvalidMessage
from embodied_mem.messages import Budget, Context
from embodied_mem.policy import ActionChunk, Observation
from embodied_mem.policy.flow_expert import FlowExpertConfig
from embodied_mem.policy.memory_policy import MemoryPolicy, MemoryPolicyConfig
from embodied_mem.robot_memory import RobotMemory
from embodied_mem.serve.openpi_client import OpenPiClient, RemotePolicyError
from embodied_mem.serve.openpi_proxy import MemoryProxy, ProxyConfig, with_memory
from embodied_mem.serve.openpi_server import OpenPiServer, PolicyService
from embodied_mem.serve.openpi_wire import pack, unpack
from embodied_mem.testing import SyntheticRoom

SMALL = MemoryPolicyConfig(
    capacity=4, proprio_width=2, expert=FlowExpertConfig(width=16, num_heads=2, num_blocks=1, flow_steps=2)
)


def make_policy() -> MemoryPolicy:
    torch.manual_seed(0)
    return MemoryPolicy(SMALL, num_slots=2)


def sent(seed: int, second: int, **more: Any) -> dict[str, Any]:
    picture = np.random.default_rng(seed).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    state = np.array([0.1, 0.2], dtype=np.float32)
    return {"observation/front": picture, "observation/state": state, "stamp_ns": second * 10**9, **more}


def acted(policy: MemoryPolicy, message: dict[str, Any], slot: int = 0) -> ActionChunk:
    return policy.act(
        Observation(
            stamp_ns=np.array([message["stamp_ns"]]), images={"front": message["observation/front"][None]},
            proprio=message["observation/state"][None], slots=np.array([slot]),
        )
    )  # fmt: skip


@pytest.fixture
def server() -> Iterator[OpenPiServer]:
    with OpenPiServer(PolicyService(make_policy(), num_slots=2)) as running:
        yield running


def test_arrays_travel_as_openpi_packs_them() -> None:
    message = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.int64(7),
        "c": "words",
        "d": [1, None],
    }
    raw = msgpack.unpackb(pack(message))
    assert raw["a"][b"__ndarray__"] is True
    assert raw["a"][b"dtype"] == "<f4"
    assert list(raw["a"][b"shape"]) == [2, 3]
    back = unpack(pack(message))
    assert np.array_equal(back["a"], message["a"])
    assert back["a"].dtype == np.float32
    assert back["b"] == 7
    assert isinstance(back["b"], np.int64)
    assert (back["c"], back["d"]) == ("words", [1, None])


@pytest.mark.parametrize("payload", [b"", b"\xc1", pack({})[:0] + b"\x93\x01\x02\x03"])
def test_bytes_that_are_no_message_are_refused(payload: bytes) -> None:
    with pytest.raises(InvalidMessage):
        unpack(payload)


def test_objects_never_travel() -> None:
    with pytest.raises(InvalidMessage, match="cannot be sent"):
        pack({"a": np.array([object()])})
    evil = msgpack.packb({"a": {b"__ndarray__": True, b"data": b"\0" * 8, b"dtype": "|O", b"shape": [1]}})
    with pytest.raises(InvalidMessage):
        unpack(evil)


def test_our_policy_serves_openpi_clients_and_remembers(server: OpenPiServer) -> None:
    direct = make_policy()
    with OpenPiClient(port=server.port) as client:
        assert client.metadata == {"policy": "embodied_mem", "slots": 2}
        for second in range(6):
            answer = client.infer(sent(second, second))
            expected = acted(direct, sent(second, second)).actions[0]
            assert np.allclose(answer["actions"], expected, atol=1e-5)
            assert answer["server_timing"]["infer_ms"] >= 0


def test_another_episode_begins_without_memory_of_the_last(server: OpenPiServer) -> None:
    with OpenPiClient(port=server.port) as client:
        for second in range(3):
            client.infer(sent(second, second, episode="first"))
        again = client.infer(sent(9, 0, episode="second"))["actions"]
    direct = make_policy()
    direct.memory.decisions[0] = 3
    assert np.allclose(again, acted(direct, sent(9, 0)).actions[0], atol=1e-5)


def test_sessions_do_not_mix_and_free_their_slot(server: OpenPiServer) -> None:
    with OpenPiClient(port=server.port) as one, OpenPiClient(port=server.port) as two:
        direct = make_policy()
        for second in range(4):
            one.infer(sent(second, second))
            answer = two.infer(sent(50 + second, second))
            expected = acted(direct, sent(50 + second, second), slot=1).actions[0]
        assert np.allclose(answer["actions"], expected, atol=1e-5)
        with pytest.raises(RemotePolicyError, match="all 2 sessions are taken"):
            OpenPiClient(port=server.port)


def test_a_slot_is_free_again_when_its_client_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    service, released = PolicyService(make_policy(), num_slots=1), queue.Queue[int]()
    release = service.release

    def note(slot: int) -> None:
        release(slot)
        released.put(slot)

    monkeypatch.setattr(service, "release", note)
    with OpenPiServer(service) as running:
        for _ in range(3):
            OpenPiClient(port=running.port).close()
            assert released.get() == 0


def test_what_the_server_cannot_use_is_answered_with_the_reason_and_it_goes_on(server: OpenPiServer) -> None:
    with OpenPiClient(port=server.port) as client:
        with pytest.raises(RemotePolicyError, match=r"uint8 \(h, w, 3\)"):
            client.infer({**sent(0, 0), "observation/front": np.zeros((3, 8, 8), np.float32)})
        with pytest.raises(RemotePolicyError, match="front"):
            client.infer({"observation/state": np.zeros(2, np.float32)})
        client.infer(sent(0, 5))
        with pytest.raises(RemotePolicyError, match="StampRunsBackwards"):
            client.infer(sent(0, 1))
        assert client.infer(sent(0, 6))["actions"].shape == (1, 4)


def test_its_health_can_be_asked(server: OpenPiServer) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz", timeout=30) as answer:
        assert answer.read() == b"OK\n"


# -- the proxy ------------------------------------------------------------------------------------------------------


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
