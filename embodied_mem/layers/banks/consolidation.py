"""What a full bank does with one entry too many: which neighbours become one, and with what weights."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

N = TypeVar("N", Tensor, float)


class Join(NamedTuple):
    """Entries `position` and `position + 1` become one; the earlier one counts `weight`, the later one the rest."""

    position: Int64[Tensor, "b"]
    weight: Float32[Tensor, "b"]


class Consolidation(Protocol):
    """How room is made. `forgets` says that the earlier entry leaves no trace, `keeps_one` that one of the two stays as it
    is and stands for the other, with its own time.
    """

    forgets: bool
    needs_similarity: bool
    keeps_one: bool

    def choose(self, similarity: Float32[Tensor, "b l"], num_observations: Int64[Tensor, "b l+1"]) -> Join:
        """`similarity[:, i]` is that of entries i and i + 1, the new one being the last."""
        ...


class MergeMostSimilar:
    """The mean of the two most similar neighbours, as MemoryVLA does: what is merged often fades by halves."""

    forgets, needs_similarity, keeps_one = False, True, False

    def choose(self, similarity: Tensor, num_observations: Tensor) -> Join:
        return Join(similarity.argmax(dim=1), similarity.new_full((len(num_observations),), 0.5))


class SegmentMeans:
    """The same neighbours, weighted by what each holds: every entry is the exact mean of its observations."""

    forgets, needs_similarity, keeps_one = False, True, False

    def choose(self, similarity: Tensor, num_observations: Tensor) -> Join:
        position = similarity.argmax(dim=1)
        earlier = num_observations.gather(1, position[:, None])[:, 0]
        later = num_observations.gather(1, position[:, None] + 1)[:, 0]
        return Join(position, earlier.to(similarity.dtype) / (earlier + later))


def selection_cost(num_observations: N, similarity: N) -> N:
    """What orders neighbours by the cost n * d of letting one stand for the other (`SelectReconstructing`): half of its square."""
    return num_observations**2 * (1.0 - similarity)


class SelectReconstructing:
    """The entries that the stream is best reconstructed from: each is one real observation and stands for those near it.

    Of all neighbours the one goes whose place the other takes at the least cost: n * d, for the n observations that it
    stands for. d is the distance of two entries with every token scaled to length 1 (the root of the mean square over tokens,
    sqrt(2 - 2 * similarity)), so that costs add up by the triangle inequality: the distances of all observations to the entries
    that stand for them sum to at most the sum of the costs, however long the stream. What is rare stays sharp, where
    means would blur it.
    """

    forgets, needs_similarity, keeps_one = False, True, True

    def choose(self, similarity: Tensor, num_observations: Tensor) -> Join:
        earlier, later = num_observations[:, :-1], num_observations[:, 1:]
        cost = selection_cost(torch.minimum(earlier, later), similarity)
        position = cost.argmin(dim=1)
        stays = (earlier >= later).gather(1, position[:, None])[:, 0]
        return Join(position, stays.to(similarity.dtype))


class DropOldest:
    """First in, first out."""

    forgets, needs_similarity, keeps_one = True, False, False

    def choose(self, similarity: Tensor, num_observations: Tensor) -> Join:
        return Join(
            torch.zeros(len(similarity), dtype=torch.int64, device=similarity.device),
            similarity.new_zeros(len(similarity)),
        )


class KeepFirst:
    """The most recent and the very first, which says what the stream is about (SAM 2's prompted frame)."""

    forgets, needs_similarity, keeps_one = True, False, False

    def choose(self, similarity: Tensor, num_observations: Tensor) -> Join:
        second = torch.full((len(similarity),), min(1, similarity.shape[1] - 1), device=similarity.device)
        return Join(second, similarity.new_zeros(len(similarity)))


CONSOLIDATIONS: dict[str, type[Consolidation]] = {
    "merge": MergeMostSimilar,
    "segment": SegmentMeans,
    "select": SelectReconstructing,
    "fifo": DropOldest,
    "recent": KeepFirst,
}


def token_similarity(first: Tensor, second: Tensor) -> Tensor:
    """The mean over tokens of their cosine similarity: (b, n, d) and (b, n, d) give (b)."""
    return torch.nn.functional.cosine_similarity(first, second, dim=-1).mean(dim=-1)
