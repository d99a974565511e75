"""Labels that adapt to this home: well-known things teach what they look like, and doubtful words are weighed against it."""

from __future__ import annotations

from dataclasses import replace

from embodied_mem.layers.world import WorldLayer
from embodied_mem.messages import EntityId, ObservedInstance, Percept, WorldDelta
from embodied_mem.perception.label_memory import LabelMemory, LabelMemoryConfig

RECORD = "label memory"
WELL_KNOWN_VIEWS = 8
"""A thing seen in so many frames teaches, and again each time that number has doubled."""
SURE = 0.7
"""Share of its views' votes that its label must have."""


class HomeLabels:
    """A label memory that a world model teaches; kept in the world's records.

    Only detections with embeddings take part: colours alone would make a red book of every red mug. Embeddings of
    another length are another model's: they change no label, and the memory begins anew with the first that teaches.
    """

    def __init__(self, world: WorldLayer, config: LabelMemoryConfig) -> None:
        self._world, self._config = world, config
        self._taught: dict[EntityId, int] = {}
        with world.reading() as view:
            payload = view.record(RECORD)
        self._memory = LabelMemory(config) if payload is None else LabelMemory.from_bytes(payload, config)

    def relabeled(self, percept: Percept) -> Percept:
        """The percept with each instance under the label of most votes."""
        length = self._memory.length
        if not length or length not in _sizes(percept):
            return percept
        instances = tuple(
            self._relabeled(one) if len(one.appearance) == length else one for one in percept.instances
        )
        return replace(percept, instances=instances)

    def learn(self, percept: Percept, delta: WorldDelta) -> None:
        """Let the things that a frame showed teach, when they have become well known."""
        sizes = _sizes(percept)
        has_learned = False
        with self._world.reading() as view:
            for entity_id in delta.seen if sizes else ():
                num_views = view.num_views(entity_id)
                is_due = num_views >= max(WELL_KNOWN_VIEWS, 2 * self._taught.get(entity_id, 0))
                if not is_due or view.label_weight(entity_id) < SURE:
                    continue
                appearance = view.appearance(entity_id)
                if len(appearance) in sizes:
                    if self._memory.length not in (0, len(appearance)):
                        self._memory, self._taught = LabelMemory(self._config), {}
                    self._memory.teach(appearance, view.bare_label_of(entity_id), entity_id)
                    self._taught[entity_id], has_learned = num_views, True
            if has_learned:
                view.put_record(RECORD, self._memory.to_bytes())

    def forget_strangers(self) -> None:
        """Drop what things taught that the world model has forgotten."""
        with self._world.reading() as view:
            strangers = {one for one in self._memory.teachers if one and not view.num_views(one)}
            if strangers:
                self._memory.unlearn(strangers)
                view.put_record(RECORD, self._memory.to_bytes())

    def counts(self) -> dict[str, int]:
        """How many vectors each label has."""
        return self._memory.counts()

    def _relabeled(self, instance: ObservedInstance) -> ObservedInstance:
        found = self._memory.predict(instance.appearance, instance.label, instance.score)
        return instance if found.label == instance.label else replace(instance, label=found.label)


def _sizes(percept: Percept) -> set[int]:
    """Lengths of the embeddings that a frame's detections carry."""
    return {len(one.embedding) for one in percept.frame.detections if one.embedding is not None}
