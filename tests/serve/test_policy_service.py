"""Sessions of our policy: what is refused ends no episode and begins none; what has a name can outlive session and service."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("msgpack")
pytest.importorskip("websockets")

from embodied_mem.errors import ConfigError, DamagedStore, InvalidMessage, StampRunsBackwards
from embodied_mem.policy.memory_policy import MemoryPolicy
from embodied_mem.serve.openpi_client import OpenPiClient
from embodied_mem.serve.openpi_server import OpenPiServer
from embodied_mem.serve.policy_service import EpisodeTakenOver, PolicyService
from tests.serve.small_policy import SMALL, make_policy


def sent(second: int, episode: str | int | None = None, **more: Any) -> dict[str, Any]:
    picture = np.random.default_rng(second).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    state = np.array([0.1, 0.2], dtype=np.float32)
    message = {"observation/front": picture, "observation/state": state, "stamp_ns": second * 10**9, **more}
    return message if episode is None else {**message, "episode": episode}


def actions(service_session: Any, *messages: dict[str, Any]) -> list[Any]:
    return [service_session.infer(message)["actions"].tolist() for message in messages]


BAD = {
    "a picture that is none": {"observation/front": np.zeros(3, np.uint8)},
    "a state of another width": {"observation/state": np.zeros(3, np.float32)},
    "another camera": {"observation/front": None},
    "a stamp that is none": {"stamp_ns": "now"},
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_first_frame_does_not_begin_an_episode(what: str) -> None:
    bad = {**sent(2, "b"), **BAD[what]}
    session, undisturbed = PolicyService(make_policy()).open(), PolicyService(make_policy()).open()
    expected = actions(undisturbed, sent(0, "a"), sent(1, "a"), sent(2, "b"), sent(3, "b"))
    found = actions(session, sent(0, "a"), sent(1, "a"))
    with pytest.raises(InvalidMessage):
        session.infer(bad)
    assert found + actions(session, sent(2, "b"), sent(3, "b")) == expected


@pytest.mark.parametrize("what", BAD)
def test_a_bad_first_frame_does_not_end_the_episode_before(what: str) -> None:
    bad = {**sent(2, "b"), **BAD[what]}
    session, undisturbed = PolicyService(make_policy()).open(), PolicyService(make_policy()).open()
    expected = actions(undisturbed, sent(0, "a"), sent(1, "a"), sent(3, "a"))
    found = actions(session, sent(0, "a"), sent(1, "a"))
    with pytest.raises(InvalidMessage):
        session.infer(bad)
    assert found + actions(session, sent(3, "a")) == expected


# -- episodes that outlive their session ------------------------------------------------------------------------------


def undisturbed(*episodes: list[dict[str, Any]]) -> list[list[Any]]:
    """What sessions get that see these messages, one session an episode, without an end."""
    service = PolicyService(make_policy(len(episodes)))
    return [actions(service.open(), *messages) for messages in episodes]


def test_served_stopped_and_served_again_it_acts_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    file = tmp_path / "served" / "memory.npz"
    one, two = [sent(i, "one") for i in range(8)], [sent(20 + i, 2) for i in range(8)]
    expected = undisturbed(one, two)
    with (
        OpenPiServer(PolicyService(make_policy(2), memory=file)) as server,
        OpenPiClient(port=server.port) as first,
        OpenPiClient(port=server.port) as second,
    ):
        for messages, client in ((one, first), (two, second)):
            actions(client, *messages[:6])
        server.stop()
    # The clients are back in another order.
    with (
        OpenPiServer(PolicyService(make_policy(2), memory=file)) as server,
        OpenPiClient(port=server.port) as second,
        OpenPiClient(port=server.port) as first,
    ):
        found = actions(second, *two[6:]), actions(first, *one[6:])
    # Bit-equal in one thread; the server's may sum in another order.
    np.testing.assert_allclose(found, [expected[1][6:], expected[0][6:]], atol=1e-5)


def test_who_connects_again_goes_on_with_the_episode_that_he_names(tmp_path: Path) -> None:
    service = PolicyService(make_policy(3), memory=tmp_path / "memory.npz")
    messages = [sent(i, "a") for i in range(4)]
    session = service.open()
    found = actions(session, *messages[:2])
    session.close()
    other = service.open()
    actions(other, sent(9), sent(10))  # without a name: it gets a slot in which nothing is kept
    assert found + actions(service.open(), *messages[2:]) == undisturbed(messages, [], [])[0]


def test_who_is_back_before_his_broken_link_is_noticed_goes_on_and_the_old_session_is_refused(
    tmp_path: Path,
) -> None:
    service = PolicyService(make_policy(), memory=tmp_path / "memory.npz")
    messages = [sent(i, "a") for i in range(6)]
    old, new = service.open(), service.open()
    found = actions(old, *messages[:2])
    with pytest.raises(InvalidMessage, match="all 1 sessions are taken"):
        new.infer(sent(2, "another"))
    found += actions(new, *messages[2:4])
    with pytest.raises(EpisodeTakenOver, match=r"'a'.*connect anew"):
        old.infer(messages[4])
    old.close()  # noticed at last: the slot stays with the newcomer
    found += actions(new, messages[4])
    new.close()
    assert found + actions(service.open(), messages[5]) == undisturbed(messages)[0]


def test_what_is_refused_takes_nothing_over(tmp_path: Path) -> None:
    service = PolicyService(make_policy(2), memory=tmp_path / "memory.npz")
    old, new = service.open(), service.open()
    actions(old, sent(5, "a"))
    with pytest.raises(StampRunsBackwards):
        new.infer(sent(1, "a"))
    actions(old, sent(6, "a"))


def test_of_two_sessions_that_begin_one_name_the_later_episode_is_kept(tmp_path: Path) -> None:
    service = PolicyService(make_policy(2), memory=tmp_path / "memory.npz")
    first, second = service.open(), service.open()
    actions(first, sent(50, "a"))
    actions(second, sent(0, "b"), sent(1, "a"))  # it begins anew: this session had an episode already
    actions(first, sent(51, "a"))
    second.close()
    first.close()
    actions(service.open(), sent(2, "a"))  # it would run backwards in the first one's


def test_without_a_file_sessions_may_use_one_name() -> None:
    service = PolicyService(make_policy(2))
    first, second = service.open(), service.open()
    actions(first, sent(5, "a"))
    actions(second, sent(0, "a"))
    actions(first, sent(6, "a"))


@pytest.mark.parametrize("connects_anew", [False, True])
def test_a_decision_that_fails_leaves_no_name_on_what_is_gone(
    connects_anew: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = make_policy()
    act = policy.act

    def fail(*given: Any) -> None:
        act(*given)
        raise RuntimeError("out of memory")

    service = PolicyService(policy, memory=tmp_path / "memory.npz")
    session = service.open()
    actions(session, sent(5, "a"))
    with monkeypatch.context() as failing, pytest.raises(RuntimeError):
        failing.setattr(policy, "act", fail)
        session.infer(sent(6, "b"))
    if connects_anew:
        session.close()
        session = service.open()
    actions(session, sent(0, "a"))  # it would run backwards if a still named the slot


def test_without_a_file_an_episode_ends_with_its_session() -> None:
    service = PolicyService(make_policy())
    session = service.open()
    actions(session, sent(5, "a"))
    session.close()
    fresh = make_policy()
    fresh.memory.decisions[0] = 1
    assert actions(service.open(), sent(0, "a")) == actions(PolicyService(fresh).open(), sent(0, "a"))


def test_what_is_kept_goes_when_its_slot_is_needed_and_when_its_name_begins_anew(tmp_path: Path) -> None:
    service = PolicyService(make_policy(2), memory=tmp_path / "memory.npz")
    for name in ("a", "b", "c"):  # c takes the slot of a
        session = service.open()
        actions(session, sent(5, name))
        session.close()
    session = service.open()
    actions(session, sent(0, "a"))  # it would run backwards if a were still kept; it takes the slot of b
    actions(session, sent(0, "c"))  # another episode of this name
    session.close()
    service.open().infer(sent(0, "c"))  # so this is the second one, and not the first


def test_an_episode_that_ends_is_not_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "memory.npz"
    session = PolicyService(make_policy(), memory=file).open()
    actions(session, sent(5, "a"), sent(6, "b"))
    again = PolicyService(make_policy(), memory=file).open()  # the first service was not stopped: it died
    actions(again, sent(0, "a"))


def test_a_file_of_another_policy_or_none_of_ours_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "memory.npz"
    session = PolicyService(make_policy(), memory=file).open()
    actions(session, sent(0, "a"))
    session.close()
    torch.manual_seed(1)
    with pytest.raises(ConfigError, match="other weights"):
        PolicyService(MemoryPolicy(SMALL), memory=file)
    with pytest.raises(DamagedStore, match="options"):
        PolicyService(make_policy(2), memory=file)
    for content in (b"", b"no archive", file.read_bytes()[:-200]):
        file.write_bytes(content)
        with pytest.raises(DamagedStore, match="Delete it"):
            PolicyService(make_policy(), memory=file)


def test_a_file_that_cannot_be_written_is_told_and_the_robots_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    session = PolicyService(make_policy(), memory=tmp_path / "file" / "memory.npz").open()
    with caplog.at_level(logging.ERROR):
        actions(session, sent(0, "a"), sent(1, "b"))
    assert "cannot be written" in caplog.text
