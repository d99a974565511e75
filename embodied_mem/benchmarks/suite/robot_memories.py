"""Memories proper behind the suite's protocol: ours, whole and by layer, and `emem` from PyPI."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

from embodied_mem.benchmarks.suite.protocol import Sighting
from embodied_mem.benchmarks.suite.seeing import sightings_of
from embodied_mem.errors import EmbodiedMemError, MissingExtra
from embodied_mem.layers.world import WorldConfig
from embodied_mem.messages import Entity, Event, Frame, ObjectMention, Showing
from embodied_mem.perception import PerceptionConfig
from embodied_mem.robot_memory import RobotMemory, RobotMemoryConfig

SMALLEST_PX = 8
CONFIG = RobotMemoryConfig(
    perception=PerceptionConfig(
        min_pixels=SMALLEST_PX, stuff_labels=(*PerceptionConfig().stuff_labels, "table", "cover", "robot")
    ),
    world=WorldConfig(min_new_pixels=SMALLEST_PX),
)
"""The simulator's masks are right however small they are: nothing is gained by waiting for a larger view."""
MOST_RESULTS = 400
DEED = "deed:"


Asked = Literal["shown", "history", "now"]


class OurMemory:
    """`RobotMemory`, asked for what was `shown` in turn; for each thing's `history`; or for what holds `now`."""

    def __init__(self, asked: Asked = "shown") -> None:
        self._asked = asked
        self._memory: RobotMemory | None = None

    def reset(self) -> None:
        if self._memory is not None:
            self._memory.close()
        self._memory = RobotMemory.open(config=CONFIG)

    def observe(self, frame: Frame) -> None:
        self._opened().observe(frame)

    def record(self, event: Event) -> None:
        self._opened().record(event)

    def sightings(self, label: str) -> list[Sighting]:
        if self._asked == "shown":
            return [_shown(one) for one in self._opened().questions.shown(label).value or ()]
        found = [
            one for entity in self._opened().entities() if entity.label == label for one in self._of(entity)
        ]
        return sorted(found, key=lambda one: one.from_ns)

    def deeds(self, kind: str) -> list[Event] | None:
        answer = self._opened().questions.events(kind=kind)
        return [one.event for one in answer.value or ()]  # no answer: no such deed was ever recorded

    def _opened(self) -> RobotMemory:
        assert self._memory is not None, "reset() begins an episode"
        return self._memory

    def _of(self, entity: Entity) -> list[Sighting]:
        if self._asked == "now":
            return [_sighting(entity, entity.placement, entity.first_seen_ns, entity.last_seen_ns)]
        try:
            stays = self._opened().history(entity.entity_id).value or ()
        except EmbodiedMemError:
            return []
        return [_sighting(entity, stay.placement, stay.from_ns, stay.to_ns) for stay in stays]


def _sighting(entity: Entity, placement: Any, from_ns: int, to_ns: int | None) -> Sighting:
    return Sighting(
        label=entity.label, color=entity.color, position_m=placement.position_world_m, from_ns=from_ns,
        to_ns=entity.last_seen_ns if to_ns is None else to_ns, thing=entity.entity_id,
    )  # fmt: skip


def _shown(one: Showing) -> Sighting:
    return Sighting(
        label=one.label, color=one.color, position_m=one.placement.position_world_m, from_ns=one.from_ns,
        to_ns=one.to_ns, thing=str(one.follow),
    )  # fmt: skip


class EmemMemory:
    """`emem`: every sighting and every deed an observation with a caption, place and time, found again by its semantic search.

    Raises:
        MissingExtra: emem is not installed.
    """

    def __init__(self) -> None:
        try:
            import emem  # noqa: F401
        except ImportError as error:
            raise MissingExtra("this baseline needs emem: pip install 'embodied_mem[baselines]'") from error
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def reset(self) -> None:
        from emem import SpatioTemporalMemory, SpatioTemporalMemoryConfig
        from emem.embeddings import CallableEmbeddingProvider

        from embodied_mem.benchmarks.world.baselines import AppendOnly

        words = AppendOnly()
        self._folder = tempfile.TemporaryDirectory(prefix="emem-")
        root = Path(self._folder.name)
        config = SpatioTemporalMemoryConfig(
            db_path=str(root / "m.db"), hnsw_path=str(root / "m.bin"), embedding_dim=AppendOnly.DIM
        )
        provider = CallableEmbeddingProvider(
            lambda texts: [words.embed(t).tolist() for t in texts], AppendOnly.DIM
        )
        self._memory: Any = SpatioTemporalMemory(config=config, embedding_provider=provider)

    def observe(self, frame: Frame) -> None:
        for one in sightings_of(frame):
            x, y, z = one.position_m
            self._memory.add(f"{one.color} {one.label}", x=x, y=y, z=z, timestamp=one.from_ns / 1e9)

    def record(self, event: Event) -> None:
        for mention in event.objects:
            if isinstance(mention, ObjectMention):
                x, y, z = mention.position_world_m
                self._memory.add(
                    f"{mention.label} {DEED}{event.kind}", x=x, y=y, z=z, timestamp=event.end_ns / 1e9
                )

    def sightings(self, label: str) -> list[Sighting]:
        found = self._found(label)
        return sorted((_from_emem(one, label) for one in found), key=lambda one: one.from_ns)

    def deeds(self, kind: str) -> list[Event] | None:
        done = [_deed_from_emem(one, kind) for one in self._found(f"{DEED}{kind}")]
        return sorted(done, key=lambda one: one.end_ns)

    def _found(self, word: str) -> list[Any]:
        """Observations whose caption ends in a word."""
        self._memory._ensure_flushed()
        found = self._memory.store.semantic_search(query=word, n_results=MOST_RESULTS)
        return [one for one in found if hasattr(one, "coordinates") and one.text.endswith(f" {word}")]


def _deed_from_emem(found: Any, kind: str) -> Event:
    x, y, z = (float(c) for c in found.coordinates)
    stamp_ns = round(found.timestamp * 1e9)
    mention = ObjectMention(label=found.text.removesuffix(f" {DEED}{kind}"), position_world_m=(x, y, z))
    return Event(kind=kind, actor="robot", objects=(mention,), start_ns=stamp_ns, end_ns=stamp_ns)


def _from_emem(found: Any, label: str) -> Sighting:
    x, y, z = (float(c) for c in found.coordinates)
    stamp_ns = round(found.timestamp * 1e9)
    return Sighting(
        label=label,
        color=found.text.removesuffix(f" {label}"),
        position_m=(x, y, z),
        from_ns=stamp_ns,
        to_ns=stamp_ns,
    )
