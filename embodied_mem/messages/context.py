"""What a policy gets of the memory: things near the instruction, keyframes, bank tokens, text; with times and sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from embodied_mem.errors import InvalidQuery
from embodied_mem.messages.knowledge import EntityId

KEYFRAME_TOKENS = 64
"""What a keyframe counts in a budget: an image's tokens in a small vision-language model."""
MIN_TOKENS = 16


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How many tokens a context may take, and how many milliseconds putting it together may last.

    An entity and a bank's entry count one token each, a keyframe 64, text one for every three characters.
    """

    tokens: int = 512
    ms: float = 20.0

    def __post_init__(self) -> None:
        if self.tokens < MIN_TOKENS or not self.ms > 0:
            raise InvalidQuery(
                f"Budget(tokens={self.tokens}, ms={self.ms}): it needs at least {MIN_TOKENS} tokens and more than 0 ms."
            )


@dataclass(frozen=True, kw_only=True)
class EntityTokens:
    """Things as rows, the most relevant first; `mask` is False where a row is padding.

    Positions are in the asking robot's frame (x ahead, y left, z up), metres; ages are seconds since last seen;
    `vectors` is what each looks like.
    """

    entity_ids: tuple[EntityId, ...]
    labels: tuple[str, ...]
    positions_robot_m: Float32[np.ndarray, "k 3"]
    vectors: Float32[np.ndarray, "k d"]
    ages_s: Float32[np.ndarray, "k"]
    confidences: Float32[np.ndarray, "k"]
    mask: Bool[np.ndarray, "k"]


@dataclass(frozen=True, kw_only=True)
class Keyframe:
    """A view that was kept: when it was, which entities were in it, and the evidence id of its frame."""

    stamp_ns: int
    age_s: float
    source: str
    image: UInt8[np.ndarray, "h w 3"]
    seen: tuple[EntityId, ...]
    weight: float


@dataclass(frozen=True, kw_only=True)
class BankTokens:
    """What a bank holds, one token an entry, the newest first; `mask` is False where a row is padding."""

    tokens: Float32[np.ndarray, "m d"]
    ages_s: Float32[np.ndarray, "m"]
    mask: Bool[np.ndarray, "m"]


@dataclass(frozen=True, kw_only=True)
class Context:
    """The memory as far as it matters for an instruction, within a budget, in the asking robot's frame.

    `sources` are the evidence ids of everything in it, in order: facts, keyframes' frames, banks' entries. `dropped` says
    what the budget left out; it is empty when nothing was. `num_tokens` counts as `Budget` does.
    """

    robot: str
    stamp_ns: int
    instruction: str
    text: str
    entities: EntityTokens
    keyframes: tuple[Keyframe, ...] = ()
    banks: Mapping[str, BankTokens] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    num_tokens: int = 0
    dropped: tuple[str, ...] = ()
