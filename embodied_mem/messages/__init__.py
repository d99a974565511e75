"""What flows along the spine: frozen, keyword-only numpy messages, validated when they are built.

    Frame ──perceive──▶ Percept ──update──▶ layers ──recall──▶ Answer

`sensing` (Frame, PinholeCamera, Detection), `events` (Event), `percept` (Percept), `knowledge` (Entity, Fact,
Answer and the question types), `deltas` (what layers tell each other).
"""

from embodied_mem.messages.deltas import MapChange, ObserveReport, WorldDelta
from embodied_mem.messages.events import Event, ObjectMention
from embodied_mem.messages.knowledge import (
    Answer,
    AnswerStatus,
    Change,
    ChangeKind,
    Entity,
    EntityId,
    Fact,
    Interval,
    Location,
    Placement,
    Query,
    QuestionKind,
    Region,
    Stay,
)
from embodied_mem.messages.percept import ObservedInstance, Percept
from embodied_mem.messages.sensing import Detection, Frame, PinholeCamera

__all__ = [
    "Answer",
    "AnswerStatus",
    "Change",
    "ChangeKind",
    "Detection",
    "Entity",
    "EntityId",
    "Event",
    "Fact",
    "Frame",
    "Interval",
    "Location",
    "MapChange",
    "ObjectMention",
    "ObserveReport",
    "ObservedInstance",
    "Percept",
    "PinholeCamera",
    "Placement",
    "Query",
    "QuestionKind",
    "Region",
    "Stay",
    "WorldDelta",
]
