"""A bank's memory at any step of a recorded episode, without stepping through it: for training on shuffled steps.

Where raw tokens are stored, what a bank holds is linear in the episode's tokens: each entry is a weighted mean of frames.
The weights depend on the tokens and the consolidation alone, not on what is learned, so they are worked out once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import cosine_similarity, scaled_dot_product_attention

from embodied_mem.errors import ConfigError
from embodied_mem.layers.banks.config import PerceptualBankConfig
from embodied_mem.layers.banks.consolidation import selection_cost
from embodied_mem.layers.banks.weights import BankWeights


@dataclass(frozen=True, kw_only=True)
class HeldFrames:
    """What a bank holds before a step: each entry's share of every frame, and its time as shares of theirs."""

    weights: Float[Tensor, "l t"]
    time_weights: Float[Tensor, "l t"]


@dataclass(kw_only=True)
class _Entry:
    tokens: Tensor
    weights: Tensor
    time_weights: Tensor
    num_observations: int = 1


def held_frames(tokens: Float[Tensor, "t n d"], config: PerceptualBankConfig) -> list[HeldFrames]:
    """What a bank with these options holds before each of the episode's steps.

    Raises:
        ConfigError: the bank stores fused tokens, or narrows them, so that its memory depends on what is learned.
    """
    if config.stored != "raw" or config.width != config.token_width:
        raise ConfigError(
            f"a bank that stores {config.stored!r} tokens of width {config.width} for {config.token_width} cannot be replayed; "
            "use stored='raw' without bank_width."
        )
    entries: list[_Entry] = []
    similarities: list[float] = []
    held, eye = [], torch.eye(len(tokens))
    for step, seen in enumerate(tokens):
        empty = torch.zeros(0, len(tokens))
        held.append(
            HeldFrames(
                weights=torch.stack([e.weights for e in entries]) if entries else empty,
                time_weights=torch.stack([e.time_weights for e in entries]) if entries else empty,
            )
        )
        entries.append(_Entry(tokens=seen, weights=eye[step], time_weights=eye[step]))
        if len(entries) > config.capacity:
            if config.consolidation in ("merge", "segment", "select"):
                similarities += [_similarity(a, b) for a, b in pairwise(entries[len(similarities) :])]
            _make_room(entries, similarities, config)
    return held


def recalled(
    weights: BankWeights,
    config: PerceptualBankConfig,
    seen: Float[Tensor, "b n d"],
    entries: Float[Tensor, "b l n d"],
    seconds: Float[Tensor, "b l"],
    is_filled: Bool[Tensor, "b l"],
) -> Float[Tensor, "b n d"]:
    """What `PerceptualBank.step` gives for these tokens with these entries, with gradients to all of its weights."""
    has_any = is_filled.any(dim=1)
    allowed = is_filled | ~has_any[:, None]  # a row that has none attends to padding, and is put right below
    mask = allowed.repeat_interleave(entries.shape[2], dim=1)[:, None, None]
    timed = (entries + weights.time(seconds)[:, :, None]).flatten(1, 2)
    values, query = entries.flatten(1, 2), seen
    for layer in weights.retrieval_layers():
        q, k, v = (
            _heads(part, config) for part in (layer.query(query), layer.key(timed), layer.value(values))
        )
        attended = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        query = layer.finish(query, attended.transpose(1, 2).flatten(2))
    fused: Tensor = weights.fusion(seen, torch.where(has_any[:, None, None], query, seen))
    return fused


def _heads(rows: Tensor, config: PerceptualBankConfig) -> Tensor:
    return rows.reshape(*rows.shape[:2], config.num_heads, -1).transpose(1, 2)


def _similarity(first: _Entry, second: _Entry) -> float:
    return float(cosine_similarity(first.tokens, second.tokens, dim=-1).mean())


def _make_room(entries: list[_Entry], similarities: list[float], config: PerceptualBankConfig) -> None:
    if config.consolidation in ("fifo", "recent"):
        del entries[min(1, config.capacity - 1) if config.consolidation == "recent" else 0]
        return
    at, share = _join(entries, similarities, config)
    earlier, later = entries[at], entries[at + 1]
    number = earlier.num_observations + later.num_observations
    times = share if config.merged_time == "mean" or config.consolidation == "select" else 1.0
    entries[at : at + 2] = [
        _Entry(
            tokens=share * earlier.tokens + (1 - share) * later.tokens, num_observations=number,
            weights=share * earlier.weights + (1 - share) * later.weights,
            time_weights=times * earlier.time_weights + (1 - times) * later.time_weights,
        )
    ]  # fmt: skip
    del similarities[at]
    for i in (at - 1, at):
        if 0 <= i < len(similarities):
            similarities[i] = _similarity(entries[i], entries[i + 1])


def _join(
    entries: list[_Entry], similarities: list[float], config: PerceptualBankConfig
) -> tuple[int, float]:
    """Which entry joins the next one, and its share in what comes of it."""
    observations = [entry.num_observations for entry in entries]
    if config.consolidation == "select":
        pairs = zip(pairwise(observations), similarities, strict=True)
        costs = [selection_cost(min(pair), s) for pair, s in pairs]
        at = min(range(len(costs)), key=costs.__getitem__)
        return at, 1.0 if observations[at] >= observations[at + 1] else 0.0
    at = max(range(len(similarities)), key=similarities.__getitem__)
    if config.consolidation == "merge":
        return at, 0.5
    return at, observations[at] / (observations[at] + observations[at + 1])


def padded(
    held: list[HeldFrames], num_frames: int
) -> tuple[Float[Tensor, "b l t"], Float[Tensor, "b l t"], Bool[Tensor, "b l"]]:
    """Several memories side by side: weights, time weights, and which entries there are (at least one place)."""
    most = max(1, *(len(one.weights) for one in held))
    weights, times = torch.zeros(len(held), most, num_frames), torch.zeros(len(held), most, num_frames)
    is_filled = torch.zeros(len(held), most, dtype=torch.bool)
    for row, one in enumerate(held):
        size, frames = one.weights.shape
        weights[row, :size, :frames], times[row, :size, :frames] = one.weights, one.time_weights
        is_filled[row, :size] = True
    return weights, times, is_filled
