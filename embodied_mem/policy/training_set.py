"""Demonstrations as a policy learns from them: tables of frames, with what the banks would hold before each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64, UInt8
from torch import Tensor

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.policy import vision
from embodied_mem.policy.memory_policy import MemoryPolicyConfig
from embodied_mem.policy.naming import Naming, told_words
from embodied_mem.policy.recognition import contrasts, nothing_recognised, seen_again
from embodied_mem.policy.reflection import NUM_VALUES, UNKNOWN
from embodied_mem.policy.replayed import HeldFrames, held_frames, padded

PICTURES_FROM = 50
"""How many demonstrations the scaling of tokens is taken from."""
DEMOS_AT_ONCE = 64
"""Pictures of so many are taken together: small tables kept between large passing ones would fragment memory."""


class Thing(NamedTuple):
    """Something in view: what it is called, and where in the picture its middle is (column and row as parts of the picture)."""

    name: str
    column: float
    row: float


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """One episode by an expert, a row for each step.

    Attributes:
        images: of the policy's camera.
        seconds: since the episode's start.
        is_acting: whether the action is to be learned (it is not where it has no effect).
        num_before: how many steps lie before the wait; all times after it may be later than they were.
        hidden: the value of what was hidden, from the wait on known to the teacher (-1: not known; nor is 16 or more).
        places: where in the picture the action takes place, or what is to be watched is (column and row as parts of the picture;
            NaN: nowhere); known to the teacher, learned from and not seen.
        instruction: what the robot is told, all through the episode.
        things: what is in view, as the teacher calls it; nothing where no names are to be learned.
    """

    images: UInt8[np.ndarray, "t h w 3"]
    proprio: Float32[np.ndarray, "t p"]
    actions: Float32[np.ndarray, "t a"]
    seconds: Float64[np.ndarray, "t"]
    is_acting: Bool[np.ndarray, "t"]
    num_before: int
    hidden: int
    places: Float32[np.ndarray, "t 2"]
    instruction: str = ""
    things: tuple[tuple[Thing, ...], ...] = ()


class TrainingSet:
    """Demonstrations as tables of frames, with what the banks would hold before each of them; `naming` names what they show, for a
    policy that knows words.
    """

    def __init__(
        self,
        demonstrations: Sequence[Demonstration],
        config: MemoryPolicyConfig,
        naming: Naming | None = None,
    ) -> None:
        if not demonstrations:
            raise InvalidMessage("there are no demonstrations to learn from; record some first.")
        if (naming is None) == bool(config.words):
            raise ConfigError(
                f"the policy knows {len(config.words)} words, and its naming is {naming}; a policy needs `naming` if it knows any."
            )
        self.config, self.naming = config, naming
        self.num_frames = max(len(one.images) for one in demonstrations)
        self.tokens: list[Tensor] = []
        self.whole: list[Tensor] = []
        self.perceptual: list[list[HeldFrames]] = []
        self.cognitive: list[list[HeldFrames]] = []
        self.demonstrations = demonstrations
        self.scaling = vision.Scaling()
        some = demonstrations[:PICTURES_FROM]
        self.scaling.fit(torch.cat([vision.small_pictures(torch.from_numpy(one.images)) for one in some]))
        for first in range(0, len(demonstrations), DEMOS_AT_ONCE):
            part = demonstrations[first : first + DEMOS_AT_ONCE]
            lengths = [len(one.images) for one in part]
            pictures = vision.small_pictures(torch.from_numpy(np.concatenate([one.images for one in part])))
            tokens, whole = self.scaling(pictures)
            if naming is not None:
                named = [naming.names(torch.from_numpy(one.images)) for one in part]
                whole = torch.cat([whole, torch.cat(named)], dim=2)
            self.tokens += tokens.split(lengths)
            self.whole += whole.split(lengths)
        if config.keeps_entries:
            perceptual, cognitive = (
                config.bank_config(num_slots=1, is_cognitive=is_cognitive) for is_cognitive in (False, True)
            )
            self.perceptual += [held_frames(tokens, perceptual) for tokens in self.tokens]
            self.cognitive += [held_frames(whole, cognitive) for whole in self.whole]
        self.places = [torch.from_numpy(one.places) for one in demonstrations]
        self.hidden = [_known(one) for one in demonstrations]
        self.told = told_words(config.words, [one.instruction for one in demonstrations], len(demonstrations))
        self.again = [self._seen_again(episode) for episode in range(len(demonstrations))]
        self.samples = np.array(
            [sample for e, one in enumerate(demonstrations) for sample in _decisions(e, one)]
        )

    def _seen_again(self, episode: int) -> Tensor:
        """Where something is seen again at each of an episode's steps; it depends on nothing that is learned."""
        tokens = self.scaling.unscaled(self.tokens[episode])
        if not self.config.keeps_entries:
            return nothing_recognised(len(tokens))
        weights, _, is_kept = padded(self.perceptual[episode], len(tokens))
        # The same entry is held before many steps; its contrasts, which cost most, are worked out once.
        different, which = torch.unique(weights.flatten(0, 1), dim=0, return_inverse=True)
        kept = contrasts(torch.einsum("kt,tnd->knd", different, tokens))[which.reshape(is_kept.shape)]
        return seen_again(contrasts(tokens), kept, is_kept)

    def batches(self, size: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
        """Shuffled samples (episode, step), without end."""
        while True:
            order = generator.permutation(len(self.samples))
            for start in range(0, max(1, len(order) - size + 1), size):
                yield self.samples[order[start : start + size]]

    def seconds_of(self, episode: int, shift_s: float) -> Tensor:
        """When an episode's frames were, the wait taken to be `shift_s` longer."""
        one = self.demonstrations[episode]
        is_after = np.arange(len(one.seconds)) >= one.num_before
        return torch.from_numpy((one.seconds + shift_s * is_after).astype(np.float32))


def _decisions(episode: int, one: Demonstration) -> list[tuple[int, int]]:
    """What is to be learned of an episode: those that follow the wait need memory, and are repeated until they are half of all."""
    steps = np.flatnonzero(one.is_acting)
    before, after = steps[steps < one.num_before], steps[steps >= one.num_before]
    times = max(1, round(len(before) / max(1, len(after))))
    return [(episode, int(step)) for step in (*before, *np.repeat(after, times))]


def _known(one: Demonstration) -> Int64[Tensor, "t"]:
    """What was hidden, at every step from the wait on; unknown where it has more values than can be told apart."""
    is_before = torch.arange(len(one.images)) < one.num_before
    hidden = one.hidden if one.hidden < NUM_VALUES else UNKNOWN
    return torch.full((len(one.images),), hidden).masked_fill(is_before, UNKNOWN)
