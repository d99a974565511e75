"""What flows along the spine: frozen, keyword-only numpy messages, validated when they are built.

    Frame ──perceive──▶ Percept ──update──▶ layers ──recall──▶ Answer

`sensing` (Frame, PinholeCamera, Detection), `events` (Event), `percept` (Percept), `knowledge` (Entity, Fact,
Answer and the question types), `journey`, `places` and `findings` (values of further answers), `statements` (what
somebody tells the memory), `deltas` (what layers tell each other), `context` (what a policy gets), `team`
(robots, what they can do and are to do).
"""

from embodied_mem.messages.areas import Area
from embodied_mem.messages.context import (
    KEYFRAME_TOKENS,
    BankTokens,
    Budget,
    Context,
    EntityTokens,
    Keyframe,
)
from embodied_mem.messages.corrections import PoseCorrection
from embodied_mem.messages.deltas import MapChange, MapEvent, ObserveReport, WorldDelta
from embodied_mem.messages.events import Event, ObjectMention
from embodied_mem.messages.findings import (
    Associated,
    Distanced,
    Explanation,
    Lastingness,
    LikelyPlace,
    Misplaced,
    Relation,
    RelationKind,
)
from embodied_mem.messages.journey import Dwell, Glimpse, Happening, Meeting, Trajectory, Visit
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
    Showing,
    Stay,
)
from embodied_mem.messages.percept import ObservedInstance, Percept
from embodied_mem.messages.places import (
    FLOOR_BLOCKED,
    FLOOR_FREE,
    FLOOR_UNKNOWN,
    FloorMap,
    FloorPlan,
    Room,
    Route,
)
from embodied_mem.messages.sensing import Detection, Frame, PinholeCamera
from embodied_mem.messages.statements import (
    OPERATION_KINDS,
    STATED,
    Audit,
    Operation,
    OperationKind,
    is_stated,
)
from embodied_mem.messages.team import Candidate, Embodiment, FalseBelief, Offer, Task

__all__ = [
    "FLOOR_BLOCKED",
    "FLOOR_FREE",
    "FLOOR_UNKNOWN",
    "KEYFRAME_TOKENS",
    "OPERATION_KINDS",
    "STATED",
    "Answer",
    "AnswerStatus",
    "Area",
    "Associated",
    "Audit",
    "BankTokens",
    "Budget",
    "Candidate",
    "Change",
    "ChangeKind",
    "Context",
    "Detection",
    "Distanced",
    "Dwell",
    "Embodiment",
    "Entity",
    "EntityId",
    "EntityTokens",
    "Event",
    "Explanation",
    "Fact",
    "FalseBelief",
    "FloorMap",
    "FloorPlan",
    "Frame",
    "Glimpse",
    "Happening",
    "Interval",
    "Keyframe",
    "Lastingness",
    "LikelyPlace",
    "Location",
    "MapChange",
    "MapEvent",
    "Meeting",
    "Misplaced",
    "ObjectMention",
    "ObserveReport",
    "ObservedInstance",
    "Offer",
    "Operation",
    "OperationKind",
    "Percept",
    "PinholeCamera",
    "Placement",
    "PoseCorrection",
    "Query",
    "QuestionKind",
    "Region",
    "Relation",
    "RelationKind",
    "Room",
    "Route",
    "Showing",
    "Stay",
    "Task",
    "Trajectory",
    "Visit",
    "WorldDelta",
    "is_stated",
]
