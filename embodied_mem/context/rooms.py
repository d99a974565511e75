"""The rooms of the place: found in the map's free space, named by their contents, with ids that stay."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from embodied_mem.context import schema
from embodied_mem.context.room_names import floors_called, rooms_named
from embodied_mem.geometry import Box
from embodied_mem.layers.world import places
from embodied_mem.layers.world.placements import Placements
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import Area, FloorPlan, Region, Room
from embodied_mem.messages.places import STOREY_SLACK_M, storey_spans_m

RECORD = "rooms"
NEAR_THING_M = 1.2
"""Being 'at' a thing is being within this of its box."""
CEILING_M = 3.0
SAME_FLOOR_M = 1.0
"""Floors whose heights differ by less, before and after a survey, are the same."""
FROM_STAIRS_M = 1.0
EVERYWHERE_M = 1e5


class RoomBook:
    """Areas by room id; loaded from the world's records when made, and written there when they change."""

    def __init__(self, view: WorldView) -> None:
        payload = json.loads(view.record(RECORD) or b'{"areas": [], "links": [], "next": 1}')
        self._heights_m: list[float] = payload.get("heights_m", [0.0])
        self._floor_of: dict[str, int] = payload.get("floor_of", {})
        spans = storey_spans_m(self._heights_m)
        self._areas = {
            room_id: _within(_area_from(text), spans[self._floor_of.get(room_id, 0)])
            for room_id, text in payload["areas"]
        }
        self._links: set[tuple[str, str]] = {(a, b) for a, b in payload["links"]}
        self._next: int = payload["next"]
        self._computed: tuple[tuple[object, ...], list[Room]] | None = None

    def survey(self, plan: FloorPlan, view: WorldView) -> None:
        """Find the rooms anew in a floor plan; a room that mostly covers an earlier one is that room."""
        areas: dict[str, Area] = {}
        links: set[tuple[str, str]] = set()
        floor_of: dict[str, int] = {}
        for floor, storey in enumerate(plan.storeys):
            found = [_within(area, plan.span_m(floor)) for area in places.find_areas(storey)]
            ids: list[str] = []
            for area in found:
                taken = {*areas, *ids}
                ids.append(self._known_as(area, plan, storey.floor_z_m, taken) or self._new_id())
            areas |= dict(zip(ids, found, strict=True))
            floor_of |= dict.fromkeys(ids, floor)
            links |= {(ids[a], ids[b]) for a, b in places.passages(found, storey)}
        if not areas:
            return
        self._areas, self._floor_of = areas, floor_of
        self._heights_m = [storey.floor_z_m for storey in plan.storeys]
        self._links = links | self._joined_by_stairs(plan)
        payload = {
            "areas": [(key, _area_text(area)) for key, area in self._areas.items()],
            "links": sorted(self._links), "next": self._next, "heights_m": self._heights_m, "floor_of": floor_of,
        }  # fmt: skip
        self._computed = None
        view.put_record(RECORD, json.dumps(payload).encode())

    def _known_as(self, area: Area, plan: FloorPlan, floor_z_m: float, taken: set[str]) -> str | None:
        """The id of the room that an area mostly covers, where there are several floors on one of that height."""
        is_only_floor = len(plan.storeys) == len(self._heights_m) == 1
        free = [
            (places.overlap(area, old), key)
            for key, old in self._areas.items()
            if key not in taken
            and (is_only_floor or abs(self._heights_m[self._floor_of.get(key, 0)] - floor_z_m) < SAME_FLOOR_M)
        ]
        share, key = max(free, default=(0.0, ""))
        return key if share >= places.SAME_ROOM_IOU else None

    def _joined_by_stairs(self, plan: FloorPlan) -> set[tuple[str, str]]:
        """Rooms at the foot and at the head of stairs."""
        found: set[tuple[str, str]] = set()
        for flight in plan.flights_world:
            ends = [
                self._nearest(end, plan.storey_at(float(end[2]) + STOREY_SLACK_M)) for end in flight[[0, -1]]
            ]
            if ends[0] is not None and ends[1] is not None and ends[0] != ends[1]:
                found.add((ends[0], ends[1]))
        return found

    def _nearest(self, point_world: Float32[np.ndarray, "3"], floor: int) -> str | None:
        """The room of a floor whose cells are nearest to a point, within `FROM_STAIRS_M`."""
        away_m = {
            key: places.distance_m(area, point_world)
            for key, area in self._areas.items()
            if self._floor_of[key] == floor
        }
        nearest = min(away_m, key=away_m.__getitem__, default=None)
        return nearest if nearest is not None and away_m[nearest] <= FROM_STAIRS_M else None

    def rooms(
        self, view: WorldView, *, as_of_ns: int | None = None, known_at_ns: int | None = None
    ) -> list[Room]:
        """All rooms with what is (was) in them; largest first."""
        homes = schema.learned(view)
        key = (view.version, as_of_ns, known_at_ns, homes)
        if self._computed is None or self._computed[0] != key:
            self._computed = (key, self._compute(view, as_of_ns, known_at_ns, homes))
        return self._computed[1]

    def _compute(
        self, view: WorldView, as_of_ns: int | None, known_at_ns: int | None, homes: Placements
    ) -> list[Room]:
        contents: dict[str, list[str]] = {key: [] for key in self._areas}
        labels: dict[str, list[tuple[str, float]]] = {key: [] for key in self._areas}
        for entity_id in view.ids(known_at_ns):
            placed = view.location(entity_id, as_of_ns, known_at_ns)
            if placed is None:
                continue
            room_id = self.room_at(placed[0].placement.position_world_m)
            if room_id is not None:
                contents[room_id].append(entity_id)
                labels[room_id].append((placed[0].label, view.label_weight(entity_id)))
        found: list[Room] = []
        for key, area in self._areas.items():
            floor = self._floor_of.get(key, 0)
            neighbors = tuple(sorted(self._neighbors(key)))
            category, share = places.category_of(
                labels[key], num_neighbors=len(neighbors), area=area, homes=homes
            )
            found.append(
                Room(
                    room_id=key, area=area, category=category, category_confidence=share, neighbors=neighbors,
                    contents=tuple(contents[key]), floor=floor, floor_z_m=self._heights_m[floor],
                )
            )  # fmt: skip
        return sorted(found, key=lambda room: -room.area.size_m2)

    def room_at(self, position_world_m: tuple[float, float, float]) -> str | None:
        """The id of the room that holds a point."""
        point = np.array([position_world_m])
        return next((key for key, area in self._areas.items() if area.contains(point)[0]), None)

    def floor_span_m(self, z_m: float) -> tuple[float, float]:
        """From which height to which one is on the floor of a height."""
        spans = storey_spans_m(self._heights_m)
        return next(span for span in spans if span[0] <= z_m < span[1])

    def area(self, room_id: str) -> Area:
        """The floor of a room."""
        return self._areas[room_id]

    def named(self, name: str, view: WorldView) -> list[Room]:
        """The rooms that an id or a name such as 'kitchen' or 'bedroom with a desk' means.

        Raises:
            InvalidQuery: no room was found yet, or none is called that.
        """
        return rooms_named(name, self.rooms(view), view, num_floors=len(self._heights_m))

    def region(self, name: str, view: WorldView) -> Region:
        """The floor of all rooms that a name means, or all of a floor such as 'upstairs', as one region."""
        slab = floors_called(name, len(self._heights_m))
        if slab is not None:
            spans = storey_spans_m(self._heights_m)
            return Region(box=_slab(spans[slab[0]][0], spans[slab[-1]][1]))
        rooms = self.named(name, view)
        floors = sorted({room.floor for room in rooms})
        first, *others = (
            Region(area=_united([room.area for room in rooms if room.floor == floor])) for floor in floors
        )
        return replace(first, also=tuple(others))

    def resolved(self, region: Region | None, view: WorldView) -> Region | None:
        """`region` with a room's name replaced by its area."""
        return region if region is None or region.room is None else self.region(region.room, view)

    def _neighbors(self, key: str) -> set[str]:
        return {b if a == key else a for a, b in self._links if key in (a, b)}

    def _new_id(self) -> str:
        number, self._next = self._next, self._next + 1
        return f"room/{number}"


def _within(area: Area, span_m: tuple[float, float]) -> Area:
    return replace(area, low_z_m=span_m[0], high_z_m=span_m[1])


def _united(areas: Sequence[Area]) -> Area:
    """Areas of one floor as one."""
    return replace(areas[0], is_inside=np.any([area.is_inside for area in areas], axis=0))


def _slab(low_z_m: float, high_z_m: float) -> Box:
    """Everything between two heights."""
    return Box(
        min_m=(-EVERYWHERE_M, -EVERYWHERE_M, max(low_z_m, -EVERYWHERE_M)),
        max_m=(EVERYWHERE_M, EVERYWHERE_M, min(high_z_m, EVERYWHERE_M)),
    )


def _area_text(area: Area) -> str:
    packed = base64.b64encode(zlib.compress(np.packbits(area.is_inside).tobytes())).decode()
    return json.dumps([*area.origin_world_m, area.cell_m, *area.is_inside.shape, packed])


def _area_from(text: str) -> Area:
    x0, y0, cell_m, nx, ny, packed = json.loads(text)
    bits = np.frombuffer(zlib.decompress(base64.b64decode(packed)), dtype=np.uint8)
    is_inside = np.unpackbits(bits)[: nx * ny].reshape(nx, ny).astype(bool)
    return Area(origin_world_m=(x0, y0), cell_m=cell_m, is_inside=is_inside)
