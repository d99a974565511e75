"""Training our policy on demonstrations: shuffled steps, replayed memory, checkpoints that go on as if never interrupted."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, UInt8
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from embodied_mem.config import build
from embodied_mem.errors import ConfigError, DamagedStore, InvalidMessage
from embodied_mem.layers.banks import PerceptualBank
from embodied_mem.policy import vision
from embodied_mem.policy.memory_policy import (
    MemoryPolicy,
    MemoryPolicyConfig,
    load_policy_state,
    policy_state,
)
from embodied_mem.policy.policy_memory import Both, GatedPolicyMemory
from embodied_mem.policy.recognition import nothing_recognised, recognised
from embodied_mem.policy.replayed import HeldFrames, held_frames, padded, recalled

CHECKPOINT_VERSION = 3
PICTURES_FROM = 50
"""How many demonstrations the scaling of tokens is taken from."""
DEMOS_AT_ONCE = 64
"""Pictures of so many are taken together: small tables kept between large passing ones would fragment memory."""


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """One episode by an expert, a row for each step.

    Attributes:
        images: of the policy's camera.
        seconds: since the episode's start.
        is_acting: whether the action is to be learned (it is not where it has no effect).
        num_before: how many steps lie before the wait; all times after it may be later than they were.
    """

    images: UInt8[np.ndarray, "t h w 3"]
    proprio: Float32[np.ndarray, "t p"]
    actions: Float32[np.ndarray, "t a"]
    seconds: Float64[np.ndarray, "t"]
    is_acting: Bool[np.ndarray, "t"]
    num_before: int


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How it is trained.

    Attributes:
        steps, batch_size: of the optimiser.
        learning_rate, weight_decay: AdamW's; the rate rises for 50 steps and falls along a cosine.
        draws: how many times of the flow each sample is trained at.
        longest_wait_s: the wait in each episode is taken to last up to that much longer than it did.
        checkpoint_every: steps.
    """

    steps: int = 600
    batch_size: int = 48
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    draws: int = 4
    longest_wait_s: float = 600.0
    checkpoint_every: int = 100

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "draws", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"training.{name} is {getattr(self, name)}; it must be at least 1.")


class TrainingSet:
    """Demonstrations as tables of frames, with what the banks would hold before each of them."""

    def __init__(self, demonstrations: Sequence[Demonstration], config: MemoryPolicyConfig) -> None:
        if not demonstrations:
            raise InvalidMessage("there are no demonstrations to learn from; record some first.")
        self.config = config
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
            self.tokens += tokens.split(lengths)
            self.whole += whole.split(lengths)
        if config.bank not in ("none", "gated"):
            perceptual, cognitive = (
                config.bank_config(num_slots=1, is_cognitive=is_cognitive) for is_cognitive in (False, True)
            )
            self.perceptual += [held_frames(tokens, perceptual) for tokens in self.tokens]
            self.cognitive += [held_frames(whole, cognitive) for whole in self.whole]
        self.again = [self._seen_again(episode) for episode in range(len(demonstrations))]
        self.samples = np.array(
            [sample for e, one in enumerate(demonstrations) for sample in _decisions(e, one)]
        )

    def _seen_again(self, episode: int) -> Tensor:
        """Where something is seen again at each of an episode's steps; it depends on nothing that is learned."""
        tokens = self.scaling.unscaled(self.tokens[episode])
        if self.config.bank in ("none", "gated"):
            return nothing_recognised(len(tokens))
        weights, _, is_kept = padded(self.perceptual[episode], len(tokens))
        return recognised(tokens, torch.einsum("blt,tnd->blnd", weights, tokens), is_kept)

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


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where training stands."""

    step: int
    num_steps: int
    loss: float


class Trainer:
    """A policy, its optimiser and where it is in its demonstrations; `save` and `resume` keep all of it.

    `seed` draws weights, order and noise. `about` goes into the checkpoint as it is: the task's name, say. It trains on `device`
    (None: a GPU where there is one); what it gives, and what it saves, acts anywhere.
    """

    def __init__(
        self,
        policy: MemoryPolicyConfig,
        training: TrainingConfig,
        data: TrainingSet,
        *,
        seed: int,
        about: Mapping[str, str] | None = None,
        device: str | None = None,
    ) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.policy = MemoryPolicy(policy)
        self.policy.scaling.load_state_dict(data.scaling.state_dict())
        self.policy.to(self.device)
        self.seed, self.about = seed, dict(about or {})
        self.training, self.data = training, data
        self.optimizer = torch.optim.AdamW(
            [weight for weight in self.policy.parameters() if weight.requires_grad],
            lr=training.learning_rate, weight_decay=training.weight_decay,
        )  # fmt: skip
        self.step = 0
        self.losses: list[float] = []

    def run(
        self,
        *,
        until: int | None = None,
        on_step: Callable[[Progress], None] = lambda _: None,
        checkpoint: Path | None = None,
    ) -> MemoryPolicy:
        """Train up to step `until` (None: to the end), saving every `checkpoint_every` steps and at the end."""
        end = self.training.steps if until is None else min(until, self.training.steps)
        batches = self._batches_from(self.step)
        self.policy.train()
        while self.step < end:
            loss = self._learn(next(batches))
            self.losses.append(loss)
            self.step += 1
            on_step(Progress(step=self.step, num_steps=self.training.steps, loss=loss))
            if checkpoint is not None and (
                self.step % self.training.checkpoint_every == 0 or self.step == end
            ):
                self.save(checkpoint)
        return self.trained()

    def trained(self) -> MemoryPolicy:
        """A policy with what has been learned so far, on the CPU; it does not learn on."""
        with torch.random.fork_rng(devices=[]):  # the weights drawn here are overwritten
            policy = MemoryPolicy(self.policy.config)
        load_policy_state(policy, {name: value.cpu() for name, value in policy_state(self.policy).items()})
        return policy.eval()

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "version": CHECKPOINT_VERSION, "policy": dataclasses.asdict(self.policy.config),
            "training": dataclasses.asdict(self.training), "weights": policy_state(self.policy),
            "optimizer": self.optimizer.state_dict(), "step": self.step, "losses": list(self.losses),
            "about": self._says(),
        }  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def resume(self, path: Path) -> None:
        """Go on where a checkpoint was written: on a CPU, what follows is bit-equal to not having stopped.

        Raises:
            ConfigError: it was made with other options, from another seed, or says another thing of itself.
        """
        state = _read(path)
        ours = {
            "policy": dataclasses.asdict(self.policy.config),
            "training": dataclasses.asdict(self.training),
            "about": self._says(),
        }
        for part, options in ours.items():
            differing = sorted(key for key, value in options.items() if state[part].get(key) != value)
            if differing:
                raise ConfigError(
                    f"{path} was made with other options of {part}: {differing}. Give the same ones, or another folder."
                )
        load_policy_state(self.policy, state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.losses = int(state["step"]), list(state["losses"])

    def _says(self) -> dict[str, str]:
        return {**self.about, "seed": str(self.seed)}

    def _batches_from(self, step: int) -> Iterator[np.ndarray]:
        batches = self.data.batches(self.training.batch_size, np.random.default_rng(self.seed))
        for _ in range(step):
            next(batches)
        return batches

    def _learn(self, samples: np.ndarray) -> float:
        # Every step draws from a generator of its own, so that a resumed run draws the same.
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.training.learning_rate * _rate(self.step, self.training.steps)
        perceived, condition, wanted = self._batch(samples, generator)
        loss = self.policy.expert.loss(
            wanted, perceived, condition, draws=self.training.draws, generator=generator
        )
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
        self.optimizer.step()
        return float(loss.detach())

    def _batch(self, samples: np.ndarray, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        data, config = self.data, self.policy.config
        demonstrations = [data.demonstrations[episode] for episode, _ in samples]
        images = np.stack([one.images[step] for one, (_, step) in zip(demonstrations, samples, strict=True)])
        pictures = vision.small_pictures(torch.from_numpy(images).to(self.device))
        proprio = torch.from_numpy(
            np.stack([one.proprio[step] for one, (_, step) in zip(demonstrations, samples, strict=True)])
        ).to(self.device)
        tokens, whole, again = (
            torch.stack([table[episode][step] for episode, step in samples]).to(self.device)
            for table in (data.tokens, data.whole, data.again)
        )
        fused = self._fused(samples, (tokens, whole), generator)
        perceived, condition = self.policy.conditions(pictures, (tokens, whole), fused, proprio, again)
        wanted = np.stack(
            [
                _chunk(one, step, config.expert.horizon)
                for one, (_, step) in zip(demonstrations, samples, strict=True)
            ]
        )
        return perceived, condition, torch.from_numpy(wanted).to(self.device)

    def _fused(self, samples: np.ndarray, seen: Both, generator: torch.Generator) -> Both:
        """These samples' tokens as fused with memory, had each wait lasted longer by what is drawn."""
        data, memory = self.data, self.policy.memory
        if self.policy.config.bank == "none":
            return seen
        waits = (torch.rand(len(samples), generator=generator) * self.training.longest_wait_s).tolist()
        seconds = [data.seconds_of(e, wait) for (e, _), wait in zip(samples, waits, strict=True)]
        if isinstance(memory, GatedPolicyMemory):
            whole, when = _side_by_side(data.whole, samples), pad_sequence(seconds, batch_first=True)
            at = torch.from_numpy(samples[:, 1])
            return seen[0], memory.replayed(whole.to(self.device), when.to(self.device), at)
        tables = (data.tokens, data.perceptual), (data.whole, data.cognitive)
        perceptual, cognitive = (
            _recalled(samples, *table, seconds, bank, present)
            for table, bank, present in zip(tables, (memory.perceptual, memory.cognitive), seen, strict=True)
        )
        return perceptual, cognitive


def _recalled(
    samples: np.ndarray,
    table: Sequence[Tensor],
    held: Sequence[Sequence[HeldFrames]],
    seconds: Sequence[Tensor],
    bank: PerceptualBank,
    seen: Tensor,
) -> Tensor:
    """What a bank gives for these samples' tokens with what it holds before them."""
    frames, stamps = _side_by_side(table, samples), pad_sequence(list(seconds), batch_first=True)
    weights, times, is_filled = padded([held[episode][step] for episode, step in samples], frames.shape[1])
    entries = torch.einsum("blt,btnd->blnd", weights, frames)
    when = torch.einsum("blt,bt->bl", times, stamps)
    held_there = (part.to(seen.device) for part in (entries, when, is_filled))
    return recalled(bank.weights, bank.config, seen, *held_there)


def _side_by_side(table: Sequence[Tensor], samples: np.ndarray) -> Float[Tensor, "b t n d"]:
    """The whole episodes of these samples, the shorter ones with zeros at their end."""
    return pad_sequence([table[episode] for episode, _ in samples], batch_first=True)


def load_policy(path: Path, *, num_slots: int = 1) -> MemoryPolicy:
    """The policy of a checkpoint, for `num_slots` robots.

    Raises:
        DamagedStore: it cannot be read.
    """
    state = _read(path)
    policy = MemoryPolicy(build(MemoryPolicyConfig, state["policy"]), num_slots=num_slots)
    load_policy_state(policy, state["weights"])
    return policy.eval()


def about(path: Path) -> dict[str, str]:
    """What a checkpoint says of itself: its seed, and what its trainer was told."""
    return dict(_read(path)["about"])


def _read(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError) as error:
        raise DamagedStore(
            f"the checkpoint {path} cannot be read ({error}). Train it again, or name another."
        ) from error
    if state.get("version") != CHECKPOINT_VERSION:
        raise DamagedStore(
            f"{path} has version {state.get('version')}; this package reads {CHECKPOINT_VERSION}."
        )
    return state


def _decisions(episode: int, one: Demonstration) -> list[tuple[int, int]]:
    """What is to be learned of an episode: those that follow the wait need memory, and are repeated until they are half of all."""
    steps = np.flatnonzero(one.is_acting)
    before, after = steps[steps < one.num_before], steps[steps >= one.num_before]
    times = max(1, round(len(before) / max(1, len(after))))
    return [(episode, int(step)) for step in (*before, *np.repeat(after, times))]


def _chunk(one: Demonstration, step: int, horizon: int) -> Float32[np.ndarray, "h a"]:
    """The next actions, the last one repeated at the episode's end."""
    return one.actions[np.minimum(np.arange(step, step + horizon), len(one.actions) - 1)]


def _rate(step: int, num_steps: int) -> float:
    warm = min(50, max(1, num_steps // 10))
    if step < warm:
        return (step + 1) / warm
    return 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, num_steps - warm)))
