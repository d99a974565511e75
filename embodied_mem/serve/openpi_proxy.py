"""A proxy before an existing openpi server: the prompt and free picture slots are filled from a robot's memory.

robot (openpi client) ── observation ──▶ proxy ── with memory ──▶ pi0 server
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from embodied_mem.errors import InvalidMessage
from embodied_mem.messages import Budget, Context
from embodied_mem.policy.ways import fitted, prompt
from embodied_mem.serve.openpi_client import OpenPiClient
from embodied_mem.serve.openpi_server import Session

ContextOf = Callable[[str, Budget], Context]


@dataclass(frozen=True, kw_only=True)
class ProxyConfig:
    """Where memory goes.

    Attributes:
        prompt_key: of the text that is rewritten.
        image_keys: picture slots that keyframes fill, newest last; openpi's robots have three fixed slots, so name those
            that yours leaves black. They are only filled where the observation has no picture of its own, or a black one.
        size_px: (height, width) of what fills a slot that the observation does not have at all.
        budget: of each context.
    """

    prompt_key: str = "prompt"
    image_keys: Sequence[str] = ()
    size_px: tuple[int, int] = (224, 224)
    budget: Budget = field(default_factory=Budget)


class MemoryProxy:
    """A service that asks `context_of` (a memory's `context`) and passes every observation on to another server."""

    def __init__(
        self, context_of: ContextOf, connect: Callable[[], OpenPiClient], config: ProxyConfig = ProxyConfig()
    ) -> None:
        """`connect` opens a connection to the other server; each session has its own."""
        self._context_of, self._connect, self._config = context_of, connect, config
        with connect() as client:
            self._metadata = {**client.metadata, "memory": True}

    @property
    def metadata(self) -> dict[str, Any]:
        return self._metadata

    def open(self) -> Session:
        """A session with a connection of its own to the other server.

        Raises:
            RemotePolicyError: that one does not answer.
        """
        return _ProxySession(self._context_of, self._connect(), self._config)


class _ProxySession:
    def __init__(self, context_of: ContextOf, client: OpenPiClient, config: ProxyConfig) -> None:
        self._context_of, self._client, self._config = context_of, client, config

    def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
        instruction = observation.get(self._config.prompt_key, "")
        if not isinstance(instruction, str):
            raise InvalidMessage(
                f"{self._config.prompt_key} is a {type(instruction).__name__}; it must be text. Set prompt_key to the prompt's key."
            )
        context = self._context_of(instruction, self._config.budget)
        answer = self._client.infer(with_memory(observation, context, self._config))
        return {**answer, "memory_sources": list(context.sources)}

    def close(self) -> None:
        self._client.close()


def with_memory(observation: dict[str, Any], context: Context, config: ProxyConfig) -> dict[str, Any]:
    """The observation with memory in its prompt and in the free ones of its picture slots.

    Raises:
        InvalidMessage: what is black in a picture slot is no picture.
    """
    changed = dict(observation)
    changed[config.prompt_key] = prompt(str(observation.get(config.prompt_key, "")), context)
    free = [key for key in config.image_keys if _is_free(key, observation.get(key))]
    for key, view in zip(free, context.keyframes[-len(free) :] if free else (), strict=False):
        own = observation.get(key)
        height, width = config.size_px if own is None else own.shape[:2]
        changed[key] = fitted(view.image, height, width)
    return changed


def _is_free(key: str, picture: Any) -> bool:
    if picture is None:
        return True
    if not isinstance(picture, np.ndarray) or picture.any():
        return False
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise InvalidMessage(
            f"{key} is black, so that memory would fill it, but it is {picture.dtype} of shape {picture.shape}; pictures are "
            "uint8 (h, w, 3). Send it so, or do not name it in image_keys."
        )
    return True
