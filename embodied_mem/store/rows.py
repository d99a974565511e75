"""Messages to table rows and back, each row with a checksum over its columns."""

from __future__ import annotations

import dataclasses
import json
import zlib
from typing import Any

from embodied_mem.errors import DamagedStore
from embodied_mem.geometry import Box
from embodied_mem.messages import Change, Event, Fact, ObjectMention, Placement
from embodied_mem.store.protocol import Sighting

Row = tuple[Any, ...]


def checksum(columns: Row) -> int:
    """CRC-32 of a row's columns; floats count by their exact value."""
    return zlib.crc32(repr(columns).encode())


def verified(table: str, row: Row) -> Row:
    """`row` without its last column, the checksum, which must match; the first column is the row's id.

    Raises:
        DamagedStore: it does not match.
    """
    *columns, crc = row
    if checksum(tuple(columns[1:])) != crc:
        raise DamagedStore(
            f"row {columns[0]} of table {table!r} does not match its checksum {crc:#010x}. "
            "The file is damaged: load the last saved generation of the memory."
        )
    return tuple(columns)


def placement_text(placement: Placement | None) -> str | None:
    if placement is None:
        return None
    return json.dumps([*placement.position_world_m, *placement.box.min_m, *placement.box.max_m])


def placement_from(text: str | None) -> Placement | None:
    if text is None:
        return None
    numbers = json.loads(text)
    return Placement(
        position_world_m=(numbers[0], numbers[1], numbers[2]),
        box=Box(min_m=tuple(numbers[3:6]), max_m=tuple(numbers[6:9])),
    )


def fact_columns(fact: Fact) -> Row:
    value = fact.value
    return (
        fact.subject,
        fact.predicate,
        fact.object,
        value if isinstance(value, str) else None,
        float(value) if isinstance(value, (int, float)) else None,
        placement_text(value) if isinstance(value, Placement) else None,
        fact.valid_from_ns,
        fact.valid_to_ns,
        fact.known_from_ns,
        fact.known_to_ns,
        float(fact.confidence),
        json.dumps(fact.evidence),
        fact.source,
    )


def fact_from(row: Row) -> Fact:
    columns = verified("facts", row)
    text, number, placement = columns[4], columns[5], columns[6]
    return Fact(
        fact_id=columns[0],
        subject=columns[1],
        predicate=columns[2],
        object=columns[3],
        value=text if text is not None else number if number is not None else placement_from(placement),
        valid_from_ns=columns[7],
        valid_to_ns=columns[8],
        known_from_ns=columns[9],
        known_to_ns=columns[10],
        confidence=columns[11],
        evidence=tuple(json.loads(columns[12])),
        source=columns[13],
    )


def change_columns(change: Change, known_from_ns: int, known_to_ns: int | None) -> Row:
    return (
        change.entity_id,
        change.kind,
        change.label,
        placement_text(change.before),
        placement_text(change.after),
        change.after_ns,
        change.before_ns,
        known_from_ns,
        known_to_ns,
    )


def change_from(row: Row) -> tuple[int, Change]:
    columns = verified("changes", row)
    return columns[0], Change(
        entity_id=columns[1],
        kind=columns[2],
        label=columns[3],
        before=placement_from(columns[4]),
        after=placement_from(columns[5]),
        after_ns=columns[6],
        before_ns=columns[7],
    )


def event_columns(event: Event, known_ns: int) -> Row:
    return json.dumps(dataclasses.asdict(event)), event.end_ns, known_ns


def event_from(row: Row) -> Event:
    body = json.loads(verified("events", row)[1])
    objects = tuple(
        thing
        if isinstance(thing, str)
        else ObjectMention(label=thing["label"], position_world_m=tuple(thing["position_world_m"]))
        for thing in body.pop("objects")
    )
    return Event(objects=objects, **body)


def sighting_columns(sighting: Sighting) -> Row:
    position = sighting.position_world_m
    x, y, z = (None, None, None) if position is None else (float(c) for c in position)
    return (
        sighting.entity_id,
        sighting.stamp_ns,
        sighting.known_ns,
        sighting.kind,
        sighting.place_index,
        x,
        y,
        z,
        sighting.source,
    )


def sighting_from(row: Row) -> Sighting:
    columns = verified("sightings", row)
    return Sighting(
        entity_id=columns[1],
        stamp_ns=columns[2],
        known_ns=columns[3],
        kind=columns[4],
        place_index=columns[5],
        position_world_m=None if columns[6] is None else (columns[6], columns[7], columns[8]),
        source=columns[9],
    )
