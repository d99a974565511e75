"""Embeddings in sixteen bytes: product quantisation of any embedding size, and what a query's similarity to each code is.

After Jégou, Douze and Schmid, "Product quantization for nearest neighbor search" (2011), section IV: the first byte is
the nearest of 255 means, fifteen bytes quantise what is left. Its axes are dealt out as in Ge et al., "Optimized product
quantization" (2013), section 4: principal axes, so that bytes have equal shares of the variance's logarithm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from jaxtyping import Float, Float32, UInt8

from embodied_mem.errors import DamagedStore, InvalidQuery

NUM_BYTES = 16
NUM_FINE = NUM_BYTES - 1
MAX_AXES_PER_BYTE = 8
NUM_ROUNDS = 12
MIN_EXAMPLES = 256


class TextEncoder(Protocol):
    """Gives a text's embedding, in the space of the image embeddings that a codebook was fitted to (CLIP, SigLIP)."""

    def __call__(self, text: str, /) -> Float[np.ndarray, "d"]: ...


@dataclass(frozen=True, kw_only=True)
class ProductCode:
    """A codebook: `means` (a code's first byte; 0 means that there is no code), and what the values of the other bytes
    add along each byte's orthonormal `axes`.
    """

    means: Float32[np.ndarray, "256 d"]
    axes: Float32[np.ndarray, "15 a d"]
    centroids: Float32[np.ndarray, "15 256 a"]

    @classmethod
    def fit(cls, embeddings: Float[np.ndarray, "n d"], *, seed: int = 0) -> ProductCode:
        """The codebook for embeddings like these; their lengths do not matter, at least 256 are needed."""
        if len(embeddings) < MIN_EXAMPLES:
            raise InvalidQuery(
                f"ProductCode.fit got {len(embeddings)} embeddings; it needs {MIN_EXAMPLES} or more, of what will be seen."
            )
        examples, rng = _units(embeddings).astype(np.float64), np.random.default_rng(seed)
        num_dims = examples.shape[1]
        means = np.zeros((256, num_dims))
        means[1:] = _means_of(examples, 255, rng)
        left = examples - means[1 + _nearest(examples, means[1:])]
        variances, vectors = np.linalg.eigh(left.T @ left / len(left))
        num_axes = min(MAX_AXES_PER_BYTE, -(-num_dims // NUM_FINE))
        axes, centroids = np.zeros((NUM_FINE, num_axes, num_dims)), np.zeros((NUM_FINE, 256, num_axes))
        for byte, group in enumerate(_dealt_out(variances[::-1], num_axes)):
            axes[byte, : len(group)] = vectors.T[::-1][group]
            centroids[byte] = _means_of(left @ axes[byte].T, 256, rng)
        return cls(
            means=means.astype(np.float32),
            axes=axes.astype(np.float32),
            centroids=centroids.astype(np.float32),
        )

    @property
    def num_dims(self) -> int:
        """The size of the embeddings."""
        return int(self.means.shape[1])

    def encode(self, embeddings: Float[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n 16"]:
        """The nearest code of each embedding."""
        units = self.checked(embeddings)
        codes = np.empty((len(units), NUM_BYTES), dtype=np.uint8)
        codes[:, 0] = 1 + _nearest(units, self.means[1:])
        left = units - self.means[codes[:, 0]]
        for byte in range(NUM_FINE):
            codes[:, 1 + byte] = _nearest(left @ self.axes[byte].T, self.centroids[byte])
        return codes

    def decode(self, codes: UInt8[np.ndarray, "n 16"]) -> Float32[np.ndarray, "n d"]:
        """The unit vectors that the codes stand for."""
        found = self.means[codes[:, 0]]
        for byte in range(NUM_FINE):
            found = found + self.centroids[byte, codes[:, 1 + byte]] @ self.axes[byte]
        return _units(found)

    def similarities(
        self, embedding: Float[np.ndarray, "d"], codes: UInt8[np.ndarray, "n 16"]
    ) -> Float32[np.ndarray, "n"]:
        """The cosine between an embedding and each code, by tables: nothing is decoded. NaN where there is no code."""
        query = self.checked(np.asarray(embedding)[None])[0]
        in_query = np.einsum("bka,ba->bk", self.centroids, self.axes @ query)
        first = codes[:, 0]
        dot, square = (self.means @ query)[first], self._squares[0][first]
        for byte in range(NUM_FINE):
            dot = dot + in_query[byte, codes[:, 1 + byte]]
            square = square + self._squares[1][byte, first, codes[:, 1 + byte]]
        return np.where(first == 0, np.nan, dot / np.sqrt(np.maximum(square, 1e-12))).astype(np.float32)

    @cached_property
    def _squares(self) -> tuple[np.ndarray, np.ndarray]:
        """Squared lengths: of the means, and what each byte's value adds to each of them (4 MB)."""
        along = np.einsum("md,bad->bma", self.means, self.axes)
        own = (self.centroids**2).sum(axis=2)[:, None]
        return (self.means**2).sum(axis=1), own + 2.0 * np.einsum("bma,bka->bmk", along, self.centroids)

    def arrays(self) -> dict[str, np.ndarray]:
        """The codebook as named arrays."""
        return {"code_means": self.means, "code_axes": self.axes, "code_centroids": self.centroids}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> ProductCode:
        """What `arrays` gave."""
        try:
            means, axes, centroids = (
                np.asarray(arrays[name]) for name in ("code_means", "code_axes", "code_centroids")
            )
        except KeyError as error:
            raise DamagedStore(f"the codebook has no array {error}; load another save.") from error
        return cls(means=means, axes=axes, centroids=centroids)

    @classmethod
    def within(cls, state: Mapping[str, np.ndarray]) -> ProductCode | None:
        """The codebook of a saved map; None when it has no codes."""
        return cls.of_arrays(state) if "code_means" in state else None

    def is_same(self, other: ProductCode) -> bool:
        """Whether codes of both mean the same."""
        return all(np.array_equal(array, other.arrays()[name]) for name, array in self.arrays().items())

    def checked(self, embeddings: np.ndarray) -> Float32[np.ndarray, "n d"]:
        """The embeddings at unit length.

        Raises:
            InvalidQuery: they are not (n, num_dims) finite numbers.
        """
        embeddings = np.asarray(embeddings)
        if embeddings.ndim != 2 or embeddings.shape[1] != self.num_dims or not np.isfinite(embeddings).all():
            raise InvalidQuery(
                f"embeddings have shape {embeddings.shape} or hold NaN; this codebook takes (n, {self.num_dims}), finite. "
                "Use the encoder that it was fitted for."
            )
        return _units(embeddings)


def needed_codebook(codebook: ProductCode | None) -> ProductCode:
    """The codebook of a map that must have one."""
    if codebook is None:
        raise InvalidQuery(
            "this map keeps no codes; make it (OccupancyLayer, SubmapAtlas or RobotMemory.open) with a codebook: "
            "ProductCode.fit(embeddings)."
        )
    return codebook


def _units(vectors: np.ndarray) -> Float32[np.ndarray, "n d"]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0.0, lengths, 1.0), dtype=np.float32)


def _dealt_out(variances: np.ndarray, num_axes: int) -> list[list[int]]:
    """Which axes each byte gets, largest first: always the byte whose variances' product is smallest so far."""
    groups: list[list[int]] = [[] for _ in range(NUM_FINE)]
    weight = np.zeros(NUM_FINE)
    floor = max(float(variances[0]) * 1e-6, 1e-12)
    for axis in range(min(len(variances), NUM_FINE * num_axes)):
        is_full = np.array([len(group) >= num_axes for group in groups])
        # Every byte has its first axis before one gets a second.
        rank = np.where(is_full, np.inf, np.where([not group for group in groups], -np.inf, weight))
        byte = int(np.argmin(rank))
        groups[byte].append(axis)
        weight[byte] += np.log(max(float(variances[axis]), floor) / floor)
    return groups


def _nearest(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The index of the centroid nearest to each point."""
    return np.asarray((((centroids**2).sum(axis=1)) - 2.0 * points @ centroids.T).argmin(axis=1))


def _means_of(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` centroids of the points, by Lloyd's algorithm; those that lose all their points start anew at a random one."""
    centroids = points[rng.permutation(len(points))[:count]]
    if len(centroids) < count:
        centroids = np.concatenate([centroids, points[rng.integers(0, len(points), count - len(centroids))]])
    for _ in range(NUM_ROUNDS):
        owner = _nearest(points, centroids)
        counts = np.bincount(owner, minlength=count)
        sums = np.stack(
            [np.bincount(owner, weights=points[:, k], minlength=count) for k in range(points.shape[1])],
            axis=1,
        )
        lost = counts == 0
        centroids = sums / np.maximum(counts, 1)[:, None]
        centroids[lost] = points[rng.integers(0, len(points), int(lost.sum()))]
    return np.asarray(centroids)
