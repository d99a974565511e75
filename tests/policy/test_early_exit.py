"""Early exits: thresholds keep to their budget, and a row leaves where its exits agree."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_mem.errors import ConfigError
from embodied_mem.policy.early_exit import (
    act_early,
    depths,
    exit_differences,
    expected_compute,
    solve_thresholds,
)
from embodied_mem.policy.flow_expert import FlowExpert, FlowExpertConfig

STEPS = 8


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.5, 1.0), st.integers(1, 4))
def test_thresholds_keep_to_the_budget_and_use_it(seed: int, compute: float, num_pairs: int) -> None:
    differences = torch.rand(200, num_pairs, generator=torch.Generator().manual_seed(seed)).square()
    least = expected_compute(differences, (float("inf"),) * num_pairs, STEPS)
    thresholds = solve_thresholds(differences, compute=max(compute, least), flow_steps=STEPS)
    spent = expected_compute(differences, thresholds, STEPS)
    assert spent <= max(compute, least) + 1e-9
    most = expected_compute(differences, (-1.0,) * num_pairs, STEPS)
    assert spent >= min(max(compute, least), most) - 0.05


def test_a_decision_goes_up_to_the_first_exit_with_which_the_next_agrees() -> None:
    differences = torch.tensor([[0.1, 0.9], [0.9, 0.1], [0.9, 0.9], [0.1, 0.1]])
    assert depths(differences, (0.5, 0.5)).tolist() == [1, 2, 3, 1]


def test_each_row_acts_as_its_exit_does() -> None:
    torch.manual_seed(0)
    expert = FlowExpert(FlowExpertConfig(width=16, num_heads=2, num_blocks=3, flow_steps=STEPS))
    inputs = torch.randn(12, 1, 4), torch.randn(12, 5, 16), torch.randn(12, 16)
    with torch.no_grad():
        differences = exit_differences(expert, *inputs)
        thresholds = (float(differences[:, 0].median()), float(differences[:, 1].median()))
        early = act_early(expert, *inputs, thresholds)
        assert early.depth.tolist() == depths(differences, thresholds).tolist()
        assert set(early.depth.tolist()) == {1, 2, 3}
        for depth in (1, 2, 3):
            whole = expert.act(*inputs, num_blocks=depth)
            rows = early.depth == depth
            assert torch.allclose(early.actions[rows], whole[rows], atol=1e-5)
    expected = expected_compute(differences, thresholds, STEPS) * 3 * STEPS
    assert float(early.blocks_run.double().mean()) == pytest.approx(expected)


def test_budgets_that_cannot_be_kept_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"compute is 0\.1"):
        solve_thresholds(torch.rand(10, 2), compute=0.1, flow_steps=STEPS)
    expert = FlowExpert(FlowExpertConfig(width=16, num_heads=2, num_blocks=3))
    with pytest.raises(ConfigError, match="1 thresholds for 3 blocks"):
        act_early(expert, torch.zeros(1, 1, 4), torch.zeros(1, 5, 16), torch.zeros(1, 16), (0.1,))
