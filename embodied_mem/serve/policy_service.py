"""Our policy behind openpi's protocol: a slot for each session, and messages as observations."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from embodied_mem.errors import InvalidMessage
from embodied_mem.messages.sensing import check_stamp
from embodied_mem.policy.seam import Observation
from embodied_mem.serve.openpi_server import Session

if TYPE_CHECKING:
    from embodied_mem.policy.memory_policy import MemoryPolicy

EPISODE, STAMP, STATE, PROMPT = "episode", "stamp_ns", "observation/state", "prompt"
"""Keys beside the pictures'. A client may add the first two: another episode than before begins anew; when it was observed."""

Episode = str | int | float


class PolicyService:
    """Our policy behind openpi's protocol: every session gets one of its slots, as long as there are any.

    Observations: `observation/<camera>` pictures (h, w, 3) uint8, `observation/state` proprioception, `prompt`.
    """

    def __init__(self, policy: MemoryPolicy, *, name: str = "embodied_mem") -> None:
        self._policy, self._lock = policy, threading.Lock()
        self._free = list(range(policy.num_slots))
        self._name = name

    @property
    def metadata(self) -> dict[str, Any]:
        return {"policy": self._name, "slots": self._policy.num_slots}

    def open(self) -> Session:
        """A session with a slot of its own.

        Raises:
            InvalidMessage: all slots are taken.
        """
        with self._lock:
            if not self._free:
                raise InvalidMessage(
                    f"all {self._policy.num_slots} sessions are taken; close one, or start the server with more slots."
                )
            slot = self._free.pop(0)
            self._policy.reset([slot])
        return _PolicySession(self, slot)

    def act(self, observation: Observation, prompt: str, *, is_new: bool) -> dict[str, Any]:
        """One session's decision; sessions take turns. What is refused ends no episode."""
        with self._lock:
            if is_new:
                self._policy.check(observation, prompt)
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
        self._episode: Episode | None = None

    def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
        episode = episode_of(observation, self._episode)
        observed_now, prompt = observed(observation, self._slot), prompt_of(observation)
        answer = self._service.act(observed_now, prompt, is_new=episode != self._episode)
        self._episode = episode
        return answer

    def close(self) -> None:
        self._service.release(self._slot)


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
    if not isinstance(episode, (str, int, float)) or (isinstance(episode, float) and math.isnan(episode)):
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
