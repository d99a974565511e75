"""A memory as a recording for the rerun viewer: the map, and what was where, with a time slider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embodied_mem.errors import MissingExtra
from embodied_mem.layers.occupancy import MapSnapshot
from embodied_mem.messages import Change, Entity, EntityId, Stay

TIMELINE = "robot time"
APPLICATION = "embodied_mem"
SEEN_RGB, GONE_RGB, CHANGE_RGB = (31, 111, 139), (138, 148, 157), (209, 73, 91)


def write_recording(
    path: Path,
    snapshot: MapSnapshot,
    entities: Sequence[Entity],
    histories: Mapping[EntityId, Sequence[Stay]],
    changes: Sequence[Change] = (),
) -> int:
    """Write the map's points, each entity's box for as long as it was there, and the changes; how many boxes.

    Open it with `rerun PATH`. World frame, metres, z up; the timeline counts the robots' stamps.

    Raises:
        MissingExtra: rerun is not installed.
    """
    rerun = _rerun()
    stream = rerun.RecordingStream(APPLICATION)
    stream.save(str(path))
    stream.log("world", rerun.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    occupied = snapshot.occupied()
    points = rerun.Points3D(occupied.means_world, colors=occupied.color_rgb, radii=0.5 * snapshot.cell_m)
    stream.log("world/map", points, static=True)
    number = sum(
        _log_stays(rerun, stream, entity, histories.get(entity.entity_id, ())) for entity in entities
    )
    for change in sorted(changes, key=lambda change: change.before_ns):
        _log_change(rerun, stream, change)
    stream.flush()
    stream.disconnect()
    return number


def _log_stays(rerun: Any, stream: Any, entity: Entity, stays: Sequence[Stay]) -> int:
    """The entity's box from the beginning to the end of each of its stays."""
    name = f"world/entities/{entity.entity_id}"
    for stay in stays:
        _set_time(stream, stay.from_ns)
        box = stay.placement.box
        stream.log(
            name,
            rerun.Boxes3D(
                centers=[box.center], half_sizes=[box.size / 2], colors=[SEEN_RGB],
                labels=[f"{entity.color} {entity.label}".strip()],
            ),
        )  # fmt: skip
        if stay.to_ns is not None:
            _set_time(stream, stay.to_ns)
            stream.log(name, rerun.Clear(recursive=False))
    return len(stays)


def _log_change(rerun: Any, stream: Any, change: Change) -> None:
    """A line in the log when it was noticed, and an arrow from where a thing was to where it is."""
    _set_time(stream, change.before_ns)
    stream.log(
        "changes", rerun.TextLog(f"{change.kind} {change.label} ({change.entity_id})", color=CHANGE_RGB)
    )
    if change.before is None or change.after is None:
        return
    start, end = np.array(change.before.position_world_m), np.array(change.after.position_world_m)
    arrow = rerun.Arrows3D(origins=[start], vectors=[end - start], colors=[CHANGE_RGB], labels=[change.kind])
    stream.log(f"world/changes/{change.entity_id}", arrow)


def _set_time(stream: Any, stamp_ns: int) -> None:
    stream.set_time(TIMELINE, timestamp=np.datetime64(stamp_ns, "ns"))


def _rerun() -> Any:
    try:
        import rerun
    except ImportError as error:
        raise MissingExtra(
            f"recordings for the rerun viewer need rerun ({error}). Install it: pip install 'embodied_mem[viz]'"
        ) from error
    return rerun
