"""Target memory (after TrackVLA++'s target identification memory, arXiv 2510.07134): what the followed one looks like.

Fixed size: a few hypotheses of what the target looks like and where it was, each as many tokens as one observation. The
leading one is written only when the identity's confidence passes the gate, and then by that confidence. What passes by
while the target is hidden goes to hypotheses of its own, whose belief grows while they are seen and fades by seconds; so
the memory survives an occlusion, and still gives in when it was following the wrong one.

TrackVLA++ keeps a single hypothesis and lets its language model estimate the confidence. Here that can be handed in;
without it, the similarity to the hypothesis that fits best takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from embodied_mem.errors import ConfigError
from embodied_mem.layers.banks._attention import attend
from embodied_mem.layers.banks.admission import Admitted, SlotClock, check_values, forget, newest_of
from embodied_mem.layers.banks.blocks import GateFusion, RetrievalLayer, TimeEmbedding
from embodied_mem.layers.banks.consolidation import token_similarity
from embodied_mem.layers.banks.protocol import Newest, Slots, Source, Stamps
from embodied_mem.layers.banks.provenance import Provenance

NEW_BELIEF = 0.25
"""Belief in a hypothesis at first sight; the target's is 1."""


@dataclass(frozen=True, kw_only=True)
class TargetMemoryConfig:
    """The target memory's options.

    Attributes:
        num_slots: how many streams are kept apart.
        num_tokens, token_width: the shape of what one step of one slot brings.
        num_hypotheses: how many looks are kept, the target's among them.
        min_confidence: the gate; below it the target's look is not touched.
        rate: how much of a look a step with confidence 1 replaces, and of the missing belief it restores.
        fade_s: the seconds in which belief in what is not seen falls to 1/e.
        num_heads, time_width: of the attention, and of the embedded times.
    """

    num_slots: int = 1
    num_tokens: int = 16
    token_width: int = 256
    num_hypotheses: int = 3
    min_confidence: float = 0.6
    rate: float = 0.5
    fade_s: float = 30.0
    num_heads: int = 4
    time_width: int = 64

    def __post_init__(self) -> None:
        for name in ("num_slots", "num_tokens", "token_width", "num_hypotheses", "num_heads", "time_width"):
            if getattr(self, name) < 1:
                raise ConfigError(f"target_memory.{name} is {getattr(self, name)}; it must be at least 1.")
        for name in ("min_confidence", "rate"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ConfigError(
                    f"target_memory.{name} is {getattr(self, name)}; it must lie above 0, up to 1."
                )
        if not self.fade_s > 0.0 or self.token_width % self.num_heads:
            raise ConfigError(
                f"target_memory.fade_s is {self.fade_s} (must be above 0) and num_heads {self.num_heads} "
                f"(must divide token_width {self.token_width})."
            )


class _Write(NamedTuple):
    """Into which hypothesis each row goes, by how much of it (1: a new one), and whether it goes anywhere."""

    row: Tensor
    share: Tensor
    is_new: Tensor
    is_written: Tensor


class TargetMemory(nn.Module):
    """A bank of what one target looks like; see `Bank` for the contract. Hypotheses carry no gradients."""

    tokens: Tensor
    polar: Tensor
    belief: Tensor
    seconds: Tensor
    first_ns: Tensor
    last_ns: Tensor
    num_observations: Tensor

    def __init__(self, config: TargetMemoryConfig = TargetMemoryConfig()) -> None:
        super().__init__()
        self.config = config
        slots, looks, width = config.num_slots, config.num_hypotheses, config.token_width
        self.layer = RetrievalLayer(width)
        self.time = TimeEmbedding(config.time_width, width)
        self.place = nn.Linear(4, width)
        self.fusion = GateFusion(width)
        self.clock = SlotClock(slots)
        self.provenance = Provenance(slots, looks)
        self.register_buffer("tokens", torch.zeros(slots, looks, config.num_tokens, width))
        # cosine and sine of the bearing, log(1 + range), and 1: all zero where the place is not known
        self.register_buffer("polar", torch.zeros(slots, looks, 4))
        for name in ("belief", "seconds"):
            self.register_buffer(name, torch.zeros(slots, looks, dtype=torch.float64))
        for name in ("first_ns", "last_ns", "num_observations"):
            self.register_buffer(name, torch.zeros(slots, looks, dtype=torch.int64))
        self.eval()

    def step(
        self,
        tokens: Float[Tensor, "b n d"],
        stamp_ns: Stamps,
        slots: Slots = None,
        *,
        confidence: Float[Tensor, "b"] | None = None,
        bearing_range: Float[Tensor, "b 2"] | None = None,
    ) -> Tensor:
        """The tokens fused with the target's look and place; then they are remembered as the gate allows.

        `confidence` is that what is seen is the target, 0 to 1; `bearing_range` is where it is seen, in radians and metres
        from the robot.

        Raises:
            InvalidMessage: also for a confidence outside 0..1, or a range that is negative or not finite.
        """
        shape = (self.config.num_tokens, self.config.token_width)
        step = self.clock.admit(tokens, stamp_ns, slots, shape=shape)
        if confidence is not None:
            check_values("confidence", confidence, (len(tokens),), lowest=0.0, highest=1.0)
        if bearing_range is not None:
            check_values("bearing_range", bearing_range, (len(tokens), 2))
            check_values("bearing_range[:, 1]", bearing_range[:, 1], (len(tokens),), lowest=0.0)
        return self.take(tokens, step, confidence, bearing_range)

    def take(
        self,
        tokens: Float[Tensor, "b n d"],
        step: Admitted,
        confidence: Float[Tensor, "b"] | None = None,
        bearing_range: Float[Tensor, "b 2"] | None = None,
    ) -> Tensor:
        """A step whose input was admitted."""
        leader = self.belief[step.slots].argmax(dim=1)
        output: Tensor = self.fusion(tokens, self._recall(tokens, step.slots, leader))
        with torch.no_grad():
            share = nn.functional.one_hot(leader, self.config.num_hypotheses) * (self.belief[step.slots] > 0)
            self.provenance.keep(step.slots, share.to(tokens.dtype), self)
            self._remember(tokens.detach(), step, leader, confidence, bearing_range)
            self.clock.advance(step)
        return output

    def sources(self, slot: int, num_sources: int = 1) -> list[Source]:
        """What the slot's last output took for the target: from when to when it was seen, and how often."""
        return self.provenance.sources(self.clock.row(slot), num_sources)

    def beliefs(self, slot: int) -> list[float]:
        """How much each hypothesis is believed to be the target, as of the slot's last step; 0 is none."""
        beliefs: list[float] = self.belief[self.clock.row(slot)].tolist()
        return beliefs

    def newest(self, slot: int, num: int) -> Newest:
        """The looks, the one that was seen last first; which of them is followed is told by `beliefs`, in another order."""
        row = self.clock.row(slot)
        looks = (self.belief[row] > 0).nonzero()[:, 0]
        newest = looks[self.last_ns[row, looks].argsort(descending=True, stable=True)]
        return newest_of(self.tokens[row], self.last_ns[row], newest, num)

    def reset(self, slots: Slots = None, *, start_ns: int | None = None) -> None:
        """Forget these slots' targets."""
        rows = self.clock.rows(slots)
        self.clock.reset(rows, start_ns)
        self.provenance.reset(rows)
        forget(rows, self.tokens, self.polar, self.belief, self.seconds)
        forget(rows, self.first_ns, self.last_ns, self.num_observations)

    def bytes(self) -> int:
        """What the hypotheses and the bookkeeping take."""
        return sum(buffer.nbytes for buffer in self.buffers())

    def _recall(self, seen: Tensor, slots: Tensor, leader: Tensor) -> Tensor:
        """Attention to the leading look and its place; the tokens themselves where there is none yet."""
        values = torch.cat(
            [self.tokens[slots, leader], self.place(self.polar[slots, leader])[:, None]], dim=1
        )
        timed = values + self.time(self.seconds[slots, leader])[:, None]
        keys, values = (
            self._heads(rows)[:, :, None] for rows in (self.layer.key(timed), self.layer.value(values))
        )
        attended = attend(self._heads(self.layer.query(seen)), keys, values).values
        recalled = self.layer.finish(seen, attended.transpose(1, 2).flatten(2))
        has_target = self.belief[slots].amax(dim=1) > 0
        return torch.where(has_target[:, None, None], recalled, seen)

    def _remember(
        self,
        seen: Tensor,
        step: Admitted,
        leader: Tensor,
        confidence: Tensor | None,
        bearing_range: Tensor | None,
    ) -> None:
        elapsed_s = (step.stamp_ns - self.clock.previous(step)).double() / 1e9
        self.belief[step.slots] *= torch.exp(-elapsed_s / self.config.fade_s)[:, None]
        write = self._choose(seen, step.slots, leader, confidence)
        slots, row, is_new = step.slots, write.row, write.is_new
        share = torch.where(write.is_written, write.share, 0.0)
        now = {
            "tokens": torch.lerp(self.tokens[slots, row], seen, share.to(seen.dtype)[:, None, None]),
            "belief": self._new_belief(slots, row, is_new, share),
            "seconds": step.seconds,
            "first_ns": torch.where(is_new, step.stamp_ns, self.first_ns[slots, row]),
            "last_ns": step.stamp_ns,
            "num_observations": torch.where(is_new, 0, self.num_observations[slots, row]) + 1,
            "polar": self.polar[slots, row] * ~is_new[:, None]
            if bearing_range is None
            else _polar(bearing_range),
        }
        for name, values in now.items():
            table = getattr(self, name)
            is_written = write.is_written.reshape(-1, *[1] * (values.ndim - 1))
            table[slots, row] = torch.where(is_written, values, table[slots, row])

    def _new_belief(self, slots: Tensor, row: Tensor, is_new: Tensor, share: Tensor) -> Tensor:
        belief = self.belief[slots, row]
        first_belief = torch.where(self.belief[slots].amax(dim=1) > 0, NEW_BELIEF, 1.0).double()
        return torch.where(is_new, first_belief, belief + (1 - belief) * share.double())

    def _choose(self, seen: Tensor, slots: Tensor, leader: Tensor, confidence: Tensor | None) -> _Write:
        belief, looks = self.belief[slots], self.config.num_hypotheses
        is_empty = belief.amax(dim=1) <= 0
        similarity = torch.stack([token_similarity(self.tokens[slots, i], seen) for i in range(looks)], dim=1)
        similarity = similarity.masked_fill(belief <= 0, -1.0)
        fit, best = similarity.max(dim=1)
        gate = self.config.min_confidence
        fits = fit >= gate
        certainty = torch.where(is_empty, 1.0, fit.clamp(0.0, 1.0)) if confidence is None else confidence
        is_sure = certainty >= gate
        others = belief.scatter(1, leader[:, None], float("inf"))
        weakest = others.argmin(dim=1)
        row = torch.where(fits, best, torch.where(is_sure, leader, weakest))
        row = torch.where(is_empty, 0, row)
        is_new = is_empty | (~is_sure & ~fits)
        # Unsure of what looks like the target: its look stays. With room for one look, nothing else can be kept.
        is_written = is_sure | (~is_empty & (row != leader))
        share = torch.where(is_new, 1.0, self.config.rate * certainty)
        return _Write(row, share, is_new, is_written)

    def _heads(self, rows: Tensor) -> Tensor:
        return rows.reshape(*rows.shape[:2], self.config.num_heads, -1).transpose(1, 2)


def _polar(bearing_range: Tensor) -> Tensor:
    bearing_rad, range_m = bearing_range.to(torch.float32).unbind(dim=1)
    return torch.stack(
        [torch.cos(bearing_rad), torch.sin(bearing_rad), torch.log1p(range_m), torch.ones_like(range_m)],
        dim=1,
    )
