"""Episode files: habitat-lab's JSON or JSON.GZ, and FindingDory's with its viewpoints and transformations."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from embodied_mem.errors import InvalidMessage

GOAL_KEYS = (
    "candidate_objects",
    "candidate_objects_noninteracted",
    "candidate_start_receps",
    "candidate_start_receps_noninteracted",
    "candidate_goal_receps",
    "candidate_goal_receps_noninteracted",
)
"""Where FindingDory's episodes keep things and receptacles with the points from which they are seen."""


@dataclass(frozen=True, kw_only=True)
class Viewpoint:
    """Somewhere to stand and look, in Habitat's axes; `iou` is how much of the view the thing fills."""

    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    iou: float


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A thing or a receptacle of an episode; `position` in Habitat's axes, None where the file does not tell."""

    name: str
    category: str
    position: tuple[float, float, float] | None
    viewpoints: tuple[Viewpoint, ...]


@dataclass(frozen=True, kw_only=True)
class Episode:
    """Where it starts, in which scene, and what it is about; `raw` is the whole record as it was read."""

    episode_id: str
    scene: str
    scene_dataset: str
    start_position: tuple[float, float, float]
    start_quaternion: tuple[float, float, float, float]
    goals: Mapping[str, tuple[Goal, ...]] = field(default_factory=dict)
    instructions: tuple[Mapping[str, Any], ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def instruction(self) -> str:
        """The first instruction's words; an empty string where there are none."""
        if self.instructions:
            return str(self.instructions[0].get("lang", ""))
        told = self.raw.get("instruction", {})
        return str(told.get("instruction_text", "")) if isinstance(told, Mapping) else str(told)


def read_episodes(path: Path | str) -> tuple[Episode, ...]:
    """All episodes of a file. FindingDory's viewpoints.npy and transformations.npy are read where they lie beside it.

    Raises:
        InvalidMessage: it is no such file, or an episode lacks its id, scene or start.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        text = gzip.decompress(data) if path.suffix == ".gz" else data
        records = json.loads(text)["episodes"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidMessage(
            f"{path} is no episode file ({type(error).__name__}: {error}); it must be JSON or JSON.GZ with a list "
            "'episodes', as habitat-lab writes it."
        ) from error
    views = _table(path.with_name("viewpoints.npy"), columns=8)
    places = _table(path.with_name("transformations.npy"), columns=None)
    return tuple(_episode(record, views, places, path) for record in records)


def _table(path: Path, columns: int | None) -> Float64[np.ndarray, "..."] | None:
    if not path.exists():
        return None
    table = np.load(path, allow_pickle=False)
    if columns is not None and (table.ndim != 2 or table.shape[1] != columns):
        raise InvalidMessage(
            f"{path} has shape {table.shape}; allowed is (n, {columns}): position, rotation, iou."
        )
    return np.asarray(table, dtype=np.float64)


def _episode(
    record: Mapping[str, Any], views: np.ndarray | None, places: np.ndarray | None, path: Path
) -> Episode:
    try:
        start, turn = record["start_position"], record["start_rotation"]
        scene, episode_id = record["scene_id"], record["episode_id"]
    except KeyError as error:
        raise InvalidMessage(
            f"an episode of {path} has no {error}; it needs episode_id, scene_id, start_position and start_rotation."
        ) from error
    instructions = record.get("instructions") or {}
    return Episode(
        episode_id=str(episode_id),
        scene=str(scene),
        scene_dataset=str(record.get("scene_dataset_config", "")),
        start_position=_numbers(start, 3),
        start_quaternion=_numbers(turn, 4),
        goals={key: tuple(_goal(one, views) for one in record[key]) for key in GOAL_KEYS if key in record},
        instructions=tuple(instructions.values() if isinstance(instructions, Mapping) else instructions),
        raw={**record, "rigid_objs": _placed(record.get("rigid_objs", ()), places)},
    )


def _goal(record: Mapping[str, Any], views: np.ndarray | None) -> Goal:
    position = record.get("position")
    return Goal(
        name=str(record.get("object_name", record.get("object_id", ""))),
        category=str(record.get("object_category", "")),
        position=None if position is None else _numbers(position, 3),
        viewpoints=tuple(_viewpoint(one, views) for one in record.get("view_points", ())),
    )


def _viewpoint(entry: Any, views: np.ndarray | None) -> Viewpoint:
    if isinstance(entry, Mapping):  # habitat-lab writes them out
        state = entry["agent_state"]
        return Viewpoint(
            position=_numbers(state["position"], 3),
            quaternion=_numbers(state["rotation"], 4),
            iou=float(entry.get("iou", 0.0)),
        )
    if views is None or not 0 <= int(entry) < len(views):
        raise InvalidMessage(
            f"viewpoint {entry} is a row of viewpoints.npy, which has {0 if views is None else len(views)} rows; put "
            "that file beside the episodes."
        )
    row = views[int(entry)].tolist()
    return Viewpoint(position=_numbers(row[:3], 3), quaternion=_numbers(row[3:7], 4), iou=row[7])


def _placed(rigid_objects: Sequence[Any], places: np.ndarray | None) -> list[Any]:
    """Rigid objects with 4x4 poses: FindingDory keeps them as rows of one table."""
    if places is None:
        return list(rigid_objects)
    return [
        (name, np.vstack([places[index].reshape(3, 4), [0, 0, 0, 1]]))
        if isinstance(index, int)
        else (name, index)
        for name, index, *_ in rigid_objects
    ]


def _numbers(values: Sequence[float], count: int) -> Any:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise InvalidMessage(f"{list(values)} must be {count} finite numbers; correct the episode file.")
    return numbers
