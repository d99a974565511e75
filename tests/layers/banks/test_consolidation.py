"""Selected entries reconstruct their stream within the announced error."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from embodied_mem.layers.banks import PerceptualBank, PerceptualBankConfig

SECOND_NS = 10**9
Kept = dict[int, int]
"""How many observations each kept one (by its second) stands for."""


def distance(first: Tensor, second: Tensor) -> float:
    """Of two entries (n, d), whose tokens are directions: the root of the mean square over tokens."""
    unit = [torch.nn.functional.normalize(tokens.double(), dim=-1) for tokens in (first, second)]
    return float((unit[0] - unit[1]).square().sum(dim=-1).mean().sqrt())


def kept(bank: PerceptualBank) -> Kept:
    entries, rows = bank.entries, bank.entries.order[0, : int(bank.entries.count[0])].tolist()
    return {round(float(entries.seconds[0, row])): int(entries.num_observations[0, row]) for row in rows}


def cheapest(stream: list[Tensor], held: Kept) -> float:
    return min(min(held[a], held[b]) * distance(stream[a], stream[b]) for a, b in pairwise(sorted(held)))


def paid(stream: list[Tensor], before: Kept, after: Kept) -> float:
    """For as many observations as the one that went stood for, the way to the one that took its place."""
    gone = next(second for second in before if second not in after)
    heir = next(second for second in after if after[second] != before[second])
    return before[gone] * distance(stream[gone], stream[heir])


def at_degrees(*degrees: float) -> Tensor:
    """One token for each angle."""
    return torch.tensor([[math.cos(math.radians(a)), math.sin(math.radians(a)), 0.0] for a in degrees])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    stream=st.lists(st.tuples(*[st.floats(0, 180)] * 2).map(lambda pair: at_degrees(*pair)), max_size=14),
    capacity=st.integers(2, 4),
)
@example(
    stream=[at_degrees(a, a) for a in (0, 20, 20, 40, 40, 40, 40)] + [torch.tensor([[0, 0, 1.0]] * 2)],
    capacity=2,
)
@example(stream=[at_degrees(a, a) for a in (0, 0, 0, 15, 15, 15, 45)], capacity=2)
def test_the_error_of_what_is_selected_is_at_most_the_sum_of_the_least_costs(
    stream: list[Tensor], capacity: int
) -> None:
    bank = PerceptualBank(
        PerceptualBankConfig(
            num_tokens=2, token_width=3, capacity=capacity, consolidation="select", time_width=2
        )
    )
    sum_of_costs = 0.0
    for second, tokens in enumerate(stream):
        before = kept(bank) | {second: 1}
        with torch.no_grad():
            bank.step(tokens[None], second * SECOND_NS)
        if len(before) > capacity:
            cost = paid(stream, before, kept(bank))
            # In float32, angles under half a degree are hardly told from none.
            assert cost <= cheapest(stream, before) + 1e-2
            sum_of_costs += cost
    error = sum(min(distance(seen, stream[second]) for second in kept(bank)) for seen in stream)
    assert error <= sum_of_costs + 1e-6
