"""The rooms of the place: found in the map's free space, named by their contents, with ids that stay."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np

from embodied_mem.context.room_names import rooms_named
from embodied_mem.layers.world import places
from embodied_mem.layers.world.world_view import WorldView
from embodied_mem.messages import Area, FloorMap, Region, Room

RECORD = "rooms"
NEAR_THING_M = 1.2
"""Being 'at' a thing is being within this of its box."""
CEILING_M = 3.0


class RoomBook:
    """Areas by room id; loaded from the world's records when made, and written there when they change."""

    def __init__(self, view: WorldView) -> None:
        payload = json.loads(view.record(RECORD) or b'{"areas": [], "links": [], "next": 1}')
        self._areas = {room_id: _area_from(text) for room_id, text in payload["areas"]}
        self._links: set[tuple[str, str]] = {(a, b) for a, b in payload["links"]}
        self._next: int = payload["next"]
        self._computed: tuple[tuple[int, int | None, int | None], list[Room]] | None = None

    def survey(self, floor: FloorMap, view: WorldView) -> None:
        """Find the rooms anew in a floor plan; a room that mostly covers an earlier one is that room."""
        areas = places.find_areas(floor)
        if not areas:
            return
        ids: list[str] = []
        for area in areas:
            free = [(places.overlap(area, old), key) for key, old in self._areas.items() if key not in ids]
            share, key = max(free, default=(0.0, ""))
            ids.append(key if share >= places.SAME_ROOM_IOU else self._new_id())
        self._areas = dict(zip(ids, areas, strict=True))
        self._links = {(ids[a], ids[b]) for a, b in places.passages(areas, floor)}
        payload = {
            "areas": [(key, _area_text(area)) for key, area in self._areas.items()],
            "links": sorted(self._links), "next": self._next,
        }  # fmt: skip
        self._computed = None
        view.put_record(RECORD, json.dumps(payload).encode())

    def rooms(
        self, view: WorldView, *, as_of_ns: int | None = None, known_at_ns: int | None = None
    ) -> list[Room]:
        """All rooms with what is (was) in them; largest first."""
        key = (view.version, as_of_ns, known_at_ns)
        if self._computed is None or self._computed[0] != key:
            self._computed = (key, self._compute(view, as_of_ns, known_at_ns))
        return self._computed[1]

    def _compute(self, view: WorldView, as_of_ns: int | None, known_at_ns: int | None) -> list[Room]:
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
            neighbors = tuple(sorted(self._neighbors(key)))
            category, share = places.category_of(labels[key], num_neighbors=len(neighbors), area=area)
            found.append(
                Room(
                    room_id=key, area=area, category=category, category_confidence=share, neighbors=neighbors,
                    contents=tuple(contents[key]),
                )
            )  # fmt: skip
        return sorted(found, key=lambda room: -room.area.size_m2)

    def room_at(self, position_world_m: tuple[float, float, float]) -> str | None:
        """The id of the room that holds a point."""
        point = np.array([position_world_m])
        return next((key for key, area in self._areas.items() if area.contains(point)[0]), None)

    def area(self, room_id: str) -> Area:
        """The floor of a room."""
        return self._areas[room_id]

    def named(self, name: str, view: WorldView) -> list[Room]:
        """The rooms that an id or a name such as 'kitchen' or 'bedroom with a desk' means.

        Raises:
            InvalidQuery: no room was found yet, or none is called that.
        """
        return rooms_named(name, self.rooms(view), view)

    def region(self, name: str, view: WorldView) -> Region:
        """The floor of all rooms that a name means, as one region."""
        rooms = self.named(name, view)
        first = rooms[0].area
        is_inside = first.is_inside.copy()
        for room in rooms[1:]:
            is_inside |= room.area.is_inside
        return Region(
            area=Area(origin_world_m=first.origin_world_m, cell_m=first.cell_m, is_inside=is_inside)
        )

    def resolved(self, region: Region | None, view: WorldView) -> Region | None:
        """`region` with a room's name replaced by its area."""
        return region if region is None or region.room is None else self.region(region.room, view)

    def _neighbors(self, key: str) -> set[str]:
        return {b if a == key else a for a, b in self._links if key in (a, b)}

    def _new_id(self) -> str:
        number, self._next = self._next, self._next + 1
        return f"room/{number}"


def _area_text(area: Area) -> str:
    packed = base64.b64encode(zlib.compress(np.packbits(area.is_inside).tobytes())).decode()
    return json.dumps([*area.origin_world_m, area.cell_m, *area.is_inside.shape, packed])


def _area_from(text: str) -> Area:
    x0, y0, cell_m, nx, ny, packed = json.loads(text)
    bits = np.frombuffer(zlib.decompress(base64.b64decode(packed)), dtype=np.uint8)
    is_inside = np.unpackbits(bits)[: nx * ny].reshape(nx, ny).astype(bool)
    return Area(origin_world_m=(x0, y0), cell_m=cell_m, is_inside=is_inside)
