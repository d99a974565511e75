"""Leaving the expert early where its exits agree (DeeR-VLA, arXiv 2411.02359): thresholds are solved from a budget of compute.

A decision is probed first: from its noise, exit after exit foresees where the actions end. Where an exit differs from the one before
it by less than its threshold, the one before is good enough, and the whole flow goes through its blocks alone.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from embodied_mem.errors import ConfigError
from embodied_mem.policy.flow_expert import FlowExpert

SEARCH_STEPS = 30


class EarlyActions(NamedTuple):
    """Actions, through how many blocks each row went, and how many blocks were run for it in all."""

    actions: Float[Tensor, "b h a"]
    depth: Int64[Tensor, "b"]
    blocks_run: Int64[Tensor, "b"]


def exit_differences(
    expert: FlowExpert, noise: Float[Tensor, "b h a"], perceived: Tensor, condition: Tensor
) -> Float[Tensor, "b k"]:
    """How far each exit's foresight is from that of the one before: the largest difference of any action."""
    ends = torch.stack(expert.foresee(noise, perceived, condition, depth=expert.config.num_blocks), dim=1)
    return (ends[:, 1:] - ends[:, :-1]).abs().amax(dim=(2, 3))


def solve_thresholds(
    differences: Float[Tensor, "n k"], *, compute: float, flow_steps: int
) -> tuple[float, ...]:
    """The thresholds with which decisions like these cost at most `compute` of those through all blocks.

    Each exit gets the same quantile of its differences, the smallest that is enough.

    Raises:
        ConfigError: even leaving at the first exit always would cost more.
    """
    least = least_compute(differences, flow_steps)
    if not least <= compute <= 1.0:
        raise ConfigError(
            f"compute is {compute}; with {flow_steps} steps of the flow it must be in {least:.2f}..1 of all blocks."
        )
    low, high = 0.0, 1.0
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        is_enough = expected_compute(differences, _at(differences, middle), flow_steps) <= compute
        low, high = (low, middle) if is_enough else (middle, high)
    return _at(differences, high)


def expected_compute(
    differences: Float[Tensor, "n k"], thresholds: tuple[float, ...], flow_steps: int
) -> float:
    """The blocks that decisions like these run, as part of those of the whole expert."""
    depth = depths(differences, thresholds)
    num_blocks = differences.shape[1] + 1
    probed = (depth + 1).clamp(max=num_blocks)
    return float((depth * flow_steps + probed).double().mean()) / (num_blocks * flow_steps)


def least_compute(differences: Float[Tensor, "n k"], flow_steps: int) -> float:
    """What decisions cost that always leave at the first exit."""
    return expected_compute(differences, tuple([float("inf")] * differences.shape[1]), flow_steps)


def depths(differences: Float[Tensor, "n k"], thresholds: tuple[float, ...]) -> Int64[Tensor, "n"]:
    """Through how many blocks each decision goes: up to the first exit with which the next agrees."""
    agrees = differences <= torch.tensor(thresholds, dtype=differences.dtype)
    last = torch.ones(len(differences), 1, dtype=torch.bool)
    return torch.cat([agrees, last], dim=1).int().argmax(dim=1) + 1


def act_early(
    expert: FlowExpert,
    noise: Float[Tensor, "b h a"],
    perceived: Tensor,
    condition: Tensor,
    thresholds: tuple[float, ...],
) -> EarlyActions:
    """The actions, each row through as few blocks as its thresholds allow.

    Raises:
        ConfigError: not one threshold for each pair of neighbouring exits.
    """
    num_blocks = expert.config.num_blocks
    check_thresholds(thresholds, num_blocks)
    depth = torch.full((len(noise),), num_blocks)
    probed = torch.full((len(noise),), num_blocks)
    open_rows = torch.arange(len(noise))
    for at in range(2, num_blocks + 1):
        ends = expert.foresee(noise[open_rows], perceived[open_rows], condition[open_rows], depth=at)
        agrees = (ends[-1] - ends[-2]).abs().amax(dim=(1, 2)) <= thresholds[at - 2]
        depth[open_rows[agrees]], probed[open_rows[agrees]] = at - 1, at
        open_rows = open_rows[~agrees]
        if not len(open_rows):
            break
    actions = torch.empty_like(noise)
    for used in sorted(set(depth.tolist())):
        rows = depth == used
        actions[rows] = expert.act(noise[rows], perceived[rows], condition[rows], num_blocks=used)
    return EarlyActions(actions, depth, depth * expert.config.flow_steps + probed)


def check_thresholds(thresholds: tuple[float, ...], num_blocks: int) -> None:
    """Refuse what are no thresholds for so many blocks.

    Raises:
        ConfigError: not one number for each pair of neighbouring exits.
    """
    if len(thresholds) != num_blocks - 1 or not all(isinstance(one, (float, int)) for one in thresholds):
        raise ConfigError(
            f"{len(thresholds)} thresholds for {num_blocks} blocks; give one number fewer than there are blocks."
        )


def _at(differences: Float[Tensor, "n k"], quantile: float) -> tuple[float, ...]:
    return tuple(torch.quantile(differences, quantile, dim=0).tolist())
