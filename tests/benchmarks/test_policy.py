"""The bank benchmark measures what it says it measures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from embodied_mem.benchmarks.policy.bank_step import Pair, full_bank, in_turn, one_core, plain_copy, stepper
from embodied_mem.benchmarks.policy.context_cost import measure_context
from embodied_mem.benchmarks.policy.run import GOALS, slots_rows
from embodied_mem.benchmarks.policy.streams import encode, recorded_stream
from embodied_mem.layers.banks import PerceptualBankConfig

SMALL = PerceptualBankConfig(num_tokens=4, token_width=8, capacity=5)


def test_a_filled_bank_and_its_plain_copy_go_on_alike() -> None:
    with one_core():
        fast = full_bank(SMALL, torch.randn(5, 4, 8))
        stream = torch.randn(9, 4, 8)
        steps = stepper(fast, stream), stepper(plain_copy(fast), stream)
        for _ in range(9):
            assert torch.allclose(steps[0](), steps[1](), atol=1e-5)


def test_the_ratio_says_how_much_more_the_second_costs() -> None:
    pair = Pair(np.array([1.0, 2.0, 1.0]), np.array([3.0, 3.0, 4.0]))
    assert pair.ratio == 3.0
    assert pair.interval[0] < pair.ratio < pair.interval[1] + 1e-9


def test_every_call_is_measured_in_every_turn() -> None:
    calls: list[str] = []
    times = in_turn(lambda: calls.append("a"), lambda: calls.append("b"), num_turns=3)
    assert calls == ["a", "b"] * 4
    assert [len(of_call) for of_call in times] == [3, 3]


def test_views_that_look_alike_have_like_tokens() -> None:
    rng = np.random.default_rng(0)
    view, other = rng.uniform(-1, 1, (2, 128, 128, 3)).astype(np.float32)
    tokens = encode(np.stack([view, view + 0.01, other]))
    assert tokens.shape == (3, 256, 256)
    alike, apart = (torch.cosine_similarity(tokens[0], tokens[i], dim=-1).mean() for i in (1, 2))
    assert alike > 0.99 > 0.9 > apart


def test_without_a_recording_the_drawn_room_is_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMBODIED_MEM_DATA", raising=False)
    stream = recorded_stream(3)
    assert stream.source == "drawn room"
    assert stream.tokens.shape == (3, 256, 256)


def test_rows_carry_their_goals() -> None:
    with one_core():
        rows = slots_rows(torch.randn(24, 256, 256), 1, lambda _: None, quick=True)
    assert rows[0].goal == GOALS["bank.32_slots.1x512.speedup"]
    assert rows[0].value > 1.0


def test_a_context_is_measured_after_each_of_the_last_frames_and_while_frames_come_in() -> None:
    with one_core():
        after, writing = measure_context(40, 900, 5, lambda _: None)
    for costs in (after, writing):
        assert len(costs.cpu_ms) == len(costs.wall_ms) == 5
        assert costs.num_observations >= 900
        assert costs.num_entities >= 38
    assert writing.frames_per_s > after.frames_per_s == 0
