"""Labels that adapt to this home: a detector's word for a thing is weighed against the nearest things whose label is known.

After AdaNPC (Zhang et al. 2023): a non-parametric classifier whose memory of features grows at test time. There, confident
predictions are added under the label that the classifier gave them; here also what is better known: the label that an
entity has from many views, and what people said. Vectors are compared by cosine and lie in one array, so that a prediction
over a thousand of them costs a small matrix product.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from embodied_mem.errors import ConfigError, InvalidMessage
from embodied_mem.messages import Percept


@dataclass(frozen=True, kw_only=True)
class LabelMemoryConfig:
    """How known things vote. Shares and weights have no unit."""

    num_neighbors: int = 10
    sharpness: float = 12.0
    """Neighbours share one vote in proportion to exp(sharpness * cosine)."""
    novelty: float = 4.0
    """That vote counts (nearest cosine / typical cosine) to this power, at most one: strangers are not overruled."""
    detector_weight: float = 0.5
    """What the detector's own label counts, times its score, against the neighbours' vote."""
    min_share: float = 0.8
    """A prediction is added to the memory when it has at least this share of the votes."""
    max_per_label: int = 60
    """Vectors kept of one label; a new one takes the place of the most similar kept one."""

    def __post_init__(self) -> None:
        if self.num_neighbors < 1 or self.max_per_label < 1 or self.sharpness <= 0.0:
            raise ConfigError(
                f"LabelMemoryConfig has num_neighbors={self.num_neighbors}, max_per_label={self.max_per_label}, "
                f"sharpness={self.sharpness}; all must be above 0."
            )


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A label, and the share of the votes that it has."""

    label: str
    share: float


class LabelMemory:
    """Vectors of this home's things with their labels. Vectors of another length than the first are refused."""

    def __init__(self, config: LabelMemoryConfig = LabelMemoryConfig()) -> None:
        self.config = config
        self._vectors: Float32[np.ndarray, "n d"] = np.zeros((0, 0), dtype=np.float32)
        self._labels: list[str] = []
        self._teachers: list[str] = []
        self._typical: float | None = None

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def length(self) -> int:
        """How many numbers each vector has; 0 while there is none."""
        return int(self._vectors.shape[1]) if self._labels else 0

    def teach(self, vector: Float32[np.ndarray, "d"], label: str, teacher: str = "") -> None:
        """Keep a vector whose label is known: from an entity seen many times (its id is the `teacher`), or from a person."""
        unit = self._unit(vector)
        self._typical = None
        same = [index for index, known in enumerate(self._labels) if known == label]
        if len(same) >= self.config.max_per_label:
            most_similar = same[int(np.argmax(self._vectors[same] @ unit))]
            self._vectors[most_similar], self._teachers[most_similar] = unit, teacher
            return
        self._vectors = np.concatenate([self._vectors.reshape(len(self), len(unit)), unit[None]])
        self._labels.append(label)
        self._teachers.append(teacher)

    def unlearn(self, teachers: Collection[str]) -> None:
        """Drop all that these taught."""
        kept = [index for index, teacher in enumerate(self._teachers) if teacher not in teachers]
        self._vectors, self._typical = self._vectors[kept], None
        self._labels = [self._labels[index] for index in kept]
        self._teachers = [self._teachers[index] for index in kept]

    @property
    def teachers(self) -> frozenset[str]:
        """Who taught what is kept; "" stands for those without a name."""
        return frozenset(self._teachers)

    def predict(self, vector: Float32[np.ndarray, "d"], label: str, score: float = 1.0) -> Prediction:
        """The label of most votes: the detector's own word, and its nearest neighbours'."""
        votes: dict[str, float] = defaultdict(float)
        votes[label] += self.config.detector_weight * score
        if self._labels:
            cosines = self._vectors @ self._unit(vector)
            nearest = np.argsort(-cosines, kind="stable")[: self.config.num_neighbors]
            weights = np.exp(self.config.sharpness * (cosines[nearest] - cosines[nearest[0]]))
            likeness = float(np.clip(cosines[nearest[0]] / self._typical_cosine(), 0.0, 1.0))
            weights *= likeness**self.config.novelty / weights.sum()
            for index, weight in zip(nearest.tolist(), weights.tolist(), strict=True):
                votes[self._labels[index]] += weight
        best = max(votes, key=lambda name: (votes[name], name))
        return Prediction(label=best, share=votes[best] / max(sum(votes.values()), 1e-9))

    def adapt(self, vector: Float32[np.ndarray, "d"], label: str, score: float = 1.0) -> Prediction:
        """Predict, and keep the vector under that label when the votes are clear."""
        found = self.predict(vector, label, score)
        if found.share >= self.config.min_share:
            self.teach(vector, found.label)
        return found

    def relabeled(self, percept: Percept) -> Percept:
        """The percept with every instance under the label of most votes; the memory stays as it is."""
        if not self._labels:
            return percept
        instances = tuple(
            replace(instance, label=self.predict(instance.appearance, instance.label, instance.score).label)
            for instance in percept.instances
        )
        return replace(percept, instances=instances)

    def counts(self) -> dict[str, int]:
        """How many vectors each label has."""
        return dict(sorted(Counter(self._labels).items()))

    def to_bytes(self) -> bytes:
        """The memory for a file: a line of JSON, then the vectors as float32."""
        head = {"labels": self._labels, "teachers": self._teachers, "length": int(self._vectors.shape[1])}
        return json.dumps(head).encode() + b"\n" + self._vectors.astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, payload: bytes, config: LabelMemoryConfig = LabelMemoryConfig()) -> LabelMemory:
        """What `to_bytes` gave.

        Raises:
            InvalidMessage: it is something else.
        """
        found = cls(config)
        head, _, rest = payload.partition(b"\n")
        try:
            kept = json.loads(head)
            labels, length = [str(label) for label in kept["labels"]], int(kept["length"])
            teachers = [str(teacher) for teacher in kept.get("teachers", [""] * len(labels))]
            vectors = np.frombuffer(rest, dtype="<f4").reshape(len(labels), length).astype(np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidMessage(
                f"these {len(payload)} bytes are no label memory ({error}); give what LabelMemory.to_bytes() wrote."
            ) from error
        found._labels, found._teachers, found._vectors = labels, teachers, vectors
        return found

    def _typical_cosine(self) -> float:
        """The median cosine of a kept vector to its nearest of the same label."""
        if self._typical is None:
            labels = np.array(self._labels)
            nearest = []
            for label in sorted(set(self._labels)):
                own = self._vectors[labels == label]
                if len(own) > 1:
                    cosines = own @ own.T
                    np.fill_diagonal(cosines, -1.0)
                    nearest += cosines.max(axis=1).tolist()
            self._typical = max(float(np.median(nearest)), 0.05) if nearest else 1.0
        return self._typical

    def _unit(self, vector: Float32[np.ndarray, "d"]) -> Float32[np.ndarray, "d"]:
        flat = np.asarray(vector, dtype=np.float32).ravel()
        norm = float(np.linalg.norm(flat))
        if not np.isfinite(norm) or norm == 0.0:
            raise InvalidMessage("the vector is zero or holds NaN; give an appearance or an embedding.")
        if self._labels and len(flat) != self._vectors.shape[1]:
            raise InvalidMessage(
                f"the vector has {len(flat)} numbers, those that are kept {self._vectors.shape[1]}; one memory holds "
                "vectors of one model."
            )
        return flat / np.float32(norm)
