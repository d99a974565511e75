"""openpi's protocol over real sockets: our policy as a server, and our client."""

from __future__ import annotations

import queue
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("msgpack")
pytest.importorskip("websockets")

import msgpack

from embodied_mem.errors import InvalidMessage
from embodied_mem.policy import ActionChunk, Observation
from embodied_mem.policy.memory_policy import MemoryPolicy
from embodied_mem.serve.openpi_client import OpenPiClient, RemotePolicyError
from embodied_mem.serve.openpi_server import OpenPiServer
from embodied_mem.serve.openpi_wire import pack, unpack
from embodied_mem.serve.policy_service import PolicyService
from tests.serve.small_policy import make_policy


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
    with OpenPiServer(PolicyService(make_policy(num_slots=2))) as running:
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
    direct = make_policy(num_slots=2)
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
    direct = make_policy(num_slots=2)
    direct.memory.decisions[0] = 3
    assert np.allclose(again, acted(direct, sent(9, 0)).actions[0], atol=1e-5)


def test_sessions_do_not_mix_and_free_their_slot(server: OpenPiServer) -> None:
    with OpenPiClient(port=server.port) as one, OpenPiClient(port=server.port) as two:
        direct = make_policy(num_slots=2)
        for second in range(4):
            one.infer(sent(second, second))
            answer = two.infer(sent(50 + second, second))
            expected = acted(direct, sent(50 + second, second), slot=1).actions[0]
        assert np.allclose(answer["actions"], expected, atol=1e-5)
        with (
            OpenPiClient(port=server.port) as three,
            pytest.raises(RemotePolicyError, match="all 2 sessions are taken"),
        ):
            three.infer(sent(0, 0))


def test_a_slot_is_free_again_when_its_client_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    service, released = PolicyService(make_policy(1)), queue.Queue[int]()
    release = service.release

    def note(session: Any) -> None:
        release(session)
        released.put(session.slot)

    monkeypatch.setattr(service, "release", note)
    with OpenPiServer(service) as running:
        for _ in range(3):
            with OpenPiClient(port=running.port) as client:
                client.infer(sent(0, 0))
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


@pytest.mark.parametrize(
    "more",
    [
        {"stamp_ns": "abc"}, {"stamp_ns": None}, {"stamp_ns": float("nan")}, {"stamp_ns": 2**63}, {"stamp_ns": 1e20}, {"stamp_ns": -1},
        {"observation/state": ["a"]}, {"observation/state": [[1.0], [2.0, 3.0]]}, {"observation/state": [1e300, 0.0]},
        {"observation/state": None}, {"observation/front": np.zeros((0, 8, 3), np.uint8)}, {b"observation/front": 1},
        {"episode": np.zeros(2)}, {"episode": ["a"]}, {"episode": float("nan")}, {"prompt": np.zeros(2)}, {"prompt": None},
    ],
)  # fmt: skip
def test_a_message_of_the_wrong_kind_costs_neither_connection_nor_memory(
    server: OpenPiServer, more: dict[Any, Any]
) -> None:
    direct = make_policy(num_slots=2)
    with OpenPiClient(port=server.port) as client:
        client.infer(sent(0, 0, episode="a"))
        with pytest.raises(RemotePolicyError, match="InvalidMessage"):
            client.infer({**sent(1, 1, episode="a"), **more})
        again = client.infer(sent(2, 2, episode="a"))["actions"]
    acted(direct, sent(0, 0))
    assert np.allclose(again, acted(direct, sent(2, 2)).actions[0], atol=1e-5)


def test_who_greets_no_client_is_no_policy_server(server: OpenPiServer) -> None:
    port = server.port
    server.stop()
    with pytest.raises(RemotePolicyError, match=f"127.0.0.1:{port}.*connect anew"):
        OpenPiClient("127.0.0.1", port)


@pytest.mark.parametrize(("timeout_s", "goodbye_s"), [(30.0, 1.0), (0.25, 0.25)])
def test_hanging_up_waits_no_longer_than_for_an_answer_and_a_second_at_most(
    timeout_s: float, goodbye_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def refuse(_: str, **options: Any) -> None:
        asked.append(options)
        raise OSError("nobody there")

    monkeypatch.setattr("websockets.sync.client.connect", refuse)
    with pytest.raises(RemotePolicyError, match="nobody there"):
        OpenPiClient(timeout_s=timeout_s)
    assert [one["close_timeout"] for one in asked] == [goodbye_s]


def test_its_health_can_be_asked(server: OpenPiServer) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz", timeout=30) as answer:
        assert answer.read() == b"OK\n"
