"""Training our policy on demonstrations: shuffled steps, replayed memory, checkpoints that go on as if never interrupted."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from embodied_mem.errors import ConfigError
from embodied_mem.policy import vision
from embodied_mem.policy.checkpoints import CHECKPOINT_VERSION, read_checkpoint, write_checkpoint
from embodied_mem.policy.memory_policy import (
    Conditions,
    MemoryPolicy,
    MemoryPolicyConfig,
    load_policy_state,
    policy_state,
)
from embodied_mem.policy.pointing import pointing_loss
from embodied_mem.policy.policy_memory import Both, StreamPolicyMemory, no_entries
from embodied_mem.policy.reflection import UNKNOWN, Entries, lesson_loss
from embodied_mem.policy.replayed import HeldFrames, padded, recalled
from embodied_mem.policy.training_set import Demonstration, TrainingSet


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How it is trained.

    Attributes:
        naming: steps in which it learns to name what it sees, before all else, where there are names to learn.
        lessons: steps of the optimiser in which it learns to think over what it remembers; they come first.
        steps, batch_size: of the optimiser.
        learning_rate, lesson_rate, weight_decay: AdamW's; each rate rises for 50 steps and falls along a cosine.
        draws: how many times of the flow each sample is trained at.
        pointing: the weight of pointing at the right place beside the action itself.
        longest_wait_s: half of the waits are taken to last up to that much longer than they did.
        checkpoint_every: steps.
    """

    naming: int = 1500
    lessons: int = 600
    steps: int = 600
    batch_size: int = 48
    learning_rate: float = 3e-3
    lesson_rate: float = 2e-3
    weight_decay: float = 1e-3
    draws: int = 4
    pointing: float = 0.2
    longest_wait_s: float = 600.0
    checkpoint_every: int = 100

    def __post_init__(self) -> None:
        for name in ("naming", "lessons"):
            if getattr(self, name) < 0:
                raise ConfigError(f"training.{name} is {getattr(self, name)}; it must be at least 0.")
        for name in ("steps", "batch_size", "draws", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"training.{name} is {getattr(self, name)}; it must be at least 1.")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where it stands, training or learning to name."""

    step: int
    num_steps: int
    loss: float
    what: str = "training"


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
        self.device = torch_device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.policy = MemoryPolicy(policy)
        self.policy.scaling.load_state_dict(data.scaling.state_dict())
        if self.policy.naming is not None and data.naming is not None:
            self.policy.naming.load_state_dict(data.naming.state_dict())
        self.policy.to(self.device)
        self.seed, self.about = seed, dict(about or {})
        self.training, self.data = training, data
        self.num_lessons = training.lessons if policy.keeps_entries else 0
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
        num_steps = self.num_lessons + self.training.steps
        end = num_steps if until is None else min(until, num_steps)
        batches = self._batches_from(self.step)
        self.policy.train()
        while self.step < end:
            loss = self._learn(next(batches))
            self.losses.append(loss)
            self.step += 1
            on_step(Progress(step=self.step, num_steps=num_steps, loss=loss))
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
        write_checkpoint(path, state)

    def resume(self, path: Path) -> None:
        """Go on where a checkpoint was written: on a CPU, what follows is bit-equal to not having stopped.

        Raises:
            ConfigError: it was made with other options, from another seed, or says another thing of itself.
        """
        state = read_checkpoint(path)
        ours = {
            "policy": dataclasses.asdict(self.policy.config),
            "training": dataclasses.asdict(self.training),
            "about": self._says(),
        }
        # Options that came after it was written had their defaults.
        defaults = {
            "policy": dataclasses.asdict(MemoryPolicyConfig()),
            "training": dataclasses.asdict(TrainingConfig()),
            "about": {},
        }
        for part, options in ours.items():
            theirs = {**defaults[part], **state[part]}
            differing = sorted(key for key, value in options.items() if theirs.get(key) != value)
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
        training, lessons = self.training, self.num_lessons
        if self.step < lessons:
            rate = training.lesson_rate * rate_at(self.step, lessons)
            loss = self._lesson(samples, generator)
        else:
            rate = training.learning_rate * rate_at(self.step - lessons, training.steps)
            loss = self._practice(samples, generator)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
        self.optimizer.step()
        return float(loss.detach())

    def _lesson(self, samples: np.ndarray, generator: torch.Generator) -> Tensor:
        """How well it thinks over what is held before these samples: now, and at each moment that is held for itself."""
        data = self.data
        now = torch.stack([data.whole[episode][step] for episode, step in samples]).to(self.device)
        replay = self._replay(samples, generator)
        moments = torch.cat([replay.moments, torch.from_numpy(samples[:, 1:])], dim=1)
        hidden = torch.stack([data.hidden[e][at] for (e, _), at in zip(samples, moments, strict=True)])
        places = torch.stack([data.places[e][at] for (e, _), at in zip(samples, moments, strict=True)])
        is_none = moments < 0
        thoughts = self.policy.reflection(now, replay.whole, self._told(samples))
        return lesson_loss(
            thoughts,
            hidden.masked_fill(is_none, UNKNOWN).to(self.device),
            places.masked_fill(is_none[:, :, None], torch.nan).to(self.device),
        )

    def _practice(self, samples: np.ndarray, generator: torch.Generator) -> Tensor:
        """How far it is from the teacher's actions, and from pointing where they take place."""
        conditions, wanted, places = self._batch(samples, generator)
        acting = self.policy.expert.loss(
            wanted, conditions.perceived, conditions.condition, draws=self.training.draws, generator=generator
        )
        if not self.policy.config.keeps_entries:
            return acting  # what it cannot tell from the present would be learned by heart
        return acting + self.training.pointing * pointing_loss(conditions.pointing, places)

    def _batch(self, samples: np.ndarray, generator: torch.Generator) -> tuple[Conditions, Tensor, Tensor]:
        """The policy's conditions at these samples, the actions wanted of it, and the places to point at."""
        data, config = self.data, self.policy.config
        demonstrations = [data.demonstrations[episode] for episode, _ in samples]
        images, proprio, wanted = (
            torch.from_numpy(np.stack(rows)).to(self.device)
            for rows in zip(
                *(
                    (one.images[step], one.proprio[step], _chunk(one, step, config.expert.horizon))
                    for one, (_, step) in zip(demonstrations, samples, strict=True)
                ),
                strict=True,
            )
        )
        tokens, whole, again, places = (
            torch.stack([table[episode][step] for episode, step in samples]).to(self.device)
            for table in (data.tokens, data.whole, data.again, data.places)
        )
        replay = self._replay(samples, generator)
        fused = self._fused(samples, (tokens, whole), replay)
        conditions = self.policy.conditions(
            vision.small_pictures(images),
            (tokens, whole),
            fused,
            replay.whole,
            proprio,
            again,
            self._told(samples),
        )
        return conditions, wanted, places

    def _told(self, samples: np.ndarray) -> Tensor:
        """The words of the instruction that each sample has."""
        return self.data.told[torch.from_numpy(samples[:, 0])].to(self.device)

    def _replay(self, samples: np.ndarray, generator: torch.Generator) -> Replay:
        """What is held before these samples, had each wait lasted longer by what is drawn."""
        drawn = (2.0 * torch.rand(len(samples), generator=generator) - 1.0).clamp(min=0.0)
        waits = (drawn * self.training.longest_wait_s).tolist()
        seconds = [self.data.seconds_of(e, wait) for (e, _), wait in zip(samples, waits, strict=True)]
        now_s = torch.stack([when[step] for when, (_, step) in zip(seconds, samples, strict=True)])
        stamps = pad_sequence(seconds, batch_first=True)
        if not self.policy.config.keeps_entries:
            nothing = no_entries(len(samples))._replace(now_s=now_s)
            moments = torch.full((len(samples), 1), UNKNOWN)
            return Replay(_on(self.device, nothing), _on(self.device, nothing), moments, stamps)
        held = [
            _held(samples, table, frames, stamps)
            for table, frames in (
                (self.data.tokens, self.data.perceptual),
                (self.data.whole, self.data.cognitive),
            )
        ]
        tokens, whole = (_on(self.device, Entries(*one[:3], now_s)) for one in held)
        return Replay(tokens, whole, held[1][3], stamps)

    def _fused(self, samples: np.ndarray, seen: Both, replay: Replay) -> Both:
        """These samples' tokens as fused with memory."""
        memory = self.policy.memory
        if self.policy.config.bank == "none":
            return seen
        if isinstance(memory, StreamPolicyMemory):
            whole, at = _side_by_side(self.data.whole, samples), torch.from_numpy(samples[:, 1])
            return seen[0], memory.replayed(whole.to(self.device), replay.stamps.to(self.device), at)
        perceptual, cognitive = (
            recalled(bank.weights, bank.config, present, *there[:3])
            for there, bank, present in zip(
                replay[:2], (memory.perceptual, memory.cognitive), seen, strict=True
            )
        )
        return perceptual, cognitive


def torch_device(name: str | None) -> torch.device:
    """The device of that name; None is a GPU where there is one."""
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


class Replay(NamedTuple):
    """What is held before samples, of perceptual and of cognitive tokens (`whole`); which step each of `whole` is, where it is one alone
    (else `UNKNOWN`); and when all steps of the episodes were.
    """

    tokens: Entries
    whole: Entries
    moments: Int64[Tensor, "b l"]
    stamps: Float[Tensor, "b t"]


def _on(device: torch.device, entries: Entries) -> Entries:
    return Entries(*(part.to(device) for part in entries))


def _held(
    samples: np.ndarray, table: Sequence[Tensor], held: Sequence[Sequence[HeldFrames]], stamps: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What a bank holds before these samples: tokens, their times, which entries there are, and which step each is alone."""
    frames = _side_by_side(table, samples)
    weights, times, is_filled = padded([held[episode][step] for episode, step in samples], frames.shape[1])
    share, step = weights.max(dim=2)
    return (
        torch.einsum("blt,btnd->blnd", weights, frames), torch.einsum("blt,bt->bl", times, stamps), is_filled,
        step.masked_fill(share < 1.0, UNKNOWN),
    )  # fmt: skip


def _side_by_side(table: Sequence[Tensor], samples: np.ndarray) -> Float[Tensor, "b t n d"]:
    """The whole episodes of these samples, the shorter ones with zeros at their end."""
    return pad_sequence([table[episode] for episode, _ in samples], batch_first=True)


def _chunk(one: Demonstration, step: int, horizon: int) -> Float32[np.ndarray, "h a"]:
    """The next actions, the last one repeated at the episode's end."""
    return one.actions[np.minimum(np.arange(step, step + horizon), len(one.actions) - 1)]


def rate_at(step: int, num_steps: int) -> float:
    """What part of the highest rate is used at a step: it rises for up to 50 steps, then falls along a cosine."""
    warm = min(50, max(1, num_steps // 10))
    if step < warm:
        return (step + 1) / warm
    return 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, num_steps - warm)))
