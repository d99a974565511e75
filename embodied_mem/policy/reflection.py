"""Thinking over what is remembered: a small transformer over the entries of a bank and the present, in the order of time.

A look-up finds what was seen; how often something was, or where it went from there, takes comparing entries with each other. It
is taught by lessons, at every moment of an episode at once: what was hidden, and where in the picture the thing is that matters. Each
entry attends to earlier ones alone, so that what was thought at an earlier moment is what a later one starts from.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from embodied_mem.layers.banks.blocks import TimeEmbedding
from embodied_mem.policy import vision
from embodied_mem.policy.naming import agreement
from embodied_mem.policy.pointing import pointing_loss

NUM_LAYERS, NUM_FREQUENCIES = 2, 32
NUM_VALUES = 16
"""How many values of what was hidden are told apart; it is not taught where there are more."""
UNKNOWN = -1


class Entries(NamedTuple):
    """What a bank holds: tokens, times since the episode began, which of them there are; and the present time."""

    tokens: Float[Tensor, "b l n d"]
    seconds: Float[Tensor, "b l"]
    is_kept: Bool[Tensor, "b l"]
    now_s: Float[Tensor, "b"]


class Thoughts(NamedTuple):
    """What follows from the entries, at each entry's moment and (last) now; what it says was hidden; and where the thing is that matters,
    as logits of the eyes' patches.
    """

    thought: Float[Tensor, "b m e"]
    hidden: Float[Tensor, "b m v"]
    place: Float[Tensor, "b m p"]


class Reflection(nn.Module):
    """Thinks over entries and the present: over how they looked, or, where the robot is told of a thing that it knows, over how well
    what was named in them agrees. What it never met in training, an instruction without a word or with one, it has not learned to use.
    """

    def __init__(self, width: int, num_heads: int, *, has_words: bool = False) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.enter = nn.Linear(vision.COGNITIVE_WIDTH, width)
        self.time = TimeEmbedding(NUM_FREQUENCIES, width)
        layer = nn.TransformerEncoderLayer(
            width, num_heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, NUM_LAYERS, enable_nested_tensor=False)
        self.hidden = nn.Linear(width, NUM_VALUES)
        self.place = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, vision.NUM_EYE_TOKENS)
        )
        self.agreement = nn.Linear(1, width) if has_words else None

    def forward(self, now: Float[Tensor, "b 1 w"], entries: Entries, told: Float[Tensor, "b k"]) -> Thoughts:
        """`now` is the present cognitive token, `entries` those of the bank; `told` are the words of the instruction."""
        tokens = torch.cat([entries.tokens, now[:, None]], dim=1).flatten(2)
        seconds = torch.cat([entries.seconds, entries.now_s[:, None]], dim=1)
        is_there = torch.cat([entries.is_kept, torch.ones_like(entries.is_kept[:, :1])], dim=1)
        is_earlier = seconds[:, None, :] <= seconds[:, :, None]
        itself = torch.eye(tokens.shape[1], dtype=torch.bool, device=tokens.device)
        is_barred = ~((is_earlier & is_there[:, None, :]) | itself)
        entered = self.enter(tokens[..., : vision.COGNITIVE_WIDTH])
        if self.agreement is not None:
            # Who is told of a thing thinks of where it was named: how views looked would be learned by heart.
            named = agreement(tokens[..., vision.COGNITIVE_WIDTH :], told, is_there)[..., None]
            entered = torch.where(told.any(dim=1)[:, None, None], self.agreement(named), entered)
        entered = entered + self.time(seconds)
        thought = self.layers(entered, mask=is_barred.repeat_interleave(self.num_heads, dim=0))
        return Thoughts(thought, self.hidden(thought), self.place(thought))


def lesson_loss(
    thoughts: Thoughts, hidden: Int64[Tensor, "b m"], places: Float[Tensor, "b m 2"]
) -> Float[Tensor, ""]:
    """How far thoughts are from what the teacher knows (`UNKNOWN` and NaN: nothing is to be learned there). The present counts as
    much as all earlier moments together.
    """
    now, before = (_errors(thoughts, hidden, places, part) for part in (slice(-1, None), slice(0, -1)))
    return now + before


def _errors(thoughts: Thoughts, hidden: Tensor, places: Tensor, part: slice) -> Tensor:
    values, known = thoughts.hidden[:, part].flatten(0, 1), hidden[:, part].flatten()
    told = nn.functional.cross_entropy(values, known, ignore_index=UNKNOWN, reduction="sum")
    shown = pointing_loss(thoughts.place[:, part].flatten(0, 1), places[:, part].flatten(0, 1))
    errors: Tensor = told / (known != UNKNOWN).sum().clamp(min=1) + shown
    return errors
