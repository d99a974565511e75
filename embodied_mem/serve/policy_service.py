"""Our policy behind openpi's protocol: a slot for each session, and messages as observations."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from embodied_mem.errors import InvalidMessage, StoreError
from embodied_mem.messages.sensing import check_stamp
from embodied_mem.policy.saved_memory import Episode, is_episode, load_memory, save_memory
from embodied_mem.policy.seam import Observation
from embodied_mem.serve.openpi_server import Session

if TYPE_CHECKING:
    from embodied_mem.policy.memory_policy import MemoryPolicy

EPISODE, STAMP, STATE, PROMPT = "episode", "stamp_ns", "observation/state", "prompt"
"""Keys beside the pictures'. A client may add the first two: another episode than before begins anew; when it was observed."""

log = logging.getLogger(__name__)


class EpisodeTakenOver(InvalidMessage):
    """Another session goes on with this one's episode."""


class PolicyService:
    """Our policy behind openpi's protocol: with its first observation every session gets a slot, as long as there are any.

    Observations: `observation/<camera>` pictures (h, w, 3) uint8, `observation/state` proprioception, `prompt`.

    With a file for its `memory` an episode that has a name outlives its session, and the service: who connects again and names it goes
    on with it, until its slot is needed. If the session before is still open, then it is refused from now on: a server does not notice
    at once that a link broke. It is written whenever an episode or a session ends.
    """

    def __init__(
        self, policy: MemoryPolicy, *, name: str = "embodied_mem", memory: Path | None = None
    ) -> None:
        """Raises what `load_memory` raises."""
        self._policy, self._lock = policy, threading.Lock()
        self._name, self._memory = name, memory
        self._free = list(range(policy.num_slots))
        self._holders: dict[int, _PolicySession] = {}
        self._episodes = {} if memory is None else load_memory(policy, memory)

    @property
    def metadata(self) -> dict[str, Any]:
        return {"policy": self._name, "slots": self._policy.num_slots}

    def open(self) -> Session:
        """A session; it gets its slot with its first observation."""
        return _PolicySession(self)

    def act(self, session: _PolicySession, message: dict[str, Any]) -> dict[str, Any]:
        """One session's decision; sessions take turns. What is refused begins no episode and ends none.

        Raises:
            InvalidMessage: the message cannot be used, or all slots are taken.
            EpisodeTakenOver: another session has the slot now.
        """
        episode, prompt = episode_of(message, session.episode), prompt_of(message)
        with self._lock:
            slot, goes_on = self._place(session, episode)
            observation = observed(message, slot)
            if not goes_on:
                self._policy.check(observation, prompt)
                self._forget(slot)
                session.episode = None  # it has the name once it has begun
            chunk = self._policy.act(observation, None, prompt)
            if not goes_on or session.slot is None:
                self._take(session, slot, episode)
        return {"actions": chunk.actions[0], "period_s": chunk.period_s}

    def release(self, session: _PolicySession) -> None:
        """A session ended."""
        with self._lock:
            if session.slot is None or self._holders.get(session.slot) is not session:
                return
            del self._holders[session.slot]
            self._free.append(session.slot)
            if session.slot not in self._episodes:
                self._policy.reset([session.slot])
            self._write()

    def _place(self, session: _PolicySession, episode: Episode | None) -> tuple[int, bool]:
        """A session's slot for this episode, and whether the episode goes on there."""
        if session.slot is not None:
            if self._holders.get(session.slot) is not session:
                raise EpisodeTakenOver(
                    f"another connection named episode {session.episode!r} and goes on with it; connect anew, and give "
                    "every robot's episode a name of its own."
                )
            return session.slot, episode == session.episode
        for slot, kept in self._episodes.items():
            if kept == episode:
                return slot, True
        if not self._free:
            raise InvalidMessage(
                f"all {self._policy.num_slots} sessions are taken; close one, or start the server with more slots."
            )
        return min(self._free, key=lambda slot: slot in self._episodes), False

    def _forget(self, slot: int) -> None:
        """What is remembered in a slot goes, and its name with it."""
        self._episodes.pop(slot, None)
        self._policy.reset([slot])

    def _take(self, session: _PolicySession, slot: int, episode: Episode | None) -> None:
        """An episode of the session has begun in a slot, or went on there."""
        before = self._holders.get(slot)
        if before is None:
            self._free.remove(slot)
        self._holders[slot] = session
        session.slot, session.episode = slot, episode
        if self._memory is not None and episode is not None:
            others = {other: kept for other, kept in self._episodes.items() if kept != episode}
            self._episodes = {**others, slot: episode}  # an earlier episode of that name is another one
        if before is not None:  # its session, or this one's episode, has ended
            self._write()

    def _write(self) -> None:
        if self._memory is None:
            return
        try:
            save_memory(self._policy, self._memory, episodes=self._episodes)
        except StoreError as error:  # robots go on without it
            log.error("%s", error)


class _PolicySession:
    def __init__(self, service: PolicyService) -> None:
        self._service = service
        self.slot: int | None = None
        self.episode: Episode | None = None

    def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
        return self._service.act(self, observation)

    def close(self) -> None:
        self._service.release(self)


def observed(message: dict[str, Any], slot: int) -> Observation:
    """An openpi observation as ours; without `stamp_ns` it counts as observed now.

    Raises:
        InvalidMessage: pictures that are none, a state that is not a row of numbers, a stamp that is no whole number.
    """
    images = {}
    for key, value in message.items():
        name = key.removeprefix("observation/")
        if name == key or key == STATE:
            continue
        is_picture = isinstance(value, np.ndarray) and value.ndim == 3 and value.shape[2] == 3
        if not is_picture or value.dtype != np.uint8:
            what = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
            raise InvalidMessage(
                f"{key} is {what}; pictures are uint8 (h, w, 3). Convert it before it is sent."
            )
        images[name] = value[None]
    stamp_ns = check_stamp(STAMP, message.get(STAMP, time.time_ns()))
    return Observation(
        stamp_ns=np.array([stamp_ns]), images=images, proprio=_state(message)[None], slots=np.array([slot])
    )


def episode_of(message: dict[str, Any], before: Episode | None) -> Episode | None:
    """The episode that a message names; the one `before` where it names none.

    Raises:
        InvalidMessage: it is neither text nor a number.
    """
    episode = message.get(EPISODE)
    if isinstance(episode, np.generic):
        episode = episode.item()
    if episode is None:
        return before
    if not is_episode(episode):
        raise InvalidMessage(f"{EPISODE} is {episode!r}; name an episode by text or a number.")
    return episode


def prompt_of(message: dict[str, Any]) -> str:
    """The instruction; none is as good as an empty one.

    Raises:
        InvalidMessage: it is no text.
    """
    prompt = message.get(PROMPT, "")
    if not isinstance(prompt, str):
        raise InvalidMessage(f"{PROMPT} is a {type(prompt).__name__}; it must be text.")
    return prompt


def _state(message: dict[str, Any]) -> Float32[np.ndarray, "p"]:
    sent = message.get(STATE, ())
    try:
        with np.errstate(over="ignore"):  # what becomes infinite is refused with the observation
            state = np.asarray(sent, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidMessage(f"{STATE} is no row of numbers ({error}).") from error
    if state.ndim != 1:
        raise InvalidMessage(f"{STATE} has shape {state.shape}; it is a row of numbers.")
    return state
