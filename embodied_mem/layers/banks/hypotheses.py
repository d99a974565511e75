"""Several memories of one target, side by side, while it is in doubt which is right (SAM2Long, arXiv 2410.16268).

Each pathway has a memory of its own. `branch` gives what is seen through every pathway's memory; a tracker proposes candidates
from each (masks, say, as tokens) with how good it thinks they are; `choose` keeps the best pathways of all pathways times
candidates, by the sum of the logarithms of those qualities, and each remembers its own candidate. A mistake is taken back when a pathway
that did not make it overtakes. While the target is in doubt, candidates of the same quality count as one, so that the
pathways stay different.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.layers.banks.admission import Admitted, SlotClock, check_values
from embodied_mem.layers.banks.config import PerceptualBankConfig
from embodied_mem.layers.banks.perceptual import PerceptualBank
from embodied_mem.layers.banks.protocol import Newest, Slots, Source, Stamps

DEAD = float("-inf")
LEAST_QUALITY = 1e-4
SAME = 1e-2
"""Qualities closer than this count as the same."""
SLOT_SECOND = ("keys", "values", "mean_keys")
"""Buffers of a bank's entries whose second dimension is the slot."""


@dataclass(frozen=True, kw_only=True)
class HypothesisTreeConfig:
    """The tree's options.

    Attributes:
        bank: of each pathway's memory; its num_slots is how many targets there are.
        num_pathways: how many are kept.
        min_quality: a candidate below it is not written, its pathway goes on with what it had.
        doubtful_below: an object score below it (a logit) means that the target is in doubt.
    """

    bank: PerceptualBankConfig = field(
        default_factory=lambda: PerceptualBankConfig(capacity=7, consolidation="recent")
    )
    num_pathways: int = 3
    min_quality: float = 0.3
    doubtful_below: float = 2.0

    def __post_init__(self) -> None:
        if self.num_pathways < 1 or not 0.0 <= self.min_quality <= 1.0:
            raise ConfigError(
                f"hypothesis_tree.num_pathways is {self.num_pathways} (at least 1) and min_quality {self.min_quality} (0..1)."
            )


class Chosen(NamedTuple):
    """The pathways after a choice, best first: which pathway each came from, which candidate it took, its score."""

    pathway: Int64[Tensor, "b p"]
    candidate: Int64[Tensor, "b p"]
    score: Float[Tensor, "b p"]


class HypothesisTree(nn.Module):
    """Pathways over a perceptual bank; see `Bank` for the contract. A plain `step` offers the tokens as only candidate."""

    score: Tensor

    def __init__(self, config: HypothesisTreeConfig = HypothesisTreeConfig()) -> None:
        super().__init__()
        self.config = config
        slots, pathways = config.bank.num_slots, config.num_pathways
        self.bank = PerceptualBank(_with_slots(config.bank, slots * pathways))
        self.clock = SlotClock(slots)
        self.register_buffer("score", torch.full((slots, pathways), DEAD))
        self.score[:, 0] = 0.0
        self._seen: tuple[Admitted, Tensor] | None = None
        self.register_load_state_dict_post_hook(_take_back_branch)  # type: ignore[no-untyped-call]  # torch has no types here
        self.eval()

    def step(self, tokens: Float[Tensor, "b n d"], stamp_ns: Stamps, slots: Slots = None) -> Tensor:
        """The tokens fused with the leading pathway's memory; then every pathway remembers them."""
        fused = self.branch(tokens, stamp_ns, slots)[:, 0]
        alone = tokens[:, None, None].expand(-1, self.config.num_pathways, -1, -1, -1)
        certain = torch.ones(len(tokens), self.config.num_pathways, 1, device=tokens.device)
        self.choose(alone, certain, torch.full((len(tokens),), float("inf"), device=tokens.device))
        return fused

    def branch(
        self, tokens: Float[Tensor, "b n d"], stamp_ns: Stamps, slots: Slots = None
    ) -> Float[Tensor, "b p n d"]:
        """The tokens fused with each pathway's memory, the leading one first; nothing is remembered before `choose`.

        A `reset` of one of the slots or a load takes the branch back, and it is not part of the state: branch again then
        (the same stamp will do).
        """
        shape = (self.config.bank.num_tokens, self.config.bank.token_width)
        step = self.clock.admit(tokens, stamp_ns, slots, shape=shape)
        rows = self._rows(step.slots)
        nothing = torch.zeros(rows.numel(), dtype=torch.bool, device=tokens.device)
        inner = self._admitted(step)
        fused = self.bank.take(tokens.repeat_interleave(self.config.num_pathways, dim=0), inner, nothing)
        with torch.no_grad():
            self.clock.advance(step)
        self._seen = (step, tokens)
        return fused.reshape(len(tokens), self.config.num_pathways, *tokens.shape[1:])

    @torch.no_grad()
    def choose(
        self,
        candidates: Float[Tensor, "b p c n d"],
        quality: Float[Tensor, "b p c"],
        object_score: Float[Tensor, "b"],
    ) -> Chosen:
        """Keep the best pathways, each with its candidate; the leading one is first from now on.

        Raises:
            InvalidMessage: there was no `branch` before or it was taken back, or shapes, types or values do not fit.
        """
        step = self._check(candidates, quality, object_score)
        quality, object_score = quality.float(), object_score.float()
        pathways, num_candidates = self.config.num_pathways, quality.shape[2]
        gains = quality.clamp(LEAST_QUALITY, 1.0).log()
        total = (self.score[step.slots][:, :, None] + gains).flatten(1)
        in_doubt = object_score < self.config.doubtful_below
        distinct = torch.where(in_doubt[:, None], _once_each(total, quality.flatten(1)), total)
        # Where fewer than so many are distinct, the rest follow in order: a dead pathway is no better.
        ranked = distinct.masked_fill(distinct == DEAD, -1e30)
        order = ranked.argsort(dim=1, descending=True, stable=True)[:, :pathways]
        order = torch.cat([order, order[:, -1:].expand(-1, pathways - order.shape[1])], dim=1)
        chosen = Chosen(order // num_candidates, order % num_candidates, distinct.gather(1, order))
        self._become(step, chosen, candidates, quality, object_score)
        self._seen = None
        return chosen

    def sources(self, slot: int, num_sources: int = 3) -> list[Source]:
        """The entries that dominated what `branch` last gave for the pathway that now leads."""
        return self.bank.sources(self._leading(slot), num_sources)

    def newest(self, slot: int, num: int) -> Newest:
        """The leading pathway's entries, newest first."""
        return self.bank.newest(self._leading(slot), num)

    def reset(self, slots: Slots = None, *, start_ns: int | None = None) -> None:
        """One pathway without memory is left in these slots."""
        rows = self.clock.rows(slots)
        self.clock.reset(rows, start_ns)
        self.bank.reset(self._rows(rows).flatten(), start_ns=start_ns)
        if self._seen is not None and bool(torch.isin(self._seen[0].slots, rows).any()):
            self._seen = None
        self.score[rows] = DEAD
        self.score[rows, 0] = 0.0

    def bytes(self) -> int:
        """What all pathways take."""
        return self.bank.bytes() + self.score.nbytes + sum(buffer.nbytes for buffer in self.clock.buffers())

    def _become(
        self, step: Admitted, chosen: Chosen, candidates: Tensor, quality: Tensor, object_score: Tensor
    ) -> None:
        rows, b = self._rows(step.slots), torch.arange(len(step.slots), device=candidates.device)[:, None]
        copy_slots(self.bank, rows.gather(1, chosen.pathway).flatten(), rows.flatten())
        best = chosen.score[:, :1]
        self.score[step.slots] = chosen.score - torch.where(best == DEAD, 0.0, best)
        tokens = candidates[b, chosen.pathway, chosen.candidate].flatten(0, 1)
        is_good = quality[b, chosen.pathway, chosen.candidate] >= self.config.min_quality
        is_written = (is_good & (object_score > 0)[:, None]).flatten()
        self.bank.write(tokens, self._admitted(step), is_written)

    def _leading(self, slot: int) -> int:
        """The inner bank's slot of the pathway that a target's answers come from."""
        return self.clock.row(slot) * self.config.num_pathways

    def _rows(self, slots: Int64[Tensor, "b"]) -> Int64[Tensor, "b p"]:
        """The inner bank's slots of each target's pathways."""
        pathways = torch.arange(self.config.num_pathways, device=slots.device)
        return slots[:, None] * self.config.num_pathways + pathways

    def _admitted(self, step: Admitted) -> Admitted:
        num = self.config.num_pathways
        return Admitted(
            self._rows(step.slots).flatten(),
            step.stamp_ns.repeat_interleave(num),
            step.seconds.repeat_interleave(num),
        )

    def _check(self, candidates: Tensor, quality: Tensor, object_score: Tensor) -> Admitted:
        if self._seen is None:
            raise InvalidMessage(
                "there is nothing to choose from; call branch(tokens, stamp_ns, slots) first, and again after a reset or a load."
            )
        step, tokens = self._seen
        lead = (len(tokens), self.config.num_pathways)
        num_candidates = quality.shape[2] if isinstance(quality, Tensor) and quality.ndim == 3 else 1
        check_values("quality", quality, (*lead, max(1, num_candidates)), is_finite=False)
        check_values("object_score", object_score, lead[:1], is_finite=False)
        check_values("candidates", candidates, (*quality.shape, *tokens.shape[1:]))
        if candidates.dtype != torch.float32:
            raise InvalidMessage(
                f"candidates are {candidates.dtype}; they must be torch.float32, as the tokens of a step are."
            )
        return step


def _take_back_branch(tree: HypothesisTree, incompatible: object) -> None:
    """What was seen before a load is not of the stream that was loaded."""
    tree._seen = None


def copy_slots(bank: PerceptualBank, sources: Int64[Tensor, "k"], targets: Int64[Tensor, "k"]) -> None:
    """Let slots remember what others do, as if they had lived through it."""
    for part in (bank.entries, bank.clock, bank.provenance):
        for name, buffer in part.named_buffers():
            table = buffer.transpose(0, 1) if name in SLOT_SECOND else buffer
            table[targets] = table[sources]


def _once_each(total: Float[Tensor, "b k"], quality: Float[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    """The totals of the best of each quality; the others follow far behind."""
    order = total.argsort(dim=1, descending=True, stable=True)
    ranked = quality.gather(1, order)
    is_same = (ranked[:, :, None] - ranked[:, None, :]).abs() < SAME
    is_repeat = torch.tril(is_same, diagonal=-1).any(dim=2)
    penalty = torch.zeros_like(total).scatter(1, order, is_repeat.to(total.dtype) * 1e6)
    return total - penalty


def _with_slots(config: PerceptualBankConfig, num_slots: int) -> PerceptualBankConfig:
    return replace(config, num_slots=num_slots)
