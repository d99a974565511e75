"""Thinking over a bank's entries: in the order of their times, whatever row they lie in, and each from earlier ones alone."""

from __future__ import annotations

import torch
from torch import Tensor

from embodied_mem.policy import vision
from embodied_mem.policy.pointing import pointing_loss
from embodied_mem.policy.reflection import UNKNOWN, Entries, Reflection, Thoughts, lesson_loss

NUM_ENTRIES = 5
NO_WORDS = torch.zeros(1, 0)


def entries(tokens: Tensor, is_kept: list[bool] | None = None) -> Entries:
    kept = torch.tensor([is_kept or [True] * NUM_ENTRIES])
    return Entries(tokens, torch.arange(float(NUM_ENTRIES))[None], kept, torch.tensor([9.0]))


def drawn() -> tuple[Reflection, Tensor, Tensor]:
    torch.manual_seed(5)
    tokens = torch.randn(1, NUM_ENTRIES, 1, vision.COGNITIVE_WIDTH)
    return Reflection(16, 2).eval(), torch.randn(1, 1, vision.COGNITIVE_WIDTH), tokens


@torch.no_grad()
def test_what_was_thought_earlier_does_not_depend_on_what_came_later() -> None:
    reflection, now, tokens = drawn()
    other = torch.cat([tokens[:, :3], torch.randn_like(tokens[:, 3:])], dim=1)
    ours, theirs = (reflection(now, entries(one), NO_WORDS).thought for one in (tokens, other))
    assert torch.allclose(ours[:, :3], theirs[:, :3], atol=1e-5)
    assert not torch.allclose(ours[:, -1], theirs[:, -1], atol=1e-3)


@torch.no_grad()
def test_rows_may_lie_in_any_order_and_empty_ones_do_not_count() -> None:
    reflection, now, tokens = drawn()
    one = entries(tokens, [True, True, True, False, False])
    order = torch.tensor([3, 2, 0, 4, 1])
    mixed = Entries(one.tokens[:, order], one.seconds[:, order], one.is_kept[:, order], one.now_s)
    noisy = mixed._replace(tokens=torch.where(mixed.is_kept[..., None, None], mixed.tokens, 7.0))
    expected = reflection(now, one, NO_WORDS).thought[:, -1]
    assert torch.allclose(reflection(now, noisy, NO_WORDS).thought[:, -1], expected, atol=1e-5)
    fewer = Entries(tokens[:, :3], one.seconds[:, :3], one.is_kept[:, :3], one.now_s)
    assert torch.allclose(reflection(now, fewer, NO_WORDS).thought[:, -1], expected, atol=1e-5)


def test_a_lesson_is_learned_where_the_teacher_knows_something() -> None:
    place = torch.zeros(1, 2, vision.NUM_EYE_TOKENS)
    hidden = torch.zeros(1, 2, 16)
    unknown = torch.full((1, 2), UNKNOWN), torch.full((1, 2, 2), torch.nan)
    thoughts = Thoughts(torch.zeros(1, 2, 16), hidden, place)
    assert float(lesson_loss(thoughts, *unknown)) == 0.0
    told = unknown[0].clone()
    told[0, 1] = 3
    wrong, right = hidden.clone(), hidden.clone()
    wrong[0, 1, 2], right[0, 1, 3] = 9.0, 9.0
    losses = [
        float(lesson_loss(thoughts._replace(hidden=one), told, unknown[1])) for one in (right, hidden, wrong)
    ]
    assert losses == sorted(losses)
    assert losses[0] < 0.1 < 5.0 < losses[2]


def test_pointing_is_best_at_the_place_and_nowhere_when_there_is_none() -> None:
    places = torch.tensor([[0.53, 0.28], [torch.nan, torch.nan]])
    at = int(0.28 * vision.EYE_GRID) * vision.EYE_GRID + int(0.53 * vision.EYE_GRID)
    losses = []
    for patch in range(vision.NUM_EYE_TOKENS):
        logits = torch.zeros(2, vision.NUM_EYE_TOKENS)
        logits[:, patch] = 3.0
        losses.append(float(pointing_loss(logits, places)))
    assert min(range(len(losses)), key=losses.__getitem__) == at
    assert float(pointing_loss(torch.randn(1, vision.NUM_EYE_TOKENS), places[1:])) == 0.0
